//! Error messages for mistakes, derived from those of the decoder.

use super::error::Location;

/// The longest error message, in characters.
const MESSAGE_LIMIT: usize = 600;

/// Returns a decoder's message without the place and the path around it.
pub(super) fn explain(message: &str, at: Option<Location>) -> String {
    let place = at.map(|at| format!(" at line {} column {}", at.line, at.column));
    let text = place.map_or(message.to_owned(), |place| message.replace(&place, ""));
    let text = match text.split_once(": ") {
        Some((path, rest)) if is_path(path) => rest,
        _ => text.as_str(),
    };
    plain(text)
}

fn is_path(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(' ')
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']' | '?'))
        && !matches!(text, "invalid")
}

/// Describes a wrong type in the terms of YAML instead of those of the decoder.
fn plain(text: &str) -> String {
    let Some((what, (found, expected))) = text.split_once(": ").and_then(|(what, rest)| {
        matches!(what, "invalid type" | "invalid value")
            .then_some((what, rest.split_once(", expected ")?))
    }) else {
        return text.to_owned();
    };
    let found = match found.split_once(' ') {
        Some(("string", _)) => "a string".to_owned(),
        Some(("unit", _)) => "nothing".to_owned(),
        Some(("integer" | "floating", rest)) => {
            format!("number {}", rest.trim_start_matches("point "))
        }
        None if found == "sequence" => "a list".to_owned(),
        None if found == "map" => "a mapping".to_owned(),
        _ => found.to_owned(),
    };
    let expected = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, not below 0",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "a mapping",
        other if other.starts_with("struct ") => "a mapping",
        other => other,
    };
    format!("{what}: {found}, expected {expected}")
}

pub(super) fn first_quoted(message: &str, before: &str) -> Option<String> {
    let rest = message.strip_prefix(before)?;
    rest.split('`').nth(1).map(str::to_owned)
}

/// Returns the field that is missing according to a decoder's message.
pub(super) fn missing_field(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("missing field `")?;
    rest.split('`').next()
}

pub(super) fn from_variables(variables: &[String]) -> String {
    match variables {
        [] => String::new(),
        several => format!(" (from ${{{}}})", several.join("}, ${")),
    }
}

/// Removes the middle of a message that repeats a long value.
pub(super) fn shorten(message: String) -> String {
    let length = message.chars().count();
    if length <= MESSAGE_LIMIT {
        return message;
    }
    let head: String = message.chars().take(MESSAGE_LIMIT * 2 / 3).collect();
    let tail: String = message.chars().skip(length - MESSAGE_LIMIT / 4).collect();
    format!("{head} ... {tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_and_path_are_cut_off() {
        let at = Some(Location { line: 7, column: 5 });
        let text = explain("cloud: unknown field `providr` at line 7 column 5", at);
        assert_eq!(text, "unknown field `providr`");
        assert_eq!(explain("invalid: x", None), "invalid: x");
    }
}
