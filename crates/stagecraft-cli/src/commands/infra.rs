//! `stagecraft infra`: plan, up, down, hosts, unlock.

mod confirm;
mod down;
mod saved;
mod unlock;
mod up;

use stagecraft_core::{PlanMode, PlanRequest, SavedPlan};

use super::start_run;
use crate::args::{GlobalArgs, InfraCommand, PlanArgs};
use crate::exit::Exit;
use crate::output::Output;
use crate::progress::Progress;
use crate::{load, render, wire};

pub(super) async fn run(
    global: &GlobalArgs,
    command: &InfraCommand,
    output: Output,
) -> anyhow::Result<Exit> {
    match command {
        InfraCommand::Plan(args) => plan(global, args, output).await,
        InfraCommand::Up(args) => up::run(global, args, output).await,
        InfraCommand::Down(args) => down::run(global, args, output).await,
        InfraCommand::Unlock(args) => unlock::run(global, args, output).await,
        InfraCommand::Hosts => hosts(global, output).await,
    }
}

async fn plan(global: &GlobalArgs, args: &PlanArgs, output: Output) -> anyhow::Result<Exit> {
    let loaded = load::load(global)?;
    let environment = loaded.declared_environment(global.env.as_ref())?;
    let progress = Progress::beside_a_document(output);
    let run = start_run(progress.sink(), &loaded);
    let request = PlanRequest::new(environment, PlanMode::Reconcile);
    loaded.tell_login_keys()?;
    let planned = loaded.engine(false)?.plan(&run, &request).await?;
    progress.finish();
    if !output.is_json() {
        output.text(&render::plan_text(&planned));
    }
    if let Some(path) = &args.out {
        let saved = SavedPlan::new(request, planned.plan.clone(), &planned.facts);
        saved::write(&saved, path, global.dry_run, output)?;
    }
    let has_pending = planned.plan.has_pending();
    if output.is_json() {
        // Last: one document, or one error.
        let planned = wire::Planned::from(&planned);
        output.document(&wire::PlanDocument::from(planned));
    }
    Ok(if args.detailed_exitcode && has_pending {
        Exit::Pending
    } else {
        Exit::Done
    })
}

async fn hosts(global: &GlobalArgs, output: Output) -> anyhow::Result<Exit> {
    let loaded = load::load(global)?;
    let environment = loaded.environment(global.env.as_ref())?;
    let progress = Progress::beside_a_document(output);
    let run = start_run(progress.sink(), &loaded);
    let hosts = loaded.cloud.hosts(&run, &environment).await?;
    if hosts.is_empty() {
        loaded.cloud.declared(&environment)?;
    }
    progress.finish();
    if output.is_json() {
        output.document(&wire::HostsDocument::new(&environment, &hosts));
    } else if hosts.is_empty() {
        output.text(&format!("no hosts in {environment}\n"));
    } else {
        output.text(&render::hosts_text(&hosts));
    }
    Ok(Exit::Done)
}
