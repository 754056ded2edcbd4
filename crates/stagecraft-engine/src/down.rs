//! Back to nothing.

use serde::Serialize;
use stagecraft_core::{
    ApplyReport, ApprovedPlan, Confirmation, Host, HostName, HostSink, InfraPlan, NodeName, Result,
    Run, StepOutcome,
};

use crate::engine::{Engine, Planned};
use crate::outcome::Outcome;

/// What `down` did.
#[derive(Debug)]
pub struct DownReport {
    /// The plan that was carried out.
    pub plan: InfraPlan,
    /// What became of it in the cloud.
    pub apply: ApplyReport,
    /// What became of the network's own entries, by host.
    pub forgotten: Vec<Forgotten>,
    interrupted: bool,
    locked: bool,
}

/// What became of one node in the network's own list.
#[derive(Debug, Serialize)]
pub struct Forgotten {
    /// The host.
    pub host: HostName,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: StepOutcome,
}

/// Deleting hands over no hosts.
#[derive(Debug)]
struct NoHosts;

impl HostSink for NoHosts {
    fn ready(&self, _: Host) {}
}

impl Engine {
    /// Deletes the hosts of a destroy plan, by the ids that it shows, and waits until they are
    /// gone. Safe to repeat.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`](stagecraft_core::ErrorKind::Guard) if the confirmation is for
    /// another environment, [`ErrorKind::Locked`](stagecraft_core::ErrorKind::Locked) if the
    /// lease is gone. Nothing was written then.
    pub async fn down(
        &self,
        run: &Run,
        planned: Planned,
        confirmation: &Confirmation,
    ) -> Result<DownReport> {
        let Planned { plan, facts, .. } = planned;
        let approved = ApprovedPlan::destroy(plan, &facts.account, &facts.endpoint, confirmation)?;
        run.before_write().await?;
        let apply = self.cloud.apply(run, &approved, &NoHosts).await;
        let forgotten = self.forget(run, approved.plan(), &apply).await;
        Ok(DownReport {
            plan: approved.plan().clone(),
            apply,
            forgotten,
            interrupted: run.cancellation().is_cancelled(),
            locked: run.lost().is_some(),
        })
    }

    async fn forget(&self, run: &Run, plan: &InfraPlan, apply: &ApplyReport) -> Vec<Forgotten> {
        let mut forgotten = Vec::new();
        let Some(network) = &self.network else {
            return forgotten;
        };
        for deleted in &apply.deleted {
            let Ok(host) = HostName::new(deleted.name.clone()) else {
                continue;
            };
            let Ok(node) = NodeName::of(&plan.environment, &host) else {
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
    /// How it ended as a whole.
    pub fn outcome(&self) -> Outcome {
        if self.apply.is_complete() {
            Outcome::Done
        } else if self.locked {
            Outcome::Locked
        } else if self.interrupted {
            Outcome::Interrupted
        } else if self.apply.deleted.is_empty() {
            Outcome::CloudFailed
        } else {
            Outcome::Partial
        }
    }
}
