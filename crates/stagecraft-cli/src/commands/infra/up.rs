//! `stagecraft infra up`.

use stagecraft_core::{Error, ErrorKind, PlanMode, PlanRequest, Run, SavedPlan};
use stagecraft_engine::{Engine, Outcome, Planned, UpOptions, UpReport};

use super::saved;
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
    let request = match &saved {
        Some(saved) => saved.request().clone(),
        None => PlanRequest::new(
            loaded.declared_environment(global.env.as_ref())?,
            PlanMode::Reconcile,
        ),
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
        return Ok(dry_run(&engine, &planned, output, &progress, &run).await);
    }
    let work = async |run: Run| -> anyhow::Result<UpReport> {
        let planned = engine.plan(&run, &request).await?;
        check(&planned)?;
        progress.planned(&planned);
        if !planned.plan.create.is_empty() && !args.no_bootstrap {
            loaded.check_login_key()?;
        }
        if !planned.plan.create.is_empty() && !args.yes && saved.is_none() {
            approve(&planned, output, &progress, &run).await?;
        }
        let options = UpOptions {
            allow_differ: args.allow_differ,
        };
        Ok(engine.up(&run, planned, options).await?)
    };
    let report = engine
        .with_lease(&run, &request.environment, "up", work)
        .await?;
    progress.finish();
    let outcome = report.outcome();
    if output.is_json() {
        let result = wire::UpResult::from(&report);
        progress.result(outcome.into(), outcome, wire::Body::Up(result));
    } else {
        output.text(&render::up_text(&report));
    }
    Ok(outcome.into())
}

async fn dry_run(
    engine: &Engine,
    planned: &Planned,
    output: Output,
    progress: &Progress,
    run: &Run,
) -> Exit {
    progress.planned(planned);
    let reports = engine.dry_run(run, planned).await;
    progress.finish();
    let outcome = Outcome::of_hosts(&reports, run.cancellation().is_cancelled());
    if output.is_json() {
        let result = wire::DryRunResult::new(&planned.plan, &reports);
        let word = match outcome {
            Outcome::Done => wire::Outcome::DryRun,
            failed => failed.into(),
        };
        progress.result(outcome.into(), word, wire::Body::DryRun(result));
    } else {
        output.text(&render::dry_run_text(&reports));
    }
    outcome.into()
}

async fn approve(
    planned: &Planned,
    output: Output,
    progress: &Progress,
    run: &Run,
) -> anyhow::Result<()> {
    let plan = &planned.plan;
    if !output.can_ask() {
        return Err(Error::new(
            ErrorKind::Guard,
            "nobody can be asked here whether to create hosts",
        )
        .with_hint("add --yes to go on without asking")
        .into());
    }
    let count = plan.create.len();
    let question = format!(
        "Create {count} host{} in account {} ({})? [y/N]",
        if count == 1 { "" } else { "s" },
        plan.account.name,
        plan.endpoint
    );
    let answer = progress.ask(&question, run).await;
    run.check()?;
    match answer.map(|answer| answer.to_lowercase()).as_deref() {
        Some("y" | "yes") => Ok(()),
        _ => Err(Error::new(ErrorKind::Guard, "not confirmed; nothing was done").into()),
    }
}
