//! Changes that `up` or `bootstrap` would make on existing hosts, read before the prompt.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use infra_bootstrap::{Approval, HostReport, Look};
use stagecraft_core::{FailureCode, Host, HostChanges, HostStatus, Run, StepFailure};

use crate::engine::Engine;
use crate::outcome::Outcome;
use crate::planned::{Planned, kept};

/// The existing hosts, as read before any change.
///
/// Connections to those that would change stay open: [`Engine::up_looked`] and
/// [`Engine::bootstrap_looked`] use them, [`close`](Self::close) ends them.
#[derive(Debug)]
pub struct HostLook {
    pub(crate) look: Look,
    /// Those that cannot be read and that no run of `up` would bootstrap, with the reason.
    pub(crate) not_ready: Vec<HostReport>,
    /// Those that cannot be read yet, but that `up` will bootstrap once they run.
    unread: Vec<HostChanges>,
    pub(crate) has_ready: bool,
}

/// Result of a dry run of `up`.
#[derive(Debug)]
pub struct DryRunReport {
    /// The changes that each step would make on the hosts that were read, by name. Empty if there
    /// is no bootstrap.
    pub looked_at: Vec<HostReport>,
    /// The hosts that are not ready and cannot be read, with the reason as their failure.
    pub not_ready: Vec<HostReport>,
    has_ready: bool,
    interrupted: bool,
}

impl Engine {
    /// Reads the hosts that exist and are declared, concurrently, with one connection and one
    /// command each. Changes nothing on them.
    ///
    /// Without a bootstrap no host is read.
    pub async fn look(&self, run: &Run, planned: &Planned) -> HostLook {
        let plan = &planned.plan;
        // The hosts that `up` bootstraps: selected and declared ones only.
        let own: BTreeSet<_> = kept(plan).map(|host| &host.id).collect();
        let hosts = planned.facts.hosts.iter();
        let hosts = hosts.filter(|host| own.contains(&host.id));
        let (ready, others): (Vec<&Host>, Vec<&Host>) = hosts.partition(|host| host.is_ready());
        let is_powered_on = |host: &Host| plan.power_on.iter().any(|own| own.id == host.id);
        let is_awaited = |host: &Host| match host.status {
            HostStatus::New | HostStatus::Active => true,
            HostStatus::Off | HostStatus::Archived => is_powered_on(host),
        };
        let unread = others.iter().filter(|host| is_awaited(host));
        let mut unread: Vec<_> = unread
            .map(|host| HostChanges::none(host.shown_name(), host.id.clone()))
            .collect();
        unread.sort_by(|a, b| (&a.host, &a.id).cmp(&(&b.host, &b.id)));
        let others = others.into_iter().filter(|host| !is_powered_on(host));
        let mut not_ready: Vec<_> = others.filter_map(not_ready_report).collect();
        not_ready.sort_by(|a, b| (&a.host, &a.id).cmp(&(&b.host, &b.id)));
        let has_ready = !ready.is_empty();
        let look = match &self.fleet {
            Some(fleet) => {
                let hosts = ready.into_iter().cloned();
                fleet.look(run, &plan.environment, hosts).await
            }
            None => Look::default(),
        };
        HostLook {
            look,
            not_ready,
            unread: if self.fleet.is_some() {
                unread
            } else {
                Vec::new()
            },
            has_ready,
        }
    }

    /// Reports what `up` would change on existing hosts. Changes nothing on them.
    ///
    /// A host that is not ready is a failure, unless `up` would power it on.
    pub async fn dry_run(&self, run: &Run, planned: &Planned) -> DryRunReport {
        let look = self.look(run, planned).await;
        DryRunReport {
            looked_at: look.look.close().await,
            not_ready: look.not_ready,
            has_ready: look.has_ready,
            interrupted: run.cancellation().is_cancelled(),
        }
    }
}

