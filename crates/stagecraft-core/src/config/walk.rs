//! Decoding and locating one place in a file.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::Location;
use super::keys::snake_case;

/// Where a decoder failed.
pub(super) fn location(error: &serde_yaml::Error) -> Option<Location> {
    error.location().map(|at| Location {
        line: at.line(),
        column: at.column(),
    })
}

pub(super) fn locate_key(text: &str, path: &[&str]) -> Option<Location> {
    let (last, above) = path.split_last()?;
    let seed = KeyAt {
        path: above,
        key: last,
    };
    let error = seed
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .err()?;
    location(&error)
}

pub(super) fn locate(text: &str, path: &[&str]) -> Option<Location> {
    (0..=path.len())
        .rev()
        .find_map(|depth| locate_exactly(text, &path[..depth]))
}

/// Locates the value itself, or else the one that `<<` merges from another mapping.
pub(super) fn locate_exactly(text: &str, path: &[&str]) -> Option<Location> {
    [false, true].into_iter().find_map(|looks_into_merges| {
        let seed = Locate {
            path,
            looks_into_merges,
        };
        let error = seed
            .deserialize(serde_yaml::Deserializer::from_str(text))
            .err()?;
        location(&error)
    })
}

/// Follows `path` and decodes the value there. Ignores everything else.
pub(super) struct At<'p, T> {
    pub(super) path: &'p [&'p str],
    pub(super) target: PhantomData<T>,
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

    fn visit_none<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<T>, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if found.is_none() && (key == self.path[0] || snake_case(&key) == self.path[0]) {
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

/// Follows `path` and fails on purpose at a key: the error has its place.
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

/// The keys of a mapping.
pub(super) struct KeyNames(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for KeyNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = KeyNames;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<KeyNames, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = map.next_key()? {
                    map.next_value::<IgnoredAny>()?;
                    names.push(name);
                }
                Ok(KeyNames(names))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Follows `path` and fails on purpose at the value: the error has its place.
#[derive(Clone, Copy)]
struct Locate<'p> {
    path: &'p [&'p str],
    /// Whether to search also in mappings that `<<` merges.
    looks_into_merges: bool,
}

impl<'de> DeserializeSeed<'de> for Locate<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            deserializer.deserialize_any(Refuse)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Locate<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping or a list")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (wanted, below) = (self.path[0], &self.path[1..]);
        while let Some(key) = map.next_key::<String>()? {
            if key == wanted || snake_case(&key) == wanted {
                map.next_value_seed(Self {
                    path: below,
                    ..self
                })?;
            } else if self.looks_into_merges && key == "<<" {
                map.next_value_seed(LocateMerged(self))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let wanted: Option<usize> = self.path[0].parse().ok();
        for index in 0.. {
            let more = if wanted == Some(index) {
                let below = Self {
                    path: &self.path[1..],
                    ..self
                };
                items.next_element_seed(below)?.is_some()
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

/// Like [`Locate`], for the value of `<<`: a mapping or a list of them.
struct LocateMerged<'p>(Locate<'p>);

impl<'de> DeserializeSeed<'de> for LocateMerged<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for LocateMerged<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping or a list of mappings")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.0.visit_map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.0)?.is_some() {}
        Ok(())
    }
}

/// Refuses a mapping; anything else is refused as not expected. The error has the place.
struct Refuse;

impl<'de> Visitor<'de> for Refuse {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(serde::de::Error::custom("here"))
    }
}
