//! The parts of the decoder. Each passes on its input and reports to the trace.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde_json::Value;

use super::key::{Key, PeekKey, Peeked};
use super::{Step, Trace};

/// A decoder, visitor, seed or access that reports to a trace.
pub(in crate::config) struct Traced<'t, T> {
    pub(super) inner: T,
    pub(super) trace: &'t Trace<'t>,
    /// Whether the type is a number or a boolean. A text with inserted variables is then
    /// parsed as one.
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

/// For a number the decoder would refuse a text without showing it to the visitor.
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
            merged: VecDeque::new(),
            merged_value: None,
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

/// The entries of a mapping, with those merged by `<<` last.
struct Entries<'t, A> {
    inner: A,
    trace: &'t Trace<'t>,
    number: usize,
    current: Option<Step>,
    seen: BTreeSet<String>,
    /// Entries of `<<` that were not yet returned; the first of a name wins.
    merged: VecDeque<(String, Value)>,
    /// The value of the key that was returned last, if it came from `<<`.
    merged_value: Option<Value>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let mut seed = Some(seed);
        loop {
            let skips = self.trace.is_skipped(self.number);
            let mut name = String::new();
            let read = self.inner.next_key_seed(PeekKey {
                seed: &mut seed,
                name: &mut name,
                seen: &self.seen,
                skips,
                is_root: self.trace.is_root(),
            });
            let step = Step {
                number: self.number,
                name: name.clone(),
            };
            let read = match read {
                Ok(Some(read)) => read,
                Ok(None) => return self.next_merged(seed.take().expect("no key used it")),
                Err(error) => {
                    self.trace.fail(step, true);
                    return Err(error);
                }
            };
            self.number += 1;
            self.seen.insert(name);
            match read {
                Peeked::Key(key) => {
                    self.trace.count()?;
                    self.current = Some(step);
                    return Ok(Some(key));
                }
                Peeked::Merge => {
                    let seed = self.trace.wrap(PhantomData::<Value>);
                    let merged = self
                        .trace
                        .within_merge(step, || self.inner.next_value_seed(seed))?;
                    self.merge::<A::Error>(merged)?;
                }
                Peeked::Other => {
                    self.inner.next_value::<IgnoredAny>()?;
                }
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let step = self.current.take().expect("a key comes before its value");
        let seed = self.trace.wrap(seed);
        self.trace.within(step, || match self.merged_value.take() {
            Some(value) => seed.deserialize(value).map_err(|error| {
                A::Error::custom(format_args!("{error} (merged into the mapping by `<<`)"))
            }),
            None => self.inner.next_value_seed(seed),
        })
    }
}

impl<A> Entries<'_, A> {
    /// Merges the value of `<<`: a mapping, or several of which earlier ones win.
    fn merge<E: Error>(&mut self, merged: Value) -> Result<(), E> {
        let several = match merged {
            Value::Array(several) => several,
            one => vec![one],
        };
        for one in several {
            match one {
                Value::Object(entries) => self.merged.extend(entries),
                _ => {
                    return Err(E::custom(
                        "`<<` merges a mapping or a list of mappings into the one that it stands in",
                    ));
                }
            }
        }
        Ok(())
    }

    /// Returns the next key of `<<` that neither the mapping nor an earlier merge has.
    fn next_merged<'de, S: DeserializeSeed<'de>, E: Error>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, E> {
        while let Some((name, value)) = self.merged.pop_front() {
            if self.seen.contains(&name) {
                continue;
            }
            let step = Step {
                number: self.number,
                name: name.clone(),
            };
            self.number += 1;
            self.seen.insert(name.clone());
            if self.trace.is_skipped(step.number) {
                continue;
            }
            let key = seed.deserialize(Key {
                inner: StrDeserializer::<E>::new(&name),
                name: &mut String::new(),
                seen: &BTreeSet::new(),
            });
            if key.is_err() {
                self.trace.fail(step, true);
                return key.map(Some);
            }
            self.trace.count()?;
            self.current = Some(step);
            self.merged_value = Some(value);
            return key.map(Some);
        }
        Ok(None)
    }
}
