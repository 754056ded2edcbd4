//! From a plan to hosts that are ready.

use std::collections::BTreeSet;

use infra_bootstrap::{Approval, Fleet, HostReport, Look};
use stagecraft_core::{
    ApplyReport, ApprovedPlan, Error, ErrorKind, InfraPlan, Remedy, ResizeMode, Result, Run,
};

use crate::dry_run::HostLook;
use crate::engine::Engine;
use crate::outcome::{Outcome, of_failures};
use crate::planned::{Planned, kept, refuse_doubles, refuse_findings};

/// Options of `up`.
#[derive(Debug, Clone, Copy, Default)]
pub struct UpOptions {
    /// Continue although hosts differ from their declaration; they stay as they are.
    pub allow_differ: bool,
}

/// Result of `up`.
#[derive(Debug)]
pub struct UpReport {
    /// The run's id. A destroy plan for the hosts that it created undoes it.
    pub run: String,
    /// The applied plan.
    pub plan: InfraPlan,
    /// Its result in the cloud.
    pub apply: ApplyReport,
    /// The report of each host, by name. Empty if there is no bootstrap.
    pub hosts: Vec<HostReport>,
    interrupted: bool,
    locked: bool,
}

impl Engine {
    /// Applies a plan: creates missing hosts, resizes and tags as planned, never deletes, and
    /// bootstraps each of its hosts as soon as it is ready.
    ///
    /// It changes existing hosts as needed without reading them first: for runs in which that was
    /// confirmed in advance. To show the changes first, use [`look`](Self::look) and
    /// [`up_looked`](Self::up_looked).
    ///
    /// Safe to repeat and to kill at any point: the next run with a fresh plan continues.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if hosts differ or have duplicates, or a limit is exceeded;
    /// [`ErrorKind::Rejected`] with all findings; [`ErrorKind::SecretMissing`] or
    /// [`ErrorKind::Config`] if no login to new hosts, or to any existing one, could work;
    /// [`ErrorKind::Locked`] if the lease is gone. In all these cases nothing was written, except
    /// that hosts of an interrupted resize are brought back ([`Planned::broken_off`]).
    pub async fn up(&self, run: &Run, planned: Planned, options: UpOptions) -> Result<UpReport> {
        self.carry_out(run, planned, options, Look::default(), Approval::default())
            .await
    }

    /// Like [`up`](Self::up), on hosts that were read before, with these changes approved.
    ///
    /// It does not connect again to a host without changes. It reads the others again over the same
    /// connection, since time may have passed at a prompt. A host that needs changes other than the
    /// approved ones stays as it is and fails with `not_approved`.
    ///
    /// # Errors
    ///
    /// Those of [`up`](Self::up).
    pub async fn up_looked(
        &self,
        run: &Run,
        planned: Planned,
        options: UpOptions,
        look: HostLook,
        approval: Approval,
    ) -> Result<UpReport> {
        self.carry_out(run, planned, options, look.look, approval)
            .await
    }

    async fn carry_out(
        &self,
        run: &Run,
        planned: Planned,
        options: UpOptions,
        look: Look,
        approval: Approval,
    ) -> Result<UpReport> {
        let checked = match planned.check(options) {
            Ok(()) => self.check_secrets(run, &planned).await,
            refused => refused,
        };
        if let Err(refusal) = checked {
            // No other run would: the host is off since one of our runs powered it off.
            self.bring_back(run, &planned).await?;
            return Err(refusal);
        }
        let id = run.id()?.to_owned();
        run.before_write().await?;
        let Planned { plan, facts, .. } = planned;
        let approved = ApprovedPlan::reconcile(plan, &facts.account, &facts.endpoint)?;
        let (queue, hosts) = Fleet::queue();
        let apply = async {
            // Moved in here: the bootstrap ends when the apply has dropped the queue.
            let queue = queue;
            self.cloud.apply(run, &approved, &queue).await
        };
        let bootstrap = async {
            match &self.fleet {
                Some(fleet) => {
                    let environment = &approved.plan().environment;
                    fleet
                        .run_looked(run, environment, look, approval, hosts)
                        .await
                }
                None => Vec::new(),
            }
        };
        let (mut apply, hosts) = tokio::join!(apply, bootstrap);
        apply.exists = self.exists_now(run, approved.plan(), &facts, &apply).await;
        Ok(UpReport {
            run: id,
            plan: approved.plan().clone(),
            apply,
            hosts,
            interrupted: run.cancellation().is_cancelled(),
            locked: run.lost().is_some(),
        })
    }
}

