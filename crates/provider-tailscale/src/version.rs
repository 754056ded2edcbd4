//! Client versions, compared as numbers.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use stagecraft_core::config::parse_text;

/// A version of the Tailscale client, for example `1.82.0`.
///
/// Compared number by number, so `1.9` is older than `1.82`. A part that is absent counts as
/// 0, and a build's suffix (`-t5716fc6f3`) does not count.
#[derive(Debug, Clone)]
pub struct ClientVersion {
    /// Without trailing zeros, so that `1.82` equals `1.82.0`.
    numbers: Vec<u64>,
    text: String,
}

/// A text that is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid version {0:?}: use numbers with dots between them, for example \"1.82.0\"")]
pub struct VersionError(String);

impl FromStr for ClientVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let text = text.trim();
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let suffix = &text[end..];
        if !(suffix.is_empty() || suffix.starts_with(['-', '+', '~'])) {
            return Err(VersionError(text.to_owned()));
        }
        let mut numbers = text[..end]
            .split('.')
            .map(str::parse)
            .collect::<Result<Vec<u64>, _>>()
            .map_err(|_| VersionError(text.to_owned()))?;
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        Ok(Self {
            numbers,
            text: text.to_owned(),
        })
    }
}

impl Serialize for ClientVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClientVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_text(deserializer)
    }
}

impl fmt::Display for ClientVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for ClientVersion {
    fn eq(&self, other: &Self) -> bool {
        self.numbers == other.numbers
    }
}

impl Eq for ClientVersion {}

impl PartialOrd for ClientVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ClientVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ClientVersion {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ClientVersion".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)*([-+~].*)?$" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> ClientVersion {
        text.parse().unwrap()
    }

    #[test]
    fn versions_compare_as_numbers_without_their_suffix() {
        assert!(version("1.9") < version("1.10"));
        assert!(version("1.82.1") > version("1.82"));
        assert_eq!(version("1.82"), version("1.82.0-tlocal"));
        assert_eq!(
            version("1.82.0-t5716fc6f3-g1").to_string(),
            "1.82.0-t5716fc6f3-g1"
        );
    }

    #[test]
    fn texts_without_a_number_are_refused() {
        for text in [
            "",
            "v1.2",
            "1..2",
            "1.",
            ".1",
            "latest",
            "1.2x",
            "99999999999999999999",
        ] {
            assert!(text.parse::<ClientVersion>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn order_is_total_and_agrees_with_the_numbers(
            a in prop::collection::vec(0u64..4, 1..4),
            b in prop::collection::vec(0u64..4, 1..4),
            c in prop::collection::vec(0u64..4, 1..4),
        ) {
            let text = |numbers: &[u64]| {
                let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
                version(&words.join("."))
            };
            let padded = |numbers: &[u64]| {
                let mut numbers = numbers.to_vec();
                numbers.resize(4, 0);
                numbers
            };
            let (x, y, z) = (text(&a), text(&b), text(&c));
            prop_assert_eq!(x.cmp(&y), padded(&a).cmp(&padded(&b)));
            prop_assert_eq!(x.cmp(&y), y.cmp(&x).reverse());
            if x <= y && y <= z {
                prop_assert!(x <= z);
            }
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,20}") {
            let _version = text.parse::<ClientVersion>();
        }
    }
}
