//! Lists whose elements may include ones that this version cannot decode.
//!
//! Most elements of an account's lists belong to others: one of them must not fail a run. One that
//! is ours must not count as absent either, since a second host of its name would be created. So
//! each element is decoded by itself, and the caller says which undecodable elements matter:
//! [`Concern`].

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use stagecraft_core::{json, shorten};

use super::{Links, Meta};

/// Longest reason why an element cannot be decoded, in characters.
const FLAW_LIMIT: usize = 300;
/// The fields by which lists name their elements.
const NAMES: [&str; 6] = ["name", "slug", "id", "ip", "urn", "fingerprint"];

/// One page of any list.
pub(crate) trait Page: DeserializeOwned {
    type Item: Element;

    /// The field of the answer that holds the list.
    const LIST: &'static str;

    fn into_parts(self) -> (Vec<Self::Item>, Links, Option<Meta>);
}

/// An element of a list.
pub(crate) trait Element: DeserializeOwned {
    /// Its noun in messages.
    const WHAT: &'static str;

    /// Unique key within the list.
    fn key(&self) -> String;

    /// What is known of an element that cannot be fully decoded, if that is enough to continue.
    fn salvage(_: &Strange) -> Option<Self> {
        None
    }
}

/// An element as far as it could be decoded.
#[derive(Debug)]
pub(crate) enum Listed<T> {
    Known(T),
    Strange(Strange),
}

impl<T: Element> Listed<T> {
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Known(item) => item.key(),
            // Never the key of a known element.
            Self::Strange(strange) => format!("\0{}", strange.value),
        }
    }
}

/// An element that could not be decoded.
#[derive(Debug)]
pub(crate) struct Strange {
    what: &'static str,
    /// The element without its nulls.
    value: Value,
    flaw: String,
}

impl Strange {
    /// Why it cannot be decoded.
    pub(crate) fn flaw(&self) -> &str {
        &self.flaw
    }

    /// Returns a field of it.
    pub(crate) fn get(&self, field: &str) -> Option<&Value> {
        self.value.get(field)
    }

    /// The names of the element that can be read.
    fn names(&self) -> impl Iterator<Item = (&'static str, String)> {
        NAMES.into_iter().filter_map(|field| {
            let text = match self.value.get(field)? {
                Value::String(text) => shorten(text, 100),
                Value::Number(number) => number.to_string(),
                _ => return None,
            };
            Some((field, text))
        })
    }
}

impl fmt::Display for Strange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = self.names();
        match names.next() {
            Some((_, name)) => write!(f, "{} '{name}'", self.what)?,
            None => write!(f, "a {} without a name", self.what)?,
        }
        if let Some((_, id)) = names.find(|(field, _)| *field == "id") {
            write!(f, " (id {id})")?;
        }
        write!(f, ": {}", self.flaw)
    }
}

/// Which undecodable elements matter to the caller.
#[derive(Clone, Copy)]
pub(crate) enum Concern<'c> {
    /// All: a missing element would be created, or taken for deleted or done.
    Every,
    /// Those with a name, slug or id that matches. An element without any cannot be the wanted one.
    Named(&'c (dyn Fn(&str) -> bool + Sync)),
    /// None: a missing element only makes an answer less complete.
    Nobody,
}

impl Concern<'_> {
    pub(crate) fn includes(&self, strange: &Strange) -> bool {
        match self {
            // `null` is not an element.
            Self::Every => !strange.value.is_null(),
            Self::Named(is_meant) => strange.names().any(|(_, name)| is_meant(&name)),
            Self::Nobody => false,
        }
    }
}

/// One page, with every element as far as it can be decoded.
#[derive(Debug)]
pub(crate) struct Decoded<T> {
    pub(crate) items: Vec<Listed<T>>,
    pub(crate) links: Links,
    pub(crate) total: Option<Meta>,
}

/// Decodes a page. Goes element by element only if decoding the whole page fails.
///
/// # Errors
///
/// If the answer contains no list, or its links or its total are invalid.
pub(crate) fn decode_page<P: Page>(body: &[u8]) -> serde_json::Result<Decoded<P::Item>> {
    match serde_json::from_slice::<P>(body) {
        Ok(page) => {
            let (items, links, total) = page.into_parts();
            let items = items.into_iter().map(Listed::Known).collect();
            return Ok(Decoded {
                items,
                links,
                total,
            });
        }
        Err(error) if !error.is_data() => return Err(error),
        Err(_) => {}
    }
    let mut answer: Map<String, Value> = serde_json::from_slice(body)?;
    let elements = match answer.insert(P::LIST.to_owned(), Value::Array(Vec::new())) {
        Some(Value::Array(elements)) => elements,
        // Some encoders write an empty list as `null`.
        Some(Value::Null) => Vec::new(),
        Some(_) => {
            return Err(serde::de::Error::custom(format!(
                "`{}` is no list",
                P::LIST
            )));
        }
        None => {
            let missing = format!("missing field `{}`", P::LIST);
            return Err(serde::de::Error::custom(missing));
        }
    };
    let (_, links, total) = json::from_value::<P>(Value::Object(answer))?.into_parts();
    Ok(Decoded {
        items: elements.into_iter().map(decode_element).collect(),
        links,
        total,
    })
}

fn decode_element<T: Element>(value: Value) -> Listed<T> {
    let error = match json::from_value::<T>(value.clone()) {
        Ok(item) => return Listed::Known(item),
        Err(error) => error,
    };
    let strange = Strange {
        what: T::WHAT,
        value: json::from_value(value).unwrap_or_default(),
        flaw: shorten(&error.to_string(), FLAW_LIMIT),
    };
    match T::salvage(&strange) {
        Some(item) => Listed::Known(item),
        None => Listed::Strange(strange),
    }
}

/// Defines a page type: the field of its list, its elements, their noun in messages, and their
/// unique key.
macro_rules! page {
    ($name:ident, $field:ident, $item:ty, $what:literal, $key:ident) => {
        page!($name, $field, $item);

        impl $crate::wire::page::Element for $item {
            const WHAT: &'static str = $what;

            fn key(&self) -> String {
                self.$key.to_string()
            }
        }
    };
    ($name:ident, $field:ident, $item:ty) => {
        #[derive(Debug, serde::Deserialize)]
        pub(crate) struct $name {
            $field: Vec<$item>,
            #[serde(default)]
            links: $crate::wire::Links,
            meta: Option<$crate::wire::Meta>,
        }

        impl $crate::wire::page::Page for $name {
            type Item = $item;

            const LIST: &'static str = stringify!($field);

            fn into_parts(self) -> (Vec<$item>, $crate::wire::Links, Option<$crate::wire::Meta>) {
                (self.$field, self.links, self.meta)
            }
        }
    };
}

pub(super) use page;
