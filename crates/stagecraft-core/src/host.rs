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
    /// Its further options.
    #[serde(flatten)]
    pub options: HostOptions,
}

/// The options of a host besides role, size, region and image.
///
/// A provider that does not support one of them refuses it when its configuration is bound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in the configuration"
)]
pub struct HostOptions {
    /// Tags besides those of the fleet, sorted.
    pub own_tags: Vec<String>,
    /// Whether deletion is refused until the protection is removed.
    pub protect: bool,
    /// The time after which it may be reaped, in seconds after its creation. If this was declared
    /// later, it counts from when the host's tag was set.
    pub ttl_seconds: Option<u64>,
    /// Its private network, as declared; the provider's default if `None`.
    pub vpc: Option<String>,
    /// Whether the provider's metrics agent is installed.
    pub monitoring: bool,
    /// Whether the provider backs it up.
    pub backups: bool,
    /// Whether it has a public IPv6 address.
    pub ipv6: bool,
    /// The SHA-256 of the user's own user data, as 64 hexadecimal digits. The user data itself
    /// may hold secrets and stays out of plans.
    pub user_data_sha256: Option<String>,
    /// The provider's project of the host, as declared.
    pub cloud_project: Option<String>,
}

/// The state of a host, as reported by its cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostStatus {
    /// It is being created.
    New,
    /// It runs.
    Active,
    /// It is switched off.
    Off,
    /// It is kept but cannot run.
    Archived,
}

/// A host as reported by its cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its id in the cloud.
    pub id: HostId,
    /// Its name in the cloud, which a user may have changed to anything.
    pub node: String,
    /// Its name within the environment, if `node` follows the naming rule.
    pub name: Option<HostName>,
    /// Its role, if a tag names it.
    pub role: Option<RoleName>,
    /// The provider's name of its size.
    pub size: String,
    /// The provider's name of its region.
    pub region: String,
    /// Its own public address, once it has one.
    pub public_ipv4: Option<Ipv4Addr>,
    /// Its private address, if it has one.
    pub private_ipv4: Option<Ipv4Addr>,
    /// Its state.
    pub status: HostStatus,
    /// The size of its disk in GB, if the cloud reports it.
    pub disk_gb: Option<u64>,
    /// Its private network, spelled as in the declaration, if the cloud reports it.
    pub vpc: Option<String>,
    /// The provider's project of the host, spelled as in the declaration; empty if it is in none
    /// that is declared for it. `None` if that was not read.
    #[serde(default)]
    pub cloud_project: Option<String>,
    /// The provider's name of its image, if the cloud still has one for it.
    #[serde(default)]
    pub image: Option<String>,
    /// Its options, of those that the cloud reports; `None` if it reports none.
    pub features: Option<HostFeatures>,
    /// Its tags as the cloud spells them, sorted.
    pub tags: Vec<String>,
}

/// The options of a host that its cloud reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFeatures {
    /// Whether the provider's metrics agent was requested.
    pub monitoring: bool,
    /// Whether the provider backs it up.
    pub backups: bool,
    /// Whether it has a public IPv6 address.
    pub ipv6: bool,
}

impl Host {
    /// Whether the host has the tag. Case does not matter: clouds keep the first spelling.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own.eq_ignore_ascii_case(tag))
    }

    /// Returns its name within the environment, or its whole name if that breaks the rule.
    pub fn shown_name(&self) -> String {
        self.name
            .as_ref()
            .map_or_else(|| self.node.clone(), ToString::to_string)
    }

    /// Whether the provider is known to back it up.
    pub fn has_backups(&self) -> bool {
        self.features.is_some_and(|own| own.backups)
    }

    /// Returns the fingerprints that its tags pin, sorted.
    pub fn host_keys(&self) -> Vec<Fingerprint> {
        let mut keys: Vec<_> = self
            .tags
            .iter()
            .filter_map(|tag| Fingerprint::from_tag(tag))
            .collect();
        keys.sort();
        keys
    }

    /// Whether it runs and has a public address.
    pub fn is_ready(&self) -> bool {
        self.status == HostStatus::Active && self.public_ipv4.is_some()
    }
}
