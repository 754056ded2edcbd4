//! Configuration values, each checked when it is read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stagecraft_core::config::parse_text;
use url::{Host, Url};

/// Longest domain that leaves room for a node's name in a full name of 253 characters.
const DOMAIN_LIMIT: usize = 253 - 63 - 1;

/// A value that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} {value:?}: {rule}")]
pub struct ValueError {
    what: &'static str,
    value: String,
    rule: &'static str,
}

macro_rules! text_value {
    ($name:ident, $schema:expr) => {
        impl $name {
            /// The value as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                parse_text(deserializer)
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
                $schema
            }
        }
    };
}

/// A tag of a node, for example `tag:db`. Case matters.
///
/// The rule is `CheckTag` of Tailscale's `tailcfg` package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

text_value!(
    Tag,
    schemars::json_schema!({ "type": "string", "pattern": "^tag:[A-Za-z][A-Za-z0-9-]*$" })
);

impl FromStr for Tag {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let name = text.strip_prefix("tag:").unwrap_or_default();
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(ValueError {
                what: "tag",
                value: text.to_owned(),
                rule: "use `tag:`, then a letter, then letters, digits and '-'",
            })
        }
    }
}

/// The domain of a tailnet, for example `tail1234.ts.net`. In lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TailnetDomain(String);

text_value!(
    TailnetDomain,
    schemars::json_schema!({ "type": "string", "pattern": r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$" })
);

impl FromStr for TailnetDomain {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if text.contains('.') && text.len() <= DOMAIN_LIMIT && text.split('.').all(is_label) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(ValueError {
                what: "tailnet domain",
                value: text.to_owned(),
                rule: "use a DNS name with at least one dot, as the admin console shows it under DNS",
            })
        }
    }
}

/// The URL of a control server. Without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LoginServer(String);

text_value!(
    LoginServer,
    schemars::json_schema!({ "type": "string", "format": "uri" })
);

impl FromStr for LoginServer {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let refuse = |rule| ValueError {
            what: "login server",
            // The message does not repeat a user name or password in the URL.
            value: text.rsplit('@').next().unwrap_or_default().to_owned(),
            rule,
        };
        let url = Url::parse(text).map_err(|_| refuse("use a URL with scheme and host"))?;
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Err(refuse("use a URL with scheme and host")),
        };
        if !(url.scheme() == "https" || (url.scheme() == "http" && loopback)) {
            return Err(refuse("it must be https, or http on loopback"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it must not hold a user name or password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it must have neither a query nor a fragment"));
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_follow_the_vendors_rule() {
        for good in ["tag:a", "tag:Db-1", "tag:x9-"] {
            assert!(good.parse::<Tag>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "tag:",
            "tag:1a",
            "tag:-a",
            "tag:a_b",
            "tag:a b",
            "tag:a,tag:b",
            "TAG:a",
            "tag:ä",
        ] {
            assert!(bad.parse::<Tag>().is_err(), "{bad}");
        }
    }

    #[test]
    fn domains_are_dns_names_with_a_dot() {
        assert_eq!(
            "A-b.TS.net".parse::<TailnetDomain>().unwrap().as_str(),
            "a-b.ts.net"
        );
        let long = format!("{}.net", "a.".repeat(95));
        for bad in [
            "", "tailnet", ".ts.net", "ts.net.", "a..b", "-a.net", "a_b.net", &long,
        ] {
            assert!(bad.parse::<TailnetDomain>().is_err(), "{bad}");
        }
    }

    #[test]
    fn login_server_is_https_or_loopback() {
        for good in [
            "https://hs.example.com",
            "http://127.0.0.1:8080",
            "http://[::1]:8080/",
            "http://localhost/x",
        ] {
            let server: LoginServer = good.parse().unwrap();
            assert_eq!(server.as_str(), good.trim_end_matches('/'));
        }
        for bad in [
            "hs.example.com",
            "http://10.0.0.1",
            "ftp://localhost",
            "https://",
            "https://a/?b",
            "https://a/#b",
            "http://localhost.example.com",
        ] {
            assert!(bad.parse::<LoginServer>().is_err(), "{bad}");
        }
        let error = "https://me:pass@a.example"
            .parse::<LoginServer>()
            .unwrap_err();
        assert!(!error.to_string().contains("pass@"), "{error}");
    }
}
