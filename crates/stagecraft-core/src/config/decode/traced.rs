//! The decoder's parts, each of which passes on what it is given and reports to the trace.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Step, Trace};

/// A decoder, visitor, seed or access that reports to a trace.
pub(in crate::config) struct Traced<'t, T> {
    pub(super) inner: T,
    pub(super) trace: &'t Trace<'t>,
    /// Whether the type wants a number or a truth value: a text that variables were put into
    /// is read as one then.
    pub(super) is_typed: bool,
}

impl<'t, T> Traced<'t, T> {
    fn wrap<U>(&self, inner: U) -> Traced<'t, U> {
        self.trace.wrap(inner)
    }
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*)),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.wrap(visitor);
            self.inner.$method($($argument,)* visitor)
        })*
    };
}

/// The decoder would refuse a text where a number is wanted without showing it to the visitor.
macro_rules! typed {
    ($($method:ident),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            let visitor = Traced { is_typed: true, ..self.wrap(visitor) };
            self.inner.deserialize_any(visitor)
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Traced<'_, D> {
    type Error = D::Error;

    forward!(
        deserialize_any(),
        deserialize_char(),
        deserialize_str(),
        deserialize_string(),
        deserialize_bytes(),
        deserialize_byte_buf(),
        deserialize_option(),
        deserialize_unit(),
        deserialize_unit_struct(name: &'static str),
        deserialize_newtype_struct(name: &'static str),
        deserialize_seq(),
        deserialize_tuple(len: usize),
        deserialize_tuple_struct(name: &'static str, len: usize),
        deserialize_map(),
        deserialize_struct(name: &'static str, fields: &'static [&'static str]),
        deserialize_enum(name: &'static str, variants: &'static [&'static str]),
        deserialize_identifier(),
    );

    typed!(
        deserialize_bool,
        deserialize_i8,
        deserialize_i16,
        deserialize_i32,
        deserialize_i64,
        deserialize_i128,
        deserialize_u8,
        deserialize_u16,
        deserialize_u32,
        deserialize_u64,
        deserialize_u128,
        deserialize_f32,
        deserialize_f64,
    );

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_ignored_any(visitor)
    }
}

macro_rules! scalar {
    ($($method:ident($type:ty)),* $(,)?) => {
        $(fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.trace.count()?;
            self.inner.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Traced<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    scalar!(
        visit_bool(bool),
        visit_i64(i64),
        visit_i128(i128),
        visit_u64(u64),
        visit_u128(u128),
        visit_f64(f64),
    );

    fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
        self.trace.count()?;
        match self.trace.interpolate(text)? {
            Some(value) => self.visit_interpolated(value),
            None => self.inner.visit_str(text),
        }
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<V::Value, E> {
        self.trace.count()?;
        match self.trace.interpolate(text)? {
            Some(value) => self.visit_interpolated(value),
            None => self.inner.visit_borrowed_str(text),
        }
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.trace.count()?;
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let deserializer = self.wrap(deserializer);
        self.inner.visit_some(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<V::Value, D::Error> {
        let deserializer = self.wrap(deserializer);
        self.inner.visit_newtype_struct(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.trace.descend()?;
        self.inner.visit_seq(Items {
            inner: items,
            trace: self.trace,
            number: 0,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.trace.descend()?;
        self.inner.visit_map(Entries {
            inner: entries,
            trace: self.trace,
            number: 0,
            current: None,
            seen: BTreeSet::new(),
        })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.wrap(access);
        self.inner.visit_enum(access)
    }
}

impl<'de, V: Visitor<'de>> Traced<'_, V> {
    fn visit_interpolated<E: Error>(self, value: String) -> Result<V::Value, E> {
        if self.is_typed {
            if let Ok(value) = value.parse() {
                return self.inner.visit_bool(value);
            }
            if let Ok(value) = value.parse() {
                return self.inner.visit_u64(value);
            }
            if let Ok(value) = value.parse() {
                return self.inner.visit_i64(value);
            }
            if let Ok(value) = value.parse() {
                return self.inner.visit_f64(value);
            }
        }
        self.inner.visit_string(value)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Traced<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = self.wrap(deserializer);
        self.inner.deserialize(deserializer)
    }
}

impl<'de, 't, A: EnumAccess<'de>> EnumAccess<'de> for Traced<'t, A> {
    type Error = A::Error;
    type Variant = Traced<'t, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let trace = self.trace;
        let (value, variant) = self.inner.variant_seed(trace.wrap(seed))?;
        Ok((value, trace.wrap(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Traced<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.wrap(seed);
        self.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = self.wrap(visitor);
        self.inner.tuple_variant(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = self.wrap(visitor);
        self.inner.struct_variant(fields, visitor)
    }
}

/// The items of a list.
struct Items<'t, A> {
    inner: A,
    trace: &'t Trace<'t>,
    number: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Items<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        while self.trace.is_skipped(self.number) {
            if self.inner.next_element::<IgnoredAny>()?.is_none() {
                return Ok(None);
            }
            self.number += 1;
        }
        let step = Step {
            number: self.number,
            name: self.number.to_string(),
        };
        self.number += 1;
        let seed = self.trace.wrap(seed);
        self.trace
            .within(step, || self.inner.next_element_seed(seed))
    }
}

/// The entries of a mapping.
struct Entries<'t, A> {
    inner: A,
    trace: &'t Trace<'t>,
    number: usize,
    current: Option<Step>,
    seen: BTreeSet<String>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        while self.trace.is_skipped(self.number) {
            let mut name = String::new();
            let key = self.inner.next_key_seed(Key {
                inner: PhantomData::<IgnoredAny>,
                name: &mut name,
                seen: &BTreeSet::new(),
            });
            if key?.is_none() {
                return Ok(None);
            }
            self.inner.next_value::<IgnoredAny>()?;
            self.seen.insert(name);
            self.number += 1;
        }
        let mut name = String::new();
        let key = self.inner.next_key_seed(Key {
            inner: seed,
            name: &mut name,
            seen: &self.seen,
        });
        let step = Step {
            number: self.number,
            name,
        };
        self.number += 1;
        match key {
            Ok(Some(key)) => {
                self.trace.count()?;
                self.seen.insert(step.name.clone());
                self.current = Some(step);
                Ok(Some(key))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                self.trace.fail(step, true);
                Err(error)
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let step = self.current.take().expect("a key comes before its value");
        let seed = self.trace.wrap(seed);
        self.trace.within(step, || self.inner.next_value_seed(seed))
    }
}

/// Reads a key: notes its name, and refuses one that stands in the mapping already.
struct Key<'k, T> {
    inner: T,
    name: &'k mut String,
    seen: &'k BTreeSet<String>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Key<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Key {
            inner: deserializer,
            name: self.name,
            seen: self.seen,
        })
    }
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
