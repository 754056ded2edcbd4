//! `stagecraft infra down`, `prune` and `reap`.

use stagecraft_core::{ApplyReport, PlanMode, PlanRequest, Run};
use stagecraft_engine::{DownReport, Planned, PruneOptions};

use super::confirm::Question;
use crate::args::{DownArgs, GlobalArgs, PruneArgs, ReapArgs};
use crate::commands::start_run;
use crate::exit::Exit;
use crate::output::Output;
use crate::progress::Progress;
use crate::{load, render, wire};

/// What is to be deleted.
pub(super) struct Deletion<'a> {
    verb: &'static str,
    mode: PlanMode,
    select: &'a dyn Fn(&mut PlanRequest),
    options: PruneOptions,
    confirm: Option<&'a str>,
}

pub(super) async fn down(
    global: &GlobalArgs,
    args: &DownArgs,
    output: Output,
) -> anyhow::Result<Exit> {
    let deletion = Deletion {
        verb: "down",
        mode: PlanMode::Destroy,
        select: &|request| {
            args.selection.select(request);
            request.made_by.clone_from(&args.made_by);
        },
        options: PruneOptions::default(),
        confirm: args.confirm.confirm.as_deref(),
    };
    run(global, deletion, output).await
}

pub(super) async fn prune(
    global: &GlobalArgs,
    args: &PruneArgs,
    output: Output,
) -> anyhow::Result<Exit> {
    let deletion = Deletion {
        verb: "prune",
        mode: PlanMode::Prune,
        select: &|request| args.selection.select(request),
        options: PruneOptions {
            more_than_half: args.more_than_half,
        },
        confirm: args.confirm.confirm.as_deref(),
    };
    run(global, deletion, output).await
}

pub(super) async fn reap(
    global: &GlobalArgs,
    args: &ReapArgs,
    output: Output,
) -> anyhow::Result<Exit> {
    let deletion = Deletion {
        verb: "reap",
        mode: PlanMode::Reap,
        select: &|request| args.selection.select(request),
        options: PruneOptions::default(),
        confirm: args.confirm.confirm.as_deref(),
    };
    run(global, deletion, output).await
}

async fn run(global: &GlobalArgs, deletion: Deletion<'_>, output: Output) -> anyhow::Result<Exit> {
    let loaded = load::load(global)?;
    let environment = match deletion.mode {
        PlanMode::Prune => loaded.prunable_environment(global.env.as_ref())?,
        // Hosts of an environment that has left the file still cost money.
        _ => loaded.environment(global.env.as_ref())?,
    };
    let engine = loaded.engine(false)?;
    let progress = Progress::new(output);
    let run = start_run(progress.sink(), &loaded);
    let mut request = PlanRequest::new(environment, deletion.mode);
    (deletion.select)(&mut request);
    let plan = async |run: &Run| {
        let planned = engine.plan(run, &request).await;
        let planned = planned.map_err(|error| loaded.with_place_of(&request.environment, error))?;
        progress.planned(&planned);
        anyhow::Ok(planned)
    };
    if global.dry_run {
        let planned = plan(&run).await?;
        return Ok(super::end_dry_run(&planned.plan, &progress));
    }
    let work = async |run: Run| -> anyhow::Result<Ended> {
        let planned = plan(&run).await?;
        // Nobody is asked about what is refused anyway.
        engine.check_deletes(&planned, deletion.options)?;
        if planned.plan.is_empty() {
            return Ok(Ended::NothingToDo(planned));
        }
        let plan = &planned.plan;
        let question = Question {
            text: format!(
                "Delete {} with everything on {} {}?",
                render::plural(plan.delete.len(), "host"),
                render::them(plan.delete.len()),
                render::where_text(plan)
            ),
            about: "whether to delete hosts",
            nothing: "nothing was deleted",
        };
        let confirmation = question
            .confirm(deletion.confirm, &plan.environment, output, &progress, &run)
            .await?;
        let next = planned.next_end().cloned();
        let report = engine
            .prune(&run, planned, &confirmation, deletion.options)
            .await?;
        Ok(Ended::Deleted { report, next })
    };
    let ended = engine
        .with_lease(&run, &request.environment, deletion.verb, work)
        .await?;
    progress.finish();
    let (outcome, exit, result) = match &ended {
        Ended::NothingToDo(planned) => {
            let none = ApplyReport::default();
            let result = wire::DownResult::new(&planned.plan, &none, &[], planned.next_end());
            (wire::Outcome::Done, Exit::Done, result)
        }
        Ended::Deleted { report, next } => {
            let outcome = report.outcome();
            let result = wire::DownResult::of(report, next.as_ref());
            (outcome.into(), outcome.into(), result)
        }
    };
    let text = || match &ended {
        Ended::Deleted { report, .. } => render::down_text(report),
        // The plan has told it.
        Ended::NothingToDo(_) => String::new(),
    };
    progress.end(exit, outcome, wire::Body::Down(result), text);
    Ok(exit)
}

/// What it came to.
enum Ended {
    NothingToDo(Planned),
    Deleted {
        report: DownReport,
        /// The host that ends next.
        next: Option<stagecraft_core::HostRef>,
    },
}
