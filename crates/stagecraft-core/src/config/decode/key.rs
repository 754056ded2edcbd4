//! Keys of a mapping: which are passed on, and which are handled while decoding.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};
use serde::forward_to_deserialize_any;

/// What a key means to its mapping.
pub(super) enum Peeked<T> {
    Key(T),
    /// `<<`: its value is merged into the mapping.
    Merge,
    /// A skipped entry: one that was refused before, or a user's extension.
    Other,
}

/// Reads a key and passes it on unless it is handled here.
pub(super) struct PeekKey<'k, S> {
    pub(super) seed: &'k mut Option<S>,
    pub(super) name: &'k mut String,
    pub(super) seen: &'k BTreeSet<String>,
    /// Whether the entry was refused before and is now skipped.
    pub(super) skips: bool,
    pub(super) is_root: bool,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for PeekKey<'_, S> {
    type Value = Peeked<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for PeekKey<'_, S> {
    type Value = Peeked<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        name.clone_into(self.name);
        let is_extension = self.is_root && name.starts_with("x-");
        if self.skips || (is_extension && !self.seen.contains(name)) {
            return Ok(Peeked::Other);
        }
        if name == "<<" && !self.seen.contains(name) {
            return Ok(Peeked::Merge);
        }
        let seed = self.seed.take().expect("a key is read once");
        let key = Key {
            inner: StrDeserializer::<E>::new(name),
            name: self.name,
            seen: self.seen,
        };
        seed.deserialize(key).map(Peeked::Key)
    }
}

/// Reads a key: records its name, and refuses a duplicate.
pub(super) struct Key<'k, T> {
    pub(super) inner: T,
    pub(super) name: &'k mut String,
    pub(super) seen: &'k BTreeSet<String>,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Key<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_str(Key {
            inner: visitor,
            name: self.name,
            seen: self.seen,
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Key<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<V::Value, E> {
        name.clone_into(self.name);
        if self.seen.contains(name) {
            return Err(E::custom(format_args!(
                "the key `{name}` stands here twice"
            )));
        }
        self.inner.visit_str(name)
    }
}
