//! Plans: what would be done, and what is known to be wrong with it.

use schemars::JsonSchema;
use serde::Serialize;
use stagecraft_core as core;

use super::host::HostRef;

/// A plan with its identity and what is known to be wrong with it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Planned {
    /// The plan's identity: equal plans have equal ones, 64 hexadecimal digits.
    pub(super) plan_id: String,
    /// The plan.
    pub(super) plan: Plan,
    /// What would make the plan fail. `up` refuses a plan that has any; of a plan that deletes
    /// they tell why `down` or `prune` would refuse it.
    pub(super) findings: Vec<Finding>,
}

/// What is to be done in a cloud. All lists are sorted by name, then id.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Plan {
    /// The version of the plan's own form.
    version: u32,
    /// What the plan is for.
    mode: PlanMode,
    /// The project, if it has a name.
    project: Option<String>,
    /// The environment.
    environment: String,
    /// The cloud provider's id.
    provider: String,
    /// The account.
    account: Account,
    /// The address of the cloud's API.
    endpoint: String,
    /// Hosts to be created.
    create: Vec<CreateEntry>,
    /// Hosts to be deleted. Always empty in modes that do not delete.
    delete: Vec<HostRef>,
    /// Hosts that would be deleted if they were not protected. A plan that has any is refused.
    protected: Vec<HostRef>,
    /// Hosts whose time is over by their tag but not by the file. `infra reap` deletes each only
    /// if its name is typed on a terminal.
    held: Vec<HeldEntry>,
    /// Hosts to be resized.
    resize: Vec<ResizeEntry>,
    /// Hosts to be given other tags or put into a project. Each stands in one of the other lists too.
    retag: Vec<RetagEntry>,
    /// Hosts to be powered on, since a resize was broken off. Each stands in one of the other
    /// lists too.
    power_on: Vec<HostRef>,
    /// Hosts of ours that are not declared.
    undeclared: Vec<HostRef>,
    /// Hosts that are not as declared.
    differ: Vec<Difference>,
    /// Hosts that are as declared.
    unchanged: Vec<HostRef>,
    /// Hosts that were made from another image than the declared one. Images are not compared:
    /// they stay as they are until `infra replace`. Each stands in one of the other lists too.
    other_image: Vec<OtherImage>,
    /// Hosts that bear the environment's tag and are not managed here: those of other projects,
    /// and those whose name no pattern reads. They are left alone.
    unmanaged: Vec<HostRef>,
    /// Hosts of ours of which there is more than one of a name.
    duplicates: Vec<HostRef>,
    /// What the environment costs.
    cost: Cost,
}

/// What a plan is for.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum PlanMode {
    /// Create what is declared and missing. Never deletes.
    Reconcile,
    /// Delete the environment's hosts.
    Destroy,
    /// Delete the environment's hosts that are not declared.
    Prune,
    /// Delete the environment's hosts whose time is over.
    Reap,
    /// Give the fleet's tags to hosts that have the name of a declared one.
    Adopt,
    /// Take the protection of hosts away.
    Unprotect,
}

/// The account in which a plan is carried out.
#[derive(Debug, Serialize, JsonSchema)]
struct Account {
    /// Its id.
    id: String,
    /// How people know it: an e-mail address.
    name: String,
    /// The name of the team that it belongs to, if it does.
    team: Option<String>,
}

/// A host to be created.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a field of its own, and any of them may be true"
)]
struct CreateEntry {
    /// Its name within the environment.
    name: String,
    /// Its role.
    role: String,
    /// The provider's name of its size.
    size: String,
    /// The provider's name of its region.
    region: String,
    /// The provider's name of its image.
    image: String,
    /// Its name in the cloud.
    node: String,
    /// The tags it gets, without those made while it is created.
    tags: Vec<String>,
    /// The fingerprint of the operator's key that it gets.
    ssh_key_fingerprint: Option<String>,
    /// Its price of a month with its backups, if the cloud tells.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    monthly: Option<i64>,
    /// Its price of an hour with its backups, if the cloud tells.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    hourly: Option<i64>,
    /// The part of `monthly` that its backups cost at most, if it has any.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    backups_monthly: Option<i64>,
    /// Whether it is made protected from being deleted.
    protect: bool,
    /// The time after its creation when it may be reaped.
    #[schemars(extend("x-unit" = "seconds"))]
    ttl: Option<u64>,
    /// The private network it is put into; the provider's default if `null`.
    vpc: Option<String>,
    /// Whether the provider's agent for metrics is installed.
    monitoring: bool,
    /// Whether the provider makes backups of it.
    backups: bool,
    /// Whether it gets a public IPv6 address.
    ipv6: bool,
    /// The SHA-256 of its own user data, 64 hexadecimal digits.
    user_data_sha256: Option<String>,
    /// The provider's project that it is put into.
    cloud_project: Option<String>,
}

