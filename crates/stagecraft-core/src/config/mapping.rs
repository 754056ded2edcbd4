//! A check that a text from another source is a YAML mapping.

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::Location;
use super::walk::location;

/// Why a text is not a YAML mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoMapping {
    /// What is wrong. It quotes nothing of the text itself.
    pub message: String,
    /// The place in the text, if it is known.
    pub location: Option<Location>,
}

/// Checks that a text is one YAML document with a mapping, or empty.
///
/// It refuses only what every YAML parser refuses: duplicate keys, unknown tags and
/// values of any kind are fine.
///
/// # Errors
///
/// [`NoMapping`] with the place of the first mistake.
pub fn check_mapping(text: &str) -> Result<(), NoMapping> {
    let decoder = serde_yaml::Deserializer::from_str(text);
    decoder.deserialize_any(Mapping).map_err(|error| {
        let told = error.to_string();
        NoMapping {
            location: key_without_colon(&told).or_else(|| location(&error)),
            message: without_places(&told),
        }
    })
}

/// Locates a line that is not `key: value`. The scanner notices the error only after it.
fn key_without_colon(message: &str) -> Option<Location> {
    let (_, place) = message.split_once("while scanning a simple key at line ")?;
    let (line, column) = place.split_once(" column ")?;
    let column = column.split(|c: char| !c.is_ascii_digit()).next()?;
    Some(Location {
        line: line.parse().ok()?,
        column: column.parse().ok()?,
    })
}

/// Removes places: within another text, the lines have other numbers.
fn without_places(message: &str) -> String {
    let mut parts = message.split(" at line ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |whole, part| {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let rest = rest.strip_prefix(" column ").unwrap_or(rest);
        whole + rest.trim_start_matches(|c: char| c.is_ascii_digit())
    })
}

struct Mapping;

/// Refuses a value without showing it, unlike serde's message: it may be a secret.
fn found<E: serde::de::Error>(what: &str) -> Result<(), E> {
    Err(E::custom(format!("expected a mapping, found {what}")))
}

impl<'de> Visitor<'de> for Mapping {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        found("a boolean")
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        found("a number")
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        found("a number")
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        found("a number")
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        found("a plain text")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        found("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_of_any_content_and_empty_texts_pass() {
        for text in [
            "",
            "# only a comment\n",
            "---\na: 1\n",
            "a: 1\na: 2\n",
            "a: &x { b: [1, *x] }\n<<: *x\n",
            "{a: !!python/none x, ? [b] : c}\n",
            "%YAML 1.1\n---\na: |\n  x\n...\n",
        ] {
            assert_eq!(check_mapping(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn text_that_is_no_mapping_is_refused_with_its_place() {
        for (text, line) in [
            ("a: |\n   x\n b: 1\n", 3),
            ("a:\n\tb: 1\n", 2),
            ("a: [1\n", 2),
            ("- a\n", 1),
            ("hello\n", 1),
            ("a: 1\nb\n", 2),
            ("a: *nobody\n", 1),
        ] {
            let error = check_mapping(text).expect_err(text);
            assert_eq!(
                error.location.map(|at| at.line),
                Some(line),
                "{text}: {error:?}"
            );
            assert!(!error.message.contains(" line "), "{error:?}");
        }
        assert!(check_mapping("a: 1\n---\nb: 2\n").is_err());
    }

    #[test]
    fn message_holds_nothing_of_the_text() {
        for text in [
            "hunter2\n",
            "- hunter2\n",
            "a: 1\nhunter2\n",
            "a: *hunter2\n",
        ] {
            let error = check_mapping(text).unwrap_err();
            assert!(!error.message.contains("hunter2"), "{error:?}");
        }
    }
}
