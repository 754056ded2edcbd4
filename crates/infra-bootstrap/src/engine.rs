//! The engine: one host, from its first connection to its last step.

mod probe_only;
mod rotation;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use stagecraft_core::{
    Connector, Decision, EnvironmentName, Error, ErrorKind, Event, FailureCode, Fingerprint, Host,
    HostContext, HostId, HostKeyCache, HostKeyPins, HostName, HostStep, NetworkProvider, NodeName,
    Remote, RemoteTarget, Result, Run, StepFailure, StepOutcome, seconds,
};
use tokio::time::{Instant, timeout};
use tracing::debug;

use crate::failure;
use crate::lock::LockedRemote;
use crate::order;
use crate::peers::{self, Peers};
use crate::readiness::{self, ReadinessPolicy};
use crate::report::{self, HostReport, StepReport};
use crate::steps::SYSTEM_STEPS;
use crate::watch::Watch;
use rotation::Work;
use session::Session;

/// A host and a key that is pinned for it.
type Pin = (HostId, Fingerprint);

/// Whether hosts are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Hosts are made as wanted.
    Apply,
    /// Hosts are only read. The report says what would be changed. The connection itself
    /// refuses everything but the steps' probes.
    DryRun,
}

/// Makes hosts ready, one at a time or many side by side.
pub struct Bootstrap {
    connector: Arc<dyn Connector>,
    steps: Vec<Arc<dyn HostStep>>,
    network: Option<Arc<dyn NetworkProvider>>,
    pins: Option<Arc<dyn HostKeyPins>>,
    cache: Option<Arc<dyn HostKeyCache>>,
    policy: ReadinessPolicy,
    step_deadline: Duration,
    port: Option<u16>,
    command_options: String,
}

impl fmt::Debug for Bootstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bootstrap")
            .field("connector", &self.connector)
            .field("steps", &self.steps().collect::<Vec<_>>())
            .field("policy", &self.policy)
            .field("step_deadline", &self.step_deadline)
            .finish_non_exhaustive()
    }
}

impl Bootstrap {
    /// Takes the steps, in any order, and puts each after those that it needs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](stagecraft_core::ErrorKind::Config) if two steps share an id, if
    /// one needs another that is not among them, or if they need each other in a circle.
    pub fn new(
        connector: Arc<dyn Connector>,
        steps: impl IntoIterator<Item = Arc<dyn HostStep>>,
        policy: ReadinessPolicy,
    ) -> Result<Self> {
        Ok(Self {
            connector,
            steps: order::sort(steps, &[session::READINESS, rotation::ID, peers::ID, "ssh"])?,
            network: None,
            pins: None,
            cache: None,
            policy,
            step_deadline: Duration::from_mins(15),
            port: None,
            command_options: String::new(),
        })
    }

    /// Sets what commands need beside the environment so that they mean the same project, for
    /// example `--config base.yml`: evidence names commands to be typed. Default: nothing.
    #[must_use]
    pub fn with_command_options(mut self, options: impl Into<String>) -> Self {
        self.command_options = options.into();
        self
    }

    /// Sets the network whose names reports tell. Whether hosts join it is up to the steps.
    #[must_use]
    pub fn with_network(mut self, network: Arc<dyn NetworkProvider>) -> Self {
        self.network = Some(network);
        self
    }

    /// Gives hosts that have the host key of their user data one of their own, and pins it here.
    ///
    /// Without it hosts keep the key that they were made with.
    #[must_use]
    pub fn with_pins(mut self, pins: Arc<dyn HostKeyPins>) -> Self {
        self.pins = Some(pins);
        self
    }

    /// Sets what remembers host keys. It is asked for hosts without a pin, and told of every key
    /// that was proven.
    #[must_use]
    pub fn with_cache(mut self, cache: Arc<dyn HostKeyCache>) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Sets the longest time that one step may change a host. Default: 15 minutes.
    #[must_use]
    pub fn with_step_deadline(mut self, deadline: Duration) -> Self {
        self.step_deadline = deadline;
        self
    }

