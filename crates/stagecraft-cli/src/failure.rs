//! What is told when a command fails: what happened, where, and what to do.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde_json::{Value, json};
use stagecraft_core::Error;
use stagecraft_core::config::{ConfigError, ConfigErrors};

use crate::exit::Exit;
use crate::output::{Output, RESET, YELLOW};

/// Tells of an error, and gives the exit code for it.
pub(crate) fn report(output: Output, error: &anyhow::Error) -> Exit {
    let exit = exit_of(error);
    if output.is_json() {
        output.line(&json!({
            "v": 1,
            "event": "result",
            "outcome": "failed",
            "exit_code": exit.code(),
            "error": to_json(error),
        }));
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

/// Tells programs of a command line that was not understood.
pub(crate) fn report_usage(output: Output, message: &str) {
    output.line(&json!({
        "v": 1,
        "event": "result",
        "outcome": "failed",
        "exit_code": Exit::Usage.code(),
        "error": { "kind": "usage", "message": message.trim_end() },
    }));
}

/// An error of the framework, as JSON.
pub(crate) fn core_error_to_json(error: &Error) -> Value {
    let mut messages = error.chain();
    let message = messages.remove(0);
    let context: serde_json::Map<String, Value> = error
        .context()
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    json!({
        "kind": error.kind(),
        "message": message,
        "causes": messages,
        "hint": error.hint(),
        "provider": error.provider(),
        "operation": error.operation(),
        "context": context,
    })
}

fn to_json(error: &anyhow::Error) -> Value {
    let mut value = match find::<Error>(error) {
        Some(error) => core_error_to_json(error),
        None => json!({ "kind": "config", "message": error.to_string(), "hint": null }),
    };
    let places: Vec<&ConfigError> = config_errors(error);
    if !places.is_empty() {
        value["config"] = json!(places);
    }
    value
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
    let title = if error.path.is_empty() {
        error.message.clone()
    } else {
        format!("{}: {}", error.path, error.message)
    };
    let help = error
        .suggestion
        .as_ref()
        .map(|suggestion| format!("did you mean `{suggestion}`?"));
    let group = Level::ERROR.primary_title(title);
    let group = match (error.location, &error.excerpt) {
        (Some(at), Some(line)) => {
            let span = token_at(line, at.column);
            let snippet = Snippet::source(line.as_str())
                .path(error.file.as_str())
                .line_start(at.line)
                .annotation(AnnotationKind::Primary.span(span));
            group.element(snippet)
        }
        _ => group.element(annotate_snippets::Origin::path(error.file.as_str())),
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
