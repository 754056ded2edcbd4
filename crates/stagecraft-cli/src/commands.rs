//! One function for each command.

mod config;
mod infra;
mod init;
mod providers;
mod sandbox;

use std::sync::Arc;

use stagecraft_core::{EventSink, Lookup, Run};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Cli, Command, EventsCommand};
use crate::exit::Exit;
use crate::load::Loaded;
use crate::output::{DIM, Output, RESET};
use crate::{bundle, completion, wire};

/// Runs the command that was given.
pub(crate) async fn run(cli: Cli, output: Output) -> anyhow::Result<Exit> {
    let Cli { global, command } = cli;
    let reads_config = matches!(
        command,
        Command::Config(_) | Command::Infra(_) | Command::Sandbox(_)
    );
    if let Some(found) = global.found_config().filter(|_| reads_config)
        && !output.is_json()
    {
        output.message(&format!("{DIM}using {}{RESET}", found.display()));
    }
    match command {
        Command::Init(args) => init::run(&global, &args, output).await,
        Command::Config(command) => config::run(&global, &command, output).await,
        Command::Providers(args) => providers::run(&args, output),
        Command::Events(EventsCommand::Schema) => {
            output.document(&wire::schema());
            Ok(Exit::Done)
        }
        Command::Infra(command) => infra::run(&global, &command, output).await,
        Command::Sandbox(args) => sandbox::run(&global, args, output).await,
        Command::Completions { shell } => {
            output.text(&completion::script(shell)?);
            Ok(Exit::Done)
        }
        Command::Version => {
            let version = env!("CARGO_PKG_VERSION");
            if output.is_json() {
                output.document(&wire::VersionDocument::new(version));
            } else {
                output.text(&format!("stagecraft {version}\n"));
            }
            Ok(Exit::Done)
        }
    }
}

/// A run of one operation, which the first Ctrl-C (or SIGTERM) cancels and the second ends.
fn start_run(events: Arc<dyn EventSink>, loaded: &Loaded) -> Run {
    let run = Run::new(events, Arc::clone(&loaded.lookup) as Arc<dyn Lookup>);
    bundle::watch(&run);
    let cancel = run.cancellation().clone();
    tokio::spawn(async move {
        interruption().await;
        cancel.cancel();
        interruption().await;
        #[expect(
            clippy::disallowed_methods,
            clippy::exit,
            reason = "the second interruption ends the program without waiting for anything"
        )]
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
    run
}

/// Waits for Ctrl-C, a request to terminate, or the end of the terminal.
async fn interruption() -> Interruption {
    let (Ok(mut terminate), Ok(mut hangup)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    ) else {
        // Without a handler the signal ends the program by itself.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Interruption::Keyboard,
        _ = terminate.recv() => Interruption::Terminate,
        _ = hangup.recv() => Interruption::Terminate,
    }
}

/// What kind of end was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interruption {
    /// Ctrl-C, which the terminal sends to every program in front.
    Keyboard,
    /// A signal to this program alone, or the terminal is gone.
    Terminate,
}
