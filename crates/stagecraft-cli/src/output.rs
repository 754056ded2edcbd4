//! The one place that prints: results to standard output, all else to standard error.
//!
//! Both contain text of hosts and services, so only plain text and our own colours pass: a name or
//! a line of output must not control the terminal.

use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use clap::ValueEnum;
use secrecy::SecretString;
use serde::Serialize;
use stagecraft_core::is_plain;
use tokio_util::sync::CancellationToken;

use crate::hidden::Hidden;
use crate::wire::{Event, Lines};

/// Destination of results and messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: OutputFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people
    #[default]
    Text,
    /// For programs: one document, or one object a line whose last is the result
    Json,
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

    /// Whether `--verbose` requests details of results.
    pub(crate) fn wants_details() -> bool {
        DETAILS.load(Ordering::Relaxed)
    }

    /// Sets for the whole process whether results are shown with details.
    pub(crate) fn show_details(wanted: bool) {
        DETAILS.store(wanted, Ordering::Relaxed);
    }

    /// Whether prompting is possible.
    pub(crate) fn can_ask(self) -> bool {
        !self.is_json() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Whether bars may be drawn.
    pub(crate) fn can_draw(self) -> bool {
        !self.is_json() && std::io::stderr().is_terminal()
    }

    /// Prints a result for people. Strips colours where they are not wanted.
    pub(crate) fn text(self, text: &str) {
        let mut out = anstream::stdout().lock();
        let written = out
            .write_all(shown(text).as_bytes())
            .and_then(|()| out.flush());
        // A closed reader, such as `head`, is not an error.
        if let Err(error) = written
            && error.kind() != ErrorKind::BrokenPipe
            && !LOST.swap(true, Ordering::Relaxed)
        {
            self.problem(&format!("cannot write the result: {error}"));
        }
    }

    /// Whether a result could not be written, for example to a full disk.
    pub(crate) fn was_lost() -> bool {
        LOST.load(Ordering::Relaxed)
    }

    /// Prints a result for programs: one document.
    pub(crate) fn document(self, value: &impl Serialize) {
        if let Ok(text) = serde_json::to_string_pretty(value) {
            self.text(&format!("{}\n", escaped(&text)));
        }
    }

    /// Prints a document on one line, for a command that continues afterwards.
    pub(crate) fn line(self, value: &impl Serialize) {
        if let Ok(text) = serde_json::to_string(value) {
            self.text(&format!("{}\n", escaped(&text)));
        }
    }

    /// Prints one of many lines for programs. Stamped and printed under one lock, so that numbers
    /// and times are in order.
    pub(crate) fn event(self, event: Event) {
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        self.line(&lines.stamp(jiff::Timestamp::now(), event));
    }

    /// Prints a message for people to standard error.
    pub(crate) fn message(self, text: &str) {
        let mut err = anstream::stderr().lock();
        writeln!(err, "{}", shown(text)).ok();
    }

    /// Moves up this many rows on the terminal and clears everything from there.
    pub(crate) fn clear_rows_above(self, rows: usize) {
        let mut err = anstream::stderr().lock();
        write!(err, "\u{1b}[{rows}A\u{1b}[J")
            .and_then(|()| err.flush())
            .ok();
    }

    /// Prints an error for people.
    pub(crate) fn problem(self, text: &str) {
        self.message(&format!("{RED}error:{RESET} {text}"));
    }

    /// Prompts on the terminal. `None` without an answer, or if the run is cancelled meanwhile.
    pub(crate) async fn ask(self, question: &str, cancelled: &CancellationToken) -> Option<String> {
        let line = self.ask_line(question, cancelled).await?;
        Some(line.trim().to_owned())
    }

    /// As [`ask`](Self::ask), with hidden input. `None` also for an empty line.
    pub(crate) async fn ask_hidden(
        self,
        question: &str,
        cancelled: &CancellationToken,
    ) -> Option<SecretString> {
        let _hidden = Hidden::begin()?;
        let line = self.ask_line(question, cancelled).await?;
        let typed = line.trim_end_matches(['\r', '\n']);
        (!typed.is_empty()).then(|| SecretString::from(typed))
    }

    async fn ask_line(self, question: &str, cancelled: &CancellationToken) -> Option<String> {
        let mut err = anstream::stderr();
        write!(err, "{} ", shown(question))
            .and_then(|()| err.flush())
            .ok()?;
        // A separate thread, because reading a terminal cannot be cancelled.
        let answer = tokio::task::spawn_blocking(|| {
            let mut answer = String::new();
            let read = std::io::stdin().read_line(&mut answer).ok()?;
            (read > 0).then_some(answer)
        });
        tokio::select! {
            () = cancelled.cancelled() => {
                writeln!(err).ok();
                None
            }
            answer = answer => {
                let answer = answer.ok().flatten();
                if answer.is_none() {
                    // Ctrl-D leaves the cursor behind the question.
                    writeln!(err).ok();
                }
                answer
            }
        }
    }
}