/// A host whose time is over by its tag but not by the file.
#[derive(Debug, Serialize, JsonSchema)]
struct HeldEntry {
    #[serde(flatten)]
    host: HostRef,
    /// The duration that the file declares, if any.
    #[schemars(extend("x-unit" = "seconds"))]
    ttl: Option<u64>,
    /// The end that the next `infra up` gives it, if any.
    #[schemars(extend("x-unit" = "seconds since 1970"))]
    ends_at: Option<i64>,
}

/// A host to be resized, with a pause in which it is off.
#[derive(Debug, Serialize, JsonSchema)]
struct ResizeEntry {
    #[serde(flatten)]
    host: HostRef,
    /// The size it gets.
    to: String,
    /// Whether its disk grows, which cannot be undone.
    grow_disk: bool,
    /// Its price of a month then, if the cloud tells.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    to_monthly: Option<i64>,
    /// Its price of an hour then, if the cloud tells.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    to_hourly: Option<i64>,
}

/// A host to be given other tags, or to be put into another of the provider's projects.
#[derive(Debug, Serialize, JsonSchema)]
struct RetagEntry {
    #[serde(flatten)]
    host: HostRef,
    /// The tags it gets, sorted.
    add: Vec<String>,
    /// The tags it loses, as it spells them, sorted.
    remove: Vec<String>,
    /// The time from now after which it may be reaped, if it has none yet.
    #[schemars(extend("x-unit" = "seconds"))]
    ttl: Option<u64>,
    /// How the end that it has changes, since the file declares another duration.
    end: Option<EndChange>,
    /// The provider's project that it is put into, if it is not there.
    cloud_project: Option<String>,
}

/// A host that was made from another image than the declared one.
#[derive(Debug, Serialize, JsonSchema)]
struct OtherImage {
    #[serde(flatten)]
    host: HostRef,
    /// The declared image.
    declared: String,
    /// The image that it was made from.
    actual: String,
}

/// How the end of a host's time changes.
#[derive(Debug, Serialize, JsonSchema)]
struct EndChange {
    /// The present end.
    #[schemars(extend("x-unit" = "seconds since 1970"))]
    from: i64,
    /// The end that it gets; `null` if none. The same as `from` if only the duration that gave
    /// it is recorded.
    #[schemars(extend("x-unit" = "seconds since 1970"))]
    to: Option<i64>,
    /// The duration that the file declares, if any.
    #[schemars(extend("x-unit" = "seconds"))]
    ttl: Option<u64>,
}

/// A host that is not as declared.
#[derive(Debug, Serialize, JsonSchema)]
struct Difference {
    #[serde(flatten)]
    host: HostRef,
    /// Field by field.
    fields: Vec<FieldDifference>,
}

/// One field that is not as declared.
#[derive(Debug, Serialize, JsonSchema)]
struct FieldDifference {
    /// The field's name.
    field: String,
    /// The declared value.
    declared: String,
    /// The observed value.
    actual: String,
    /// What it takes to make it so.
    takes: Remedy,
}

/// What it takes to make a host as declared.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Remedy {
    /// The host can be resized in place, with a pause.
    Resize,
    /// The host must be made anew.
    Replace,
    /// It can be changed by hand in the cloud's console.
    Manual,
    /// The host can be renamed in the cloud's console; `up` goes on without it.
    Rename,
}

/// What the environment costs, as far as the cloud tells.
#[derive(Debug, Serialize, JsonSchema)]
struct Cost {
    /// A month, before the plan.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    monthly_before: i64,
    /// A month, after the plan.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    monthly_after: i64,
    /// An hour, before the plan.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    hourly_before: i64,
    /// An hour, after the plan.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    hourly_after: i64,
    /// A month, of the hosts that are not declared. It is part of the others.
    #[schemars(extend("x-unit" = "millionths of a US dollar"))]
    undeclared_monthly: i64,
}

/// Something that is known to be wrong before anything is written.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Finding {
    /// The host's name, if it is about one.
    host: Option<String>,
    /// What is wrong.
    message: String,
    /// What to do about it.
    hint: Option<String>,
    /// Whether it is a guard of the user's own, such as a limit, that says no.
    is_guard: bool,
}

impl From<&stagecraft_engine::Planned> for Planned {
    fn from(planned: &stagecraft_engine::Planned) -> Self {
        Self::new(&planned.plan, &planned.findings)
    }
}

impl Planned {
    pub(super) fn new(plan: &core::InfraPlan, findings: &[core::Finding]) -> Self {
        Self {
            plan_id: plan.id(),
            plan: plan.into(),
            findings: findings.iter().map(Finding::from).collect(),
        }
    }
}

