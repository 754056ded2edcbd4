//! Deletion of hosts.

use serde::Serialize;
use stagecraft_core::{
    ApplyReport, ApprovedPlan, Confirmation, Error, ErrorKind, Host, HostName, HostSink, InfraPlan,
    NodeName, PlanMode, Result, Run, StepOutcome,
};

use crate::engine::Engine;
use crate::outcome::{Outcome, is_refused};
use crate::planned::Planned;

/// Result of `down`.
#[derive(Debug)]
pub struct DownReport {
    /// The applied plan.
    pub plan: InfraPlan,
    /// Its result in the cloud.
    pub apply: ApplyReport,
    /// The outcomes for the network's own entries, by host.
    pub forgotten: Vec<Forgotten>,
    interrupted: bool,
    locked: bool,
}

/// The removal of one node from the network's own list.
#[derive(Debug, Serialize)]
pub struct Forgotten {
    /// The host.
    pub host: HostName,
    /// The outcome.
    #[serde(flatten)]
    pub outcome: StepOutcome,
}

/// A sink for plans that hand over no hosts: those that delete or retag.
#[derive(Debug)]
pub(crate) struct NoHosts;

impl HostSink for NoHosts {
    fn ready(&self, _: Host) {}
}

/// Options of `prune`.
#[derive(Debug, Clone, Copy, Default)]
pub struct PruneOptions {
    /// Continue although more than half of the environment's hosts would be deleted.
    pub more_than_half: bool,
}

impl Engine {
    /// Deletes the hosts of a destroy, prune or reap plan, by the ids that it shows, and waits
    /// until they are gone. Safe to repeat.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if the confirmation is for another environment, hosts are
    /// protected, or a prune plan is for more than half of the environment;
    /// [`ErrorKind::Locked`] if the lease is gone. Nothing was written then.
    pub async fn down(
        &self,
        run: &Run,
        planned: Planned,
        confirmation: &Confirmation,
    ) -> Result<DownReport> {
        let options = PruneOptions::default();
        self.prune(run, planned, confirmation, options).await
    }

    /// Like [`down`](Self::down), with options.
    ///
    /// # Errors
    ///
    /// Those of [`down`](Self::down).
    pub async fn prune(
        &self,
        run: &Run,
        planned: Planned,
        confirmation: &Confirmation,
        options: PruneOptions,
    ) -> Result<DownReport> {
        self.check_deletes(&planned, options)?;
        let Planned { plan, facts, .. } = planned;
        let approved = ApprovedPlan::destroy(plan, &facts.account, &facts.endpoint, confirmation)?;
        run.before_write().await?;
        let mut apply = self.cloud.apply(run, &approved, &NoHosts).await;
        apply.exists = self.exists_now(run, approved.plan(), &facts, &apply).await;
        let forgotten = self.forget(run, approved.plan(), &apply).await;
        Ok(DownReport {
            plan: approved.plan().clone(),
            apply,
            forgotten,
            interrupted: run.cancellation().is_cancelled(),
            locked: run.lost().is_some(),
        })
    }

    /// Refuses a plan that [`prune`](Self::prune) would refuse whatever is confirmed. Pure.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if hosts are protected, or a prune plan is for more than half of
    /// the environment.
    pub fn check_deletes(&self, planned: &Planned, options: PruneOptions) -> Result<()> {
        let plan = &planned.plan;
        plan.check_protection()?;
        if plan.mode != PlanMode::Prune || plan.delete.is_empty() || options.more_than_half {
            return Ok(());
        }
        let all = self.whole(&planned.facts, plan)?.hosts_now();
        let count = plan.delete.len();
        if count * 2 <= all {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Guard,
            format!(
                "{count} of the {all} hosts of {} would be deleted, which is more than half",
                plan.environment
            ),
        )
        .with_hint("look whether this is the right file; if it is, add --more-than-half"))
    }

    async fn forget(&self, run: &Run, plan: &InfraPlan, apply: &ApplyReport) -> Vec<Forgotten> {
        if let Some(cache) = &self.host_keys {
            let ids = apply.deleted.iter().map(|host| host.id.clone());
            let ids: Vec<_> = ids.collect();
            cache.forget(run, &ids).await;
        }
        let mut forgotten = Vec::new();
        let Some(network) = &self.network else {
            return forgotten;
        };
        for deleted in &apply.deleted {
            let Ok(host) = HostName::new(deleted.name.clone()) else {
                continue;
            };
            let node = deleted.node(&plan.environment).to_ascii_lowercase();
            let Ok(node) = NodeName::new(node) else {
                continue;
            };
            let outcome =
                network
                    .forget(run, &node)
                    .await
                    .unwrap_or_else(|error| StepOutcome::Skipped {
                        reason: error.to_string(),
                    });
            forgotten.push(Forgotten { host, outcome });
        }
        forgotten
    }
}

impl DownReport {
    /// Whether only guards prevented deletion, so that a retry does not help: the hosts were
    /// protected since the plan, or are no longer ours.
    pub fn is_refused(&self) -> bool {
        is_refused(&self.apply)
    }

    /// Returns the outcome of the whole operation.
    pub fn outcome(&self) -> Outcome {
        if self.apply.is_complete() {
            Outcome::Done
        } else if self.locked {
            Outcome::Locked
        } else if self.is_refused() && self.apply.deleted.is_empty() {
            Outcome::Refused
        } else if self.interrupted {
            Outcome::Interrupted
        } else if self.apply.deleted.is_empty() {
            Outcome::CloudFailed
        } else {
            Outcome::Partial
        }
    }
}
