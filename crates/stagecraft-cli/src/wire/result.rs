//! The last line of every command that prints lines, and of every command that fails.

use schemars::JsonSchema;
use serde::Serialize;
use stagecraft_core as core;
use stagecraft_engine as engine;

use super::apply::Apply;
use super::duration::millis;
use super::error::Error;
use super::host::HostRef;
use super::plan::Finding;
use super::step::{HostReport, StepOutcome};

/// How the command ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Result {
    /// How it ended as a whole.
    pub(crate) outcome: Outcome,
    /// The exit code that follows.
    pub(crate) exit_code: u8,
    #[serde(flatten)]
    pub(crate) body: Body,
}

/// How it ended as a whole. The exit code tells more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Everything was done, or there was nothing to do.
    Done,
    /// It was a dry run: nothing was done, on purpose.
    DryRun,
    /// Some hosts are fine, some are not.
    Partial,
    /// No host is fine, or the command ended before it did anything.
    Failed,
    /// The run was interrupted.
    Interrupted,
}

/// The operation's own result, or why there is none.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Body {
    /// `infra up` came to its end.
    Up(UpResult),
    /// `infra bootstrap` came to its end, or a dry run of it.
    Bootstrap(BootstrapResult),
    /// `infra down`, `prune` or `reap` came to its end.
    Down(DownResult),
    /// `infra replace` came to its end.
    Replace(ReplaceResult),
    /// `infra adopt` or `infra unprotect` came to its end.
    Retag(RetagResult),
    /// `infra unlock` came to its end.
    Unlock(UnlockResult),
    /// `infra hosts trust` came to its end.
    Trust(TrustResult),
    /// A dry run of one of these came to its end.
    DryRun(DryRunResult),
    /// Any command that ended without a result of its own.
    Failed {
        /// Why.
        error: Error,
    },
}

/// What `infra up` did.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UpResult {
    /// The random id of the run: `infra down --made-by` deletes what it made.
    run: String,
    /// The identity of the plan that was carried out.
    plan_id: String,
    #[serde(flatten)]
    apply: Apply,
    /// What became of each host, by name. Empty with `--no-bootstrap`.
    hosts: Vec<HostReport>,
}

/// What `infra bootstrap` did, or would do.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BootstrapResult {
    /// The environment.
    environment: String,
    /// What became of each host, by name.
    hosts: Vec<HostReport>,
    /// The names of declared hosts that are not there. `infra up` creates them.
    not_there: Vec<String>,
    /// Hosts of ours that the file does not declare. They were left alone.
    undeclared: Vec<HostRef>,
}

/// What `infra down`, `prune` or `reap` did.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DownResult {
    /// The identity of the plan that was carried out.
    plan_id: String,
    #[serde(flatten)]
    apply: Apply,
    /// What became of the network's own entries, by host.
    network: Vec<Forgotten>,
    /// Hosts that bear the environment's tag and are not managed here. They stay.
    unmanaged: Vec<HostRef>,
    /// The names of hosts whose time is over by their tag but not by the file. They stay, and the
    /// outcome is `partial`.
    held: Vec<String>,
    /// The name of the host that may be reaped next, if any has an end.
    next: Option<String>,
    /// When that is.
    #[schemars(extend("x-unit" = "seconds since 1970"))]
    next_expires_at: Option<i64>,
}

/// What `infra replace` did.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReplaceResult {
    /// The identity of the plan for both halves.
    plan_id: String,
    /// The random id of the run that made the new host, if it was begun.
    run: Option<String>,
    #[serde(flatten)]
    apply: Apply,
    /// What became of the network's own entry of the old host.
    network: Vec<Forgotten>,
    /// What became of the new host. Empty with `--no-bootstrap`.
    hosts: Vec<HostReport>,
    /// Why the new host was not begun although the old one is gone.
    not_begun: Option<Error>,
}

/// What `infra adopt` or `infra unprotect` did.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RetagResult {
    /// The identity of the plan that was carried out.
    plan_id: String,
    #[serde(flatten)]
    apply: Apply,
    /// Hosts that were named and cannot be adopted or unprotected, with the reasons.
    refused: Vec<Finding>,
    /// The names of hosts that the file still protects: none of them can be deleted, and the next
    /// `infra up` gives them the tag of protection again.
    protected_by_file: Vec<String>,
    /// The names of adopted hosts. Unless their host keys are known, they have to be accepted
    /// next by `infra hosts trust`.
    to_trust: Vec<String>,
}

