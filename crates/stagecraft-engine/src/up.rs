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

/// What `up` may do.
#[derive(Debug, Clone, Copy, Default)]
pub struct UpOptions {
    /// Go on although hosts differ from their declaration; they stay as they are.
    pub allow_differ: bool,
}

/// What `up` did.
#[derive(Debug)]
pub struct UpReport {
    /// The run's id. A destroy plan for the hosts that it made undoes it.
    pub run: String,
    /// The plan that was carried out.
    pub plan: InfraPlan,
    /// What became of it in the cloud.
    pub apply: ApplyReport,
    /// What became of each host, by name. Empty if there is no bootstrap.
    pub hosts: Vec<HostReport>,
    interrupted: bool,
    locked: bool,
}

impl Engine {
    /// Carries out a plan: creates what is missing, resizes and tags what it says, never
    /// deletes, and bootstraps each of its hosts as soon as it is ready.
    ///
    /// Hosts that exist are changed as needed, without a look at them before: for runs in which
    /// that was confirmed in advance. [`look`](Self::look) and [`up_looked`](Self::up_looked) show
    /// it first.
    ///
    /// Safe to repeat and to kill at any point: the next run with a fresh plan goes on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if hosts differ or have doubles, or a limit is exceeded;
    /// [`ErrorKind::Rejected`] with all findings; [`ErrorKind::SecretMissing`] or
    /// [`ErrorKind::Config`] if new hosts, or all that exist, could not be logged in to;
    /// [`ErrorKind::Locked`] if the lease is gone. In all of them nothing was written, but for
    /// hosts of a broken-off resize: these run again all the same ([`Planned::broken_off`]).
    pub async fn up(&self, run: &Run, planned: Planned, options: UpOptions) -> Result<UpReport> {
        self.carry_out(run, planned, options, Look::default(), Approval::default())
            .await
    }

    /// As [`up`](Self::up), on hosts that were read before, with these changes approved.
    ///
    /// A host on which there was nothing to do is not connected to again. The others are read
    /// again over the same connection, since a person may have been asked meanwhile; one that
    /// needs other changes than the approved ones stays as it is and fails with
    /// `not_approved`.
    ///
    /// # Errors
    ///
    /// As [`up`](Self::up).
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
            // Nobody else would: the host is off since a run of ours switched it off.
            self.bring_back(run, &planned).await?;
            return Err(refusal);
        }
        let id = run.id()?.to_owned();
        run.before_write().await?;
        let Planned { plan, facts, .. } = planned;
        let approved = ApprovedPlan::reconcile(plan, &facts.account, &facts.endpoint)?;
        let (queue, hosts) = Fleet::queue();
        let apply = async {
            // Moved in here: the bootstrap ends when the apply has let go of the queue.
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
    /// [`ErrorKind::Guard`] if hosts differ or have doubles, or a limit is exceeded;
    /// [`ErrorKind::Rejected`] with all findings.
    pub fn check(&self, options: UpOptions) -> Result<()> {
        guard(self, options)
    }
}

impl UpReport {
    /// How it ended as a whole.
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
    // An old name is no reason to stop: nothing that a run does depends on it.
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

/// What to do about hosts that differ, by what it takes.
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
