//! `stagecraft infra plan`.

use stagecraft_core::{Finding, PlanMode, PlanRequest, SavedPlan};
use stagecraft_engine::PruneOptions;

use super::saved;
use crate::args::{GlobalArgs, PlanArgs};
use crate::commands::start_run;
use crate::exit::Exit;
use crate::output::Output;
use crate::progress::Progress;
use crate::{load, render, wire};

pub(super) async fn run(
    global: &GlobalArgs,
    args: &PlanArgs,
    output: Output,
) -> anyhow::Result<Exit> {
    let loaded = load::load(global)?;
    let named = global.env.as_ref();
    let (mode, environment) = if args.destroy {
        // Hosts of an environment that has left the file still cost money.
        (PlanMode::Destroy, loaded.environment(named)?)
    } else if args.prune {
        (PlanMode::Prune, loaded.prunable_environment(named)?)
    } else {
        (PlanMode::Reconcile, loaded.declared_environment(named)?)
    };
    loaded.tell_login_keys()?;
    let progress = Progress::beside_a_document(output);
    let run = start_run(progress.sink(), &loaded);
    let mut request = PlanRequest::new(environment, mode);
    request.resize = args.resize.mode();
    args.selection.select(&mut request);
    let engine = loaded.engine(false)?;
    let mut planned = engine.plan(&run, &request).await?;
    progress.finish();
    if let Err(refusal) = engine.check_deletes(&planned, PruneOptions::default()) {
        planned.findings.push(Finding {
            host: None,
            message: refusal.to_string(),
            hint: refusal.hint().map(ToOwned::to_owned),
            is_guard: true,
        });
    }
    if !output.is_json() {
        output.text(&render::plan_text(&planned));
    }
    if let Some(path) = &args.out {
        let saved = SavedPlan::new(request, planned.plan.clone(), &planned.facts);
        saved::write(&saved, path, global.dry_run, output)?;
    }
    let has_pending = planned.plan.has_pending() || !planned.plan.protected.is_empty();
    if output.is_json() {
        // Last: one document, or one error.
        let planned = wire::Planned::from(&planned);
        output.document(&wire::PlanDocument::from(planned));
    }
    Ok(if args.detailed_exitcode && has_pending {
        Exit::Pending
    } else {
        Exit::Done
    })
}
