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
    /// Whether it is protected from being deleted, by either of `protected_by`.
    is_protected: bool,
    /// What protects it from being deleted. Each has to be lifted.
    protected_by: Vec<ProtectedBy>,
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
    /// Its price of a month with its backups, if the cloud tells.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    monthly: Option<i64>,
    /// Its price of an hour with its backups, if the cloud tells.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    hourly: Option<i64>,
    /// The part of `monthly` that its backups cost at most, if it has any.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    backups_monthly: Option<i64>,
    /// Whether it is protected from being deleted, by either of `protected_by`.
    is_protected: bool,
    /// What protects it from being deleted. Each has to be lifted.
    protected_by: Vec<ProtectedBy>,
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

/// What protects a host from being deleted.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ProtectedBy {
    /// The file declares `protect: true` for it.
    File,
    /// It bears the tag of protection, which `infra unprotect` removes.
    Tag,
}

impl ProtectedBy {
    fn all(protection: core::Protection) -> Vec<Self> {
        let file = protection.by_file.then_some(Self::File);
        let tag = protection.by_tag.then_some(Self::Tag);
        file.into_iter().chain(tag).collect()
    }
}

impl From<&core::Host> for Host {
    fn from(host: &core::Host) -> Self {
        Self::declared(host, None)
    }
}

impl Host {
    /// A host with its declaration, if it has one.
    pub(super) fn declared(host: &core::Host, spec: Option<&core::HostSpec>) -> Self {
        let protection = core::Protection {
            by_file: spec.is_some_and(|spec| spec.options.protect),
            by_tag: host.has_tag(core::tags::PROTECT_TAG),
        };
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
            is_protected: protection.is_on(),
            protected_by: ProtectedBy::all(protection),
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
            backups_monthly: host.backups_monthly.map(|amount| amount.0),
            is_protected: host.is_protected(),
            protected_by: ProtectedBy::all(host.protection),
            expires_at: host.expires_at,
            node: host.node.clone(),
            owner: host.owner.as_ref().map(|owner| HostOwner {
                project: owner.project.as_ref().map(ToString::to_string),
                environment: owner.environment.as_ref().map(ToString::to_string),
            }),
        }
    }
}
