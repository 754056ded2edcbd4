//! The one place that prints: results to standard output, all else to standard error.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::args::OutputFormat;
use crate::wire::{Event, Lines};

/// Where results and messages go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: OutputFormat,
}

#[expect(
    clippy::unused_self,
    reason = "whoever prints holds the value that may"
)]
impl Output {
    pub(crate) fn new(format: OutputFormat) -> Self {
        Self { format }
    }

    pub(crate) fn is_json(self) -> bool {
        self.format == OutputFormat::Json
    }

    /// Whether somebody sits there who can be asked.
    pub(crate) fn can_ask(self) -> bool {
        !self.is_json() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Whether bars may be drawn.
    pub(crate) fn can_draw(self) -> bool {
        !self.is_json() && std::io::stderr().is_terminal()
    }

    /// Prints a result for people. Colours are cut where they are not wanted.
    pub(crate) fn text(self, text: &str) {
        let mut out = anstream::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        // A reader that has gone away, such as `head`, is no failure.
        if let Err(error) = written
            && error.kind() != ErrorKind::BrokenPipe
            && !LOST.swap(true, Ordering::Relaxed)
        {
            self.problem(&format!("cannot write the result: {error}"));
        }
    }

    /// Whether a result could not be written, to a full disk for example.
    pub(crate) fn was_lost() -> bool {
        LOST.load(Ordering::Relaxed)
    }

    /// Prints a result for programs: one document.
    pub(crate) fn document(self, value: &impl Serialize) {
        if let Ok(text) = serde_json::to_string_pretty(value) {
            self.text(&format!("{text}\n"));
        }
    }

    /// Prints a document on one line: for a command that goes on after it.
    pub(crate) fn line(self, value: &impl Serialize) {
        if let Ok(text) = serde_json::to_string(value) {
            self.text(&format!("{text}\n"));
        }
    }

    /// Prints one of many lines for programs. Stamped and printed under one lock, so that numbers and
    /// times come in order.
    pub(crate) fn event(self, event: Event) {
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        self.line(&lines.stamp(jiff::Timestamp::now(), event));
    }

    /// Prints a message for people to standard error.
    pub(crate) fn message(self, text: &str) {
        let mut err = anstream::stderr().lock();
        writeln!(err, "{text}").ok();
    }

    /// Prints that something went wrong.
    pub(crate) fn problem(self, text: &str) {
        self.message(&format!("{RED}error:{RESET} {text}"));
    }

    /// Asks on the terminal. `None` if nobody answers, or the run is cancelled meanwhile.
    pub(crate) async fn ask(self, question: &str, cancelled: &CancellationToken) -> Option<String> {
        let mut err = anstream::stderr();
        write!(err, "{question} ").and_then(|()| err.flush()).ok()?;
        // A thread of its own: reading a terminal cannot be broken off.
        let answer = tokio::task::spawn_blocking(|| {
            let mut answer = String::new();
            let read = std::io::stdin().read_line(&mut answer).ok()?;
            (read > 0).then(|| answer.trim().to_owned())
        });
        tokio::select! {
            () = cancelled.cancelled() => {
                writeln!(err).ok();
                None
            }
            answer = answer => answer.ok().flatten(),
        }
    }
}

/// The lines of this process. One for all, since it has one standard output.
static LINES: Mutex<Lines> = Mutex::new(Lines::new());
/// Set when a result could not be written.
static LOST: AtomicBool = AtomicBool::new(false);

pub(crate) const RED: &str = "\u{1b}[1;31m";
pub(crate) const GREEN: &str = "\u{1b}[32m";
pub(crate) const YELLOW: &str = "\u{1b}[33m";
pub(crate) const BOLD: &str = "\u{1b}[1m";
pub(crate) const DIM: &str = "\u{1b}[2m";
pub(crate) const RESET: &str = "\u{1b}[0m";
