//! Reports the failure of a command: what happened, where, and what to do.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use clap::error::ErrorKind;
use stagecraft_core::Error;
use stagecraft_core::config::{ConfigError, ConfigErrors};

use crate::exit::Exit;
use crate::output::{Output, RESET, YELLOW};
use crate::{recording, wire};

/// Reports an error and returns its exit code.
pub(crate) fn report(output: Output, error: &anyhow::Error) -> Exit {
    let exit = exit_of(error);
    if recording::is_recording() {
        recording::event(|| result_event(exit, to_wire(error)));
        recording::error(plain(error));
    }
    if output.is_json() {
        result(output, exit, to_wire(error));
    }
    let places = config_errors(error);
    for config in &places {
        output.message(&render_config_error(config));
    }
    if !places.is_empty() {
        return exit;
    }
    let mut messages = messages(error).into_iter();
    output.problem(&messages.next().unwrap_or_default());
    for cause in messages {
        output.message(&format!("  caused by: {cause}"));
    }
    if let Some(hint) = hint(error) {
        output.message(&format!("  {YELLOW}hint:{RESET} {hint}"));
    }
    exit
}

/// Reports an invalid command line to programs. People have read it already.
pub(crate) fn report_usage(output: Output, error: &clap::Error) {
    let text = match error.kind() {
        // Its text is the whole help.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a command is missing".to_owned(),
        _ => error.render().to_string(),
    };
    result(output, Exit::Usage, usage_error(&text));
}

/// The first paragraph is the error, a tip is the hint; the rest is usage.
fn usage_error(text: &str) -> wire::Error {
    let mut paragraphs = text.split("\n\n").map(|paragraph| {
        let words: Vec<&str> = paragraph.split_whitespace().collect();
        words.join(" ")
    });
    let message = paragraphs.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    wire::Error {
        hint: paragraphs.find_map(|paragraph| Some(paragraph.strip_prefix("tip: ")?.to_owned())),
        ..wire::Error::new(wire::ErrorKind::Usage, message)
    }
}

/// The error, line by line.
fn plain(error: &anyhow::Error) -> String {
    let mut lines = messages(error);
    lines.extend(hint(error).map(|hint| format!("hint: {hint}")));
    format!("{}\n", lines.join("\n"))
}

fn result(output: Output, exit: Exit, error: wire::Error) {
    output.event(result_event(exit, error));
}

fn result_event(exit: Exit, error: wire::Error) -> wire::Event {
    let outcome = match exit {
        Exit::Interrupted => wire::Outcome::Interrupted,
        _ => wire::Outcome::Failed,
    };
    wire::Event::Result(wire::Result {
        outcome,
        exit_code: exit.code(),
        body: wire::Body::Failed { error },
    })
}

fn to_wire(error: &anyhow::Error) -> wire::Error {
    let mut wire = find::<Error>(error).map_or_else(|| of_messages(error), wire::Error::from);
    wire.config = config_errors(error).into_iter().map(Into::into).collect();
    wire
}

fn of_messages(error: &anyhow::Error) -> wire::Error {
    let mut messages = messages(error).into_iter();
    let message = messages.next().unwrap_or_default();
    wire::Error {
        causes: messages.collect(),
        ..wire::Error::new(wire::ErrorKind::Config, message)
    }
}

fn exit_of(error: &anyhow::Error) -> Exit {
    find::<Error>(error).map_or(Exit::Usage, Exit::of_error)
}

fn find<E: std::error::Error + 'static>(error: &anyhow::Error) -> Option<&E> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

fn config_errors(error: &anyhow::Error) -> Vec<&ConfigError> {
    let several = find::<ConfigErrors>(error).into_iter().flatten();
    several.chain(find::<ConfigError>(error)).collect()
}

fn messages(error: &anyhow::Error) -> Vec<String> {
    let mut messages: Vec<String> = error.chain().map(ToString::to_string).collect();
    messages.dedup();
    messages
}

fn hint(error: &anyhow::Error) -> Option<&str> {
    find::<Error>(error).and_then(Error::hint)
}

fn render_config_error(error: &ConfigError) -> String {
    let help = error
        .suggestion
        .as_ref()
        .map(|suggestion| format!("did you mean `{suggestion}`?"));
    let group = Level::ERROR.primary_title(error.title());
    let group = match (error.location, &error.excerpt) {
        (Some(at), Some(line)) => {
            let span = token_at(line, at.column);
            let snippet = Snippet::source(line.as_str())
                .path(error.file.as_str())
                .line_start(at.line)
                .annotation(AnnotationKind::Primary.span(span));
            group.element(snippet)
        }
        (Some(at), None) => group.element(
            annotate_snippets::Origin::path(error.file.as_str())
                .line(at.line)
                .char_column(at.column),
        ),
        (None, _) => group.element(annotate_snippets::Origin::path(error.file.as_str())),
    };
    let group = match &help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    };
    Renderer::styled().render(&[group])
}

/// The bytes of the word that begins at a column (in characters, from 1).
fn token_at(line: &str, column: usize) -> std::ops::Range<usize> {
    let start = line
        .char_indices()
        .nth(column.saturating_sub(1))
        .map_or(line.len(), |(index, _)| index);
    let length = line[start..]
        .find([':', ' ', ',', '}', ']'])
        .unwrap_or(line.len() - start)
        .max(1);
    start..(start + length).min(line.len().max(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_text_is_split_into_what_is_wrong_and_what_to_do() {
        let text = "error: unrecognized subcommand 'pu'\n\n  tip: a similar subcommand exists: 'up'\n\nUsage: stagecraft infra\n";
        let error = usage_error(text);
        assert_eq!(error.message, "unrecognized subcommand 'pu'");
        assert_eq!(
            error.hint.as_deref(),
            Some("a similar subcommand exists: 'up'")
        );

        let text = "error: these are missing:\n  <SHELL>\n\nUsage: stagecraft completions <SHELL>";
        let error = usage_error(text);
        assert_eq!(error.message, "these are missing: <SHELL>");
        assert_eq!(error.hint, None);
    }
}
