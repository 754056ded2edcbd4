//! What `up` would change on hosts, without changing it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use infra_bootstrap::{HostReport, Mode};
use stagecraft_core::{FailureCode, Host, HostStatus, Run, StepFailure};

use crate::engine::{Engine, Planned};
use crate::outcome::Outcome;
use crate::up::kept;

/// What a dry run of `up` found.
#[derive(Debug)]
pub struct DryRunReport {
    /// What each step would change on the hosts that were looked at, by name. Empty if there is
    /// no bootstrap.
    pub looked_at: Vec<HostReport>,
    /// The hosts that are not ready and cannot be looked at, with the reason as their failure.
    pub not_ready: Vec<HostReport>,
    has_ready: bool,
    interrupted: bool,
}

impl Engine {
    /// Tells what `up` would change on the hosts that exist. Changes nothing on them.
    ///
    /// A host that is not ready is a failure, unless `up` would power it on.
    pub async fn dry_run(&self, run: &Run, planned: &Planned) -> DryRunReport {
        let plan = &planned.plan;
        // What `up` works on: neither hosts that were not selected nor undeclared ones.
        let own: BTreeSet<_> = kept(plan).map(|host| &host.id).collect();
        let hosts = planned.facts.hosts.iter();
        let hosts = hosts.filter(|host| own.contains(&host.id));
        let (ready, others): (Vec<&Host>, Vec<&Host>) = hosts.partition(|host| host.is_ready());
        let is_powered_on = |host: &Host| plan.power_on.iter().any(|own| own.id == host.id);
        let others = others.into_iter().filter(|host| !is_powered_on(host));
        let mut not_ready: Vec<_> = others.filter_map(not_ready_report).collect();
        not_ready.sort_by(|a, b| (&a.host, &a.id).cmp(&(&b.host, &b.id)));
        let has_ready = !ready.is_empty();
        let looked_at = match &self.fleet {
            Some(fleet) => {
                let hosts = ready.into_iter().cloned();
                fleet.all(run, &plan.environment, Mode::DryRun, hosts).await
            }
            None => Vec::new(),
        };
        DryRunReport {
            looked_at,
            not_ready,
            has_ready,
            interrupted: run.cancellation().is_cancelled(),
        }
    }
}

impl DryRunReport {
    /// All hosts, by name.
    pub fn hosts(&self) -> Vec<&HostReport> {
        let mut hosts: Vec<_> = self.looked_at.iter().chain(&self.not_ready).collect();
        hosts.sort_by(|a, b| (&a.host, &a.id).cmp(&(&b.host, &b.id)));
        hosts
    }

    /// How it ended as a whole: as a real run would, as far as can be seen.
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

/// A host that cannot be looked at, as its cloud shows it.
pub(crate) fn not_ready_report(host: &Host) -> Option<HostReport> {
    let why = match host.status {
        HostStatus::New => "it is still being made",
        HostStatus::Active => "it is active but has no public address",
        HostStatus::Off => "it is switched off; power it on, then run the command again",
        HostStatus::Archived => "it is archived and cannot run",
    };
    Some(HostReport {
        // Hosts of a plan's declared lists have one.
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