impl HostLook {
    /// Returns what would be done on each host that was read, by name. One that could not be read
    /// has its failure, and is left alone.
    pub fn reports(&self) -> Vec<&HostReport> {
        self.look.reports()
    }

    /// Returns the hosts that would or may change, with the changes.
    pub fn changes(&self) -> Vec<HostChanges> {
        changes_of(self.look.reports())
    }

    /// Returns the hosts that cannot be read yet: they are being created or will be powered on.
    /// Whether they would change is unknown.
    pub fn unread(&self) -> impl Iterator<Item = &str> {
        self.unread.iter().map(|own| own.host.as_str())
    }

    /// Whether a host would or may change, or that is unknown.
    pub fn needs_approval(&self) -> bool {
        !self.unread.is_empty() || !self.changes().is_empty()
    }

    /// Approves the found changes on the hosts that were read, and any changes on those that
    /// cannot be read yet.
    pub fn approve_shown(&self) -> Approval {
        let reports = self.look.reports();
        Approval::only(reports.into_iter().map(HostReport::changes))
    }

    /// Approves only these changes, on all existing hosts.
    pub fn approve_only(&self, changes: &[HostChanges]) -> Approval {
        let reports = self.look.reports();
        let read = reports.into_iter().map(|own| {
            let none = HostChanges::none(own.host.as_str(), own.id.clone());
            let saved = changes.iter().find(|saved| saved.id == own.id);
            saved.cloned().unwrap_or(none)
        });
        Approval::only(read.chain(self.unread.iter().cloned()))
    }

    /// Closes all connections.
    pub async fn close(self) {
        self.look.close().await;
    }
}

/// Returns the changes in reports of a look, for hosts that have any.
pub(crate) fn changes_of<'a>(
    reports: impl IntoIterator<Item = &'a HostReport>,
) -> Vec<HostChanges> {
    let reports = reports.into_iter().filter(|own| own.failure.is_none());
    let changes = reports.map(HostReport::changes);
    changes.filter(|own| !own.steps.is_empty()).collect()
}

impl DryRunReport {
    /// Returns the hosts that would or may change, with the changes.
    pub fn changes(&self) -> Vec<HostChanges> {
        changes_of(&self.looked_at)
    }

    /// Returns all hosts, by name.
    pub fn hosts(&self) -> Vec<&HostReport> {
        let mut hosts: Vec<_> = self.looked_at.iter().chain(&self.not_ready).collect();
        hosts.sort_by(|a, b| (&a.host, &a.id).cmp(&(&b.host, &b.id)));
        hosts
    }

    /// Returns the outcome of the whole operation: that of a real run, as far as can be seen.
    pub fn outcome(&self) -> Outcome {
        let outcome = Outcome::of_hosts(&self.looked_at, self.interrupted);
        if self.not_ready.is_empty() {
            return outcome;
        }
        match outcome {
            Outcome::Done if self.interrupted => Outcome::Interrupted,
            Outcome::Done if self.has_ready => Outcome::Partial,
            Outcome::Done => Outcome::CloudFailed,
            failed => failed,
        }
    }
}

/// Reports why a host cannot be read, by its state in the cloud.
pub(crate) fn not_ready_report(host: &Host) -> Option<HostReport> {
    let why = match host.status {
        HostStatus::New => "it is still being made",
        HostStatus::Active => "it is active but has no public address",
        HostStatus::Off => "it is switched off; power it on, then run the command again",
        HostStatus::Archived => "it is archived and cannot run",
    };
    Some(HostReport {
        // Hosts of a plan's declared lists have a name.
        host: host.name.clone()?,
        id: host.id.clone(),
        address: host.public_ipv4.map(IpAddr::V4),
        fqdn: None,
        system: None,
        steps: Vec::new(),
        failure: Some(StepFailure::new(
            FailureCode::HostNotReady,
            format!("the host cannot be looked at: {why}"),
        )),
        warnings: Vec::new(),
        retries: Vec::new(),
        duration: Duration::ZERO,
    })
}
