//! Changes of the owner or protection of hosts, which change only tags.

use stagecraft_core::{
    ApplyReport, ApprovedPlan, Confirmation, Error, ErrorKind, Finding, HostRef, InfraPlan,
    PlanMode, Result, Run,
};

use crate::down::NoHosts;
use crate::engine::Engine;
use crate::outcome::Outcome;
use crate::planned::{Planned, finding_text};

/// Result of `adopt` or `unprotect`.
#[derive(Debug)]
pub struct RetagReport {
    /// The applied plan.
    pub plan: InfraPlan,
    /// Its result in the cloud.
    pub apply: ApplyReport,
    /// Named hosts that cannot be adopted or unprotected, with the reasons.
    pub refused: Vec<Finding>,
    interrupted: bool,
    locked: bool,
}

impl Planned {
    /// Refuses a plan to adopt hosts that exceeds a limit, and one to adopt or unprotect that
    /// applies to no host.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`], with the reason for each.
    pub fn check_adoption(&self) -> Result<()> {
        let done = match self.plan.mode {
            PlanMode::Adopt => "adopted",
            PlanMode::Unprotect => "unprotected",
            _ => return Ok(()),
        };
        let of_all = self.findings.iter().filter(|own| own.host.is_none());
        let of_all: Vec<String> = of_all.map(finding_text).collect();
        if !of_all.is_empty() {
            return Err(Error::new(ErrorKind::Guard, of_all.join("; ")));
        }
        if !self.plan.retag.is_empty() || self.findings.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = self.findings.iter().map(finding_text).collect();
        let message = format!("no host can be {done}: {}", list.join("; "));
        Err(Error::new(ErrorKind::Guard, message))
    }

    /// Returns named hosts of ours that need no new tags: they are already ours, or not
    /// protected.
    pub fn as_wanted(&self) -> Vec<&HostRef> {
        let is_retagged = |host: &HostRef| {
            let mut entries = self.plan.retag.iter();
            entries.any(|entry| entry.host.id == host.id)
        };
        let existing = self.plan.existing();
        let mut hosts: Vec<_> = existing.filter(|host| !is_retagged(host)).collect();
        hosts.sort();
        hosts
    }
}

impl Engine {
    /// Applies a plan that adopts or unprotects hosts. Changes only their tags. Safe to
    /// repeat.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if no host can be adopted or unprotected, a limit is exceeded or
    /// another environment was confirmed,
    /// [`ErrorKind::Locked`] if the lease is gone. Nothing was written then.
    pub async fn retag(
        &self,
        run: &Run,
        planned: Planned,
        confirmation: &Confirmation,
    ) -> Result<RetagReport> {
        planned.check_adoption()?;
        let Planned {
            plan,
            facts,
            findings,
            ..
        } = planned;
        let approved = ApprovedPlan::retag(plan, &facts.account, &facts.endpoint, confirmation)?;
        run.before_write().await?;
        let apply = self.cloud.apply(run, &approved, &NoHosts).await;
        Ok(RetagReport {
            plan: approved.plan().clone(),
            apply,
            refused: findings,
            interrupted: run.cancellation().is_cancelled(),
            locked: run.lost().is_some(),
        })
    }
}

impl RetagReport {
    /// Returns the outcome of the whole operation.
    pub fn outcome(&self) -> Outcome {
        if self.apply.is_complete() {
            if self.refused.is_empty() {
                Outcome::Done
            } else {
                Outcome::Partial
            }
        } else if self.locked {
            Outcome::Locked
        } else if self.interrupted {
            Outcome::Interrupted
        } else if self.apply.retagged.is_empty() {
            Outcome::CloudFailed
        } else {
            Outcome::Partial
        }
    }
}
