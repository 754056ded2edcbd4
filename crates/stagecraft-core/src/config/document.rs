//! The text of a configuration file, and decoding of any part of it in place.

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::check::check;
use super::error::{ConfigError, ConfigErrors, Location, explain};

/// The largest file that is read, in bytes.
const SIZE_LIMIT: usize = 1024 * 1024;

/// A configuration file's text. It is decoded in parts, each from its place in the file.
#[derive(Debug, Clone)]
pub struct Document {
    file: String,
    text: String,
}

impl Document {
    /// Wraps a file's text. `file` is how errors name it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the text is larger than 1 MiB.
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Result<Self, ConfigError> {
        let text = text.into();
        let document = Self {
            file: file.into(),
            // The mark with which some editors begin a UTF-8 file.
            text: text
                .strip_prefix('\u{feff}')
                .map(str::to_owned)
                .unwrap_or(text),
        };
        if document.text.len() > SIZE_LIMIT {
            return Err(document.error_at(None, "", "the file is larger than 1 MiB".into(), None));
        }
        Ok(document)
    }

    /// How errors name the file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Decodes what stands under `path`, or gives `None` if one of its keys is absent.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with its place in the file.
    pub fn decode<T: for<'de> Deserialize<'de>>(
        &self,
        path: &[&str],
    ) -> Result<Option<T>, ConfigError> {
        let seed = At {
            path,
            target: PhantomData,
        };
        seed.deserialize(serde_yaml::Deserializer::from_str(&self.text))
            .map_err(|error| self.explain(&error))
    }

    /// Decodes what stands under `path`, or tells everything that is wrong with it.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] in the order of the file: unknown keys, missing keys, wrong types and
    /// unknown words, all of them; of what only the type itself refuses, the first.
    pub fn parse<T: DeserializeOwned + JsonSchema>(
        &self,
        path: &[&str],
    ) -> Result<Option<T>, ConfigErrors> {
        let first = match self.decode(path) {
            Ok(value) => return Ok(value),
            Err(first) => first,
        };
        // A file that is no YAML has no value to walk along.
        let value: Option<serde_yaml::Value> = self.decode(path).unwrap_or_default();
        let schema = schemars::schema_for!(T).to_value();
        let flaws = value
            .map(|value| check(&value, &schema))
            .unwrap_or_default();
        let mut errors: Vec<ConfigError> = flaws
            .into_iter()
            .map(|flaw| {
                let whole: Vec<&str> = path
                    .iter()
                    .copied()
                    .chain(flaw.path.iter().map(String::as_str))
                    .collect();
                let at = if flaw.is_at_key {
                    self.locate_key(&whole)
                } else {
                    self.locate(&whole)
                };
                let above = if flaw.is_at_key {
                    &whole[..whole.len() - 1]
                } else {
                    &whole[..]
                };
                self.error_at(at, &above.join("."), flaw.message, flaw.suggestion)
            })
            .collect();
        let line = |error: &ConfigError| error.location.map(|at| at.line);
        if errors.iter().all(|error| line(error) != line(&first)) {
            errors.push(first.clone());
        }
        Err(ConfigErrors::new(errors).unwrap_or_else(|| first.into()))
    }

    /// An error about what stands under `path`, with its place in the file if it is there.
    ///
    /// If a key is absent, the place is that of the nearest one above it.
    pub fn error(&self, path: &[&str], message: impl Into<String>) -> ConfigError {
        self.error_at(self.locate(path), &path.join("."), message.into(), None)
    }

    /// As [`error`](Self::error), with the nearest known spelling.
    pub fn error_with_suggestion(
        &self,
        path: &[&str],
        message: impl Into<String>,
        suggestion: Option<String>,
    ) -> ConfigError {
        self.error_at(
            self.locate(path),
            &path.join("."),
            message.into(),
            suggestion,
        )
    }

    /// Where the last key of `path` itself stands.
    fn locate_key(&self, path: &[&str]) -> Option<Location> {
        let (last, above) = path.split_last()?;
        let seed = KeyAt {
            path: above,
            key: last,
        };
        let error = seed
            .deserialize(serde_yaml::Deserializer::from_str(&self.text))
            .err()?;
        location(&error)
    }

    fn locate(&self, path: &[&str]) -> Option<Location> {
        (0..=path.len()).rev().find_map(|depth| {
            let seed = At::<Nowhere> {
                path: &path[..depth],
                target: PhantomData,
            };
            let error = seed
                .deserialize(serde_yaml::Deserializer::from_str(&self.text))
                .err()?;
            location(&error)
        })
    }

