//! `stagecraft infra bootstrap`.

use stagecraft_core::{PlanMode, PlanRequest, Run};
use stagecraft_engine::{BootstrapReport, Outcome};

use super::again;
use super::approve::Question;
use crate::args::{BootstrapArgs, GlobalArgs};
use crate::commands::start_run;
use crate::exit::Exit;
use crate::output::Output;
use crate::progress::Progress;
use crate::{load, render, wire};

pub(super) async fn run(
    global: &GlobalArgs,
    args: &BootstrapArgs,
    output: Output,
) -> anyhow::Result<Exit> {
    let loaded = load::load(global)?;
    let environment = loaded.declared_environment(global.env.as_ref())?;
    loaded.tell_login_keys()?;
    loaded.check_login_key()?;
    let engine = loaded.engine(true)?;
    let progress = Progress::new(output);
    let run = start_run(progress.sink(), &loaded);
    let mut request = PlanRequest::new(environment, PlanMode::Reconcile);
    args.selection.select(&mut request);
    let report = if global.dry_run {
        let existing = engine.existing(&run, &request).await?;
        progress.at_work();
        engine.check_login(&run, &existing.planned).await?;
        engine.bootstrap_dry_run(&run, existing).await
    } else {
        let work = async |run: Run| -> anyhow::Result<BootstrapReport> {
            let existing = engine.existing(&run, &request).await?;
            progress.at_work();
            if args.yes {
                return Ok(engine.bootstrap(&run, existing).await?);
            }
            let planned = &existing.planned;
            engine.check_existing(&run, planned).await?;
            let look = engine.look(&run, planned).await;
            run.check()?;
            if !look.changes().is_empty() {
                progress.found(&look);
                let question = Question::about_hosts(planned, &look);
                question.ask(output, &progress, &run).await?;
            }
            let approval = look.approve_shown();
            let work = engine.bootstrap_looked(&run, existing, look, approval);
            Ok(work.await?)
        };
        engine
            .with_lease(&run, &request.environment, "bootstrap", work)
            .await?
    };
    progress.finish();
    let outcome = report.outcome();
    let word = match outcome {
        Outcome::Done if global.dry_run => wire::Outcome::DryRun,
        outcome => outcome.into(),
    };
    let result = wire::BootstrapResult::from(&report);
    let text = || {
        let next = again::bootstrap(global, &request.environment, &report.hosts);
        render::bootstrap_text(&report, global.dry_run, &next)
    };
    progress.end(outcome.into(), word, wire::Body::Bootstrap(result), text);
    Ok(outcome.into())
}