    /// Looks whether hosts that join the network are reached there by their names at this TCP
    /// port, that of their SSH servers. Only [`Fleet`](crate::Fleet) does, once all are done.
    #[must_use]
    pub fn with_look_at_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The port at which hosts that join the network are looked at there.
    pub(crate) fn port(&self) -> Option<u16> {
        self.port
    }

    /// Makes sure that hosts of these names can be logged in to before they are made, as far as
    /// that is known without them: keys are read, and encrypted ones opened once for all.
    ///
    /// Nothing is sent to any host. Safe to repeat.
    ///
    /// # Errors
    ///
    /// As [`Connector::prepare`]; [`ErrorKind::Config`] if a host's name does not fit.
    pub async fn prepare_login<'a>(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        hosts: impl IntoIterator<Item = &'a HostName> + Send,
    ) -> Result<()> {
        let hosts: Vec<_> = hosts.into_iter().collect();
        for host in hosts {
            let node = NodeName::of(environment, host)
                .map_err(|error| Error::new(ErrorKind::Config, error.to_string()))?;
            let aliases = [node.to_string()];
            self.connector.prepare(run, host, &aliases).await?;
        }
        Ok(())
    }

    /// The ids of the steps, in the order in which they run.
    pub fn steps(&self) -> impl Iterator<Item = &'static str> {
        self.steps.iter().map(|step| step.id())
    }

    /// Makes one host ready, or in a dry run tells what that would change.
    ///
    /// Connects, waits until the first boot has ended, and reads the state for all steps with
    /// one command. A host that is as wanted costs no more than that. Otherwise the steps that
    /// have something to do run one after the other, once the package locks are free. A failed
    /// step takes those that need it along; the others still run.
    ///
    /// Whatever happens is told by the report. Repeating the call is safe and finishes what
    /// is missing. When the run is cancelled no further step begins, and the running one comes
    /// to its end. When the call is dropped, a command that runs on the host still ends there in
    /// its own time; a rerun waits for it.
    pub async fn host(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        host: &Host,
        mode: Mode,
    ) -> HostReport {
        let (report, stale) = self.work(run, environment, host, mode, None).await;
        self.settle_keys(run, &stale).await;
        report
    }

    /// As [`host`](Self::host), but gives the pins that are to be dropped in place of doing it,
    /// and the connection to a member of the network to `peers` in place of ending it.
    pub(crate) async fn work(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        host: &Host,
        mode: Mode,
        peers: Option<&Peers>,
    ) -> (HostReport, Vec<Pin>) {
        let mut report = HostReport::new(host);
        let started = Instant::now();
        let watch = Arc::new(Watch::default());
        let run = &run.observed(Arc::clone(&watch) as _);
        let mut stale = Vec::new();
        let climbed = self
            .climb(run, environment, host, mode, &mut report, &mut stale)
            .await;
        let climbed = match climbed {
            Ok(remote) => {
                let is_member = report.fqdn.is_some() && report.is_ok();
                let peers = peers.filter(|_| is_member);
                let unused = match peers {
                    Some(peers) => peers.offer(&host.id, remote),
                    None => Some(remote),
                };
                if let Some(remote) = unused {
                    remote.close().await;
                }
                Ok(())
            }
            Err(failure) => Err(failure),
        };
        report.duration = started.elapsed();
        report.retries = watch.retries();
        if let Err(failure) = climbed {
            let failure = failure::redacted(run, &failure);
            debug!(host = %report.host, code = %failure.code, "host is not ready");
            report.failure = Some(failure);
        }
        let stale = stale.into_iter().map(|key| (host.id.clone(), key));
        (report, stale.collect())
    }

    /// Drops pins of keys that hosts do not show any more, and keeps in mind those that they do.
    /// What fails is left to the next run.
    pub(crate) async fn settle_keys(&self, run: &Run, stale: &[Pin]) {
        if let Some(cache) = &self.cache {
            cache.save(run).await;
        }
        let Some(pins) = self.pins.as_ref().filter(|_| !stale.is_empty()) else {
            return;
        };
        if let Err(error) = pins.unpin(run, stale).await {
            tracing::warn!(%error, "pins of former host keys are left to the next run");
        }
    }

    async fn climb(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        host: &Host,
        mode: Mode,
        report: &mut HostReport,
        stale: &mut Vec<Fingerprint>,
    ) -> Result<Arc<dyn Remote>, StepFailure> {
        let context = context_of(environment, host)?;
        let address = report.address.ok_or_else(|| {
            StepFailure::new(FailureCode::HostNotReady, "the host has no public address")
        })?;
        let pinned = host.host_keys();
        let cache = self.cache.as_ref();
        let remembered = cache.map_or_else(Vec::new, |cache| cache.known(&host.id));
        let contradiction = rotation::contradiction(&pinned, &remembered);
        let target = RemoteTarget {
            host: context.name.clone(),
            aliases: vec![context.node.to_string()],
            address,
            host_keys: if pinned.is_empty() {
                remembered
            } else {
                pinned
            },
        };
        let options = format!(" --env {environment} {}", self.command_options);
        let cure = readiness::cure_of_key(&target, options.trim_end());
        let with_cure = |failure: StepFailure| match failure.code {
            FailureCode::HostKeyMismatch => failure.with_evidence([cure]),
            _ => failure,
        };
        let opened = Session::open(
            run,
            &*self.connector,
            target,
            &self.policy,
            &self.steps,
            &host.id,
            mode,
        );
        let mut session = match opened.await {
            Ok(session) => session,
            Err(failure) => return Err(with_cure(failure)),
        };
        let result = match session.first_boot(run).await {
            Ok(()) => {
                report.system = session.system();
                match self
                    .identify(run, host, mode, &mut session, report, contradiction)
                    .await
                {
                    Some(former) => {
                        stale.extend(former);
                        if let Some(cache) = cache.filter(|_| mode == Mode::Apply) {
                            cache.proven(&host.id, session.remote().host_key());
                        }
                        self.run_steps(run, &context, mode, &mut session, report)
                            .await
                    }
                    None => self.skip_steps(run, &context, report),
                }
            }
            Err(failure) => Err(failure),
        };
        match result {
            Ok(()) => Ok(session.remote()),
            Err(failure) => {
                session.close().await;
                Err(with_cure(failure))
            }
        }
    }

    /// Sees to it that the host has a key of its own. Gives the pins that are to be dropped, or
    /// nothing if that failed: then no step may send anything.
    async fn identify(
        &self,
        run: &Run,
        host: &Host,
        mode: Mode,
        session: &mut Session<'_>,
        report: &mut HostReport,
        contradiction: Option<StepOutcome>,
    ) -> Option<Vec<Fingerprint>> {
        let pinned = host.host_keys();
        let shown = session.remote().host_key();
        let work = rotation::decide(&session.facts(rotation::ID), shown, &pinned);
        let told = rotation::outcome(&work, mode);
        let (Some(pins), Some(told)) = (&self.pins, told) else {
            if let Some(outcome) = contradiction {
                tell(run, report, rotation::ID, outcome, Duration::ZERO);
            }
            return Some(Vec::new());
        };
        let started = Instant::now();
        let (outcome, stale) = match work {
            Work::Rotate if mode == Mode::Apply => {
                run.emit(Event::StepStarted {
                    host: report.host.clone(),
                    step: rotation::ID.to_owned(),
                });
                let rotating =
                    rotation::rotate(run, &**pins, session, &host.id, &pinned, &self.policy);
                match rotating.await {
                    Ok(stale) => (told, Some(stale)),
                    Err(failure) => (StepOutcome::Failed(failure::redacted(run, &failure)), None),
                }
            }
            Work::DropPins(stale) if mode == Mode::Apply => (told, Some(stale)),
            _ => (told, Some(Vec::new())),
        };
        tell(run, report, rotation::ID, outcome, started.elapsed());
        stale
    }

    /// Tells of every step that it was not come to.
    fn skip_steps(
        &self,
        run: &Run,
        context: &HostContext,
        report: &mut HostReport,
    ) -> Result<(), StepFailure> {
        debug!(host = %context.name, "no step is run without a host key of the host's own");
        for step in &self.steps {
            let reason = format!("step `{}` did not succeed", rotation::ID);
            let outcome = StepOutcome::Skipped { reason };
            tell(run, report, step.id(), outcome, Duration::ZERO);
        }
        if run.cancellation().is_cancelled() {
            return Err(failure::interrupted());
        }
        Ok(())
    }

    async fn run_steps(
        &self,
        run: &Run,
        context: &HostContext,
        mode: Mode,
        session: &mut Session<'_>,
        report: &mut HostReport,
    ) -> Result<(), StepFailure> {
        let mut decisions = self.decide(session, context);
        let is_change =
            |decision: &Result<Decision, _>| matches!(decision, Ok(Decision::Change(_)));
        if mode == Mode::Apply && decisions.values().any(is_change) && session.unlocked(run).await?
        {
            // Whoever held the lock may have done the work meanwhile.
            decisions = self.decide(session, context);
        }
        let mut failed = BTreeSet::new();
        let mut changed = BTreeSet::new();
        let mut pending = BTreeSet::new();
        for step in &self.steps {
            let id = step.id();
            let started = Instant::now();
            let broken = step.after().iter().find(|need| failed.contains(*need));
            let outcome = if let Some(broken) = broken {
                failed.insert(id);
                StepOutcome::Skipped {
                    reason: format!("step `{broken}` did not succeed"),
                }
            } else if run.cancellation().is_cancelled() {
                failed.insert(id);
                StepOutcome::Skipped {
                    reason: "the run was interrupted".to_owned(),
                }
            } else {
                let before = step.after().iter().chain(step.follows());
                if before.into_iter().any(|id| changed.contains(id)) {
                    session.look(run).await?;
                    decisions = self.decide(session, context);
                }
                let decision = decisions
                    .remove(id)
                    .unwrap_or_else(|| session.decide(&**step, context));
                let outcome = self
                    .carry_out(run, session, &**step, context, mode, decision)
                    .await;
                let first = |ids: &[&'static str]| {
                    let mut ids = ids.iter().copied();
                    ids.find(|id| pending.contains(id))
                };
                match (first(step.after()), first(step.follows())) {
                    (Some(need), _) => report::depending(outcome, need),
                    (None, Some(earlier)) if !step.is_check() => {
                        report::following(outcome, earlier)
                    }
                    _ => outcome,
                }
            };
            match &outcome {
                StepOutcome::Failed(_) => {
                    failed.insert(id);
                }
                StepOutcome::Skipped { .. } if run.cancellation().is_cancelled() => {
                    failed.insert(id);
                }
                StepOutcome::Changed { .. } => {
                    changed.insert(id);
                }
                StepOutcome::WouldChange { .. } | StepOutcome::MayChange { .. } => {
                    pending.insert(id);
                }
                _ => {}
            }
            tell(run, report, id, outcome, started.elapsed());
        }
        report.fqdn = self.fqdn(context, report);
        if run.cancellation().is_cancelled() && !failed.is_empty() {
            return Err(failure::interrupted());
        }
        Ok(())
    }

    fn decide(
        &self,
        session: &Session<'_>,
        context: &HostContext,
    ) -> BTreeMap<&'static str, Result<Decision, StepFailure>> {
        self.steps
            .iter()
            .map(|step| (step.id(), session.decide(&**step, context)))
            .collect()
    }

    async fn carry_out(
        &self,
        run: &Run,
        session: &Session<'_>,
        step: &dyn HostStep,
        context: &HostContext,
        mode: Mode,
        decision: Result<Decision, StepFailure>,
    ) -> StepOutcome {
        let changes = match decision {
            Err(failure) => return StepOutcome::Failed(failure::redacted(run, &failure)),
            Ok(Decision::Nothing) => return StepOutcome::Unchanged,
            Ok(Decision::Skip(reason)) => return StepOutcome::Skipped { reason },
            Ok(Decision::Change(changes)) if changes.is_empty() => return StepOutcome::Unchanged,
            Ok(Decision::Change(changes)) => changes,
        };
        let summaries = changes
            .iter()
            .map(|change| run.redact(&change.summary))
            .collect();
        if mode == Mode::DryRun {
            return StepOutcome::WouldChange { changes: summaries };
        }
        if !session.is_root() {
            return StepOutcome::Failed(StepFailure::new(
                FailureCode::ConfigInvalid,
                "the login is not root, which changes to a host need",
            ));
        }
        if let Err(error) = run.before_write().await {
            if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Locked) {
                return StepOutcome::Skipped {
                    reason: error.to_string(),
                };
            }
            // Nothing was done, which must not look like a host that is ready.
            let code = failure::common_code(&error).unwrap_or_else(|| late_code(step.id()));
            let failed = failure::of_error(code, &error);
            return StepOutcome::Failed(failure::redacted(run, &failed));
        }
        run.emit(Event::StepStarted {
            host: context.name.clone(),
            step: step.id().to_owned(),
        });
        let locked = LockedRemote::new(
            session.remote(),
            step.id(),
            self.policy.lock.deadline.min(self.step_deadline),
        );
        let remote: &dyn Remote = &locked;
        let shielded = run.shielded();
        let change = step.change(&shielded, remote, context, &changes);
        let result = self.to_its_end(run, step.id(), context, change).await;
        match result {
            Ok(()) => StepOutcome::Changed { changes: summaries },
            Err(failure) => StepOutcome::Failed(failure::redacted(run, &failure)),
        }
    }

    /// Awaits a step that has begun, even if the run is cancelled meanwhile.
    async fn to_its_end(
        &self,
        run: &Run,
        step: &'static str,
        context: &HostContext,
        change: impl Future<Output = Result<(), StepFailure>>,
    ) -> Result<(), StepFailure> {
        let started = Instant::now();
        let work = timeout(self.step_deadline, change);
        tokio::pin!(work);
        let result = tokio::select! {
            biased;
            result = &mut work => result,
            () = run.cancellation().cancelled() => {
                run.emit(Event::Waiting {
                    host: Some(context.name.clone()),
                    what: format!("step `{step}` to end"),
                    elapsed: started.elapsed(),
                    deadline: self.step_deadline,
                });
                work.await
            }
        };
        result.unwrap_or_else(|_| {
            Err(StepFailure::new(
                late_code(step),
                format!(
                    "waited {} for step `{step}` to end",
                    seconds(self.step_deadline)
                ),
            ))
        })
    }

    /// The name in the network, if the report proves that the host is a member.
    fn fqdn(&self, context: &HostContext, report: &HostReport) -> Option<String> {
        let joined = matches!(
            report.step(crate::steps::NETWORK_ID)?,
            StepOutcome::Unchanged | StepOutcome::Changed { .. }
        );
        let network = self.network.as_ref().filter(|_| joined)?;
        network.node_fqdn(&context.node).ok()
    }
}