    fn explain(&self, error: &serde_yaml::Error) -> ConfigError {
        let at = location(error);
        let (path, message, suggestion) = explain(&error.to_string(), at);
        self.error_at(at, &path, message, suggestion)
    }

    fn error_at(
        &self,
        location: Option<Location>,
        path: &str,
        message: String,
        suggestion: Option<String>,
    ) -> ConfigError {
        let excerpt = location.and_then(|at| {
            let line = self.text.lines().nth(at.line.checked_sub(1)?)?;
            Some(line.chars().take(200).collect())
        });
        ConfigError {
            file: self.file.clone(),
            location,
            path: path.to_owned(),
            message,
            suggestion,
            excerpt,
        }
    }
}

fn location(error: &serde_yaml::Error) -> Option<Location> {
    error.location().map(|at| Location {
        line: at.line(),
        column: at.column(),
    })
}

/// Walks down `path` and decodes what it finds there. All else is passed over.
struct At<'p, T> {
    path: &'p [&'p str],
    target: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for At<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        if self.path.is_empty() {
            T::deserialize(deserializer).map(Some)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for At<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping or a list")
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<T>, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if found.is_none() && key == self.path[0] {
                found = map.next_value_seed(At {
                    path: &self.path[1..],
                    target: PhantomData,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<T>, A::Error> {
        let wanted: Option<usize> = self.path[0].parse().ok();
        let mut found = None;
        for index in 0.. {
            if wanted == Some(index) {
                let item = items.next_element_seed(At {
                    path: &self.path[1..],
                    target: PhantomData,
                })?;
                match item {
                    Some(item) => found = item,
                    None => break,
                }
            } else if items.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        Ok(found)
    }
}

/// Walks down `path` and fails on purpose at a key there: the error tells where it stands.
struct KeyAt<'p> {
    path: &'p [&'p str],
    key: &'p str,
}

impl<'de> DeserializeSeed<'de> for KeyAt<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for KeyAt<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let refused = if self.path.is_empty() {
            Some(self.key)
        } else {
            None
        };
        while let Some(key) = map.next_key_seed(Key { refused })? {
            if self.path.first() == Some(&key.as_str()) {
                map.next_value_seed(KeyAt {
                    path: &self.path[1..],
                    key: self.key,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let wanted: Option<usize> = self.path.first().and_then(|index| index.parse().ok());
        for index in 0.. {
            let more = if wanted == Some(index) {
                items
                    .next_element_seed(KeyAt {
                        path: &self.path[1..],
                        key: self.key,
                    })?
                    .is_some()
            } else {
                items.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                break;
            }
        }
        Ok(())
    }
}

/// Reads a key, and fails on purpose at the refused one.
struct Key<'p> {
    refused: Option<&'p str>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<String, E> {
        if self.refused == Some(key) {
            Err(E::custom("here"))
        } else {
            Ok(key.to_owned())
        }
    }
}

/// Fails to decode on purpose: the error tells where the value stands.
struct Nowhere;

impl<'de> Deserialize<'de> for Nowhere {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Refuse;
        impl<'de> Visitor<'de> for Refuse {
            type Value = Nowhere;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("nothing")
            }

            fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Nowhere, A::Error> {
                Err(serde::de::Error::custom("here"))
            }
        }
        deserializer.deserialize_any(Refuse)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const TEXT: &str = "a:\n  b:\n    c: 1\n  d: x\n";

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct B {
        #[expect(dead_code, reason = "only its decoding matters")]
        z: Option<u32>,
    }

    #[test]
    fn error_inside_a_block_keeps_its_place_in_the_file() {
        let document = Document::new("f.yml", TEXT).unwrap();
        let error = document.decode::<B>(&["a", "b"]).unwrap_err();
        assert_eq!(error.location, Some(Location { line: 3, column: 5 }));
        assert_eq!(error.excerpt.as_deref(), Some("    c: 1"));
    }

    #[test]
    fn absent_path_is_none_and_is_located_at_its_parent() {
        let document = Document::new("f.yml", TEXT).unwrap();
        let found: Option<BTreeMap<String, String>> = document.decode(&["a", "x", "y"]).unwrap();
        assert!(found.is_none());
        let error = document.error(&["a", "x"], "missing");
        assert_eq!(error.location.map(|at| at.line), Some(2));
        let error = document.error(&["a", "d"], "bad");
        assert_eq!(error.to_string(), "f.yml:4:6: a.d: bad");
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
        assert!(document.decode::<serde_yaml::Value>(&[]).is_err());
        assert!(Document::new("f.yml", " ".repeat(SIZE_LIMIT + 1)).is_err());
    }
}
