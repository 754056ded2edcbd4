//! One function for each command.

mod config;
mod infra;
mod init;
mod providers;
mod sandbox;

use std::sync::Arc;
use std::time::Duration;

use stagecraft_core::{EventSink, Lookup, Run};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::args::{Cli, Command, EventsCommand};
use crate::exit::Exit;
use crate::load::Loaded;
use crate::output::{DIM, Output, RESET};
use crate::{completion, recording, wire};

/// Runs the given command.
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

/// A further signal this soon after the first counts as the same request to end.
///
/// `timeout` of the coreutils sends its signal to the program and then to the program's group,
/// which reaches it twice within moments; so do shells and wrappers that pass signals on. No user
/// presses Ctrl-C twice that fast. The second request leaves the lease behind, so it must be meant.
const SAME: Duration = Duration::from_millis(200);
/// The same for SIGTERM and SIGHUP, which programs send: none means a second one so soon.
const SAME_OF_PROGRAMS: Duration = Duration::from_secs(2);

/// Starts a run of one operation. The first Ctrl-C (or SIGTERM) cancels it and the second ends it.
fn start_run(events: Arc<dyn EventSink>, loaded: &Loaded) -> Run {
    let run = Run::new(events, Arc::clone(&loaded.lookup) as Arc<dyn Lookup>);
    recording::watch(&run);
    let cancel = run.cancellation().clone();
    // Before anything else, so that no early signal is lost.
    let mut interruptions = Interruptions::listen();
    tokio::spawn(async move {
        interruptions.next().await;
        cancel.cancel();
        interruptions.next_meant().await;
        #[expect(
            clippy::disallowed_methods,
            clippy::exit,
            reason = "the second interruption ends the program without waiting for anything"
        )]
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
    run
}

/// Requests to end: Ctrl-C, SIGTERM, or the end of the terminal.
#[derive(Debug)]
struct Interruptions {
    /// The signals; `None` without handlers, where a signal ends the program by itself.
    signals: Option<[Signal; 3]>,
    first: Option<Instant>,
}

impl Interruptions {
    fn listen() -> Self {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let [Ok(interrupt), Ok(terminate), Ok(hangup)] = kinds.map(signal) else {
            return Self {
                signals: None,
                first: None,
            };
        };
        Self {
            signals: Some([interrupt, terminate, hangup]),
            first: None,
        }
    }

    /// Waits for the next signal.
    async fn next(&mut self) -> Interruption {
        let Some([interrupt, terminate, hangup]) = &mut self.signals else {
            return std::future::pending().await;
        };
        let kind = tokio::select! {
            _ = interrupt.recv() => Interruption::Keyboard,
            _ = terminate.recv() => Interruption::Terminate,
            _ = hangup.recv() => Interruption::Terminate,
        };
        self.first.get_or_insert_with(Instant::now);
        kind
    }

    /// Waits for the next signal that is not an echo of the first one.
    async fn next_meant(&mut self) -> Interruption {
        loop {
            let kind = self.next().await;
            let since = self.first.map(|first| first.elapsed()).unwrap_or_default();
            let same = match kind {
                Interruption::Keyboard => SAME,
                Interruption::Terminate => SAME_OF_PROGRAMS,
            };
            if since > same {
                return kind;
            }
        }
    }
}

/// The kind of a request to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interruption {
    /// Ctrl-C, which the terminal sends to every foreground program.
    Keyboard,
    /// A signal to this program alone, or the end of the terminal.
    Terminate,
}