/// The text as it is safe for a terminal: plain text, lines and our own colours. Everything else is
/// escaped, such as `\u{1b}`.
fn shown(text: &str) -> Cow<'_, str> {
    if text
        .chars()
        .all(|character| is_plain(character) || character == '\n')
    {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let length = colour(rest).unwrap_or(character.len_utf8());
        let (piece, after) = rest.split_at(length);
        if length > character.len_utf8() || is_plain(character) || matches!(character, '\n' | '\t')
        {
            shown.push_str(piece);
        } else {
            shown.extend(character.escape_default());
        }
        rest = after;
    }
    Cow::Owned(shown)
}

/// The same, on one line.
pub(crate) fn one_line(text: &str) -> String {
    shown(text).replace('\n', "\\n").replace('\t', " ")
}

/// The length of the colour or weight sequence at the start, if there is one. Other sequences could
/// hide text.
fn colour(text: &str) -> Option<usize> {
    let codes = text.strip_prefix("\u{1b}[")?;
    let end = codes.find('m').filter(|end| *end <= 8)?;
    let is_harmless = |code: &str| matches!(code.parse(), Ok(0..=2 | 31..=36 | 91..=96));
    let all = codes[..end].split(';').all(is_harmless);
    all.then_some("\u{1b}[".len() + end + 1)
}

/// JSON with unsafe characters escaped, which a parser decodes again. Outside of strings JSON has
/// none of them but newlines.
fn escaped(json: &str) -> Cow<'_, str> {
    let is_kept = |character: char| is_plain(character) || character == '\n';
    if json.chars().all(is_kept) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if is_kept(character) {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.extend(format!("\\u{unit:04x}").chars());
            }
        }
    }
    Cow::Owned(escaped)
}

/// Line counter of this process. One for all, since it has one standard output.
static LINES: Mutex<Lines> = Mutex::new(Lines::new());
/// Whether results are shown with details.
static DETAILS: AtomicBool = AtomicBool::new(false);
/// Set when a result could not be written.
static LOST: AtomicBool = AtomicBool::new(false);

pub(crate) const RED: &str = "\u{1b}[1;31m";
pub(crate) const GREEN: &str = "\u{1b}[32m";
pub(crate) const YELLOW: &str = "\u{1b}[33m";
pub(crate) const BOLD: &str = "\u{1b}[1m";
pub(crate) const DIM: &str = "\u{1b}[2m";
pub(crate) const RESET: &str = "\u{1b}[0m";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_text_lines_and_our_own_colours_pass() {
        let own =
            format!("{RED}a{RESET} {GREEN}b{YELLOW}c{BOLD}d{DIM}e{RESET}\n\u{1b}[91mé\u{1b}[1;94m");
        assert_eq!(shown(&own), own);
        for (hostile, plain) in [
            ("\u{1b}[2J\u{1b}[H", "\\u{1b}[2J\\u{1b}[H"),
            ("\u{1b}[8mhidden", "\\u{1b}[8mhidden"),
            ("\u{1b}[31;40m", "\\u{1b}[31;40m"),
            ("\u{1b}[m", "\\u{1b}[m"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\u{1b}]52;c;aGk=\u{1b}\\", "\\u{1b}]52;c;aGk=\\u{1b}\\"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("ok\rfailed", "ok\\rfailed"),
            ("a\u{202e}b\u{200b}", "a\\u{202e}b\\u{200b}"),
            ("a\u{8}\0", "a\\u{8}\\u{0}"),
            ("\u{1b}", "\\u{1b}"),
        ] {
            assert_eq!(shown(hostile), plain);
        }
        assert_eq!(one_line("a\nb\tc"), "a\\nb c");
    }

    #[test]
    fn json_stays_the_same_value_and_becomes_plain() {
        let value =
            serde_json::json!({"a\u{9b}": ["\u{202e}x\u{1b}[2J\n\u{7f}", "é🚀", "\u{e0041}"]});
        for text in [value.to_string(), format!("{value:#}")] {
            let escaped = escaped(&text);
            assert_eq!(escaped.parse::<serde_json::Value>().unwrap(), value);
            assert!(escaped.chars().all(|c| is_plain(c) || c == '\n'));
        }
    }
}
