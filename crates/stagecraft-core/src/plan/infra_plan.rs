//! The plan itself: its lists, its costs, and its identity.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::entries::{CreateEntry, Difference, HeldEntry, OtherImage, ResizeEntry, RetagEntry};
use super::facts::{Account, CloudFacts};
use super::host_ref::HostRef;
use super::request::{PlanMode, PlanRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::money::MicroUsd;
use crate::name::{EnvironmentName, HostId, ProjectName};
use crate::naming::{NamePattern, Naming};
use crate::tags::HostOwner;

/// The version of the plan's wire form.
pub const PLAN_VERSION: u32 = 2;

/// The actions and drift of a run in a cloud. All lists are sorted by name, then id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InfraPlan {
    /// [`PLAN_VERSION`].
    pub version: u32,
    /// What the plan is for.
    pub mode: PlanMode,
    /// The project, if it has a name.
    pub project: Option<ProjectName>,
    /// The pattern of host names, unless it is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_pattern: Option<NamePattern>,
    /// The environment.
    pub environment: EnvironmentName,
    /// The cloud provider's id.
    pub provider: String,
    /// The account.
    pub account: Account,
    /// The URL of the API.
    pub endpoint: String,
    /// Hosts to be created.
    pub create: Vec<CreateEntry>,
    /// Hosts to be deleted. Always empty in modes that do not delete.
    pub delete: Vec<HostRef>,
    /// Hosts that would be deleted if they were not protected. A plan with any is refused.
    pub protected: Vec<HostRef>,
    /// Hosts that have expired by their tag but not by the file. They stay, unless each is
    /// [released](Self::release) by its name. Only in [`PlanMode::Reap`].
    pub held: Vec<HeldEntry>,
    /// Hosts to be resized.
    pub resize: Vec<ResizeEntry>,
    /// Hosts to be retagged or moved to a project. Each is in one of the other lists too.
    pub retag: Vec<RetagEntry>,
    /// Hosts to be powered on, since a resize was interrupted. Each is in one of the other
    /// lists too.
    pub power_on: Vec<HostRef>,
    /// Our hosts that are not declared.
    pub undeclared: Vec<HostRef>,
    /// Hosts that differ from their declaration.
    pub differ: Vec<Difference>,
    /// Hosts that match their declaration.
    pub unchanged: Vec<HostRef>,
    /// Hosts whose image is not the declared one. Images are not compared: these hosts stay as
    /// they are, and need no action. Each is in one of the other lists too.
    pub other_image: Vec<OtherImage>,
    /// Hosts with the environment's tag that are not ours, or whose name no declaration can
    /// have.
    pub unmanaged: Vec<HostRef>,
    /// Our hosts that share a name with another.
    pub duplicates: Vec<HostRef>,
    /// The cost of the environment.
    pub cost: Cost,
}

/// The cost of an environment, as far as the cloud reports it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Per month, before the plan.
    pub monthly_before: MicroUsd,
    /// Per month, after the plan.
    pub monthly_after: MicroUsd,
    /// Per hour, before the plan.
    pub hourly_before: MicroUsd,
    /// Per hour, after the plan.
    pub hourly_after: MicroUsd,
}

impl InfraPlan {
    /// Creates a plan that does nothing.
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

    /// Returns the naming of the plan's hosts.
    pub fn naming(&self) -> Naming {
        let pattern = self.name_pattern.clone();
        Naming::new(self.project.clone(), pattern.unwrap_or_default())
    }

    /// Returns hosts with the tags of this project and environment and a name that no pattern
    /// matches: a user may have renamed them.
    pub fn unnamed(&self) -> impl Iterator<Item = &HostRef> {
        self.unmanaged.iter().filter(|host| {
            let owner = host.owner.as_ref();
            owner.is_some_and(|owner| self.is_own(owner))
        })
    }

    /// Returns hosts of other projects, with their owners.
    pub fn of_others(&self) -> impl Iterator<Item = (&HostRef, &HostOwner)> {
        let owned = self.unmanaged.iter();
        let owned = owned.filter_map(|host| Some((host, host.owner.as_ref()?)));
        owned.filter(|(_, owner)| !self.is_own(owner))
    }

