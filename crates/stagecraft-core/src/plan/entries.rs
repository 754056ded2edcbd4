//! The entries of a plan: one host each, with its action or its difference.

use serde::{Deserialize, Serialize};

use super::host_ref::HostRef;
use crate::host::HostSpec;
use crate::money::MicroUsd;
use crate::name::NodeName;

/// A host to be created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateEntry {
    /// The host.
    #[serde(flatten)]
    pub spec: HostSpec,
    /// Its name in the cloud.
    pub node: NodeName,
    /// The tags it gets, without those created at apply.
    pub tags: Vec<String>,
    /// The fingerprint of the operator's key that it gets.
    pub ssh_key_fingerprint: Option<String>,
    /// Its monthly price with backups, if the cloud reports it.
    pub monthly: Option<MicroUsd>,
    /// Its hourly price with backups, if the cloud reports it.
    pub hourly: Option<MicroUsd>,
    /// The part of `monthly` that its backups cost at most, if it has any.
    pub backups_monthly: Option<MicroUsd>,
}

/// A host that has expired by its tag but not by the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HeldEntry {
    /// The host.
    #[serde(flatten)]
    pub host: HostRef,
    /// The declared duration, in seconds; `None` if none is declared.
    pub ttl_seconds: Option<u64>,
    /// The end that the next `up` gives the host, in seconds since 1970, if any.
    pub ends_at: Option<i64>,
}

/// A host to be resized. It is off meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResizeEntry {
    /// The host before the resize.
    #[serde(flatten)]
    pub host: HostRef,
    /// The new size.
    pub to: String,
    /// Whether its disk grows, which cannot be undone.
    pub grow_disk: bool,
    /// Its new monthly price, if the cloud reports it.
    pub to_monthly: Option<MicroUsd>,
    /// Its new hourly price, if the cloud reports it.
    pub to_hourly: Option<MicroUsd>,
}

/// A host to be retagged, or to be moved to another of the provider's projects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetagEntry {
    /// The host.
    #[serde(flatten)]
    pub host: HostRef,
    /// The tags to add, sorted.
    pub add: Vec<String>,
    /// The tags to remove, in the host's spelling, sorted.
    pub remove: Vec<String>,
    /// The time from now after which it may be reaped, in seconds, if it has no end yet.
    pub ttl_seconds: Option<u64>,
    /// The change of its end, if another duration is declared.
    pub expiry: Option<ExpiryChange>,
    /// The provider's project to move it to, as declared, if it is not there.
    #[serde(default)]
    pub project: Option<String>,
}

impl RetagEntry {
    /// Whether its tags change. If not, it is only moved to a project.
    pub fn changes_tags(&self) -> bool {
        !(self.add.is_empty() && self.remove.is_empty() && self.ttl_seconds.is_none())
    }
}

/// The change of a host's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiryChange {
    /// The present end, in seconds since 1970.
    pub from: i64,
    /// The new end, in seconds since 1970; `None` if it has none. The same as `from` if only
    /// the duration is recorded.
    pub to: Option<i64>,
    /// The declared duration, in seconds; `None` if none is declared.
    pub ttl_seconds: Option<u64>,
}

/// A host whose image is not the declared one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OtherImage {
    /// The host.
    #[serde(flatten)]
    pub host: HostRef,
    /// The declared image.
    pub declared: String,
    /// The image that it was created from.
    pub actual: String,
}

/// A host that is not as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The host.
    #[serde(flatten)]
    pub host: HostRef,
    /// The differences, by field.
    pub fields: Vec<FieldDifference>,
}

impl Difference {
    /// Whether only the host's name in the cloud differs.
    pub fn is_name_only(&self) -> bool {
        self.fields
            .iter()
            .all(|field| field.takes == Remedy::Rename)
    }
}

/// A field that differs from the declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldDifference {
    /// The field's name.
    pub field: String,
    /// The declared value.
    pub declared: String,
    /// The observed value.
    pub actual: String,
    /// How to remove the difference.
    pub takes: Remedy,
}

/// How to make a host match its declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// The host can be resized in place. It is off meanwhile.
    Resize,
    /// The host must be replaced.
    Replace,
    /// It can be changed manually in the cloud's console.
    Manual,
    /// The host can be renamed in the cloud's console. Only its name in the network depends on it,
    /// so `up` continues without it.
    Rename,
}
