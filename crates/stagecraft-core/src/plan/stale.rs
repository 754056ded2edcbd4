//! Refusal of saved plans that no longer hold.

use super::change::PlanChange;
use super::compare::changes;
use super::host_changes::HostChanges;
use super::saved::SavedPlan;
use crate::error::{Error, ErrorKind, Result};
use crate::name::HostId;

/// The most changes that a refusal lists.
pub(super) const TOLD: usize = 50;

impl SavedPlan {
    /// Returns the changes since this plan was made. `now` is a fresh plan for the same request.
    /// Sorted, the most important first; empty if and only if both do the same to the same hosts.
    ///
    /// The people who make and apply a plan may differ: an account is its id.
    /// Hosts of other projects do not matter either: a plan leaves them alone.
    pub fn changes(&self, now: &Self) -> Vec<PlanChange> {
        let is_others = |id: &HostId| self.is_others(id) && now.is_others(id);
        let planned = self.without(is_others);
        let mut now = now.without(is_others);
        now.hosts.clone_from(&self.hosts);
        if now.plan.account.id == self.plan.account.id {
            now.plan.account = self.plan.account.clone();
        }
        changes(&planned, &now)
    }

    /// Whether a host belongs to another project, or does not exist.
    fn is_others(&self, id: &HostId) -> bool {
        let mut others = self.plan.of_others();
        others.any(|(host, _)| host.id == *id) || !self.facts.hosts.iter().any(|own| own.id == *id)
    }

    fn without(&self, is_left_out: impl Fn(&HostId) -> bool) -> Self {
        let mut own = self.clone();
        own.plan.unmanaged.retain(|host| !is_left_out(&host.id));
        own.facts.hosts.retain(|host| !is_left_out(&host.id));
        own
    }

    /// Refuses a plan that differs from the present one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`], with each change as a cause.
    pub fn check(&self, now: &Self) -> Result<()> {
        let changes = self.changes(now);
        if changes.is_empty() {
            return Ok(());
        }
        let cause = causes(ErrorKind::Stale, changes.iter().map(ToString::to_string));
        let id = self.plan.id();
        let count = match changes.len() {
            1 => "1 thing has".to_owned(),
            count => format!("{count} things have"),
        };
        let error = Error::new(
            ErrorKind::Stale,
            format!(
                "plan {} is stale: {count} changed since it was made",
                &id[..12]
            ),
        )
        .with_context("plan_id", id)
        .with_hint("plan again, and look at the new plan; nothing was done");
        Err(match cause {
            Some(cause) => error.with_source(cause),
            None => error,
        })
    }

    /// Refuses changes on existing hosts that the plan does not approve.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if the hosts were not read when the plan was saved,
    /// [`ErrorKind::Stale`] if they were and other changes are found now, each as a cause.
    pub fn check_hosts(&self, found: &[HostChanges]) -> Result<()> {
        let mut hosts = Vec::new();
        let mut lines = Vec::new();
        for found in found {
            let none = HostChanges::none(found.host.as_str(), found.id.clone());
            let approved = self.host_changes().iter().find(|own| own.id == found.id);
            let missing = approved.unwrap_or(&none).missing(found);
            if !missing.is_empty() {
                hosts.push(found.host.as_str());
                lines.extend(
                    missing
                        .iter()
                        .map(|line| format!("`{}`: {line}", found.host)),
                );
            }
        }
        if hosts.is_empty() {
            return Ok(());
        }
        let (id, hosts) = (self.plan.id(), hosts.join(", "));
        let short = &id[..12];
        let error = if self.hosts.is_some() {
            Error::new(
                ErrorKind::Stale,
                format!("plan {short} is stale: other changes are needed now on {hosts}"),
            )
            .with_hint("plan again with --hosts, and review the new plan; nothing was done")
        } else {
            let message = format!(
                "plan {short} was saved without --hosts, so it approves no change to existing hosts; these would change: {hosts}"
            );
            Error::new(ErrorKind::Guard, message).with_hint(
                "save a plan with `stagecraft infra plan --hosts --out FILE`, or run `stagecraft infra up` without --plan; nothing was done",
            )
        };
        let error = error.with_context("plan_id", id);
        Err(match causes(error.kind(), lines.into_iter()) {
            Some(cause) => error.with_source(cause),
            None => error,
        })
    }
}

/// Chains lines as causes of each other, at most [`TOLD`].
fn causes(kind: ErrorKind, lines: impl ExactSizeIterator<Item = String>) -> Option<Error> {
    let more = lines.len().saturating_sub(TOLD);
    let mut told: Vec<String> = lines.take(TOLD).collect();
    if more > 0 {
        told.push(format!("and {more} more changes"));
    }
    let told = told.into_iter().rev();
    told.fold(None, |cause: Option<Error>, message| {
        let error = Error::new(kind, message);
        Some(match cause {
            Some(cause) => error.with_source(cause),
            None => error,
        })
    })
}
