//! Hosts that exist.

use schemars::JsonSchema;
use serde::Serialize;
use stagecraft_core as core;

/// A host as its cloud shows it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Host {
    /// Its id in the cloud.
    id: String,
    /// Its name in the cloud.
    node: String,
    /// Its name within the environment, if `node` follows the naming rule.
    name: Option<String>,
    /// Its role, if a tag tells it.
    role: Option<String>,
    /// The provider's name of its size.
    size: String,
    /// The provider's name of its region.
    region: String,
    /// Its own public address, once it has one.
    public_ipv4: Option<String>,
    /// Its private address, if it has one.
    private_ipv4: Option<String>,
    /// What it is doing.
    status: HostStatus,
    /// Its tags as the cloud spells them, sorted.
    tags: Vec<String>,
    /// Whether it is protected from being deleted.
    is_protected: bool,
    /// When it may be reaped, if ever.
    #[schemars(extend("x-unit" = "seconds since 1970"))]
    expires_at: Option<i64>,
}

/// What a host is doing, as its cloud says.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum HostStatus {
    /// It is being made.
    New,
    /// It runs.
    Active,
    /// It is switched off.
    Off,
    /// It is kept but cannot run.
    Archived,
}

/// A host that exists, in short.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HostRef {
    /// Its name within the environment, or its whole name if that is not ours.
    name: String,
    /// Its id in the cloud.
    id: String,
    /// The provider's name of its size.
    size: String,
    /// The provider's name of its region.
    region: String,
    /// Its price of a month, if the cloud tells.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    monthly: Option<i64>,
    /// Its price of an hour, if the cloud tells.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    hourly: Option<i64>,
    /// Whether it is protected from being deleted.
    is_protected: bool,
    /// When it may be reaped, if ever.
    #[schemars(extend("x-unit" = "seconds since 1970"))]
    expires_at: Option<i64>,
    /// Its name in the cloud, if that is not the environment, `-` and its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    /// Whose it is by its tags. Only of hosts in `unmanaged`.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<HostOwner>,
}

/// Whose a host is by its tags.
#[derive(Debug, Serialize, JsonSchema)]
struct HostOwner {
    /// The project; `null` if the file that made it names none.
    project: Option<String>,
    /// The environment; `null` if no tag tells it.
    environment: Option<String>,
}

impl From<&core::Host> for Host {
    fn from(host: &core::Host) -> Self {
        Self {
            id: host.id.to_string(),
            node: host.node.clone(),
            name: host.name.as_ref().map(ToString::to_string),
            role: host.role.as_ref().map(ToString::to_string),
            size: host.size.clone(),
            region: host.region.clone(),
            public_ipv4: host.public_ipv4.map(|address| address.to_string()),
            private_ipv4: host.private_ipv4.map(|address| address.to_string()),
            status: match host.status {
                core::HostStatus::New => HostStatus::New,
                core::HostStatus::Active => HostStatus::Active,
                core::HostStatus::Off => HostStatus::Off,
                core::HostStatus::Archived => HostStatus::Archived,
            },
            tags: host.tags.clone(),
            is_protected: host.has_tag(core::tags::PROTECT_TAG),
            expires_at: core::tags::expires_at(&host.tags),
        }
    }
}

impl From<&core::HostRef> for HostRef {
    fn from(host: &core::HostRef) -> Self {
        Self {
            name: host.name.clone(),
            id: host.id.to_string(),
            size: host.size.clone(),
            region: host.region.clone(),
            monthly: host.monthly.map(|amount| amount.0),
            hourly: host.hourly.map(|amount| amount.0),
            is_protected: host.is_protected,
            expires_at: host.expires_at,
            node: host.node.clone(),
            owner: host.owner.as_ref().map(|owner| HostOwner {
                project: owner.project.as_ref().map(ToString::to_string),
                environment: owner.environment.as_ref().map(ToString::to_string),
            }),
        }
    }
}
