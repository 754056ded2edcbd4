//! The text of a configuration file, and decoding of any part of it in place.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, IgnoredAny};

use serde_json::Value;

use super::blot::{blot_line, blot_value};
use super::decode::{Failed, Trace};
use super::error::{ConfigError, ConfigErrors, Location, nearest};
use super::keys::{Keys, keys, snake_case};
use super::scanned::{lines, open_brackets, tab_at, within};
use super::variables;
use super::walk::{At, KeyNames, locate, locate_exactly, locate_key, location};
use super::words::{explain, first_quoted, from_variables, missing_field, shorten};
use crate::run::Lookup;
use crate::secret::is_secret_name;

/// The largest file that is read, in bytes.
const SIZE_LIMIT: usize = 1024 * 1024;
/// The most brackets and braces open at a time. The YAML scanner visits each of them for every
/// token, so a large file of nothing else would take minutes.
const BRACKET_LIMIT: usize = 1000;
/// The most mistakes reported at once.
const ERROR_LIMIT: usize = 100;
/// The most bytes decoded to find further mistakes. Each pass decodes the whole text.
const WORK_LIMIT: usize = 20 * SIZE_LIMIT;

/// The text of a configuration file. It is decoded in parts, each from its place in the file.
///
/// Bounds against hostile files: 1 MiB, 32 levels, 100000 values, where each use of an alias
/// counts, and 64 KiB for a value with its variables inserted.
#[derive(Debug, Clone)]
pub struct Document {
    file: String,
    text: String,
    variables: Arc<dyn Lookup>,
    /// The whole file, decoded once on first use.
    raw: OnceLock<Value>,
}

impl Document {
    /// Wraps a file's text. Errors name the file as `file`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the text is larger than 1 MiB, or has more than 1000 brackets open at
    /// a time.
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Result<Self, ConfigError> {
        let text = text.into();
        let document = Self {
            file: file.into(),
            // The byte order mark with which some editors begin a UTF-8 file.
            text: text
                .strip_prefix('\u{feff}')
                .map(str::to_owned)
                .unwrap_or(text),
            variables: Arc::new(BTreeMap::new()),
            raw: OnceLock::new(),
        };
        let refusal = if document.text.len() > SIZE_LIMIT {
            "the file is larger than 1 MiB"
        } else if open_brackets(&document.text) > BRACKET_LIMIT {
            "more than 1000 brackets or braces are open at a time"
        } else {
            return Ok(document);
        };
        Err(document.error_at(None, "", refusal.into(), None))
    }

    /// Sets where `${NAME}` in values is looked up. Without it no variable is set.
    #[must_use]
    pub fn with_variables(mut self, variables: Arc<dyn Lookup>) -> Self {
        self.variables = variables;
        self
    }

    /// The name of the file in errors.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Decodes the value under `path`, or returns every mistake in it. `None` if a key of the
    /// path is absent.
    ///
    /// Variables are inserted into values, not into keys.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with all mistakes in the order of the file, at most 100.
    pub fn parse<T: DeserializeOwned + JsonSchema>(
        &self,
        path: &[&str],
    ) -> Result<Option<T>, ConfigErrors> {
        let mut skipped = BTreeSet::new();
        let mut errors = Vec::new();
        let mut schema = None;
        loop {
            let trace = Trace::new(Some(&*self.variables), &skipped);
            let seed = At {
                path,
                target: PhantomData,
            };
            let decoder = trace.wrap(serde_yaml::Deserializer::from_str(&self.text));
            let error = match seed.deserialize(decoder) {
                Ok(value) if errors.is_empty() => return Ok(value),
                Ok(_) => break,
                Err(error) => error,
            };
            if let (true, Some(error)) = (errors.is_empty(), self.syntax_error()) {
                return Err(error.into());
            }
            let failed = trace.into_failed();
            let schema = schema.get_or_insert_with(|| schemars::schema_for!(T).to_value());
            errors.extend(self.explain(&error, &failed, path.len(), schema));
            let is_whole = failed.place.len() <= path.len() || failed.is_over_limit;
            if is_whole || errors.len() >= self.error_limit() || !skipped.insert(failed.place) {
                break;
            }
        }
        let errors = without_consequences(errors);
        Err(ConfigErrors::new(errors).expect("decoding failed"))
    }

    /// The most mistakes reported at once: fewer in a large file.
    pub(super) fn error_limit(&self) -> usize {
        (WORK_LIMIT / self.text.len().max(1)).clamp(5, ERROR_LIMIT)
    }

    /// Returns why the text is not YAML at all. Any other error would mislead then.
    fn syntax_error(&self) -> Option<ConfigError> {
        let error =
            IgnoredAny::deserialize(serde_yaml::Deserializer::from_str(&self.text)).err()?;
        let at = location(&error);
        let message = match tab_at(&self.text, at) {
            Some(_) => "a tab; YAML is indented with spaces only".to_owned(),
            None => explain(&error.to_string(), at),
        };
        let at = tab_at(&self.text, at).or(at);
        let mut error = self.error_at(at, "", message, None);
        if error
            .excerpt
            .as_ref()
            .is_some_and(|line| line.contains("${"))
        {
            error.message += "; between braces or brackets, write \"${NAME}\" in quotes";
        }
        Some(error)
    }

