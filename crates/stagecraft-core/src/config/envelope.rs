//! The keys of the envelope of `stagecraft.yml`, as decoded.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Number;

use super::error::unsupported;
use super::map::UniqueMap;
use crate::name::ProjectName;
use crate::naming::NamePattern;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a mapping with keys such as `project`, `cloud`, `network` and `infra`"
)]
#[expect(dead_code, reason = "the unsupported keys exist to be refused by name")]
pub(super) struct Envelope {
    /// A file of lines `NAME=value`, relative to this one, with variables for `${NAME}` in values
    /// and for the keys that end in `_env`. The process's own variables win over it.
    #[serde(default, alias = "envFile")]
    pub(super) env_file: Option<PathBuf>,
    pub(super) project: Option<ProjectSection>,
    pub(super) cloud: Option<CloudSection>,
    pub(super) network: Option<ProviderSection>,
    pub(super) infra: Option<InfraSection>,
    pub(super) limits: Option<LimitsSection>,
    #[serde(default, deserialize_with = "unsupported")]
    pub(super) backend: Option<()>,
    #[serde(default, deserialize_with = "unsupported")]
    pub(super) frontend: Option<()>,
    #[serde(default, deserialize_with = "unsupported")]
    pub(super) hosts: Option<()>,
    #[serde(default, deserialize_with = "unsupported")]
    pub(super) services: Option<()>,
    #[serde(default, deserialize_with = "unsupported")]
    pub(super) environments: Option<()>,
    #[serde(default, deserialize_with = "unsupported")]
    pub(super) databases: Option<()>,
    #[serde(default, deserialize_with = "unsupported")]
    pub(super) migrations: Option<()>,
    #[serde(default, deserialize_with = "unsupported")]
    pub(super) dev: Option<()>,
    #[serde(default, deserialize_with = "unsupported")]
    pub(super) secrets: Option<()>,
    #[serde(default, deserialize_with = "unsupported")]
    pub(super) ci: Option<()>,
    #[serde(default, deserialize_with = "unsupported")]
    pub(super) terraform: Option<()>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping with the key `name`")]
#[expect(dead_code, reason = "the unsupported keys exist to be refused by name")]
pub(super) struct ProjectSection {
    /// The project's name; its hosts bear it in a tag.
    pub(super) name: ProjectName,
    #[serde(default, deserialize_with = "unsupported")]
    registry: Option<()>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a mapping with the keys `provider` and `providers`"
)]
pub(super) struct CloudSection {
    /// The id of the provider.
    pub(super) provider: String,
    /// The only account to work in: its id, the name of its team, or an e-mail address, which does
    /// not tell that person's teams apart. Whatever plans or writes in another one is refused.
    #[serde(default, alias = "expectAccount")]
    pub(super) expect_account: Option<String>,
    /// How hosts are named in cloud and network: `{env}`, `{host}` and, if wanted, `{project}`
    /// with lower-case letters, digits and `-` around and between them. `{env}-{host}` if left
    /// out. With `{project}`, for example `"{project}-{env}-{host}"`, several projects share one
    /// account. Hosts that exist keep their names.
    #[serde(default)]
    pub(super) name_pattern: NamePattern,
    /// Each provider's own configuration.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub(super) providers: UniqueMap<String, IgnoredAny>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "a mapping with the keys `max_hosts` and `max_monthly`"
)]
pub(super) struct LimitsSection {
    /// The most hosts that an environment may have. What would make more is refused.
    #[serde(alias = "maxHosts")]
    pub(super) max_hosts: Option<u64>,
    /// The most that an environment may cost a month, in US dollars. What would make it cost
    /// more is refused.
    #[serde(alias = "maxMonthly", deserialize_with = "dollars")]
    #[schemars(with = "Option<f64>")]
    pub(super) max_monthly: Option<Number>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a mapping with the keys `provider` and `providers`"
)]
pub(super) struct ProviderSection {
    /// The id of the provider.
    pub(super) provider: String,
    /// Each provider's own configuration.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub(super) providers: UniqueMap<String, IgnoredAny>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping with the key `bootstrap`")]
pub(super) struct InfraSection {
    /// How hosts are made ready: `ssh`, `readiness`, and one block for each step.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub(super) bootstrap: UniqueMap<String, IgnoredAny>,
}

/// Decodes a price limit of the user, in dollars.
fn dollars<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Number>, D::Error> {
    let amount = Option::<Number>::deserialize(deserializer)?;
    let is_price = |amount: &Number| {
        let dollars = amount.as_f64();
        dollars.is_some_and(|dollars| (0.0..1e9).contains(&dollars))
    };
    match &amount {
        Some(number) if !is_price(number) => Err(D::Error::custom(
            "must be an amount in dollars, from 0 to a thousand million",
        )),
        _ => Ok(amount),
    }
}
