//! Plans: what is declared against what was observed. Pure, and the same bytes every time.

mod compute;
mod host_changes;
mod saved;
mod stale;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use compute::plan_hosts;
pub use host_changes::{HostChanges, StepChanges};
pub use saved::{SAVED_PLAN_LIMIT, SAVED_PLAN_VERSION, SavedPlan};
pub use stale::{PlanChange, PlanSetting};

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, HostSpec};
use crate::money::MicroUsd;
use crate::name::{EnvironmentName, HostId, HostName, NodeName, ProjectName, RoleName};
use crate::naming::{NamePattern, Naming};

/// The version of the plan's wire form.
pub const PLAN_VERSION: u32 = 2;

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanMode {
    /// Create what is declared and missing. Never deletes.
    Reconcile,
    /// Delete the environment's hosts.
    Destroy,
    /// Delete the environment's hosts that are not declared.
    Prune,
    /// Delete the environment's hosts whose time is over.
    Reap,
    /// Make hosts ours that have the name of a declared one: they get the fleet's tags.
    Adopt,
    /// Take the protection of hosts away.
    Unprotect,
}

/// Whether hosts of another size than declared are resized.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeMode {
    /// They stay as they are.
    #[default]
    Never,
    /// They get processors and memory of the declared size, and keep their disk. This can be
    /// undone by another resize.
    KeepDisk,
    /// They get the disk of the declared size too. It can never become smaller again.
    GrowDisk,
}

/// Which hosts are made, so that providers read no more than that takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Makes {
    /// Those that are declared and missing.
    #[default]
    Missing,
    /// Those that exist too: they are going to be deleted before.
    Anew,
    /// None. A plan tells all the same which are missing.
    Nothing,
}

impl Makes {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// What a plan is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRequest {
    /// The environment.
    pub environment: EnvironmentName,
    /// What the plan is for.
    pub mode: PlanMode,
    /// Only these hosts; all if empty.
    pub hosts: BTreeSet<HostName>,
    /// Only hosts of these roles; all if empty.
    pub roles: BTreeSet<RoleName>,
    /// Only hosts that the run of this id made.
    #[serde(default)]
    pub made_by: Option<String>,
    /// Whether hosts of another size are resized. Counts in [`PlanMode::Reconcile`] only.
    #[serde(default)]
    pub resize: ResizeMode,
    /// Which hosts are made. Counts in [`PlanMode::Reconcile`] only, and changes no plan but for
    /// the operator's key, which is not read for hosts that nobody makes.
    #[serde(default, skip_serializing_if = "Makes::is_usual")]
    pub makes: Makes,
}

impl PlanRequest {
    /// Asks for a plan for the whole environment.
    pub fn new(environment: EnvironmentName, mode: PlanMode) -> Self {
        Self {
            environment,
            mode,
            hosts: BTreeSet::new(),
            roles: BTreeSet::new(),
            made_by: None,
            resize: ResizeMode::Never,
            makes: Makes::Missing,
        }
    }
}

/// The account in which a plan is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// How people know it: an e-mail address.
    pub name: String,
    /// The name of the team that it belongs to, if it does.
    pub team: Option<String>,
}

impl Account {
    /// Whether it is meant by a name: its id, its e-mail address or its team's name. Case does
    /// not matter.
    pub fn is_named(&self, name: &str) -> bool {
        [Some(&self.id), Some(&self.name), self.team.as_ref()]
            .into_iter()
            .flatten()
            .any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// The operator's key, which the cloud puts on new hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorKey {
    /// Its name in the account.
    pub name: String,
    /// Its fingerprint as the cloud gives it.
    pub fingerprint: String,
}

/// What a cloud offers under the name of a size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeOffer {
    /// The price of a month.
    pub monthly: MicroUsd,
    /// The price of an hour, by which is billed.
    pub hourly: MicroUsd,
    /// The size of the disk in GB.
    pub disk_gb: u64,
    /// The regions that have it now, sorted.
    pub regions: Vec<String>,
}