    fn is_own(&self, owner: &HostOwner) -> bool {
        owner.project == self.project && owner.environment.as_ref() == Some(&self.environment)
    }

    /// Whether the plan has no actions.
    pub fn is_empty(&self) -> bool {
        self.create.is_empty()
            && self.delete.is_empty()
            && self.resize.is_empty()
            && self.retag.is_empty()
            && self.power_on.is_empty()
    }

    /// Whether the environment differs from its declaration: there are actions, hosts that differ,
    /// or duplicates. Undeclared hosts do not count: they are left alone.
    pub fn has_pending(&self) -> bool {
        !(self.is_empty() && self.differ.is_empty() && self.duplicates.is_empty())
    }

    /// Releases a held host for deletion, confirmed by its typed name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if no held host has the id, or another name was typed. The host then
    /// stays.
    pub fn release(&mut self, id: &HostId, typed: &str) -> Result<()> {
        let at = self.held.iter().position(|entry| entry.host.id == *id);
        let Some(at) = at.filter(|at| self.held[*at].host.name == typed) else {
            let message = format!("`{typed}` is not the name of the host of id {id} that is held");
            return Err(Error::new(ErrorKind::Guard, message));
        };
        let entry = self.held.remove(at);
        self.delete.push(entry.host);
        self.delete.sort();
        self.cost = self.costs();
        Ok(())
    }

    /// Returns the monthly cost of undeclared hosts, as far as the cloud reports it.
    pub fn undeclared_monthly(&self) -> MicroUsd {
        self.undeclared.iter().filter_map(|host| host.monthly).sum()
    }

    /// Returns the existing hosts that the plan adopts.
    pub fn adopted(&self) -> impl Iterator<Item = &HostRef> {
        let is_adopt = self.mode == PlanMode::Adopt;
        let entries = self.retag.iter().filter(move |_| is_adopt);
        entries.map(|entry| &entry.host)
    }

    /// Returns the plan's identity: the SHA-256 of its bytes, as 64 hexadecimal digits.
    ///
    /// The fields are serialized in the order of their declaration, so equal plans have equal
    /// bytes.
    pub fn id(&self) -> String {
        let bytes = serde_json::to_vec(self).expect("a plan holds nothing that JSON cannot");
        data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
    }

    /// Computes the cost of the environment before and after the plan.
    pub(super) fn costs(&self) -> Cost {
        let kept = [
            &self.unchanged,
            &self.undeclared,
            &self.duplicates,
            &self.protected,
        ];
        let differing = self.differ.iter().map(|entry| &entry.host);
        let held = self.held.iter().map(|entry| &entry.host);
        let kept = kept.into_iter().flatten().chain(differing).chain(held);
        let kept: Vec<&HostRef> = kept.collect();
        let total = |of: fn(&HostRef) -> Option<MicroUsd>,
                     created: fn(&CreateEntry) -> Option<MicroUsd>,
                     resized: fn(&ResizeEntry) -> Option<MicroUsd>| {
            let kept: MicroUsd = kept.iter().filter_map(|host| of(host)).sum();
            let deleted: MicroUsd = self.delete.iter().filter_map(of).sum();
            let from = self.resize.iter().filter_map(|entry| of(&entry.host));
            let to = self.resize.iter().filter_map(resized);
            let created: MicroUsd = self.create.iter().filter_map(created).sum();
            let adopted: MicroUsd = self.adopted().filter_map(of).sum();
            let before: MicroUsd = [kept, deleted].into_iter().chain(from).sum();
            let after: MicroUsd = [kept, created, adopted].into_iter().chain(to).sum();
            (before, after)
        };
        let (monthly_before, monthly_after) = total(
            |host| host.monthly,
            |entry| entry.monthly,
            |entry| entry.to_monthly,
        );
        let (hourly_before, hourly_after) = total(
            |host| host.hourly,
            |entry| entry.hourly,
            |entry| entry.to_hourly,
        );
        Cost {
            monthly_before,
            monthly_after,
            hourly_before,
            hourly_after,
        }
    }
}
