//! `stagecraft infra`: one module per verb, or per group of similar verbs.

mod again;
mod approve;
mod bootstrap;
mod confirm;
mod delete;
mod plan;
mod replace;
mod retag;
mod saved;
mod trust;
mod unlock;
mod up;

use stagecraft_core::{
    EnvironmentName, ErrorKind, Host, InfraPlan, Makes, MicroUsd, PlanMode, PlanRequest, Run,
};

use super::start_run;
use crate::args::{GlobalArgs, HostsCommand, InfraCommand};
use crate::exit::Exit;
use crate::output::Output;
use crate::progress::Progress;
use crate::{bundle, load, render, wire};

pub(super) async fn run(
    global: &GlobalArgs,
    command: &InfraCommand,
    output: Output,
) -> anyhow::Result<Exit> {
    bundle::begin(command.bundle(), global)?;
    match command {
        InfraCommand::Plan(args) => plan::run(global, args, output).await,
        InfraCommand::Up(args) => up::run(global, args, output).await,
        InfraCommand::Bootstrap(args) => bootstrap::run(global, args, output).await,
        InfraCommand::Down(args) => delete::down(global, args, output).await,
        InfraCommand::Prune(args) => delete::prune(global, args, output).await,
        InfraCommand::Reap(args) => delete::reap(global, args, output).await,
        InfraCommand::Adopt(args) => retag::adopt(global, args, output).await,
        InfraCommand::Unprotect(args) => retag::unprotect(global, args, output).await,
        InfraCommand::Replace(args) => Box::pin(replace::run(global, args, output)).await,
        InfraCommand::Unlock(args) => unlock::run(global, args, output).await,
        InfraCommand::Hosts { command: None } => hosts(global, output).await,
        InfraCommand::Hosts {
            command: Some(HostsCommand::Trust(args)),
        } => trust::run(global, args, output).await,
    }
}

async fn hosts(global: &GlobalArgs, output: Output) -> anyhow::Result<Exit> {
    let loaded = load::load(global)?;
    let environment = loaded.environment(global.env.as_ref())?;
    let progress = Progress::beside_a_document(output);
    let run = start_run(progress.sink(), &loaded);
    let hosts = loaded.cloud.hosts(&run, &environment).await?;
    let declared = match loaded.cloud.declared(&environment) {
        Ok(declared) => declared,
        // It may have been removed from the file, but then it has hosts; else it was mistyped.
        Err(error) if hosts.is_empty() => {
            return Err(loaded.with_place_of(&environment, error).into());
        }
        Err(_) => Vec::new(),
    };
    let is_declared = |host: &Host| {
        declared
            .iter()
            .any(|spec| host.name.as_ref() == Some(&spec.name))
    };
    let undeclared: Vec<&Host> = hosts.iter().filter(|host| !is_declared(host)).collect();
    let monthly = if undeclared.is_empty() {
        None
    } else {
        price_of(&loaded, &run, &environment, &undeclared).await?
    };
    progress.finish();
    if output.is_json() {
        let document = wire::HostsDocument::new(&environment, &hosts, &declared);
        output.document(&document.undeclared(&undeclared, monthly));
    } else if hosts.is_empty() {
        output.text(&format!("no hosts in {environment}\n"));
    } else {
        output.text(&render::hosts_text(&hosts, &declared));
        if !undeclared.is_empty() {
            let has_project = loaded.has_project();
            // An environment that was removed from the file cannot be pruned.
            let is_in_file = loaded.cloud.environments().contains(&environment);
            let verb = if is_in_file { "prune" } else { "down" };
            let count = undeclared.len();
            let text = render::undeclared_text(count, monthly, &environment, verb, has_project);
            output.text(&text);
        }
    }
    Ok(Exit::Done)
}

/// The monthly cost of hosts; `None` if the cloud does not report prices, or the token may not read
/// them. The hosts are listed all the same.
async fn price_of(
    loaded: &load::Loaded,
    run: &Run,
    environment: &EnvironmentName,
    hosts: &[&Host],
) -> anyhow::Result<Option<MicroUsd>> {
    let mut request = PlanRequest::new(environment.clone(), PlanMode::Destroy);
    request.makes = Makes::Nothing;
    let facts = match loaded.cloud.observe(run, &request).await {
        Ok(facts) => facts,
        Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error.into()),
        Err(error) => {
            tracing::debug!(%error, "the prices are not known");
            return Ok(None);
        }
    };
    let price = |host: &&Host| facts.monthly_of(host);
    Ok(hosts.iter().map(price).sum::<Option<MicroUsd>>())
}

/// Ends a dry run of a command that only changes the cloud.
fn end_dry_run(plan: &InfraPlan, progress: &Progress) -> Exit {
    progress.finish();
    let body = wire::Body::DryRun(wire::DryRunResult::new(plan, &[]));
    let text = || render::dry_run_text(plan, &[]);
    progress.end(Exit::Done, wire::Outcome::DryRun, body, text);
    Exit::Done
}
