//! Applies an approved plan.

mod create;
mod delete;
mod leftover;
mod project;
pub(crate) mod resize;
mod stock;
mod tag;
mod target;
mod wait;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use stagecraft_core::{
    ApplyReport, EnvironmentName, Error, ErrorKind, Event, Host, HostFailure, HostId, HostName,
    HostRef, InfraPlan, Naming, PlanMode, ProjectName, Result, Run,
};

use tokio::time::Instant;

use self::target::Target;
use crate::client::Client;
use crate::clock::Clock;
use crate::config::PollConfig;
use crate::error::provider_error;
use crate::facts::{Scope, list_hosts};
use crate::settle::settle;
use crate::user_data::Texts;

/// Inputs shared by all parts of an apply.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Apply<'a> {
    pub(crate) client: &'a Client,
    pub(crate) run: &'a Run,
    pub(crate) poll: &'a PollConfig,
    pub(crate) project: Option<&'a ProjectName>,
    pub(crate) naming: &'a Naming,
    pub(crate) environment: &'a EnvironmentName,
    /// The environment's tag as the account spells it.
    pub(crate) tag: &'a str,
    /// Whether the plan creates, awaits or deletes GPU droplets.
    pub(crate) has_gpus: bool,
    pub(crate) making: &'a Making,
    /// What the plan is for.
    pub(crate) mode: PlanMode,
    /// Hosts that the file declares as protected.
    pub(crate) protected_by_file: &'a BTreeSet<HostName>,
    /// When this operation first sent a request to the API.
    pub(crate) since: Instant,
    /// When the last create ended, successful or not.
    pub(crate) last_create: &'a Mutex<Option<Instant>>,
}

/// Inputs of a create beside the plan.
#[derive(Debug)]
pub(crate) struct Making {
    pub(crate) clock: Clock,
    /// VPC ids, by the name or id in the declarations.
    pub(crate) vpcs: BTreeMap<String, String>,
    /// User data, by its digest.
    pub(crate) user_data: Texts<String>,
    /// Ids of the projects that the plan assigns hosts to.
    pub(crate) projects: BTreeMap<HostName, String>,
}

impl Apply<'_> {
    /// Lists every host that has the environment's tag.
    async fn hosts(&self) -> Result<Vec<Host>> {
        list_hosts(self.client, self.run, self.scope(), self.tag, self.has_gpus).await
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            environment: self.environment,
            naming: self.naming,
        }
    }

    /// Waits until a recent create of this apply is listed. Runs to the end even if the run is
    /// cancelled, since the next lease holder relies on the list.
    pub(crate) async fn let_show(&self) {
        let last = *self.last_create();
        let lag = self.poll.list_lag.get();
        let remaining = last.map(|last| (last + lag).saturating_duration_since(Instant::now()));
        // A shielded run's sleep ignores cancellation.
        let run = self.run.shielded();
        drop(settle(&run, self.poll, remaining.unwrap_or_default()).await);
    }

    fn last_create(&self) -> MutexGuard<'_, Option<Instant>> {
        self.last_create
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The report of an apply that failed before its first action.
    pub(crate) fn nothing_done(run: &Run, plan: &InfraPlan, error: &Error) -> ApplyReport {
        let mut report = ApplyReport::default();
        for entry in &plan.create {
            let failure = HostFailure {
                host: entry.spec.name.clone(),
                id: None,
                error: error.duplicate(),
            };
            fail(run, failure, &mut report);
        }
        for host in &plan.delete {
            let failure = delete_failure(&plan.environment, host, error.duplicate());
            fail(run, failure, &mut report);
        }
        let retagged = plan.retag.iter().map(|entry| &entry.host);
        let resized = plan.resize.iter().map(|entry| &entry.host);
        let changed: BTreeSet<&HostRef> = retagged.chain(resized).chain(&plan.power_on).collect();
        // They were to be handed over, which no longer happens.
        let differing = plan.differ.iter().map(|entry| &entry.host);
        let kept = plan.unchanged.iter().chain(differing);
        let kept = kept.filter(|host| plan.mode == PlanMode::Reconcile && !changed.contains(host));
        let changed = changed.iter().map(|host| ("was not changed", *host));
        for (what, host) in changed.chain(kept.map(|host| ("is not usable", host))) {
            if let Some(target) = Target::of(host, &plan.environment) {
                fail(run, target.failure(what, error.duplicate()), &mut report);
            }
        }
        report
    }
}

/// Reports a host's failure at once and adds it to the report. Cancellation is not a failure of the
/// host; the report lists what exists.
fn fail(run: &Run, failure: HostFailure, report: &mut ApplyReport) {
    if failure.error.kind() == ErrorKind::Cancelled {
        report.failed.push(failure);
        return;
    }
    // The outer message only names the host, which the event names already.
    let cause = std::error::Error::source(&failure.error);
    run.emit(Event::HostFailed {
        host: failure.host.clone(),
        message: cause.map_or_else(|| failure.error.to_string(), ToString::to_string),
    });
    report.failed.push(failure);
}

fn failure_of(
    what: &str,
    host: &HostName,
    node: &str,
    id: Option<HostId>,
    cause: Error,
) -> HostFailure {
    let mut error = provider_error(cause.kind(), format!("droplet '{node}' {what}"))
        .with_operation("apply")
        .with_retry(cause.retry());
    if let Some(hint) = cause.hint() {
        error = error.with_hint(hint);
    }
    HostFailure {
        host: host.clone(),
        id,
        error: error.with_source(cause),
    }
}

fn delete_failure(environment: &EnvironmentName, host: &HostRef, cause: Error) -> HostFailure {
    // `ApprovedPlan::destroy` refuses any other name.
    let name = HostName::new(host.name.clone()).expect("an approved plan deletes named hosts");
    let node = host.node(environment);
    failure_of(
        "deletion failed",
        &name,
        &node,
        Some(host.id.clone()),
        cause,
    )
}

/// The failure of one host of a create, with its cause.
fn create_failure(host: &HostName, node: &str, id: Option<HostId>, cause: Error) -> HostFailure {
    failure_of("creation failed", host, node, id, cause)
}

fn timeout(what: &str) -> Error {
    provider_error(
        ErrorKind::Timeout,
        format!("droplet operation timeout: {what}"),
    )
}
