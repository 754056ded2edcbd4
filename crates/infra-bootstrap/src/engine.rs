//! The engine: one host, from its first connection to its last step.

mod look;
mod loss;
mod operator;
mod probe_only;
mod rotation;
mod session;
mod steps;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use stagecraft_core::{
    CloudProvider, Connector, EnvironmentName, Event, FailureCode, Fingerprint, Host, HostChanges,
    HostContext, HostId, HostKeyCache, HostKeyPins, HostName, HostStep, NetworkProvider, NodeName,
    Remote, RemoteTarget, Result, Run, StepFailure, StepOutcome,
};
use tokio::time::Instant;
use tracing::debug;

use crate::failure;
use crate::order;
use crate::peers::{self, Peers};
use crate::readiness::{self, ReadinessPolicy};
use crate::report::{HostReport, StepReport};
use crate::steps::users;
use crate::watch::Watch;
pub(crate) use look::{Begun, Looked};
use operator::Operator;
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
    operator: Option<Operator>,
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
            operator: None,
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

    /// Sets the cloud that puts the operator's key on hosts when it creates them. Hosts remember
    /// the key's name; once the cloud's configuration names another, and that has logged in, the
    /// former one is revoked.
    #[must_use]
    pub fn with_operator_key(mut self, cloud: Arc<dyn CloudProvider>) -> Self {
        self.operator = Some(Operator::new(cloud));
        self
    }

    fn operator_key(&self) -> Option<&str> {
        self.operator.as_ref().and_then(Operator::name)
    }

    /// Makes sure that hosts of these names, each with its name in the cloud, can be logged in to
    /// before they are made, as far as
    /// that is known without them: keys are read, and encrypted ones opened once for all.
    ///
    /// Nothing is sent to any host. Safe to repeat.
    ///
    /// # Errors
    ///
    /// As [`Connector::prepare`].
    pub async fn prepare_login<'a>(
        &self,
        run: &Run,
        hosts: impl IntoIterator<Item = (&'a HostName, String)> + Send,
    ) -> Result<()> {
        let hosts: Vec<_> = hosts.into_iter().collect();
        for (host, node) in hosts {
            self.connector.prepare(run, host, &[node]).await?;
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
        let (report, stale) = match mode {
            Mode::Apply => {
                let begun = Begun::default();
                self.work(run, environment, host, begun, None).await
            }
            Mode::DryRun => {
                let looked = self.look(run, environment, host, None).await;
                (looked.close().await, Vec::new())
            }
        };
        self.settle_keys(run, &stale).await;
        report
    }

    /// As [`host`](Self::host), but goes on from what was `begun`, gives the pins that are to be
    /// dropped in place of doing it, and the connection to a member of the network to `peers` in
    /// place of ending it.
    pub(crate) async fn work(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        host: &Host,
        begun: Begun,
        peers: Option<&Peers>,
    ) -> (HostReport, Vec<Pin>) {
        let Begun { looked, approved } = begun;
        let mut report = HostReport::new(host);
        let mut former = None;
        let (mut retries, mut before) = (Vec::new(), Duration::ZERO);
        if let Some(looked) = looked {
            if !looked.has_work() {
                return (self.finished(looked), Vec::new());
            }
            before = looked.report.duration;
            retries = looked.report.retries;
            former = looked.session;
        }
        let started = Instant::now();
        let watch = Arc::new(Watch::default());
        let run = &run.observed(Arc::clone(&watch) as _);
        let mut climb = Climb {
            host,
            mode: Mode::Apply,
            former,
            approved: approved.as_ref(),
            report: &mut report,
            stale: Vec::new(),
        };
        let climbed = self.climb(run, environment, &mut climb).await;
        let stale = climb.stale;
        let climbed = match climbed {
            Ok(session) => {
                offer(peers, &report, session.into_open()).await;
                Ok(())
            }
            Err(failure) => Err(failure),
        };
        report.duration = before + started.elapsed();
        report.retries = retries;
        report.retries.extend(watch.retries());
        if let Err(failure) = climbed {
            let failure = failure::redacted(run, &failure);
            debug!(host = %report.host, code = %failure.code, "host is not ready");
            report.fail(run, failure);
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

    /// Connects, waits for the end of the first boot and runs or reads the steps. Gives the
    /// connection if the host was not given up.
    async fn climb(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        climb: &mut Climb<'_>,
    ) -> Result<Session, StepFailure> {
        let host = climb.host;
        let mut context = context_of(environment, host)?;
        let address = climb.report.address.ok_or_else(|| {
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
            // A jump host's key must not become the host's.
            FailureCode::HostKeyMismatch if !failure::is_of_jump_host(&failure) => {
                failure.with_evidence([cure])
            }
            _ => failure,
        };
        let mut session = match self.reach(run, climb, target).await {
            Ok(session) => session,
            Err(failure) => return Err(with_cure(failure)),
        };
        self.recognise(run, &session, &mut context).await;
        match self
            .carry_on(run, &context, climb, &mut session, contradiction)
            .await
        {
            Ok(()) => Ok(session),
            Err(failure) => {
                session.close().await;
                Err(with_cure(failure))
            }
        }
    }

    /// A connection to a host whose first boot has ended, and which was just read: the one that
    /// was opened before, if it still is to this host.
    async fn reach(
        &self,
        run: &Run,
        climb: &mut Climb<'_>,
        target: RemoteTarget,
    ) -> Result<Session, StepFailure> {
        match climb.former.take() {
            Some(former) if former.is_to(&target) => {
                let mut session = *former;
                if let Err(failure) = session.resume(run).await {
                    session.close().await;
                    return Err(failure);
                }
                return Ok(session);
            }
            Some(former) => former.close().await,
            None => {}
        }
        let opened = Session::open(
            run,
            Arc::clone(&self.connector),
            target,
            self.policy,
            &self.steps,
            &climb.host.id,
            climb.mode,
        );
        let mut session = opened.await?;
        if let Err(failure) = session.first_boot(run).await {
            session.close().await;
            return Err(failure);
        }
        Ok(session)
    }

    /// Notes who is logged in. Whether it is by the operator's key is asked only where the host was
    /// created with another one.
    async fn recognise(&self, run: &Run, session: &Session, context: &mut HostContext) {
        context.login = session.remote().login();
        let Some(operator) = &self.operator else {
            return;
        };
        context.operator_key = operator.name().map(str::to_owned);
        if let Some(login) = &context.login
            && users::has_former_operator(&session.facts(users::ID), operator.name())
        {
            context.is_operator_login = operator.is_login(run, login).await;
        }
    }

    async fn carry_on(
        &self,
        run: &Run,
        context: &HostContext,
        climb: &mut Climb<'_>,
        session: &mut Session,
        contradiction: Option<StepOutcome>,
    ) -> Result<(), StepFailure> {
        climb.report.system = session.system();
        climb.report.warnings = session.login_warnings();
        let of_login = climb.report.warnings.len();
        let of_boot = session.boot_warnings(run);
        let is_first_run = self.is_first_run(climb.host, session);
        let result = self
            .work_on(run, context, climb, session, contradiction)
            .await;
        // They may be why a step fails, in any run.
        if is_first_run || result.is_err() || !climb.report.is_ok() {
            climb.report.warnings.splice(of_login..of_login, of_boot);
        }
        result
    }

    async fn work_on(
        &self,
        run: &Run,
        context: &HostContext,
        climb: &mut Climb<'_>,
        session: &mut Session,
        contradiction: Option<StepOutcome>,
    ) -> Result<(), StepFailure> {
        let (host, mode) = (climb.host, climb.mode);
        if mode == Mode::Apply {
            self.check_approved(run, session, context, host, climb.approved)?;
        }
        let identified = self.identify(run, host, mode, session, climb.report, contradiction);
        let Some(former) = identified.await else {
            return self.skip_steps(run, context, climb.report);
        };
        climb.stale.extend(former);
        if mode == Mode::DryRun {
            return self.read_steps(run, session, context, climb.report);
        }
        if let Some(cache) = &self.cache {
            cache.proven(&host.id, session.host_key());
        }
        let approved = climb.approved;
        self.run_steps(run, context, session, climb.report, approved)
            .await
    }

    /// Whether no earlier run has worked on the host: it still has the key of its user data. What
    /// its first boot left to look at is reported by this run, and by none after it. An image has
    /// warnings of its own, which nobody can act on.
    ///
    /// Without pins hosts keep that key, and every run counts as the first.
    fn is_first_run(&self, host: &Host, session: &Session) -> bool {
        let shown = session.host_key();
        let work = rotation::decide(&session.facts(rotation::ID), shown, &host.host_keys());
        self.pins.is_none() || work == Work::Rotate
    }

    /// Sees to it that the host has a key of its own. Gives the pins that are to be dropped, or
    /// nothing if that failed: then no step may send anything.
    async fn identify(
        &self,
        run: &Run,
        host: &Host,
        mode: Mode,
        session: &mut Session,
        report: &mut HostReport,
        contradiction: Option<StepOutcome>,
    ) -> Option<Vec<Fingerprint>> {
        let pinned = host.host_keys();
        let shown = session.host_key();
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
                let rotated = self
                    .rotate(run, &**pins, session, &host.id, &pinned, started)
                    .await;
                match rotated {
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

    /// Gives the host its own key, over as many connections as that takes: after a lost one it goes
    /// on from the key that the host then has.
    async fn rotate(
        &self,
        run: &Run,
        pins: &dyn HostKeyPins,
        session: &mut Session,
        id: &HostId,
        pinned: &[Fingerprint],
        started: Instant,
    ) -> Result<Vec<Fingerprint>, StepFailure> {
        let (policy, operator) = (&self.policy, self.operator_key());
        loop {
            let rotating = rotation::rotate(run, pins, session, id, pinned, policy, operator);
            let failure = match rotating.await {
                Ok(stale) => return Ok(stale),
                Err(failure) => failure,
            };
            if session.loss().is_none() {
                return Err(failure);
            }
            session.recover(run, started, self.step_deadline).await?;
            let shown = session.host_key();
            if rotation::decide(&session.facts(rotation::ID), shown, pinned) != Work::Rotate {
                return Ok(session.settle(pinned));
            }
        }
    }
}

/// One host's way to its last step.
struct Climb<'a> {
    host: &'a Host,
    mode: Mode,
    /// A connection that was opened when the host was read.
    former: Option<Box<Session>>,
    /// The changes that may be made; `None` for any.
    approved: Option<&'a HostChanges>,
    report: &'a mut HostReport,
    /// Pins that are to be dropped.
    stale: Vec<Fingerprint>,
}

/// Gives the connection to a member of the network to the peers, or ends it.
async fn offer(peers: Option<&Peers>, report: &HostReport, remote: Arc<dyn Remote>) {
    let is_member = report.fqdn.is_some() && report.is_ok();
    let unused = match peers.filter(|_| is_member) {
        Some(peers) => peers.offer(&report.id, remote),
        None => Some(remote),
    };
    if let Some(remote) = unused {
        remote.close().await;
    }
}

/// Tells how a step ended, as an event and in the report.
pub(crate) fn tell(
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
    let told = StepReport {
        step,
        outcome,
        duration,
    };
    // After a lost connection a step may end once more.
    match report.steps.iter_mut().find(|own| own.step == step) {
        Some(own) => *own = told,
        None => report.steps.push(told),
    }
}

fn context_of(environment: &EnvironmentName, host: &Host) -> Result<HostContext, StepFailure> {
    let invalid = |message: String| StepFailure::new(FailureCode::ConfigInvalid, message);
    let name = host.name.clone().ok_or_else(|| {
        invalid(format!(
            "the host's name in the cloud, {:?}, fits no name pattern of the file",
            host.node
        ))
    })?;
    let role = host
        .role
        .clone()
        .ok_or_else(|| invalid("no tag of the host tells its role".to_owned()))?;
    // A host that still has an old name keeps it in the network too, until it is renamed.
    let node = NodeName::new(host.node.to_ascii_lowercase());
    let node = node.map_err(|error| invalid(error.to_string()))?;
    Ok(HostContext {
        environment: environment.clone(),
        name,
        role,
        node,
        login: None,
        operator_key: None,
        is_operator_login: false,
    })
}
