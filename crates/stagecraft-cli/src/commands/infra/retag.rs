//! `stagecraft infra adopt` and `unprotect`.

use std::collections::BTreeSet;

use stagecraft_core::{ApplyReport, PlanMode, PlanRequest, Run};
use stagecraft_engine::{Planned, RetagReport};

use super::confirm::Question;
use crate::args::{GlobalArgs, NamedArgs};
use crate::commands::start_run;
use crate::exit::Exit;
use crate::output::{Output, RESET, YELLOW};
use crate::progress::Progress;
use crate::{load, render, wire};

pub(super) async fn adopt(
    global: &GlobalArgs,
    args: &NamedArgs,
    output: Output,
) -> anyhow::Result<Exit> {
    run(global, args, PlanMode::Adopt, output).await
}

pub(super) async fn unprotect(
    global: &GlobalArgs,
    args: &NamedArgs,
    output: Output,
) -> anyhow::Result<Exit> {
    run(global, args, PlanMode::Unprotect, output).await
}

async fn run(
    global: &GlobalArgs,
    args: &NamedArgs,
    mode: PlanMode,
    output: Output,
) -> anyhow::Result<Exit> {
    let is_adopt = mode == PlanMode::Adopt;
    let loaded = load::load(global)?;
    let environment = if is_adopt {
        loaded.declared_environment(global.env.as_ref())?
    } else {
        loaded.environment(global.env.as_ref())?
    };
    let engine = loaded.engine(false)?;
    let progress = Progress::new(output);
    let run = start_run(progress.sink(), &loaded);
    let mut request = PlanRequest::new(environment, mode);
    request.hosts.extend(args.hosts.iter().cloned());
    let plan = async |run: &Run| {
        let planned = engine.plan(run, &request).await;
        let planned = planned.map_err(|error| loaded.with_place_of(&request.environment, error))?;
        progress.planned(&planned);
        if !output.is_json() {
            progress.pause(|| output.text(&render::as_wanted_text(&planned)));
            for host in protected_by_file(&planned) {
                let text = format!(
                    "{YELLOW}warning:{RESET} the file declares `protect: true` for {host}: it stays protected until that line is removed, and the next `up` gives it the tag again"
                );
                progress.pause(|| output.message(&text));
            }
        }
        anyhow::Ok(planned)
    };
    if global.dry_run {
        let planned = plan(&run).await?;
        return Ok(super::end_dry_run(&planned.plan, &progress));
    }
    let work = async |run: Run| -> anyhow::Result<Ended> {
        let planned = plan(&run).await?;
        planned.check_adoption()?;
        let plan = &planned.plan;
        if plan.is_empty() {
            return Ok(Ended::NothingToDo(planned));
        }
        let count = render::plural(plan.retag.len(), "host");
        let place = render::where_text(plan);
        let question = Question {
            text: if is_adopt {
                let them = render::them(plan.retag.len());
                format!("Make {count} yours {place}, so that `up` and `down` work on {them}?")
            } else {
                format!("Take the protection of {count} away {place}?")
            },
            about: if is_adopt {
                "whether to adopt hosts"
            } else {
                "whether to take protection away"
            },
            nothing: "nothing was changed",
        };
        let given = args.confirm.confirm.as_deref();
        let confirmation = question
            .confirm(given, &plan.environment, output, &progress, &run)
            .await?;
        let protected_by_file = protected_by_file(&planned);
        let report = engine.retag(&run, planned, &confirmation).await?;
        Ok(Ended::Retagged {
            report,
            protected_by_file,
        })
    };
    let verb = if is_adopt { "adopt" } else { "unprotect" };
    let ended = engine
        .with_lease(&run, &request.environment, verb, work)
        .await?;
    progress.finish();
    let (outcome, exit, result) = match &ended {
        Ended::NothingToDo(planned) => {
            let none = ApplyReport::default();
            let protected = protected_by_file(planned);
            let result = wire::RetagResult::new(&planned.plan, &none, &[], &protected);
            (wire::Outcome::Done, Exit::Done, result)
        }
        Ended::Retagged {
            report,
            protected_by_file,
        } => {
            let outcome = report.outcome();
            let (plan, apply) = (&report.plan, &report.apply);
            let result = wire::RetagResult::new(plan, apply, &report.refused, protected_by_file);
            (outcome.into(), outcome.into(), result)
        }
    };
    if output.is_json() {
        progress.result(exit, outcome, wire::Body::Retag(result));
    } else if let Ended::Retagged { report, .. } = &ended {
        output.text(&render::retag_text(report));
    }
    Ok(exit)
}

/// The outcome of the command.
enum Ended {
    NothingToDo(Planned),
    Retagged {
        report: RetagReport,
        /// Hosts that the file still protects.
        protected_by_file: Vec<String>,
    },
}

/// The named hosts of a plan to remove protection that the file still protects, including those
/// without a tag of protection.
fn protected_by_file(planned: &Planned) -> Vec<String> {
    let plan = &planned.plan;
    if plan.mode != PlanMode::Unprotect {
        return Vec::new();
    }
    let protected = plan.existing().filter(|host| host.protection.by_file);
    let names: BTreeSet<&String> = protected.map(|host| &host.name).collect();
    names.into_iter().cloned().collect()
}