/// What `infra hosts trust` did, or would do.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TrustResult {
    /// The environment.
    environment: String,
    /// The host.
    host: String,
    /// The fingerprint of the host key that is accepted now.
    trusted: String,
    /// Whether it was not accepted before.
    is_new: bool,
    /// The fingerprints that were accepted before, and are not any more.
    replaced: Vec<String>,
}

/// What `infra unlock` found and did.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UnlockResult {
    /// The environment.
    environment: String,
    /// Whether a lease was broken.
    unlocked: bool,
    /// The lease that was found, if there was one.
    lease: Option<Lease>,
}

/// A lease.
#[derive(Debug, Serialize, JsonSchema)]
struct Lease {
    /// Its id in the cloud.
    id: String,
    /// The random id of the run that holds it, if it can be read.
    run: Option<String>,
    /// The name of the machine.
    machine: Option<String>,
    /// The process on that machine.
    pid: Option<u32>,
    /// What the run does: `up`, `down`.
    operation: Option<String>,
    /// When it was taken, by the cloud's clock.
    since: String,
    /// The time without a sign of life, by the cloud's clock, if that is known.
    #[schemars(extend("x-unit" = "milliseconds"))]
    idle_ms: Option<u64>,
    /// How it is known that the holder is gone; `null` if it may be alive.
    gone: Option<String>,
}

impl TrustResult {
    /// What became of the pins of a host.
    pub(crate) fn new(environment: &core::EnvironmentName, report: &engine::TrustReport) -> Self {
        Self {
            environment: environment.to_string(),
            host: report.host.to_string(),
            trusted: report.key.to_string(),
            is_new: report.is_new,
            replaced: report.replaced.iter().map(ToString::to_string).collect(),
        }
    }
}

impl UnlockResult {
    pub(crate) fn new(
        environment: &core::EnvironmentName,
        state: Option<&engine::LeaseState>,
        unlocked: bool,
    ) -> Self {
        let lease = state.map(|state| {
            let holder = state.marker.holder.clone();
            let idle = state.marker.idle.map(millis);
            Lease {
                id: state.marker.id.clone(),
                run: holder.as_ref().map(|holder| holder.run.clone()),
                machine: holder.as_ref().map(|holder| holder.machine.clone()),
                pid: holder.as_ref().map(|holder| holder.pid),
                operation: holder.map(|holder| holder.operation),
                since: state.marker.since.clone(),
                idle_ms: idle,
                gone: state.gone.clone(),
            }
        });
        Self {
            environment: environment.to_string(),
            unlocked,
            lease,
        }
    }
}

/// What a dry run found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DryRunResult {
    /// The identity of the plan.
    plan_id: String,
    /// What each step would change on the hosts that exist, by name.
    hosts: Vec<HostReport>,
}

/// What became of one entry in the network's own list.
#[derive(Debug, Serialize, JsonSchema)]
struct Forgotten {
    /// The host's name.
    host: String,
    #[serde(flatten)]
    outcome: StepOutcome,
}

impl From<engine::Outcome> for Outcome {
    fn from(outcome: engine::Outcome) -> Self {
        match outcome {
            engine::Outcome::Done => Self::Done,
            engine::Outcome::Partial => Self::Partial,
            engine::Outcome::CloudFailed
            | engine::Outcome::BootstrapFailed
            | engine::Outcome::NetworkFailed
            | engine::Outcome::Locked
            | engine::Outcome::Refused => Self::Failed,
            engine::Outcome::Interrupted => Self::Interrupted,
        }
    }
}

impl From<&engine::UpReport> for UpResult {
    fn from(report: &engine::UpReport) -> Self {
        Self::new(&report.run, &report.plan, &report.apply, &report.hosts)
    }
}

impl UpResult {
    pub(super) fn new(
        run: &str,
        plan: &core::InfraPlan,
        apply: &core::ApplyReport,
        hosts: &[infra_bootstrap::HostReport],
    ) -> Self {
        Self {
            run: run.to_owned(),
            plan_id: plan.id(),
            apply: apply.into(),
            hosts: hosts.iter().map(HostReport::from).collect(),
        }
    }
}

impl From<&engine::BootstrapReport> for BootstrapResult {
    fn from(report: &engine::BootstrapReport) -> Self {
        Self::new(
            &report.environment,
            &report.hosts,
            &report.not_there,
            &report.undeclared,
        )
    }
}

