//! `stagecraft infra down`.

use stagecraft_core::{ApplyReport, Confirmation, Error, ErrorKind, PlanMode, PlanRequest, Run};
use stagecraft_engine::Planned;

use crate::args::{DownArgs, GlobalArgs};
use crate::commands::start_run;
use crate::exit::Exit;
use crate::output::{BOLD, Output, RESET};
use crate::progress::Progress;
use crate::{load, render, wire};

pub(super) async fn run(
    global: &GlobalArgs,
    args: &DownArgs,
    output: Output,
) -> anyhow::Result<Exit> {
    let loaded = load::load(global)?;
    let environment = loaded.environment(global.env.as_ref())?;
    let engine = loaded.engine(false)?;
    let progress = Progress::new(output);
    let run = start_run(progress.sink(), &loaded);
    let request = PlanRequest::new(environment, PlanMode::Destroy);
    let planned = engine.plan(&run, &request).await?;
    progress.planned(&planned);
    if planned.plan.is_empty() || global.dry_run {
        progress.finish();
        if output.is_json() {
            let plan = &planned.plan;
            let (outcome, body) = if global.dry_run {
                let result = wire::DryRunResult::new(plan, &[]);
                (wire::Outcome::DryRun, wire::Body::DryRun(result))
            } else {
                let result = wire::DownResult::new(plan, &ApplyReport::default(), &[]);
                (wire::Outcome::Done, wire::Body::Down(result))
            };
            progress.result(Exit::Done, outcome, body);
        }
        return Ok(Exit::Done);
    }
    let confirmation = confirm(args, &planned, output, &progress, &run).await?;
    let report = engine.down(&run, planned, &confirmation).await?;
    progress.finish();
    let outcome = report.outcome();
    if output.is_json() {
        let result = wire::DownResult::from(&report);
        progress.result(outcome.into(), outcome, wire::Body::Down(result));
    } else {
        output.text(&render::down_text(&report));
    }
    Ok(outcome.into())
}

async fn confirm(
    args: &DownArgs,
    planned: &Planned,
    output: Output,
    progress: &Progress,
    run: &Run,
) -> anyhow::Result<Confirmation> {
    let environment = &planned.plan.environment;
    let typed = match &args.confirm {
        Some(typed) => typed.clone(),
        None if output.can_ask() => {
            let count = planned.plan.delete.len();
            let question = format!(
                "Delete {count} host{} with everything on them? Type the environment's name, {BOLD}{environment}{RESET}:",
                if count == 1 { "" } else { "s" }
            );
            let answer = progress.ask(&question, run).await;
            run.check()?;
            answer.unwrap_or_default()
        }
        None => {
            return Err(Error::new(
                ErrorKind::Guard,
                "nobody can be asked here whether to delete hosts",
            )
            .with_hint(format!("add --confirm {environment}"))
            .into());
        }
    };
    Ok(Confirmation::typed(&typed, environment)?)
}
