//! `${NAME}` and `${NAME:-default}` in values.

use super::text::is_variable_name;
use crate::run::Lookup;

/// The longest value with its variables inserted, in bytes.
const LENGTH_LIMIT: usize = 64 * 1024;

/// Inserts the values of variables into a text. `None` if it has no variables.
///
/// `${NAME}` must be set, possibly to an empty value; `${NAME:-default}` is the default if the
/// variable is not set or empty; `$${` is a literal `${`. A lone `$` is literal.
///
/// # Errors
///
/// What is wrong, for the user: a variable that is not set, or an unknown form.
pub(super) fn interpolate(text: &str, lookup: &dyn Lookup) -> Result<Option<String>, String> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut whole = String::with_capacity(text.len());
    for part in Parts(text) {
        match part? {
            Part::Text(text) => whole.push_str(text),
            Part::Variable { name, default } => {
                let value = lookup.get(name);
                match (value, default) {
                    (Some(value), None) => whole.push_str(&value),
                    (Some(value), Some(_)) if !value.is_empty() => whole.push_str(&value),
                    (_, Some(default)) => whole.push_str(default),
                    (None, None) => {
                        return Err(format!(
                            "variable `{name}` is not set; set it, or write `${{{name}:-default}}`"
                        ));
                    }
                }
            }
        }
        if whole.len() > LENGTH_LIMIT {
            return Err("longer than 64 KiB with its variables put in".to_owned());
        }
    }
    Ok(Some(whole))
}

/// Returns the names of the variables in a text, as far as it is well formed.
pub(super) fn names(text: &str) -> Vec<&str> {
    Parts(text)
        .filter_map(|part| match part {
            Ok(Part::Variable { name, .. }) => Some(name),
            _ => None,
        })
        .collect()
}

enum Part<'t> {
    Text(&'t str),
    Variable {
        name: &'t str,
        default: Option<&'t str>,
    },
}

/// Splits a text into its parts. Holds the rest.
struct Parts<'t>(&'t str);

impl<'t> Iterator for Parts<'t> {
    type Item = Result<Part<'t>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0;
        if rest.is_empty() {
            return None;
        }
        let Some(start) = rest.find("${") else {
            self.0 = "";
            return Some(Ok(Part::Text(rest)));
        };
        if rest[..start].ends_with('$') {
            // The first `$` is kept and the second skipped: `$${` becomes `${`.
            self.0 = &rest[start + 1..];
            return Some(Ok(Part::Text(&rest[..start])));
        }
        if start > 0 {
            self.0 = &rest[start..];
            return Some(Ok(Part::Text(&rest[..start])));
        }
        let Some(end) = rest.find('}') else {
            self.0 = "";
            return Some(Err(refusal(rest)));
        };
        self.0 = &rest[end + 1..];
        let inside = &rest[2..end];
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let is_plain = default.is_none_or(|default| !default.contains("${"));
        Some(if is_variable_name(name) && is_plain {
            Ok(Part::Variable { name, default })
        } else {
            Err(refusal(&rest[..=end]))
        })
    }
}

fn refusal(text: &str) -> String {
    let text: String = text.chars().take(40).collect();
    format!(
        "`{text}` is not understood; write `${{NAME}}`, `${{NAME:-default}}`, or `$${{` for the text itself"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn lookup() -> BTreeMap<String, String> {
        BTreeMap::from([
            ("A".to_owned(), "one".to_owned()),
            ("EMPTY".to_owned(), String::new()),
            ("DOLLAR".to_owned(), "${A}".to_owned()),
        ])
    }

    #[test]
    fn variables_are_put_in_once() {
        for (text, expected) in [
            ("x-${A}-${A}", "x-one-one"),
            ("${B:-two}", "two"),
            ("${EMPTY:-two}", "two"),
            ("${EMPTY}", ""),
            ("${B:-}", ""),
            ("${B:-a:-b}", "a:-b"),
            ("$${A} $A $", "${A} $A $"),
            ("${DOLLAR}", "${A}"),
            ("é${A}é", "éoneé"),
        ] {
            let value = interpolate(text, &lookup()).unwrap();
            assert_eq!(value.as_deref().unwrap_or(text), expected, "{text}");
        }
        assert_eq!(interpolate("$A $", &lookup()).unwrap(), None);
    }

    #[test]
    fn unknown_variables_and_other_forms_are_refused() {
        let error = interpolate("${NOPE}", &lookup()).unwrap_err();
        assert_eq!(
            error,
            "variable `NOPE` is not set; set it, or write `${NOPE:-default}`"
        );
        for text in [
            "${",
            "${}",
            "${A",
            "${A:?x}",
            "${A-x}",
            "${B:-${A}}",
            "${a b}",
        ] {
            let error = interpolate(text, &lookup()).unwrap_err();
            assert!(error.contains("is not understood"), "{text}: {error}");
        }
    }

    #[test]
    fn value_that_grows_beyond_the_limit_is_refused() {
        let big = BTreeMap::from([("BIG".to_owned(), "x".repeat(40_000))]);
        assert!(interpolate("${BIG}", &big).is_ok());
        let error = interpolate("${BIG}${BIG}", &big).unwrap_err();
        assert!(error.starts_with("longer than 64 KiB"), "{error}");
    }

    #[test]
    fn names_are_listed() {
        assert_eq!(names("${A}-${B:-x}-$${C}"), ["A", "B"]);
    }
}