/// What was observed in a cloud, for one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudFacts {
    /// The account.
    pub account: Account,
    /// The address of the API.
    pub endpoint: String,
    /// The most hosts that the account may have, if it tells.
    pub host_limit: Option<u64>,
    /// The key for new hosts. Read only if there are hosts to be made.
    pub operator_key: Option<OperatorKey>,
    /// Every host that bears the environment's tag.
    pub hosts: Vec<Host>,
    /// The sizes that the cloud offers, by name.
    pub sizes: BTreeMap<String, SizeOffer>,
    /// What the backups of a host cost at most, in percent of the price of its size; `None` if
    /// the cloud does not tell.
    #[serde(default)]
    pub backup_percent: Option<u32>,
    /// The cloud's own time in seconds since 1970. Read only for plans that reap.
    #[serde(default)]
    pub time: Option<i64>,
}

/// What a host costs: its size, and its backups if they are known to cost something. Each a
/// month and an hour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Price {
    size: (MicroUsd, MicroUsd),
    backups: Option<(MicroUsd, MicroUsd)>,
}

impl Price {
    pub(crate) fn monthly(&self) -> MicroUsd {
        let backups = self.backups.map(|own| own.0);
        [self.size.0].into_iter().chain(backups).sum()
    }

    pub(crate) fn hourly(&self) -> MicroUsd {
        let backups = self.backups.map(|own| own.1);
        [self.size.1].into_iter().chain(backups).sum()
    }

    pub(crate) fn backups_monthly(&self) -> Option<MicroUsd> {
        self.backups.map(|own| own.0)
    }
}

/// What is to be done in a cloud. All lists are sorted by name, then id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InfraPlan {
    /// [`PLAN_VERSION`].
    pub version: u32,
    /// What the plan is for.
    pub mode: PlanMode,
    /// The project, if it has a name.
    pub project: Option<ProjectName>,
    /// How hosts are named, if not by the default pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_pattern: Option<NamePattern>,
    /// The environment.
    pub environment: EnvironmentName,
    /// The cloud provider's id.
    pub provider: String,
    /// The account.
    pub account: Account,
    /// The address of the API.
    pub endpoint: String,
    /// Hosts to be created.
    pub create: Vec<CreateEntry>,
    /// Hosts to be deleted. Always empty in modes that do not delete.
    pub delete: Vec<HostRef>,
    /// Hosts that would be deleted if they were not protected. A plan that has any is refused.
    pub protected: Vec<HostRef>,
    /// Hosts whose time is over by their tag but not by the file. They stay, unless each is
    /// [released](Self::release) by its name. Only in [`PlanMode::Reap`].
    pub held: Vec<HeldEntry>,
    /// Hosts to be resized.
    pub resize: Vec<ResizeEntry>,
    /// Hosts to be given other tags or put into a project. Each stands in one of the other lists too.
    pub retag: Vec<RetagEntry>,
    /// Hosts to be powered on, since a resize was broken off. Each stands in one of the other
    /// lists too.
    pub power_on: Vec<HostRef>,
    /// Hosts of ours that are not declared.
    pub undeclared: Vec<HostRef>,
    /// Hosts that are not as declared.
    pub differ: Vec<Difference>,
    /// Hosts that are as declared.
    pub unchanged: Vec<HostRef>,
    /// Hosts that were made from another image than the declared one. Images are not compared:
    /// these hosts stay as they are, and count as nothing to do. Each stands in one of the other
    /// lists too.
    pub other_image: Vec<OtherImage>,
    /// Hosts that bear the environment's tag but are not ours, or have a name that no
    /// declaration can have.
    pub unmanaged: Vec<HostRef>,
    /// Hosts of ours of which there is more than one of a name.
    pub duplicates: Vec<HostRef>,
    /// What the environment costs.
    pub cost: Cost,
}

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

