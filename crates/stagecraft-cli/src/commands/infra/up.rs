//! `stagecraft infra up`.

use stagecraft_core::{PlanMode, PlanRequest, Run, SavedPlan};
use stagecraft_engine::{Engine, Outcome, Planned, UpOptions, UpReport};

use super::approve::Question;
use super::{again, saved};
use crate::args::{GlobalArgs, UpArgs};
use crate::commands::start_run;
use crate::exit::Exit;
use crate::output::Output;
use crate::progress::Progress;
use crate::{load, render, wire};

pub(super) async fn run(
    global: &GlobalArgs,
    args: &UpArgs,
    output: Output,
) -> anyhow::Result<Exit> {
    let loaded = load::load(global)?;
    let saved = match &args.plan {
        Some(path) => Some(saved::read(path, global.env.as_ref())?),
        None => None,
    };
    let request = if let Some(saved) = &saved {
        saved.request().clone()
    } else {
        let environment = loaded.declared_environment(global.env.as_ref())?;
        let mut request = PlanRequest::new(environment, PlanMode::Reconcile);
        request.resize = args.resize.mode();
        args.selection.select(&mut request);
        request
    };
    if !args.no_bootstrap {
        loaded.tell_login_keys()?;
    }
    let engine = loaded.engine(!args.no_bootstrap)?;
    let progress = Progress::new(output);
    let run = start_run(progress.sink(), &loaded);
    let check = |planned: &Planned| match &saved {
        Some(saved) => saved.check(&SavedPlan::new(
            request.clone(),
            planned.plan.clone(),
            &planned.facts,
        )),
        None => Ok(()),
    };
    if global.dry_run {
        let planned = engine.plan(&run, &request).await?;
        check(&planned)?;
        engine.check_login(&run, &planned).await?;
        return dry_run(&engine, &planned, saved.as_ref(), &progress, &run).await;
    }
    let work = async |run: Run| -> anyhow::Result<UpReport> {
        let planned = engine.plan(&run, &request).await?;
        check(&planned)?;
        progress.planned(&planned);
        let options = UpOptions {
            allow_differ: args.allow_differ,
        };
        let has_key = if planned.plan.create.is_empty() || args.no_bootstrap {
            Ok(())
        } else {
            loaded.check_login_key()
        };
        let asks = !args.yes && saved.is_none();
        let checked = has_key.and_then(|()| Ok(planned.check(options)?));
        // Checked before asking: a refused plan needs no confirmation.
        if let Err(refusal) = checked {
            let Some(left) = planned.broken_off() else {
                return Err(refusal);
            };
            let question = Question::about(&left, None);
            if asks && question.ask(output, &progress, &run).await.is_err() {
                return Err(refusal);
            }
            engine.bring_back(&run, &planned).await?;
            return Err(refusal);
        }
        if args.yes && saved.is_none() {
            return Ok(engine.up(&run, planned, options).await?);
        }
        if asks && !planned.plan.is_empty() {
            Question::about(&planned.plan, None).can_be_asked(output)?;
        }
        engine.check_secrets(&run, &planned).await?;
        let look = engine.look(&run, &planned).await;
        run.check()?;
        let approval = if let Some(saved) = &saved {
            saved.check_hosts(&look.changes())?;
            look.approve_only(saved.host_changes())
        } else {
            if look.needs_approval() {
                progress.found(&look);
            }
            if look.needs_approval() || !planned.plan.is_empty() {
                let question = Question::about(&planned.plan, Some(&look));
                question.ask(output, &progress, &run).await?;
            }
            look.approve_shown()
        };
        let up = engine.up_looked(&run, planned, options, look, approval);
        Ok(up.await?)
    };
    let report = engine
        .with_lease(&run, &request.environment, "up", work)
        .await?;
    progress.finish();
    let outcome = report.outcome();
    let body = wire::Body::Up(wire::UpResult::from(&report));
    let text = || {
        let next = again::bootstrap(global, &request.environment, &report.hosts);
        render::up_text(&report, &undo_command(global, &report), &next)
    };
    progress.end(outcome.into(), outcome, body, text);
    Ok(outcome.into())
}

/// The command that deletes exactly the hosts that a run created.
fn undo_command(global: &GlobalArgs, report: &UpReport) -> String {
    let config = global.config_option();
    let environment = &report.plan.environment;
    let run = &report.run;
    format!("stagecraft infra down --env {environment} --made-by {run}{config}")
}

async fn dry_run(
    engine: &Engine,
    planned: &Planned,
    saved: Option<&SavedPlan>,
    progress: &Progress,
    run: &Run,
) -> anyhow::Result<Exit> {
    progress.planned(planned);
    let report = engine.dry_run(run, planned).await;
    progress.finish();
    if let Some(saved) = saved {
        saved.check_hosts(&report.changes())?;
    }
    let outcome = report.outcome();
    let hosts = report.hosts();
    let word = match outcome {
        Outcome::Done => wire::Outcome::DryRun,
        failed => failed.into(),
    };
    let body = wire::Body::DryRun(wire::DryRunResult::new(&planned.plan, &hosts));
    let text = || render::dry_run_text(&planned.plan, &hosts);
    progress.end(outcome.into(), word, body, text);
    Ok(outcome.into())
}
