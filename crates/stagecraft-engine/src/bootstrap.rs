//! Bootstrap of existing hosts, without changes in the cloud.

use std::collections::BTreeSet;

use infra_bootstrap::{Approval, Fleet, HostReport, Look};
use stagecraft_core::{
    CloudFacts, EnvironmentName, Error, ErrorKind, HostName, HostRef, InfraPlan, Makes,
    PlanRequest, Result, Run,
};

use crate::dry_run::{HostLook, not_ready_report};
use crate::engine::Engine;
use crate::outcome::Outcome;
use crate::planned::{Planned, kept, refuse_doubles};
use crate::selection;

/// The existing hosts of an environment, and the missing ones.
#[derive(Debug, Clone)]
pub struct Existing {
    /// The observed state, with a plan whose changes to the cloud are not applied.
    pub planned: Planned,
}

/// Result of `bootstrap`.
#[derive(Debug)]
pub struct BootstrapReport {
    /// The environment.
    pub environment: EnvironmentName,
    /// The report of each host, by name. A host that is not ready in the cloud has its reason.
    pub hosts: Vec<HostReport>,
    /// Declared hosts that do not exist.
    pub not_there: Vec<HostName>,
    /// Our hosts that the file does not declare. They were left alone.
    pub undeclared: Vec<HostRef>,
    interrupted: bool,
    locked: bool,
    has_ready: bool,
}

impl Engine {
    /// Reads which of the environment's hosts exist. Changes nothing.
    ///
    /// # Errors
    ///
    /// The provider's, by kind; [`ErrorKind::Config`] if the environment or a selected host or
    /// role is unknown, or if a host that is selected by its name does not exist or is not
    /// declared; [`ErrorKind::Guard`] in another account than the expected one, or if two hosts
    /// have the same name.
    pub async fn existing(&self, run: &Run, request: &PlanRequest) -> Result<Existing> {
        let declared = self.cloud.declared(&request.environment)?;
        let mut request = request.clone();
        request.makes = Makes::Nothing;
        let facts = self.cloud.observe(run, &request).await?;
        self.refuse_other_account(&facts.account)?;
        if let Some(cache) = &self.host_keys {
            cache.begin(&facts.account, &facts.endpoint);
        }
        let plan = self.cloud.plan(&facts, &request)?;
        selection::check(&declared, &facts, &plan, &request)?;
        refuse_doubles(&plan)?;
        refuse_absent(&plan, &facts, &request)?;
        let planned = Planned {
            request,
            plan,
            facts,
            // Nothing is created, so nothing can prevent it.
            findings: Vec::new(),
        };
        Ok(Existing { planned })
    }

    /// Bootstraps the hosts that exist and are declared. Creates, deletes, resizes and tags nothing
    /// in the cloud.
    ///
    /// It changes hosts as needed without reading them first: for runs in which that was
    /// confirmed in advance. Safe to repeat and to kill at any point: the next run completes
    /// the rest.
    ///
    /// # Errors
    ///
    /// Those of [`check_existing`](Self::check_existing), [`ErrorKind::Locked`] if the lease is
    /// gone. Nothing was done then. Failures on a host are in the report.
    pub async fn bootstrap(&self, run: &Run, existing: Existing) -> Result<BootstrapReport> {
        let Existing { planned } = existing;
        self.work_on(run, planned, Look::default(), Approval::default())
            .await
    }

    /// Like [`bootstrap`](Self::bootstrap), on hosts that were read before, with these changes
    /// approved: see [`up_looked`](Self::up_looked).
    ///
    /// # Errors
    ///
    /// Those of [`bootstrap`](Self::bootstrap).
    pub async fn bootstrap_looked(
        &self,
        run: &Run,
        existing: Existing,
        look: HostLook,
        approval: Approval,
    ) -> Result<BootstrapReport> {
        self.work_on(run, existing.planned, look.look, approval)
            .await
    }

    /// Reports what [`bootstrap`](Self::bootstrap) would change on each host. Changes nothing.
    pub async fn bootstrap_dry_run(&self, run: &Run, existing: Existing) -> BootstrapReport {
        let Existing { planned } = existing;
        let look = self.look(run, &planned).await;
        let (has_ready, hosts) = (look.has_ready, look.look.close().await);
        report(run, planned, hosts, has_ready)
    }