    /// Returns what is missing from a block that is not in the file.
    pub(super) fn absent<T: DeserializeOwned + JsonSchema>(
        &self,
        path: &[&str],
    ) -> Result<T, ConfigErrors> {
        serde_yaml::from_str("{}").map_err(|error| {
            let schema = schemars::schema_for!(T).to_value();
            let required = keys(&schema, &[]).map_or(Vec::new(), |keys| keys.required);
            let missing = required
                .iter()
                .map(|key| self.error(path, format!("missing field `{key}`")));
            ConfigErrors::new(missing).unwrap_or_else(|| {
                let text = error.to_string();
                let text = text.split(" at line ").next().unwrap_or_default();
                self.error(path, text).into()
            })
        })
    }

    /// Returns the keys that the user chose under `path`, in the order of the file.
    fn keys_under(&self, path: &[String]) -> Vec<String> {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let seed = At::<KeyNames> {
            path: &path,
            target: PhantomData,
        };
        let skipped = BTreeSet::new();
        let trace = Trace::new(None, &skipped);
        seed.deserialize(trace.wrap(serde_yaml::Deserializer::from_str(&self.text)))
            .ok()
            .flatten()
            .map_or(Vec::new(), |keys| keys.0)
    }

    /// Returns the variables in the value under `path`, or in one below it.
    pub fn variables_in(&self, path: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(value) = self.raw(path) {
            collect_variables(value, &mut found);
        }
        found
    }

    /// Whether there is a value under `path` other than `null`.
    pub(super) fn has(&self, path: &[&str]) -> bool {
        self.raw(path).is_some_and(|value| !value.is_null())
    }

    /// Returns the value under `path`, with its variables as written.
    fn raw(&self, path: &[&str]) -> Option<&Value> {
        let root = self.raw.get_or_init(|| {
            let skipped = BTreeSet::new();
            let trace = Trace::new(None, &skipped);
            let decoder = trace.wrap(serde_yaml::Deserializer::from_str(&self.text));
            Value::deserialize(decoder).unwrap_or_default()
        });
        path.iter().try_fold(root, |value, key| match value {
            Value::Object(entries) => entries.get(*key).or_else(|| {
                let mut entries = entries.iter();
                entries.find_map(|(own, value)| (snake_case(own) == *key).then_some(value))
            }),
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Removes the values of variables whose names suggest secrets.
    fn without_secrets(&self, text: String) -> String {
        let named = variables::names(&self.text).into_iter();
        named
            .filter(|name| is_secret_name(name))
            .filter_map(|name| self.variable(name))
            .fold(text, |text, value| blot_value(&text, &value))
    }

    /// Returns the value of a variable from this document's lookup.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.is_empty())
    }

    /// Returns the place of the value under `path`, if it exists.
    pub fn place(&self, path: &[&str]) -> Option<Location> {
        locate_exactly(&self.text, path)
    }

    /// Returns an error about the value under `path`, with its place in the file.
    ///
    /// If a key is absent, the place is that of the nearest one above it.
    pub fn error(&self, path: &[&str], message: impl Into<String>) -> ConfigError {
        self.error_with_suggestion(path, message, None)
    }

    /// Like [`error`](Self::error), with the nearest known spelling.
    pub fn error_with_suggestion(
        &self,
        path: &[&str],
        message: impl Into<String>,
        suggestion: Option<String>,
    ) -> ConfigError {
        let is_text = self.raw(path).is_some_and(Value::is_string);
        let variables = if is_text {
            self.variables_in(path)
        } else {
            Vec::new()
        };
        let message = message.into() + &from_variables(&variables);
        self.error_at(
            locate(&self.text, path),
            &path.join("."),
            message,
            suggestion,
        )
    }

    /// Returns an error about a place in the text under `path`. It does not show the line: such
    /// a text may hold secrets.
    pub(super) fn error_in_text(
        &self,
        path: &[&str],
        inside: Location,
        message: &str,
    ) -> ConfigError {
        let start = locate_exactly(&self.text, path);
        let at = start.and_then(|start| within(&self.text, start, inside));
        let message = match at {
            Some(_) => message.to_owned(),
            None => format!(
                "{message} (line {} column {} of the text)",
                inside.line, inside.column
            ),
        };
        let at = at.or_else(|| locate(&self.text, path));
        ConfigError {
            excerpt: None,
            ..self.error_at(at, &path.join("."), message, None)
        }
    }

    /// Returns an error about a key itself, not about its value.
    pub(super) fn key_error(
        &self,
        path: &[&str],
        message: String,
        suggestion: Option<String>,
    ) -> ConfigError {
        let at = locate_key(&self.text, path).or_else(|| locate(&self.text, path));
        self.error_at(at, &path.join("."), message, suggestion)
    }

    /// Returns the mistakes behind one failure of the decoder: a mapping that lacks a key may
    /// lack others.
    fn explain(
        &self,
        error: &serde_yaml::Error,
        failed: &Failed,
        depth: usize,
        schema: &Value,
    ) -> Vec<ConfigError> {
        let at = location(error);
        let mut message = explain(&error.to_string(), at);
        let inside = failed.names.get(depth..).unwrap_or_default();
        let above = match failed.names.split_last() {
            Some((_, above)) if failed.is_at_key => above,
            _ => &failed.names[..],
        };
        let path = above.join(".");
        if let Some(field) = missing_field(&message) {
            // If the file has the key, its value was refused and skipped before.
            let present = self.keys_under(&failed.names);
            let required = keys(schema, inside).map_or(vec![field], |keys| keys.required);
            return required
                .iter()
                .filter(|key| !present.iter().any(|name| snake_case(name) == **key))
                .map(|key| self.error_at(at, &path, format!("missing field `{key}`"), None))
                .collect();
        }
        let mut suggestion = None;
        if let Some(wrong) = first_quoted(&message, "unknown field ") {
            let outer = inside.split_last().map_or(inside, |(_, above)| above);
            if let Some(Keys { known, .. }) = keys(schema, outer) {
                let list: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                suggestion = nearest(&wrong, known);
                message = format!(
                    "unknown field `{wrong}`, expected one of {}",
                    list.join(", ")
                );
            }
        } else if let Some(wrong) = first_quoted(&message, "unknown variant ") {
            let words: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
            suggestion = nearest(&wrong, words.iter().copied());
            let list: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            message = format!(
                "unknown value `{wrong}`, expected one of {}",
                list.join(", ")
            );
        }
        message += &from_variables(&failed.variables);
        vec![self.error_at(at, &path, message, suggestion)]
    }

    fn error_at(
        &self,
        location: Option<Location>,
        path: &str,
        message: String,
        suggestion: Option<String>,
    ) -> ConfigError {
        let excerpt = location.and_then(|at| {
            let line = lines(&self.text).nth(at.line.checked_sub(1)?)?;
            Some(blot_line(&line.chars().take(200).collect::<String>()))
        });
        let message = shorten(self.without_secrets(message));
        ConfigError {
            file: self.file.clone(),
            location,
            path: path.to_owned(),
            message,
            suggestion,
            excerpt,
            reporter: None,
        }
    }
}

fn collect_variables(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            found.extend(variables::names(text).into_iter().map(str::to_owned));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_variables(item, found)),
        Value::Object(entries) => entries
            .values()
            .for_each(|value| collect_variables(value, found)),
        _ => {}
    }
}