/// A host that exists.
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
    /// Its price of a month with its backups, if the cloud tells.
    pub monthly: Option<MicroUsd>,
    /// Its price of an hour with its backups, if the cloud tells.
    pub hourly: Option<MicroUsd>,
    /// The part of `monthly` that its backups cost at most, if it has any.
    pub backups_monthly: Option<MicroUsd>,
    /// What protects it from being deleted.
    pub protection: Protection,
    /// When it may be reaped, in seconds since 1970, if ever.
    pub expires_at: Option<i64>,
    /// Its name in the cloud, if that is not environment and name by the default pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Whose it is by its tags. Only of hosts that the plan leaves alone as unmanaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<HostOwner>,
}

/// Whose a host is by its tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostOwner {
    /// The project; `None` if it was made by a file that names no project.
    pub project: Option<ProjectName>,
    /// The environment; `None` if no tag tells it.
    pub environment: Option<EnvironmentName>,
}

impl std::fmt::Display for HostOwner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.project {
            Some(project) => write!(f, "project `{project}`")?,
            None => f.write_str("a file without project.name")?,
        }
        match &self.environment {
            Some(environment) => write!(f, ", environment `{environment}`"),
            None => Ok(()),
        }
    }
}

impl HostRef {
    /// Its name in the cloud, for a host with a name within the environment.
    pub fn node(&self, environment: &EnvironmentName) -> String {
        let node = self.node.clone();
        node.unwrap_or_else(|| format!("{environment}-{}", self.name))
    }
}

/// What protects a host from being deleted. Either source is enough.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Protection {
    /// The configuration declares the host as protected.
    pub by_file: bool,
    /// The host bears [`PROTECT_TAG`](crate::tags::PROTECT_TAG).
    pub by_tag: bool,
}

impl Protection {
    /// Whether the host is protected.
    pub fn is_on(self) -> bool {
        self.by_file || self.by_tag
    }
}

impl HostRef {
    /// Whether it is protected from being deleted, by the file or by its tag.
    pub fn is_protected(&self) -> bool {
        self.protection.is_on()
    }
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

/// What the environment costs, as far as the cloud tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// A month, before the plan.
    pub monthly_before: MicroUsd,
    /// A month, after the plan.
    pub monthly_after: MicroUsd,
    /// An hour, before the plan.
    pub hourly_before: MicroUsd,
    /// An hour, after the plan.
    pub hourly_after: MicroUsd,
}

impl CloudFacts {
    /// What a host costs a month with its backups, if the cloud tells.
    pub fn monthly_of(&self, host: &Host) -> Option<MicroUsd> {
        Some(self.price(&host.size, host.has_backups())?.monthly())
    }

    /// The price of a host of a size, if the cloud tells. What backups cost is left out where it
    /// does not tell that.
    pub(crate) fn price(&self, size: &str, has_backups: bool) -> Option<Price> {
        let offer = self.sizes.get(size)?;
        let percent = self.backup_percent.filter(|_| has_backups);
        Some(Price {
            size: (offer.monthly, offer.hourly),
            backups: percent.map(|percent| {
                (
                    offer.monthly.percent(percent),
                    offer.hourly.percent(percent),
                )
            }),
        })
    }
}

impl Difference {
    /// Whether the host is as declared but for its name in the cloud.
    pub fn is_name_only(&self) -> bool {
        self.fields
            .iter()
            .all(|field| field.takes == Remedy::Rename)
    }
}

impl PlanMode {
    /// Whether plans of this mode delete hosts.
    pub fn deletes(self) -> bool {
        matches!(self, Self::Destroy | Self::Prune | Self::Reap)
    }
}

