//! Existing hosts, as plans show them.

use serde::{Deserialize, Serialize};

use crate::money::MicroUsd;
use crate::name::{EnvironmentName, HostId};
use crate::tags::HostOwner;

/// An existing host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostRef {
    /// Its name within the environment, or its whole name if that is not ours.
    pub name: String,
    /// Its id.
    pub id: HostId,
    /// Its size.
    pub size: String,
    /// Its region.
    pub region: String,
    /// Its monthly price with backups, if the cloud reports it.
    pub monthly: Option<MicroUsd>,
    /// Its hourly price with backups, if the cloud reports it.
    pub hourly: Option<MicroUsd>,
    /// The part of `monthly` that its backups cost at most, if it has any.
    pub backups_monthly: Option<MicroUsd>,
    /// What protects it from deletion.
    pub protection: Protection,
    /// When it may be reaped, in seconds since 1970, if ever.
    pub expires_at: Option<i64>,
    /// Its name in the cloud, if that differs from environment and name by the default pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its owner by its tags. Only for hosts that the plan leaves alone as unmanaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<HostOwner>,
}

impl HostRef {
    /// Returns its name in the cloud, for a host with a name within the environment.
    pub fn node(&self, environment: &EnvironmentName) -> String {
        let node = self.node.clone();
        node.unwrap_or_else(|| format!("{environment}-{}", self.name))
    }

    /// Whether the file or its tag protects it from deletion.
    pub fn is_protected(&self) -> bool {
        self.protection.is_on()
    }
}

/// What protects a host from deletion. Either source is enough.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Protection {
    /// The configuration declares the host as protected.
    pub by_file: bool,
    /// The host has [`PROTECT_TAG`](crate::tags::PROTECT_TAG).
    pub by_tag: bool,
}

impl Protection {
    /// Whether the host is protected.
    pub fn is_on(self) -> bool {
        self.by_file || self.by_tag
    }
}
