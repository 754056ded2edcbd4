//! From a plan to hosts that are ready.

use std::collections::BTreeSet;

use infra_bootstrap::{Fleet, HostReport, Mode};
use stagecraft_core::{ApplyReport, ApprovedPlan, Error, ErrorKind, InfraPlan, Result, Run, tags};

use crate::engine::{Engine, Planned};
use crate::outcome::{Outcome, is_network};

/// What `up` may do.
#[derive(Debug, Clone, Copy, Default)]
pub struct UpOptions {
    /// Go on although hosts differ from their declaration; they stay as they are.
    pub allow_differ: bool,
}

/// What `up` did.
#[derive(Debug)]
pub struct UpReport {
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
    /// Carries out a plan: creates what is missing, never deletes, and bootstraps each host as
    /// soon as it is ready.
    ///
    /// Safe to repeat and to kill at any point: the next run with a fresh plan goes on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if hosts differ or have doubles, [`ErrorKind::Rejected`] with all
    /// findings, [`ErrorKind::SecretMissing`], [`ErrorKind::Locked`] if the lease is gone. In
    /// all of them nothing was written.
    pub async fn up(&self, run: &Run, planned: Planned, options: UpOptions) -> Result<UpReport> {
        guard(&planned, options)?;
        self.check_secrets(run, &planned).await?;
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
                    fleet.run(run, environment, Mode::Apply, hosts).await
                }
                None => Vec::new(),
            }
        };
        let (apply, hosts) = tokio::join!(apply, bootstrap);
        Ok(UpReport {
            plan: approved.plan().clone(),
            apply,
            hosts,
            interrupted: run.cancellation().is_cancelled(),
            locked: run.lost().is_some(),
        })
    }

    /// Tells what `up` would change on the hosts that exist. Changes nothing on them.
    ///
    /// Hosts that are not ready are left out; so is everything if there is no bootstrap.
    pub async fn dry_run(&self, run: &Run, planned: &Planned) -> Vec<HostReport> {
        let Some(fleet) = &self.fleet else {
            return Vec::new();
        };
        let plan = &planned.plan;
        let hosts = planned.facts.hosts.iter().filter(|host| {
            host.is_ready()
                && host.name.is_some()
                && tags::is_owned(host, plan.project.as_ref(), &plan.environment)
        });
        fleet
            .all(run, &plan.environment, Mode::DryRun, hosts.cloned())
            .await
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
        let existing = self
            .plan
            .unchanged
            .iter()
            .chain(self.plan.differ.iter().map(|entry| &entry.host));
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
        } else if failures.iter().all(|failure| is_network(failure)) {
            Outcome::NetworkFailed
        } else {
            Outcome::BootstrapFailed
        }
    }
}

fn guard(planned: &Planned, options: UpOptions) -> Result<()> {
    let plan = &planned.plan;
    if let [finding] = planned.findings.as_slice() {
        let message = format!("{} provider: {}", plan.provider, finding.message);
        let error = Error::new(ErrorKind::Rejected, message);
        return Err(match &finding.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        });
    }
    if !planned.findings.is_empty() {
        let list: Vec<String> = planned
            .findings
            .iter()
            .map(|finding| {
                let host = finding
                    .host
                    .as_ref()
                    .map(|host| format!("{host}: "))
                    .unwrap_or_default();
                let hint = finding
                    .hint
                    .as_ref()
                    .map(|hint| format!(" ({hint})"))
                    .unwrap_or_default();
                format!("{host}{}{hint}", finding.message)
            })
            .collect();
        return Err(Error::new(
            ErrorKind::Rejected,
            format!(
                "{} provider: the plan cannot be carried out: {}",
                plan.provider,
                list.join("; ")
            ),
        ));
    }
    if !plan.duplicates.is_empty() {
        let list: Vec<String> = plan
            .duplicates
            .iter()
            .map(|host| format!("{} (id {})", host.name, host.id))
            .collect();
        return Err(Error::new(
            ErrorKind::Guard,
            format!("more than one host has the same name: {}", list.join(", ")),
        )
        .with_hint("delete the wrong one in the cloud's console, or take its tags away"));
    }
    if !plan.differ.is_empty() && !options.allow_differ {
        let list: Vec<&str> = plan
            .differ
            .iter()
            .map(|entry| entry.host.name.as_str())
            .collect();
        return Err(Error::new(
            ErrorKind::Guard,
            format!("hosts are not as declared: {}", list.join(", ")),
        )
        .with_hint("correct the file, or go on without changing them by --allow-differ"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
