//! Names, each checked on construction against the rules of clouds and DNS.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::config::parse_text;

/// The error of a name that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} {value:?}: {rule}")]
pub struct NameError {
    what: &'static str,
    value: String,
    rule: &'static str,
}

const LABEL_RULE: &str = "use 1 to 63 lower-case letters, digits and '-', starting with a letter or digit and ending with a letter or digit";
#[cfg(feature = "schema")]
const LABEL_PATTERN: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";

fn is_label(value: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = value.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|&byte| inner(byte) || byte == b'-')
        && bytes.first().is_some_and(|&byte| inner(byte))
        && bytes.last().is_some_and(|&byte| inner(byte))
}

macro_rules! label_name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                parse_text(deserializer)
            }
        }

        impl $name {
            /// Checks the name.
            ///
            /// # Errors
            ///
            /// [`NameError`] if it is not a lower-case DNS label of at most 63 characters.
            pub fn new(value: impl Into<String>) -> Result<Self, NameError> {
                let value = value.into();
                if is_label(&value) {
                    Ok(Self(value))
                } else {
                    Err(NameError { what: $what, value, rule: LABEL_RULE })
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;

            fn from_str(value: &str) -> Result<Self, NameError> {
                Self::new(value)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": LABEL_PATTERN })
            }
        }
    };
}

label_name!(
    /// The name of an environment, for example `staging`.
    EnvironmentName,
    "environment name"
);
label_name!(
    /// The name of a project.
    ProjectName,
    "project name"
);
label_name!(
    /// The name of a host within its environment, for example `app-1`.
    HostName,
    "host name"
);
label_name!(
    /// The role of a host, for example `db`.
    RoleName,
    "role"
);
label_name!(
    /// The name of a host in its cloud and its network, built by [`Naming`](crate::Naming).
    NodeName,
    "node name"
);

/// The id of a host in its cloud. Opaque outside its provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostId(String);

impl HostId {
    /// Wraps the provider's own id.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn upper_case_underscores_and_edge_hyphens_are_refused() {
        for bad in ["", "App", "a_b", "-a", "a-", "a.b", "ä", &"a".repeat(64)] {
            assert!(HostName::new(bad).is_err(), "{bad:?}");
        }
        assert!(HostName::new("a".repeat(63)).is_ok());
    }

    proptest! {
        #[test]
        fn every_accepted_label_matches_the_published_pattern(value in "[a-zA-Z0-9_.-]{0,70}") {
            let edges = value.starts_with('-') || value.ends_with('-');
            let expected = !value.is_empty()
                && value.len() <= 63
                && !edges
                && value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            prop_assert_eq!(HostName::new(value).is_ok(), expected);
        }
    }
}
