//! `stagecraft infra plan`.

use stagecraft_core::{Error, Finding, PlanMode, PlanRequest, SavedPlan};
use stagecraft_engine::{DryRunReport, Engine, Outcome, Planned, PruneOptions, UpOptions};

use super::saved;
use crate::args::{GlobalArgs, PlanArgs};
use crate::commands::start_run;
use crate::exit::Exit;
use crate::output::Output;
use crate::progress::Progress;
use crate::render::OnHosts;
use crate::{load, render, wire};

pub(super) async fn run(
    global: &GlobalArgs,
    args: &PlanArgs,
    output: Output,
) -> anyhow::Result<Exit> {
    let loaded = load::load(global)?;
    let named = global.env.as_ref();
    let (mode, environment) = if args.destroy {
        // Hosts of an environment that was removed from the file still cost money.
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
    let engine = loaded.engine(args.look)?;
    let planned = engine.plan(&run, &request).await;
    let mut planned = planned.map_err(|error| loaded.with_place_of(&request.environment, error))?;
    let refusal = check(&engine, &planned).err();
    if let Some(refusal) = refusal.as_ref().filter(|_| mode.deletes()) {
        planned.findings.push(Finding {
            host: None,
            message: refusal.to_string(),
            hint: refusal.hint().map(ToOwned::to_owned),
            is_guard: true,
        });
    }
    let looked = if args.look {
        Some(engine.dry_run(&run, &planned).await)
    } else {
        None
    };
    progress.finish();
    let hosts = looked.as_ref().map(DryRunReport::hosts);
    if !output.is_json() {
        let on_hosts = hosts.as_deref().map_or(OnHosts::NotRead, OnHosts::Read);
        output.text(&render::plan_text(&planned, on_hosts));
        if refusal.is_some() {
            output.text(render::REFUSED);
        }
    }
    if let Some(path) = &args.out {
        let mut saved = SavedPlan::new(request, planned.plan.clone(), &planned.facts);
        if let Some(looked) = &looked {
            saved = saved.with_host_changes(looked.changes());
        }
        let next = saved::Next::of(&saved, refusal.is_some());
        saved::write(&saved, path, global.dry_run, next, output)?;
    }
    let mut has_pending = planned.plan.has_pending() || !planned.plan.protected.is_empty();
    if output.is_json() {
        // Last: one document, or one error.
        let document = wire::PlanDocument::from(wire::Planned::from(&planned));
        let document = document.refused(refusal.is_some());
        output.document(&match &hosts {
            Some(hosts) => document.with_hosts(hosts),
            None => document,
        });
    }
    if let Some(refusal) = &refusal {
        return Ok(Exit::of_error(refusal));
    }
    if let Some(looked) = &looked {
        has_pending |= !looked.changes().is_empty();
        let outcome = looked.outcome();
        if outcome != Outcome::Done {
            return Ok(outcome.into());
        }
    }
    Ok(if args.detailed_exitcode && has_pending {
        Exit::Pending
    } else {
        Exit::Done
    })
}

/// Fails if the command that applies this plan would refuse it. Drift does not count: what to do
/// about it is a choice of that command.
fn check(engine: &Engine, planned: &Planned) -> Result<(), Error> {
    if planned.plan.mode.deletes() {
        return engine.check_deletes(planned, PruneOptions::default());
    }
    planned.check(UpOptions { allow_differ: true })
}