/// Tells how a step ended, as an event and in the report.
fn tell(
    run: &Run,
    report: &mut HostReport,
    step: &'static str,
    outcome: StepOutcome,
    duration: Duration,
) {
    run.emit(Event::StepFinished {
        host: report.host.clone(),
        step: step.to_owned(),
        outcome: outcome.clone(),
    });
    report.steps.push(StepReport {
        step,
        outcome,
        duration,
    });
}

fn context_of(environment: &EnvironmentName, host: &Host) -> Result<HostContext, StepFailure> {
    let invalid = |message: String| StepFailure::new(FailureCode::ConfigInvalid, message);
    let name = host.name.clone().ok_or_else(|| {
        invalid(format!(
            "the host's name in the cloud, {:?}, is not `{environment}-` and a name",
            host.node
        ))
    })?;
    let role = host
        .role
        .clone()
        .ok_or_else(|| invalid("no tag of the host tells its role".to_owned()))?;
    let node = NodeName::of(environment, &name).map_err(|error| invalid(error.to_string()))?;
    Ok(HostContext {
        environment: environment.clone(),
        name,
        role,
        node,
    })
}

/// The code of a step that did not end: what it most likely was busy with.
fn late_code(step: &str) -> FailureCode {
    match step {
        "docker" => FailureCode::DockerInstallFailed,
        "network" => FailureCode::NetworkJoinFailed,
        id if SYSTEM_STEPS.contains(&id) => FailureCode::SystemChangeFailed,
        _ => FailureCode::HostNotReady,
    }
}
