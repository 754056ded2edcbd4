//! The entries of a plan: one host, and what is to be done about it or differs.

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
    /// The tags it gets, without those made at apply.
    pub tags: Vec<String>,
    /// The fingerprint of the operator's key that it gets.
    pub ssh_key_fingerprint: Option<String>,
    /// Its price of a month with its backups, if the cloud tells.
    pub monthly: Option<MicroUsd>,
    /// Its price of an hour with its backups, if the cloud tells.
    pub hourly: Option<MicroUsd>,
    /// The part of `monthly` that its backups cost at most, if it has any.
    pub backups_monthly: Option<MicroUsd>,
}

/// A host whose time is over by its tag but not by the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HeldEntry {
    /// The host.
    #[serde(flatten)]
    pub host: HostRef,
    /// The duration that the file declares, in seconds; `None` if it declares none.
    pub ttl_seconds: Option<u64>,
    /// The end that the host gets from the next `up`, in seconds since 1970, if any.
    pub ends_at: Option<i64>,
}

/// A host to be resized, with a pause in which it is off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResizeEntry {
    /// The host as it is.
    #[serde(flatten)]
    pub host: HostRef,
    /// The size it gets.
    pub to: String,
    /// Whether its disk grows, which cannot be undone.
    pub grow_disk: bool,
    /// Its price of a month then, if the cloud tells.
    pub to_monthly: Option<MicroUsd>,
    /// Its price of an hour then, if the cloud tells.
    pub to_hourly: Option<MicroUsd>,
}

/// A host to be given other tags, or to be put into another of the provider's projects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetagEntry {
    /// The host.
    #[serde(flatten)]
    pub host: HostRef,
    /// The tags it gets, sorted.
    pub add: Vec<String>,
    /// The tags it loses, as it spells them, sorted.
    pub remove: Vec<String>,
    /// The time from now after which it may be reaped, in seconds, if it has none yet.
    pub ttl_seconds: Option<u64>,
    /// How the end that it has changes, since another duration is declared.
    pub expiry: Option<ExpiryChange>,
    /// The provider's project that it is put into, as declared, if it is not there.
    #[serde(default)]
    pub project: Option<String>,
}

impl RetagEntry {
    /// Whether its tags change. If not, it is only put into a project.
    pub fn changes_tags(&self) -> bool {
        !(self.add.is_empty() && self.remove.is_empty() && self.ttl_seconds.is_none())
    }
}

/// How the end of a host's time changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiryChange {
    /// The present end, in seconds since 1970.
    pub from: i64,
    /// The end that it gets, in seconds since 1970; `None` if none. The same as `from` if only
    /// the duration that gave it is recorded.
    pub to: Option<i64>,
    /// The declared duration, in seconds; `None` if none is declared.
    pub ttl_seconds: Option<u64>,
}

/// A host that was made from another image than the declared one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OtherImage {
    /// The host.
    #[serde(flatten)]
    pub host: HostRef,
    /// The declared image.
    pub declared: String,
    /// The image that it was made from.
    pub actual: String,
}

/// A host that is not as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The host.
    #[serde(flatten)]
    pub host: HostRef,
    /// Field by field.
    pub fields: Vec<FieldDifference>,
}

impl Difference {
    /// Whether the host is as declared but for its name in the cloud.
    pub fn is_name_only(&self) -> bool {
        self.fields
            .iter()
            .all(|field| field.takes == Remedy::Rename)
    }
}

/// One field that is not as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldDifference {
    /// The field's name.
    pub field: String,
    /// The declared value.
    pub declared: String,
    /// The observed value.
    pub actual: String,
    /// What it takes to make it so.
    pub takes: Remedy,
}

/// What it takes to make a host as declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// The host can be resized in place, with a pause.
    Resize,
    /// The host must be made anew.
    Replace,
    /// It can be changed by hand in the cloud's console.
    Manual,
    /// The host can be renamed in the cloud's console. Nothing but its name in the network
    /// follows, so `up` goes on without it.
    Rename,
}