impl Planned {
    /// Refuses a plan that [`Engine::up`] would refuse. Pure.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if hosts differ or have duplicates, or a limit is exceeded;
    /// [`ErrorKind::Rejected`] with all findings.
    pub fn check(&self, options: UpOptions) -> Result<()> {
        guard(self, options)
    }
}

impl UpReport {
    /// Returns the outcome of the whole operation.
    pub fn outcome(&self) -> Outcome {
        let failures: Vec<_> = self
            .hosts
            .iter()
            .filter_map(HostReport::first_failure)
            .collect();
        let in_cloud = self.apply.failed.len() + self.apply.not_tried.len();
        if in_cloud == 0 && failures.is_empty() {
            return Outcome::Done;
        }
        if self.locked {
            return Outcome::Locked;
        }
        if self.interrupted {
            return Outcome::Interrupted;
        }
        let lost: BTreeSet<&str> = self
            .apply
            .failed
            .iter()
            .map(|failure| failure.host.as_str())
            .collect();
        let existing = kept(&self.plan);
        let in_hand = if self.hosts.is_empty() {
            self.apply.created.len()
                + existing
                    .filter(|host| !lost.contains(host.name.as_str()))
                    .count()
        } else {
            self.hosts.len()
        };
        if in_hand > failures.len() {
            Outcome::Partial
        } else if in_hand == 0 {
            Outcome::CloudFailed
        } else {
            of_failures(&failures)
        }
    }
}

fn guard(planned: &Planned, options: UpOptions) -> Result<()> {
    let plan = &planned.plan;
    refuse_findings(planned)?;
    refuse_doubles(plan)?;
    // An old name is no reason to stop: no action of a run depends on it.
    let differ = plan.differ.iter().filter(|entry| !entry.is_name_only());
    let list: Vec<&str> = differ.map(|entry| entry.host.name.as_str()).collect();
    if !list.is_empty() && !options.allow_differ {
        return Err(Error::new(
            ErrorKind::Guard,
            format!("hosts are not as declared: {}", list.join(", ")),
        )
        .with_hint(differ_hint(planned)));
    }
    Ok(())
}

/// Returns what to do about hosts that differ, by remedy.
fn differ_hint(planned: &Planned) -> String {
    let environment = &planned.plan.environment;
    let mut hints = vec!["correct the file".to_owned()];
    let differ = &planned.plan.differ;
    let takes = |entry: &stagecraft_core::Difference, remedy| {
        entry.fields.iter().any(|field| field.takes == remedy)
    };
    let resizable = |entry: &&stagecraft_core::Difference| {
        entry
            .fields
            .iter()
            .all(|field| matches!(field.takes, Remedy::Resize | Remedy::Rename))
    };
    if planned.request.resize == ResizeMode::Never && differ.iter().any(|own| resizable(&own)) {
        hints.push("resize them by --resize".to_owned());
    }
    let replaced = differ.iter().find(|entry| takes(entry, Remedy::Replace));
    if let Some(entry) = replaced {
        let name = &entry.host.name;
        hints.push(format!(
            "make one anew by `stagecraft infra replace {name} --env {environment}`"
        ));
    }
    if differ.iter().any(|entry| takes(entry, Remedy::Manual)) {
        hints.push("change it in the cloud's console".to_owned());
    }
    format!(
        "{}, or go on without changing them by --allow-differ",
        hints.join(", ")
    )
}

#[cfg(test)]
pub(crate) mod tests;
