//! `stagecraft infra down`.

use stagecraft_core::{ApplyReport, Confirmation, PlanMode, PlanRequest, Run};
use stagecraft_engine::{DownReport, Planned};

use super::confirm::Question;
use crate::args::{DownArgs, GlobalArgs};
use crate::commands::start_run;
use crate::exit::Exit;
use crate::output::Output;
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
    let plan = async |run: &Run| {
        let planned = engine.plan(run, &request).await?;
        progress.planned(&planned);
        anyhow::Ok(planned)
    };
    if global.dry_run {
        let planned = plan(&run).await?;
        progress.finish();
        if output.is_json() {
            let result = wire::DryRunResult::new(&planned.plan, &[]);
            let body = wire::Body::DryRun(result);
            progress.result(Exit::Done, wire::Outcome::DryRun, body);
        }
        return Ok(Exit::Done);
    }
    let work = async |run: Run| -> anyhow::Result<Ended> {
        let planned = plan(&run).await?;
        if planned.plan.is_empty() {
            return Ok(Ended::NothingToDo(planned));
        }
        let confirmation = confirm(args, &planned, output, &progress, &run).await?;
        Ok(Ended::Down(
            engine.down(&run, planned, &confirmation).await?,
        ))
    };
    let ended = engine
        .with_lease(&run, &request.environment, "down", work)
        .await?;
    progress.finish();
    let (outcome, exit, result) = match &ended {
        Ended::NothingToDo(planned) => {
            let result = wire::DownResult::new(&planned.plan, &ApplyReport::default(), &[]);
            (wire::Outcome::Done, Exit::Done, result)
        }
        Ended::Down(report) => {
            let outcome = report.outcome();
            let result = wire::DownResult::from(report);
            (outcome.into(), outcome.into(), result)
        }
    };
    if output.is_json() {
        progress.result(exit, outcome, wire::Body::Down(result));
    } else if let Ended::Down(report) = &ended {
        output.text(&render::down_text(report));
    }
    Ok(exit)
}

/// What `down` came to.
enum Ended {
    NothingToDo(Planned),
    Down(DownReport),
}

async fn confirm(
    args: &DownArgs,
    planned: &Planned,
    output: Output,
    progress: &Progress,
    run: &Run,
) -> anyhow::Result<Confirmation> {
    let environment = &planned.plan.environment;
    let count = planned.plan.delete.len();
    let question = Question {
        text: format!(
            "Delete {count} host{} with everything on them?",
            if count == 1 { "" } else { "s" }
        ),
        about: "whether to delete hosts",
    };
    question
        .confirm(args.confirm.as_deref(), environment, output, progress, run)
        .await
}
