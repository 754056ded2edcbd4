//! `stagecraft infra replace`.

use stagecraft_core::Run;
use stagecraft_engine::ReplaceReport;

use super::again;
use super::confirm::Question;
use crate::args::{GlobalArgs, ReplaceArgs};
use crate::commands::start_run;
use crate::exit::Exit;
use crate::output::Output;
use crate::progress::Progress;
use crate::{load, render, wire};

pub(super) async fn run(
    global: &GlobalArgs,
    args: &ReplaceArgs,
    output: Output,
) -> anyhow::Result<Exit> {
    let loaded = load::load(global)?;
    let environment = loaded.declared_environment(global.env.as_ref())?;
    if !args.no_bootstrap {
        loaded.tell_login_keys()?;
    }
    let engine = loaded.engine(!args.no_bootstrap)?;
    let progress = Progress::new(output);
    let run = start_run(progress.sink(), &loaded);
    let plan = async |run: &Run| {
        let replacement = engine.plan_replace(run, &environment, &args.host).await?;
        progress.planned(&replacement.shown);
        anyhow::Ok(replacement)
    };
    if global.dry_run {
        let replacement = plan(&run).await?;
        return Ok(super::end_dry_run(&replacement.shown.plan, &progress));
    }
    let work = async |run: Run| -> anyhow::Result<ReplaceReport> {
        let replacement = plan(&run).await?;
        // Checked before asking: a refused plan needs no confirmation.
        replacement.check()?;
        if !args.no_bootstrap {
            loaded.check_login_key()?;
        }
        let plan = &replacement.shown.plan;
        let place = render::where_text(plan);
        let host = &args.host;
        let text = match plan.delete.first() {
            Some(old) => format!(
                "Delete {host} (id {}) with everything on it {place}, and make it anew?",
                old.id
            ),
            None => format!("There is no {host} to be deleted; make it {place}?"),
        };
        let question = Question {
            text,
            about: "whether to replace a host",
            nothing: "nothing was deleted",
        };
        let given = args.confirm.confirm.as_deref();
        let confirmation = question
            .confirm(given, &environment, output, &progress, &run)
            .await?;
        Ok(engine.replace(&run, replacement, &confirmation).await?)
    };
    // Boxed, because it contains the plans of both halves.
    let report = Box::pin(engine.with_lease(&run, &environment, "replace", work)).await?;
    progress.finish();
    let outcome = report.outcome();
    let body = wire::Body::Replace(wire::ReplaceResult::from(&report));
    let text = || {
        let hosts = report.up.as_ref().map_or(&[][..], |up| &up.hosts);
        let next = again::bootstrap(global, &environment, hosts);
        render::replace_text(&report, &next)
    };
    progress.end(outcome.into(), outcome, body, text);
    Ok(outcome.into())
}
