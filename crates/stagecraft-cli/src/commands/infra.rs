//! `stagecraft infra`: one module for each verb, or for verbs that are alike.

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

use stagecraft_core::InfraPlan;

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
        // It may have left the file, but then it has hosts; else it was mistyped.
        Err(error) if hosts.is_empty() => return Err(error.into()),
        Err(_) => Vec::new(),
    };
    progress.finish();
    if output.is_json() {
        output.document(&wire::HostsDocument::new(&environment, &hosts, &declared));
    } else if hosts.is_empty() {
        output.text(&format!("no hosts in {environment}\n"));
    } else {
        output.text(&render::hosts_text(&hosts, &declared));
    }
    Ok(Exit::Done)
}

/// Ends a dry run of what works in the cloud only.
fn end_dry_run(plan: &InfraPlan, progress: &Progress) -> Exit {
    progress.finish();
    let body = wire::Body::DryRun(wire::DryRunResult::new(plan, &[]));
    let text = || render::dry_run_text(plan, &[]);
    progress.end(Exit::Done, wire::Outcome::DryRun, body, text);
    Exit::Done
}