    /// Checks the prerequisites for bootstrapping existing hosts. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::SecretMissing`] if a host could not join the network, those of
    /// [`check_login`](Self::check_login).
    pub async fn check_existing(&self, run: &Run, planned: &Planned) -> Result<()> {
        if kept(&planned.plan).next().is_none() {
            return Ok(());
        }
        self.check_join_secrets(run, "no host was changed").await?;
        self.check_login(run, planned).await
    }

    async fn work_on(
        &self,
        run: &Run,
        planned: Planned,
        look: Look,
        approval: Approval,
    ) -> Result<BootstrapReport> {
        self.check_existing(run, &planned).await?;
        let own: BTreeSet<_> = kept(&planned.plan).map(|host| &host.id).collect();
        if !own.is_empty() {
            run.before_write().await?;
        }
        let hosts = planned.facts.hosts.iter();
        let ready = hosts.filter(|host| own.contains(&host.id) && host.is_ready());
        let ready: Vec<_> = ready.cloned().collect();
        let has_ready = !ready.is_empty();
        let hosts = match &self.fleet {
            Some(fleet) => {
                let environment = &planned.plan.environment;
                let ready = Fleet::handed_over(ready);
                let work = fleet.run_looked(run, environment, look, approval, ready);
                work.await
            }
            None => Vec::new(),
        };
        Ok(report(run, planned, hosts, has_ready))
    }
}

/// Builds the report, with hosts that are not ready in the cloud.
fn report(
    run: &Run,
    planned: Planned,
    mut hosts: Vec<HostReport>,
    has_ready: bool,
) -> BootstrapReport {
    let Planned { plan, facts, .. } = planned;
    let own: BTreeSet<_> = kept(&plan).map(|host| &host.id).collect();
    let others = facts.hosts.iter();
    let others = others.filter(|host| own.contains(&host.id) && !host.is_ready());
    hosts.extend(others.filter_map(not_ready_report));
    hosts.sort_by(|a, b| (&a.host, &a.id).cmp(&(&b.host, &b.id)));
    let not_there = plan.create.iter().map(|entry| entry.spec.name.clone());
    BootstrapReport {
        environment: plan.environment,
        hosts,
        not_there: not_there.collect(),
        undeclared: plan.undeclared,
        interrupted: run.cancellation().is_cancelled(),
        locked: run.lost().is_some(),
        has_ready,
    }
}

impl BootstrapReport {
    /// Returns the outcome of the whole operation. A missing declared host is not a failure.
    pub fn outcome(&self) -> Outcome {
        let outcome = Outcome::of_hosts(&self.hosts, self.interrupted);
        match outcome {
            Outcome::Done => Outcome::Done,
            _ if self.locked => Outcome::Locked,
            Outcome::Interrupted | Outcome::Partial => outcome,
            // The cloud returned no host that could be bootstrapped.
            _ if !self.has_ready => Outcome::CloudFailed,
            failed => failed,
        }
    }
}

/// Refuses hosts that are selected by name and cannot be bootstrapped.
fn refuse_absent(plan: &InfraPlan, facts: &CloudFacts, request: &PlanRequest) -> Result<()> {
    let environment = &plan.environment;
    let missing = plan.create.iter().map(|entry| &entry.spec.name);
    if let Some(name) = missing.into_iter().find(|own| request.hosts.contains(*own)) {
        return Err(Error::new(
            ErrorKind::Config,
            format!("host `{name}` is declared in {environment}, but not there"),
        )
        .with_hint(format!(
            "`stagecraft infra up --env {environment} --host {name}` creates it"
        )));
    }
    let mut others = facts.hosts.iter().filter(|host| {
        let is_undeclared = plan.undeclared.iter().any(|own| own.id == host.id);
        let name = host.name.as_ref();
        is_undeclared && name.is_some_and(|name| request.hosts.contains(name))
    });
    if let Some(host) = others.next() {
        let name = host.shown_name();
        return Err(Error::new(
            ErrorKind::Config,
            format!("host `{name}` exists in {environment}, but the file does not declare it"),
        )
        .with_hint("declare it, or delete it by `stagecraft infra prune`"));
    }
    Ok(())
}