impl From<&core::InfraPlan> for Plan {
    fn from(plan: &core::InfraPlan) -> Self {
        let refs = |hosts: &[core::HostRef]| hosts.iter().map(HostRef::from).collect();
        Self {
            version: plan.version,
            mode: match plan.mode {
                core::PlanMode::Reconcile => PlanMode::Reconcile,
                core::PlanMode::Destroy => PlanMode::Destroy,
                core::PlanMode::Prune => PlanMode::Prune,
                core::PlanMode::Reap => PlanMode::Reap,
                core::PlanMode::Adopt => PlanMode::Adopt,
                core::PlanMode::Unprotect => PlanMode::Unprotect,
            },
            project: plan.project.as_ref().map(ToString::to_string),
            environment: plan.environment.to_string(),
            provider: plan.provider.clone(),
            account: Account {
                id: plan.account.id.clone(),
                name: plan.account.name.clone(),
                team: plan.account.team.clone(),
            },
            endpoint: plan.endpoint.clone(),
            create: plan.create.iter().map(CreateEntry::from).collect(),
            delete: refs(&plan.delete),
            protected: refs(&plan.protected),
            held: plan.held.iter().map(HeldEntry::from).collect(),
            resize: plan.resize.iter().map(ResizeEntry::from).collect(),
            retag: plan.retag.iter().map(RetagEntry::from).collect(),
            power_on: refs(&plan.power_on),
            undeclared: refs(&plan.undeclared),
            differ: plan.differ.iter().map(Difference::from).collect(),
            unchanged: refs(&plan.unchanged),
            other_image: plan.other_image.iter().map(OtherImage::from).collect(),
            unmanaged: refs(&plan.unmanaged),
            duplicates: refs(&plan.duplicates),
            cost: Cost {
                monthly_before: plan.cost.monthly_before.0,
                monthly_after: plan.cost.monthly_after.0,
                hourly_before: plan.cost.hourly_before.0,
                hourly_after: plan.cost.hourly_after.0,
                undeclared_monthly: plan.undeclared_monthly().0,
            },
        }
    }
}

impl From<&core::CreateEntry> for CreateEntry {
    fn from(entry: &core::CreateEntry) -> Self {
        let options = &entry.spec.options;
        Self {
            name: entry.spec.name.to_string(),
            role: entry.spec.role.to_string(),
            size: entry.spec.size.clone(),
            region: entry.spec.region.clone(),
            image: entry.spec.image.clone(),
            node: entry.node.to_string(),
            tags: entry.tags.clone(),
            ssh_key_fingerprint: entry.ssh_key_fingerprint.clone(),
            monthly: entry.monthly.map(|amount| amount.0),
            hourly: entry.hourly.map(|amount| amount.0),
            backups_monthly: entry.backups_monthly.map(|amount| amount.0),
            protect: options.protect,
            ttl: options.ttl_seconds,
            vpc: options.vpc.clone(),
            monitoring: options.monitoring,
            backups: options.backups,
            ipv6: options.ipv6,
            user_data_sha256: options.user_data_sha256.clone(),
            cloud_project: options.cloud_project.clone(),
        }
    }
}

impl From<&core::OtherImage> for OtherImage {
    fn from(entry: &core::OtherImage) -> Self {
        Self {
            host: (&entry.host).into(),
            declared: entry.declared.clone(),
            actual: entry.actual.clone(),
        }
    }
}

impl From<&core::HeldEntry> for HeldEntry {
    fn from(entry: &core::HeldEntry) -> Self {
        Self {
            host: (&entry.host).into(),
            ttl: entry.ttl_seconds,
            ends_at: entry.ends_at,
        }
    }
}

impl From<&core::ResizeEntry> for ResizeEntry {
    fn from(entry: &core::ResizeEntry) -> Self {
        Self {
            host: (&entry.host).into(),
            to: entry.to.clone(),
            grow_disk: entry.grow_disk,
            to_monthly: entry.to_monthly.map(|amount| amount.0),
            to_hourly: entry.to_hourly.map(|amount| amount.0),
        }
    }
}

impl From<&core::RetagEntry> for RetagEntry {
    fn from(entry: &core::RetagEntry) -> Self {
        Self {
            host: (&entry.host).into(),
            add: entry.add.clone(),
            remove: entry.remove.clone(),
            ttl: entry.ttl_seconds,
            end: entry.expiry.map(|expiry| EndChange {
                from: expiry.from,
                to: expiry.to,
                ttl: expiry.ttl_seconds,
            }),
            cloud_project: entry.project.clone(),
        }
    }
}

impl From<&core::Difference> for Difference {
    fn from(difference: &core::Difference) -> Self {
        let fields = difference.fields.iter().map(|field| FieldDifference {
            field: field.field.clone(),
            declared: field.declared.clone(),
            actual: field.actual.clone(),
            takes: match field.takes {
                core::Remedy::Resize => Remedy::Resize,
                core::Remedy::Replace => Remedy::Replace,
                core::Remedy::Manual => Remedy::Manual,
                core::Remedy::Rename => Remedy::Rename,
            },
        });
        Self {
            host: (&difference.host).into(),
            fields: fields.collect(),
        }
    }
}

impl From<&core::Finding> for Finding {
    fn from(finding: &core::Finding) -> Self {
        Self {
            host: finding.host.as_ref().map(ToString::to_string),
            message: finding.message.clone(),
            hint: finding.hint.clone(),
            is_guard: finding.is_guard,
        }
    }
}
