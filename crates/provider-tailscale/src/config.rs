//! The provider's block of the configuration.

mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use stagecraft_core::config::unsupported;
use stagecraft_core::{RoleName, SecretKeyError, SecretKeys, SecretSource};

pub use self::values::{LoginServer, Tag, TailnetDomain, ValueError};
use crate::version::ClientVersion;

/// How hosts join a Tailscale network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TailscaleConfig {
    /// The name of the variable that holds the auth key, for example `TS_AUTHKEY`. Never the
    /// key itself. One of `auth_key_env`, `auth_key_file` and `auth_key_cmd` is required. The
    /// key is read only when a host has to log in.
    #[serde(default, alias = "authKeyEnv")]
    pub auth_key_env: Option<String>,
    /// A file that holds the auth key and nothing else, relative to the configuration.
    #[serde(default, alias = "authKeyFile")]
    pub auth_key_file: Option<PathBuf>,
    /// A program and its arguments that print the auth key, for example
    /// `[pass, show, tailscale]`. No shell is involved.
    #[serde(default, alias = "authKeyCmd")]
    pub auth_key_cmd: Option<Vec<String>>,
    /// The tailnet's domain (its `MagicDNS` suffix), for example `tail1234.ts.net`. Required.
    /// A host that belongs to another tailnet is refused, never moved.
    #[serde(alias = "tailnetDomain")]
    pub tailnet_domain: TailnetDomain,
    /// The tags of every node, for example `["tag:stagecraft"]`. Default: none.
    /// A node may bear further tags.
    #[serde(default, alias = "defaultTags")]
    pub default_tags: Vec<Tag>,
    /// Further tags by role, for example `{ db: ["tag:db"] }`. Default: none.
    #[serde(default, alias = "roleTags")]
    pub role_tags: BTreeMap<RoleName, Vec<Tag>>,
    /// How the client comes onto a host.
    #[serde(default)]
    pub install: InstallConfig,
    /// The control server, if it is not Tailscale's own, for example
    /// `https://headscale.example.com`. Must be `https`, or `http` on loopback.
    #[serde(default, alias = "loginServer")]
    pub login_server: Option<LoginServer>,
    /// Whether hosts use the tailnet's DNS settings. Default: `false`, since it rewrites the
    /// resolver that containers copy.
    #[serde(default, alias = "acceptDns")]
    pub accept_dns: bool,
    #[serde(default, deserialize_with = "unsupported", skip_serializing)]
    oauth: Option<()>,
    #[serde(
        default,
        alias = "apiKeyEnv",
        deserialize_with = "unsupported",
        skip_serializing
    )]
    api_key_env: Option<()>,
}

/// How the client comes onto a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct InstallConfig {
    /// `auto` (the default) installs the vendor's package where the client is missing;
    /// `skip` takes a host without the client as an error.
    #[serde(default)]
    pub method: InstallMethod,
    /// The oldest version that is accepted, for example `"1.80"`. Default: any. An older
    /// client is an error; nothing is upgraded.
    #[serde(default, alias = "minVersion")]
    pub min_version: Option<ClientVersion>,
}

/// Whether the client is installed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InstallMethod {
    /// Where it is missing, from the vendor's package source.
    #[default]
    Auto,
    /// Never.
    Skip,
}

impl TailscaleConfig {
    /// A configuration with defaults for all optional keys.
    pub fn new(auth_key_env: impl Into<String>, tailnet_domain: TailnetDomain) -> Self {
        Self {
            auth_key_env: Some(auth_key_env.into()),
            auth_key_file: None,
            auth_key_cmd: None,
            tailnet_domain,
            default_tags: Vec::new(),
            role_tags: BTreeMap::new(),
            install: InstallConfig::default(),
            login_server: None,
            accept_dns: false,
            oauth: None,
            api_key_env: None,
        }
    }