impl BootstrapResult {
    pub(super) fn new(
        environment: &core::EnvironmentName,
        hosts: &[infra_bootstrap::HostReport],
        not_there: &[core::HostName],
        undeclared: &[core::HostRef],
    ) -> Self {
        Self {
            environment: environment.to_string(),
            hosts: hosts.iter().map(HostReport::from).collect(),
            not_there: not_there.iter().map(ToString::to_string).collect(),
            undeclared: undeclared.iter().map(HostRef::from).collect(),
        }
    }
}

impl DownResult {
    /// What became of a plan, and the host that ends next. A plan with nothing to delete has
    /// empty reports.
    pub(crate) fn new(
        plan: &core::InfraPlan,
        apply: &core::ApplyReport,
        forgotten: &[engine::Forgotten],
        next: Option<&core::HostRef>,
    ) -> Self {
        Self {
            plan_id: plan.id(),
            apply: apply.into(),
            network: forgotten.iter().map(Forgotten::from).collect(),
            unmanaged: plan.unmanaged.iter().map(HostRef::from).collect(),
            held: plan.held.iter().map(|own| own.host.name.clone()).collect(),
            next: next.map(|host| host.name.clone()),
            next_expires_at: next.and_then(|host| host.expires_at),
        }
    }

    /// What a report tells, and the host that ends next.
    pub(crate) fn of(report: &engine::DownReport, next: Option<&core::HostRef>) -> Self {
        Self::new(&report.plan, &report.apply, &report.forgotten, next)
    }
}

impl From<&engine::ReplaceReport> for ReplaceResult {
    fn from(report: &engine::ReplaceReport) -> Self {
        let down = report.down.as_ref();
        let up = report.up.as_ref();
        let halves = [down.map(|down| &down.apply), up.map(|up| &up.apply)];
        let forgotten = down.map_or(&[][..], |down| &down.forgotten);
        let mut result = Self::new(&report.plan, halves, forgotten);
        if let Some(up) = up {
            result = result.with_new(&up.run, &up.hosts);
        }
        result.not_begun = report.error.as_ref().map(Error::from);
        result
    }
}

impl ReplaceResult {
    /// What became of both halves in the cloud, as far as they were begun.
    pub(super) fn new(
        plan: &core::InfraPlan,
        halves: [Option<&core::ApplyReport>; 2],
        forgotten: &[engine::Forgotten],
    ) -> Self {
        let none = Apply::from(&core::ApplyReport::default());
        let halves = halves.into_iter().flatten().map(Apply::from);
        Self {
            plan_id: plan.id(),
            run: None,
            apply: halves.fold(none, Apply::and),
            network: forgotten.iter().map(Forgotten::from).collect(),
            hosts: Vec::new(),
            not_begun: None,
        }
    }

    /// With the new host, and the run that made it.
    pub(super) fn with_new(mut self, run: &str, hosts: &[infra_bootstrap::HostReport]) -> Self {
        self.run = Some(run.to_owned());
        self.hosts = hosts.iter().map(HostReport::from).collect();
        self
    }
}

impl RetagResult {
    /// What became of a plan. One with nothing to do has an empty report.
    pub(crate) fn new(
        plan: &core::InfraPlan,
        apply: &core::ApplyReport,
        refused: &[core::Finding],
        protected_by_file: &[String],
    ) -> Self {
        Self {
            plan_id: plan.id(),
            apply: apply.into(),
            refused: refused.iter().map(Finding::from).collect(),
            protected_by_file: protected_by_file.to_vec(),
            to_trust: match plan.mode {
                core::PlanMode::Adopt => names(&apply.retagged),
                _ => Vec::new(),
            },
        }
    }
}

fn names(hosts: &[core::HostRef]) -> Vec<String> {
    let mut names: Vec<_> = hosts.iter().map(|host| host.name.clone()).collect();
    names.sort();
    names
}

impl From<&engine::Forgotten> for Forgotten {
    fn from(entry: &engine::Forgotten) -> Self {
        Self {
            host: entry.host.to_string(),
            outcome: (&entry.outcome).into(),
        }
    }
}

impl DryRunResult {
    /// What a dry run found on the hosts that exist.
    pub(crate) fn new(plan: &core::InfraPlan, hosts: &[&infra_bootstrap::HostReport]) -> Self {
        Self {
            plan_id: plan.id(),
            hosts: hosts.iter().copied().map(HostReport::from).collect(),
        }
    }
}
