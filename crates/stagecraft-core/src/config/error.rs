//! Mistakes in a configuration, and their places.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;

use crate::error::{Error, ErrorKind};

/// A place in a file. Line and column count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Location {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// A mistake in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// The file as the user named it.
    pub file: String,
    /// The place in the file, if it is known.
    pub location: Option<Location>,
    /// The keys that lead there, joined by dots.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// The nearest known spelling.
    pub suggestion: Option<String>,
    /// The line of the file.
    pub excerpt: Option<String>,
    /// The reader of this part of the file, for example `digitalocean provider`.
    pub reporter: Option<String>,
}

impl ConfigError {
    /// Returns what is wrong, without the place: `digitalocean provider: invalid config: ...` if a
    /// provider reads the part, otherwise its keys and the message.
    pub fn title(&self) -> String {
        let (head, keys) = match &self.reporter {
            Some(reporter) => (
                format!("{reporter}: invalid config: "),
                self.keys_of_block(),
            ),
            None => (String::new(), self.path.as_str()),
        };
        // A message may name the key itself.
        let (above, last) = keys.rsplit_once('.').unwrap_or(("", keys));
        let named = self.message.strip_prefix(last);
        let keys = match named {
            Some(rest)
                if [" is ", " must ", " `"]
                    .iter()
                    .any(|then| rest.starts_with(then)) =>
            {
                above
            }
            _ => keys,
        };
        match keys {
            "" => format!("{head}{}", self.message),
            keys => format!("{head}{keys}: {}", self.message),
        }
    }

    /// Returns the keys below the provider's block, which is `SECTION.providers.ID`.
    fn keys_of_block(&self) -> &str {
        let Some((_, below)) = self.path.split_once(".providers.") else {
            return &self.path;
        };
        below.split_once('.').map_or("", |(_, keys)| keys)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Location { line, column }) = self.location {
            write!(f, ":{line}:{column}")?;
        }
        f.write_str(": ")?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, " (did you mean `{suggestion}`?)")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// All mistakes in a part of a configuration file, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Collects errors. `None` if there are none.
    pub fn new(errors: impl IntoIterator<Item = ConfigError>) -> Option<Self> {
        let mut errors: Vec<ConfigError> = errors.into_iter().collect();
        // Errors without a place are about the whole file.
        errors.sort_by_key(|error| error.location);
        errors.dedup();
        (!errors.is_empty()).then_some(Self(errors))
    }

    /// The errors, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }

    /// The first error.
    pub fn first(&self) -> &ConfigError {
        &self.0[0]
    }

    /// Converts to the error that a provider returns: `reporter: invalid config: reason`.
    pub fn into_error(mut self, reporter: &str) -> Error {
        for error in &mut self.0 {
            error.reporter = Some(reporter.to_owned());
        }
        Error::new(ErrorKind::Config, self.first().title()).with_source(self)
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl From<ConfigErrors> for Error {
    fn from(errors: ConfigErrors) -> Self {
        let message = match errors.first() {
            first if first.reporter.is_some() => first.title(),
            _ => "invalid configuration".to_owned(),
        };
        Self::new(ErrorKind::Config, message).with_source(errors)
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        ConfigErrors::from(error).into()
    }
}

impl IntoIterator for ConfigErrors {
    type Item = ConfigError;
    type IntoIter = std::vec::IntoIter<ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a ConfigErrors {
    type Item = &'a ConfigError;
    type IntoIter = std::slice::Iter<'a, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Returns the candidate nearest to `wrong`, if any is near enough to be meant.
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    candidates
        .into_iter()
        // Comparison takes memory for the product of both lengths, and a long name is never near.
        .filter(|candidate| wrong.len() <= 2 * candidate.len() + 8)
        .map(|candidate| (strsim::damerau_levenshtein(wrong, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// Refuses a key that the format reserves and this version does not support.
///
/// For `#[serde(default, deserialize_with = "unsupported")]`: an accepted key has an effect.
///
/// # Errors
///
/// Always.
pub fn unsupported<'de, D: serde::Deserializer<'de>, T>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(Unsupported(PhantomData))
}

/// Fails within the visitor, where the decoder still knows path and place.
struct Unsupported<T>(PhantomData<T>);

macro_rules! refuse {
    ($($method:ident($type:ty)),*) => {
        $(fn $method<E: serde::de::Error>(self, _: $type) -> Result<T, E> {
            Err(E::custom("not supported yet"))
        })*
    };
}

impl<'de, T> serde::de::Visitor<'de> for Unsupported<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }

    refuse!(
        visit_bool(bool),
        visit_i64(i64),
        visit_u64(u64),
        visit_f64(f64),
        visit_str(&str)
    );

    fn visit_unit<E: serde::de::Error>(self) -> Result<T, E> {
        Err(E::custom("not supported yet"))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, _: A) -> Result<T, A::Error> {
        Err(serde::de::Error::custom("not supported yet"))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, _: A) -> Result<T, A::Error> {
        Err(serde::de::Error::custom("not supported yet"))
    }
}

#[cfg(test)]
#[cfg(feature = "yaml")]
mod tests {
    use super::*;

    #[test]
    fn far_names_are_not_suggested() {
        assert_eq!(nearest(&"size".repeat(1_000_000), ["size"]), None);
        assert_eq!(nearest("xyz", ["provider", "size"]), None);
    }
}