    /// The source of the auth key.
    ///
    /// # Errors
    ///
    /// [`SecretKeyError`] if none or several keys give a source, or one is invalid.
    pub fn auth_key(&self) -> Result<SecretSource, SecretKeyError> {
        SecretKeys {
            name: "auth_key",
            env: self.auth_key_env.as_deref(),
            file: self.auth_key_file.as_ref(),
            cmd: self.auth_key_cmd.as_deref(),
        }
        .source()
    }

    /// The tags that a node of a role requires, sorted and without duplicates.
    pub fn tags_of(&self, role: &RoleName) -> BTreeSet<Tag> {
        self.default_tags
            .iter()
            .chain(self.role_tags.get(role).into_iter().flatten())
            .cloned()
            .collect()
    }
}

#[cfg(test)]
#[cfg(feature = "yaml")]
mod tests {
    use std::sync::Arc;

    use stagecraft_core::config::{ConfigBlock, ConfigError, Document};

    use super::*;

    fn parse(text: &str) -> Result<TailscaleConfig, ConfigError> {
        let document = Document::new("stagecraft.yml", text).unwrap();
        ConfigBlock::new(Arc::new(document), [] as [&str; 0])
            .parse()
            .map_err(|errors| errors.first().clone())
    }

    #[test]
    fn every_key_is_taken_in_both_spellings() {
        let snake = parse(
            "auth_key_env: TS_AUTHKEY\ntailnet_domain: Tail1.ts.net\ndefault_tags: [\"tag:a\"]\n\
             role_tags: { db: [\"tag:db\", \"tag:a\"] }\ninstall: { method: skip, min_version: \"1.80\" }\n\
             login_server: https://hs.example.com\naccept_dns: true\n",
        )
        .unwrap();
        let camel = parse(
            "authKeyEnv: TS_AUTHKEY\ntailnetDomain: tail1.ts.net\ndefaultTags: [\"tag:a\"]\n\
             roleTags: { db: [\"tag:db\", \"tag:a\"] }\ninstall: { method: skip, minVersion: \"1.80.0\" }\n\
             loginServer: https://hs.example.com/\nacceptDns: true\n",
        )
        .unwrap();
        assert_eq!(snake, camel);
        assert_eq!(snake.tailnet_domain.as_str(), "tail1.ts.net");
        let tags: Vec<String> = snake
            .tags_of(&RoleName::new("db").unwrap())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(tags, ["tag:a", "tag:db"]);
        assert_eq!(snake.tags_of(&RoleName::new("app").unwrap()).len(), 1);
    }

    #[test]
    fn wrong_values_are_named_with_their_place() {
        let required = "auth_key_env: K\ntailnet_domain: t.ts.net\n";
        for (line, message) in [
            ("default_tags: [db]", "invalid tag \"db\""),
            ("role_tags: { DB: [] }", "invalid role"),
            ("login_server: http://hs.example.com", "must be https"),
            ("accept_dns: maybe", "expected a boolean"),
            ("install: { min_version: [1] }", "expected a string"),
            ("install: { min_version: new }", "invalid version"),
            ("install: { method: script }", "unknown value `script`"),
            ("oauth: { client_id_env: X }", "not supported yet"),
            ("api_key_env: X", "not supported yet"),
            ("default_tag: []", "unknown field `default_tag`"),
        ] {
            let error = parse(&format!("{required}{line}\n")).unwrap_err();
            assert!(error.to_string().contains(message), "{line}: {error}");
            assert_eq!(error.location.map(|at| at.line), Some(3), "{line}: {error}");
        }
        let error = parse("auth_key_env: K\ntailnet_domain: tailnet\n").unwrap_err();
        assert!(error.to_string().contains("at least one dot"), "{error}");
        let error = parse("auth_key_env: K\n").unwrap_err();
        assert!(error.to_string().contains("missing field `tailnet_domain`"));
    }

    #[test]
    fn schema_is_closed_and_allows_no_value_for_what_is_refused() {
        let schema = schemars::schema_for!(TailscaleConfig);
        let text = schema.as_value().to_string();
        assert!(text.contains("\"additionalProperties\":false"));
        assert_eq!(schema.as_value()["properties"]["oauth"]["type"], "null");
        assert!(text.contains("The name of the variable"));
    }
}
