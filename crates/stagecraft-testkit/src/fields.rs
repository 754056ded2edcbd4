//! Finds the fields that a type decodes, and damages a sample of them in every way.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::MapDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

/// A field that a type decodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The struct that has it.
    pub owner: &'static str,
    /// Its name in JSON.
    pub name: &'static str,
    /// Its position in the sample, as a JSON pointer.
    pub pointer: String,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.owner, self.name)
    }
}

/// The damage to a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Damage {
    /// It becomes `null`.
    Null,
    /// It is removed.
    Absent,
    /// It becomes a value of another type.
    Other(Value),
}

/// Lists every field of every struct that is decoded from a sample.
///
/// # Panics
///
/// If the sample cannot be decoded, or lacks a field of the type, so that a test that damages each
/// field cannot miss a new one.
pub fn fields<T: DeserializeOwned>(sample: &Value) -> Vec<Field> {
    let found = RefCell::default();
    let traced = T::deserialize(Traced {
        value: sample,
        pointer: String::new(),
        found: &found,
    });
    if let Err(error) = traced {
        panic!("the sample cannot be decoded: {error}: {sample}");
    }
    found.into_inner()
}

/// Every damage to a field of a sample, with the damaged sample.
///
/// # Panics
///
/// If the sample has no such field.
pub fn damaged(sample: &Value, field: &Field) -> Vec<(Damage, Value)> {
    let kept = sample
        .pointer(&field.pointer)
        .unwrap_or_else(|| panic!("{field} is not in the sample"));
    let others = [
        Value::from(true),
        Value::from(-1.5),
        Value::from("\u{2603}"),
        Value::from(vec![Value::Bool(true)]),
        serde_json::json!({"\u{2603}": 1}),
    ];
    let is_other = |value: &Value| std::mem::discriminant(value) != std::mem::discriminant(kept);
    let others = others.into_iter().filter(is_other).map(Damage::Other);
    let all = [Damage::Null, Damage::Absent].into_iter().chain(others);
    all.map(|damage| {
        let mut sample = sample.clone();
        let (parent, _) = field
            .pointer
            .rsplit_once('/')
            .expect("a field has a parent");
        let parent = sample.pointer_mut(parent).and_then(Value::as_object_mut);
        let parent = parent.expect("a field is in an object");
        match &damage {
            Damage::Null => parent.insert(field.name.to_owned(), Value::Null),
            Damage::Absent => parent.remove(field.name),
            Damage::Other(value) => parent.insert(field.name.to_owned(), value.clone()),
        };
        (damage, sample)
    })
    .collect()
}

/// A value that records the requested fields.
struct Traced<'v> {
    value: &'v Value,
    pointer: String,
    found: &'v RefCell<Vec<Field>>,
}

impl<'v> Traced<'v> {
    fn child(&self, key: impl fmt::Display, value: &'v Value) -> Self {
        Self {
            value,
            pointer: format!("{}/{key}", self.pointer),
            found: self.found,
        }
    }
}

impl<'de> IntoDeserializer<'de, Error> for Traced<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Traced<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => visitor.visit_u64(value),
                (None, Some(value)) => visitor.visit_i64(value),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(list) => {
                let elements = list.iter().enumerate();
                let elements = elements.map(|(number, element)| self.child(number, element));
                visitor.visit_seq(Elements(elements))
            }
            Value::Object(map) => {
                let entries = map.iter();
                let entries = entries.map(|(key, value)| (key.as_str(), self.child(key, value)));
                visitor.visit_map(MapDeserializer::new(entries))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        owner: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        for name in fields {
            let field = Field {
                owner,
                name,
                pointer: format!("{}/{name}", self.pointer),
            };
            assert!(
                self.value.get(name).is_some(),
                "the sample lacks {field} at {}",
                field.pointer
            );
            self.found.borrow_mut().push(field);
        }
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Elements<I>(I);

impl<'de, I: Iterator<Item = Traced<'de>>> SeqAccess<'de> for Elements<I> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        self.0
            .next()
            .map(|element| seed.deserialize(element))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only decoded")]
    struct Outer {
        list: Vec<Inner>,
        #[serde(rename = "type")]
        kind: Option<String>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only decoded")]
    struct Inner {
        id: u64,
    }

    #[test]
    fn fields_of_all_structs_are_found_with_their_places() {
        let sample = json!({"list": [{"id": 1}], "type": "x", "unknown": 1});
        let found = fields::<Outer>(&sample);
        let told: Vec<String> = found
            .iter()
            .map(|field| format!("{field} {}", field.pointer))
            .collect();
        assert_eq!(
            told,
            [
                "Outer.list /list",
                "Outer.type /type",
                "Inner.id /list/0/id"
            ]
        );
        let damaged = damaged(&sample, &found[2]);
        assert_eq!(damaged.len(), 6);
        let sample = json!({"list": [{"id": null}], "type": "x", "unknown": 1});
        assert_eq!(damaged[0], (Damage::Null, sample));
    }

    #[test]
    #[should_panic(expected = "the sample lacks Inner.id at /list/0/id")]
    fn field_that_the_sample_lacks_is_an_error() {
        fields::<Outer>(&json!({"list": [{}], "type": "x"}));
    }
}
