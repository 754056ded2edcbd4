//! `stagecraft infra down`, `prune` and `reap`.

use stagecraft_core::{ApplyReport, HostRef, PlanMode, PlanRequest, Run};
use stagecraft_engine::{DownReport, Outcome, Planned, PruneOptions};

use super::confirm::Question;
use crate::args::{DownArgs, GlobalArgs, PruneArgs, ReapArgs};
use crate::commands::start_run;
use crate::exit::Exit;
use crate::output::{BOLD, Output, RESET};
use crate::progress::Progress;
use crate::{load, render, wire};

/// What to delete.
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
        // Hosts of an environment that was removed from the file still cost money.
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
        let mut planned = plan(&run).await?;
        // Checked before asking: a refused plan needs no confirmation.
        engine.check_deletes(&planned, deletion.options)?;
        ask_for_held(&mut planned, output, &progress, &run).await?;
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
    let (outcome, result, plan) = match &ended {
        Ended::NothingToDo(planned) => {
            let none = ApplyReport::default();
            let result = wire::DownResult::new(&planned.plan, &none, &[], planned.next_end());
            (Outcome::Done, result, &planned.plan)
        }
        Ended::Deleted { report, next } => {
            let result = wire::DownResult::of(report, next.as_ref());
            (report.outcome(), result, &report.plan)
        }
    };
    // Expired by one source and not by the other; the user has to settle that.
    let outcome = match outcome {
        Outcome::Done if !plan.held.is_empty() => Outcome::Partial,
        outcome => outcome,
    };
    let text = || {
        let text = match &ended {
            Ended::Deleted { report, .. } => render::down_text(report),
            // The plan has shown it.
            Ended::NothingToDo(_) => String::new(),
        };
        text + &render::held_hosts_text(plan)
    };
    progress.end(outcome.into(), outcome, wire::Body::Down(result), text);
    Ok(outcome.into())
}

/// Asks for the name of each host that is expired by its tag but not by the file. Hosts whose name
/// is not typed, or cannot be, stay.
async fn ask_for_held(
    planned: &mut Planned,
    output: Output,
    progress: &Progress,
    run: &Run,
) -> anyhow::Result<()> {
    if !output.can_ask() {
        return Ok(());
    }
    for entry in planned.plan.held.clone() {
        let HostRef { name, id, .. } = &entry.host;
        let question = format!(
            "The time of {name} (id {id}) is over by its tag, but {}. To delete it with everything on it all the same, type the host's name, {BOLD}{name}{RESET}:",
            render::held_text(&entry)
        );
        let typed = progress.ask(&question, run).await;
        run.check()?;
        // Any other answer keeps the host.
        if typed.as_deref() == Some(name) {
            planned.plan.release(id, name)?;
        }
    }
    Ok(())
}

/// The outcome of the command.
enum Ended {
    NothingToDo(Planned),
    Deleted {
        report: DownReport,
        /// The host that expires next.
        next: Option<HostRef>,
    },
}