impl InfraPlan {
    /// A plan that does nothing.
    pub fn new(provider: &str, naming: &Naming, facts: &CloudFacts, request: &PlanRequest) -> Self {
        Self {
            version: PLAN_VERSION,
            mode: request.mode,
            project: naming.project().cloned(),
            name_pattern: Some(naming.pattern().clone()).filter(|own| !own.is_default()),
            environment: request.environment.clone(),
            provider: provider.to_owned(),
            account: facts.account.clone(),
            endpoint: facts.endpoint.clone(),
            create: Vec::new(),
            delete: Vec::new(),
            protected: Vec::new(),
            held: Vec::new(),
            resize: Vec::new(),
            retag: Vec::new(),
            power_on: Vec::new(),
            undeclared: Vec::new(),
            differ: Vec::new(),
            unchanged: Vec::new(),
            other_image: Vec::new(),
            unmanaged: Vec::new(),
            duplicates: Vec::new(),
            cost: Cost::default(),
        }
    }

    /// How the plan's hosts are named.
    pub fn naming(&self) -> Naming {
        let pattern = self.name_pattern.clone();
        Naming::new(self.project.clone(), pattern.unwrap_or_default())
    }

    /// Hosts that bear the tags of this project and environment, and a name that no pattern reads:
    /// a person may have renamed them.
    pub fn unnamed(&self) -> impl Iterator<Item = &HostRef> {
        self.unmanaged.iter().filter(|host| {
            let owner = host.owner.as_ref();
            owner.is_some_and(|owner| self.is_own(owner))
        })
    }

    /// Hosts of other projects, with whose they are.
    pub fn of_others(&self) -> impl Iterator<Item = (&HostRef, &HostOwner)> {
        let owned = self.unmanaged.iter();
        let owned = owned.filter_map(|host| Some((host, host.owner.as_ref()?)));
        owned.filter(|(_, owner)| !self.is_own(owner))
    }

    fn is_own(&self, owner: &HostOwner) -> bool {
        owner.project == self.project && owner.environment.as_ref() == Some(&self.environment)
    }

    /// Whether carrying out the plan would do nothing.
    pub fn is_empty(&self) -> bool {
        self.create.is_empty()
            && self.delete.is_empty()
            && self.resize.is_empty()
            && self.retag.is_empty()
            && self.power_on.is_empty()
    }

    /// Whether the environment is not as declared: there is something to do, hosts differ, or
    /// have a double. Hosts that are not declared do not count: they are left alone.
    pub fn has_pending(&self) -> bool {
        !(self.is_empty() && self.differ.is_empty() && self.duplicates.is_empty())
    }

    /// Lets a held host go, since its name was typed for it: it is deleted with the others.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if no held host has the id, or another name
    /// was typed. The host stays then.
    pub fn release(&mut self, id: &HostId, typed: &str) -> Result<()> {
        let at = self.held.iter().position(|entry| entry.host.id == *id);
        let Some(at) = at.filter(|at| self.held[*at].host.name == typed) else {
            let message = format!("`{typed}` is not the name of the host of id {id} that is held");
            return Err(Error::new(ErrorKind::Guard, message));
        };
        let entry = self.held.remove(at);
        self.delete.push(entry.host);
        self.delete.sort();
        self.cost = compute::cost(self);
        Ok(())
    }

    /// What the hosts that are not declared cost a month, as far as the cloud tells.
    pub fn undeclared_monthly(&self) -> MicroUsd {
        self.undeclared.iter().filter_map(|host| host.monthly).sum()
    }

    /// The hosts that become ours by the plan although they exist.
    pub fn adopted(&self) -> impl Iterator<Item = &HostRef> {
        let is_adopt = self.mode == PlanMode::Adopt;
        let entries = self.retag.iter().filter(move |_| is_adopt);
        entries.map(|entry| &entry.host)
    }

    /// The plan's identity: the SHA-256 of its bytes, as 64 hexadecimal digits.
    ///
    /// The fields are written in the order of their declaration, so equal plans have equal
    /// bytes.
    pub fn id(&self) -> String {
        let bytes = serde_json::to_vec(self).expect("a plan holds nothing that JSON cannot");
        data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
    }
}
