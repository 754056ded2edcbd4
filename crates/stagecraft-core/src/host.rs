//! Hosts, as declared and as observed.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::hostkey::Fingerprint;
use crate::name::{HostId, HostName, RoleName};

/// A host as the configuration declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    /// Its name within the environment.
    pub name: HostName,
    /// Its role.
    pub role: RoleName,
    /// The provider's name of its size.
    pub size: String,
    /// The provider's name of its region.
    pub region: String,
    /// The provider's name of its image.
    pub image: String,
}

/// What a host is doing, as its cloud says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostStatus {
    /// It is being made.
    New,
    /// It runs.
    Active,
    /// It is switched off.
    Off,
    /// It is kept but cannot run.
    Archived,
}

/// A host as its cloud shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its id in the cloud.
    pub id: HostId,
    /// Its name in the cloud, which a person may have changed to anything.
    pub node: String,
    /// Its name within the environment, if `node` follows the naming rule.
    pub name: Option<HostName>,
    /// Its role, if a tag tells it.
    pub role: Option<RoleName>,
    /// The provider's name of its size.
    pub size: String,
    /// The provider's name of its region.
    pub region: String,
    /// Its own public address, once it has one.
    pub public_ipv4: Option<Ipv4Addr>,
    /// Its private address, if it has one.
    pub private_ipv4: Option<Ipv4Addr>,
    /// What it is doing.
    pub status: HostStatus,
    /// Its tags as the cloud spells them, sorted.
    pub tags: Vec<String>,
}

impl Host {
    /// Whether it bears the tag. Case does not matter: clouds keep the first spelling.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own.eq_ignore_ascii_case(tag))
    }

    /// Its name within the environment, or its whole name if that does not follow the rule.
    pub fn shown_name(&self) -> String {
        self.name
            .as_ref()
            .map_or_else(|| self.node.clone(), ToString::to_string)
    }

    /// The fingerprints that its tags pin, sorted.
    pub fn host_keys(&self) -> Vec<Fingerprint> {
        let mut keys: Vec<_> = self
            .tags
            .iter()
            .filter_map(|tag| Fingerprint::from_tag(tag))
            .collect();
        keys.sort();
        keys
    }

    /// Whether it runs and can be reached.
    pub fn is_ready(&self) -> bool {
        self.status == HostStatus::Active && self.public_ipv4.is_some()
    }
}