/// Drops a missing key that an unknown neighbour was meant to be: it is one mistake.
fn without_consequences(errors: Vec<ConfigError>) -> Vec<ConfigError> {
    let meant: BTreeSet<(String, String)> = errors
        .iter()
        .filter_map(|error| Some((error.path.clone(), error.suggestion.clone()?)))
        .collect();
    let is_told = |error: &ConfigError| {
        missing_field(&error.message)
            .is_some_and(|field| meant.contains(&(error.path.clone(), field.to_owned())))
    };
    errors.into_iter().filter(|error| !is_told(error)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const TEXT: &str = "a:\n  b:\n    c: 1\n  d: x\n";

    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct B {
        #[expect(dead_code, reason = "only its decoding matters")]
        z: Option<u32>,
    }

    #[test]
    fn error_inside_a_block_keeps_its_place_in_the_file() {
        let document = Document::new("f.yml", TEXT).unwrap();
        let errors = document.parse::<B>(&["a", "b"]).unwrap_err();
        let error = errors.first();
        assert_eq!(error.location, Some(Location { line: 3, column: 5 }));
        assert_eq!(error.excerpt.as_deref(), Some("    c: 1"));
    }

    #[test]
    fn absent_path_is_none_and_is_located_at_its_parent() {
        let document = Document::new("f.yml", TEXT).unwrap();
        let found: Option<BTreeMap<String, String>> = document.parse(&["a", "x", "y"]).unwrap();
        assert!(found.is_none());
        let error = document.error(&["a", "x"], "missing");
        assert_eq!(error.location.map(|at| at.line), Some(2));
        let error = document.error(&["a", "d"], "bad");
        assert_eq!(error.to_string(), "f.yml:4:6: a.d: bad");
        assert_eq!(document.place(&["a", "x"]), None);
    }

    #[test]
    fn alias_bomb_and_huge_file_are_refused() {
        use std::fmt::Write as _;
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..10 {
            let below = format!("*a{}", level - 1);
            writeln!(
                bomb,
                "a{level}: &a{level} [{}]",
                [below.as_str(); 10].join(", ")
            )
            .unwrap();
        }
        let document = Document::new("f.yml", bomb).unwrap();
        let errors = document.parse::<serde_json::Value>(&[]).unwrap_err();
        assert!(
            errors
                .first()
                .message
                .starts_with("more than 100000 values"),
            "{errors}"
        );
        assert!(Document::new("f.yml", " ".repeat(SIZE_LIMIT + 1)).is_err());
    }
}
