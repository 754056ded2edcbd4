//! One host's connection, and the last state that was read through it.

mod wait;

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stagecraft_core::{
    Connector, Decision, Error, ErrorKind, Event, FailureCode, Fingerprint, HostContext, HostId,
    HostStep, ProbeFacts, Remote, RemoteCommand, RemoteTarget, Result, Run, StepFailure,
    join_probes, seconds, split_probes,
};
use tokio::time::Instant;

use super::host_key;
use super::loss::{Loss, Noted};
use super::probe_only::ProbeOnly;
use crate::config::CloudInit;
use crate::failure;
use crate::mode::Mode;
use crate::readiness::{self, Boot, HostState, ReadinessPolicy};

/// How long a reloaded server may present its former key.
const PROOF: Duration = Duration::from_secs(10);
const PROOF_INTERVAL: Duration = Duration::from_millis(200);
/// The readiness ladder's id among the probes.
pub(super) const READINESS: &str = "readiness";

/// A connection to one host.
pub(crate) struct Session {
    connector: Arc<dyn Connector>,
    target: RemoteTarget,
    policy: ReadinessPolicy,
    /// The connection itself.
    open: Arc<dyn Remote>,
    /// The connection, restricted by the mode.
    remote: Arc<dyn Remote>,
    loss: Loss,
    probes: BTreeMap<&'static str, String>,
    boundary: String,
    mode: Mode,
    facts: BTreeMap<&'static str, ProbeFacts>,
    state: HostState,
}

impl Session {
    /// Connects and reads the host once.
    pub(super) async fn open(
        run: &Run,
        connector: Arc<dyn Connector>,
        target: RemoteTarget,
        policy: ReadinessPolicy,
        steps: &[Arc<dyn HostStep>],
        id: &HostId,
        mode: Mode,
    ) -> Result<Self, StepFailure> {
        let probes: BTreeMap<_, _> = steps
            .iter()
            .map(|step| (step.id(), step.inspect().with_args(&step.inspect_args())))
            .chain([
                (READINESS, readiness::PROBE.with_args(&[])),
                (host_key::ID, host_key::PROBE.with_args(&[])),
            ])
            .collect();
        let boundary = boundary(id);
        let open = readiness::connect(run, &*connector, &target, &policy).await?;
        let loss = Loss::default();
        let remote = guarded(&open, &loss, mode, || join_probes(&probes, &boundary));
        Ok(Self {
            connector,
            target,
            policy,
            open,
            remote,
            loss,
            probes,
            boundary,
            mode,
            facts: BTreeMap::new(),
            state: HostState {
                boot: Boot::Running(Vec::new()),
                boot_warnings: Vec::new(),
                is_root: false,
                system: None,
                holders: Vec::new(),
            },
        })
    }

    /// The connection, restricted by the mode.
    pub(super) fn remote(&self) -> Arc<dyn Remote> {
        Arc::clone(&self.remote)
    }

    /// Returns the connection itself, whatever the mode.
    pub(crate) fn into_open(self) -> Arc<dyn Remote> {
        self.open
    }

    /// The host key that was proven.
    pub(crate) fn host_key(&self) -> Fingerprint {
        self.open.host_key()
    }

    /// Whether this connection is to the host as the cloud shows it now: the same address, and no
    /// other keys.
    pub(super) fn is_to(&self, target: &RemoteTarget) -> bool {
        self.target.address == target.address && self.target.host_keys == target.host_keys
    }

    /// Reads the host again, over the same connection, and allows changes from now on.
    ///
    /// The earlier state may be old: time may have passed at a prompt. A lost connection is
    /// reopened, with the host key verified again.
    ///
    /// # Errors
    ///
    /// Those of [`first_boot`](Self::first_boot).
    pub(super) async fn resume(&mut self, run: &Run) -> Result<(), StepFailure> {
        self.mode = Mode::Apply;
        self.use_connection(Arc::clone(&self.open));
        self.state.boot = Boot::Running(Vec::new());
        self.first_boot(run, Duration::MAX).await
    }

    /// Whether the login is root.
    pub(super) fn is_root(&self) -> bool {
        self.state.is_root
    }

    /// The name that the operating system reports.
    pub(super) fn system(&self) -> Option<String> {
        self.state.system.clone()
    }

    /// Returns ignored settings of the login.
    pub(super) fn login_warnings(&self) -> Vec<String> {
        self.remote.warnings()
    }

    /// Returns failures and degradations of the first boot, unless cloud-init is ignored.
    pub(super) fn boot_warnings(&self, run: &Run) -> Vec<String> {
        let is_ignored = self.policy.cloud_init == CloudInit::Ignore;
        let warnings = self.state.boot_warnings.iter().filter(|_| !is_ignored);
        warnings.map(|warning| run.redact(warning)).collect()
    }

    /// Returns the last output of a probe.
    pub(super) fn facts(&self, id: &str) -> ProbeFacts {
        self.facts.get(id).cloned().unwrap_or_default()
    }

    /// Continues over a connection on which the host has presented this key.
    ///
    /// A server that is being reloaded may present its former key a moment longer: that proves
    /// nothing, and is retried.
    ///
    /// # Errors
    ///
    /// `host_key_rotation_failed` if it presents another of its keys at the deadline; otherwise
    /// those of [`connect`](readiness::connect).
    pub(super) async fn prove(&mut self, run: &Run, key: Fingerprint) -> Result<(), StepFailure> {
        let mut target = self.target.clone();
        if !target.host_keys.contains(&key) {
            target.host_keys.push(key);
        }
        let started = Instant::now();
        let remote = loop {
            let remote = readiness::connect(run, &*self.connector, &target, &self.policy).await?;
            if remote.host_key() == key {
                break remote;
            }
            let shown = remote.host_key();
            remote.close().await;
            if started.elapsed() >= PROOF {
                return Err(host_key::failed(format!(
                    "the host still shows its former host key {}s after its SSH server was reloaded",
                    PROOF.as_secs()
                ))
                .with_evidence([format!("expected {key}, but it showed {shown}")]));
            }
            run.sleep(PROOF_INTERVAL)
                .await
                .map_err(|_| failure::interrupted())?;
        };
        self.open.close().await;
        self.use_connection(remote);
        self.target.host_keys = vec![key];
        Ok(())
    }

    /// Accepts a further key as the host's: it was pinned, and the host is about to present it.
    pub(super) fn expect(&mut self, key: Fingerprint) {
        if !self.target.host_keys.contains(&key) {
            self.target.host_keys.push(key);
        }
    }

    /// Accepts only the key that the host has presented on this connection. Returns the other
    /// pinned keys.
    pub(super) fn settle(&mut self, pinned: &[Fingerprint]) -> Vec<Fingerprint> {
        let shown = self.host_key();
        self.target.host_keys = vec![shown];
        let pinned = pinned.iter().copied();
        pinned.filter(|key| *key != shown).collect()
    }

    /// Returns why the connection was lost since it was opened, if it was.
    pub(super) fn loss(&self) -> Option<String> {
        self.loss.cause()
    }

    /// Recovers from a lost connection. It opens another one, with the host key verified again,
    /// waits for the end of a first boot and of commands that still run on the host, and reads the
    /// host again. All that takes at most `limit` from `since` on.
    ///
    /// # Errors
    ///
    /// `ssh_failed` at the deadline, with the cause of the loss; `interrupted`; otherwise those of
    /// [`first_boot`](Self::first_boot) and [`unlocked`](Self::unlocked).
    pub(super) async fn recover(
        &mut self,
        run: &Run,
        since: Instant,
        limit: Duration,
    ) -> Result<(), StepFailure> {
        while let Some(cause) = self.loss() {
            let left = limit.saturating_sub(since.elapsed());
            let lost = |failure: StepFailure| {
                failure.with_evidence([format!("the connection was lost before: {cause}")])
            };
            if left.is_zero() {
                let message = format!("lost the connection for {}", seconds(since.elapsed()));
                let failure = StepFailure::new(FailureCode::SshFailed, message);
                return Err(lost(failure));
            }
            // A pause is needed, since a host may close every connection.
            let delay = self.policy.connect.interval.min(left);
            run.emit(Event::Retrying {
                host: Some(self.target.host.clone()),
                what: "connection".to_owned(),
                reason: run.redact(&cause),
                delay,
            });
            run.sleep(delay).await.map_err(|_| failure::interrupted())?;
            let left = limit.saturating_sub(since.elapsed());
            self.reconnect(run, left).await.map_err(lost)?;
            let left = limit.saturating_sub(since.elapsed());
            self.first_boot(run, left).await?;
            let left = limit.saturating_sub(since.elapsed());
            if let Err(failure) = self.unlocked(run, left).await
                && self.loss().is_none()
            {
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Uses this connection for all further commands, restricted by the mode.
    fn use_connection(&mut self, open: Arc<dyn Remote>) {
        self.open = open;
        self.loss = Loss::default();
        let probes = || join_probes(&self.probes, &self.boundary);
        self.remote = guarded(&self.open, &self.loss, self.mode, probes);
    }

    /// Closes the connection.
    pub(crate) async fn close(&self) {
        self.open.close().await;
    }

    /// Returns a step's decision by the last state that was read.
    pub(super) fn decide(
        &self,
        step: &dyn HostStep,
        context: &HostContext,
    ) -> Result<Decision, StepFailure> {
        let empty = ProbeFacts::default();
        step.decide(self.facts.get(step.id()).unwrap_or(&empty), context)
    }

    /// Opens another connection, within `left` and the deadline of the policy.
    async fn reconnect(&mut self, run: &Run, left: Duration) -> Result<(), StepFailure> {
        self.open.close().await;
        let mut policy = self.policy;
        policy.connect.deadline = policy.connect.deadline.min(left);
        let open = readiness::connect(run, &*self.connector, &self.target, &policy).await?;
        self.use_connection(open);
        Ok(())
    }

    /// Reads the state for all steps again, with one command.
    ///
    /// # Errors
    ///
    /// `ssh_failed` if the connection was lost or the answer is incomplete; `interrupted`.
    pub(super) async fn look(&mut self, run: &Run) -> Result<(), StepFailure> {
        self.try_look(run).await.map_err(LookError::into_failure)
    }

    async fn try_look(&mut self, run: &Run) -> Result<(), LookError> {
        let script = join_probes(&self.probes, &self.boundary);
        let command = RemoteCommand::script(script, self.policy.look);
        let output = match self.remote.exec(run, &command).await {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                return Err(LookError::Lost(error));
            }
            Err(error) if error.kind() == ErrorKind::Protocol => {
                let said = error.context().iter().map(|(_, line)| line.clone());
                return Err(LookError::Unheard(said.collect()));
            }
            Err(error) => return Err(LookError::Failed(of_look(&error))),
        };
        let tail = output.tail(5);
        if output.is_success() && !output.stdout.contains(&self.boundary) {
            return Err(LookError::Unheard(tail));
        }
        let facts = output
            .success()
            .and_then(|output| {
                split_probes(&output.stdout, &self.boundary, self.probes.keys().copied())
            })
            .map_err(|error| LookError::Failed(of_look(&error).with_evidence(tail)))?;
        let empty = ProbeFacts::default();
        self.state =
            HostState::parse(facts.get(READINESS).unwrap_or(&empty)).map_err(LookError::Failed)?;
        self.facts = facts;
        Ok(())
    }
}

enum LookError {
    Lost(Error),
    /// The host ran another command, which printed these lines.
    Unheard(Vec<String>),
    Failed(StepFailure),
}

impl LookError {
    fn into_failure(self) -> StepFailure {
        match self {
            Self::Lost(error) => of_look(&error),
            Self::Unheard(said) => {
                let message = "the host did not run the command that was sent";
                StepFailure::new(FailureCode::HostNotReady, message).with_evidence(said)
            }
            Self::Failed(failure) => failure,
        }
    }
}

/// Restricts the connection by the mode, and records its loss.
fn guarded(
    open: &Arc<dyn Remote>,
    loss: &Loss,
    mode: Mode,
    probes: impl FnOnce() -> String,
) -> Arc<dyn Remote> {
    let open: Arc<dyn Remote> = Arc::new(Noted::new(Arc::clone(open), loss.clone()));
    match mode {
        Mode::Apply => open,
        Mode::DryRun => Arc::new(ProbeOnly::new(open, probes())),
    }
}

fn of_look(error: &Error) -> StepFailure {
    let code = failure::common_code(error).unwrap_or(FailureCode::SshFailed);
    failure::of_error(code, error)
}

/// Returns a word that no script prints: it cannot be guessed, and is new for each connection.
fn boundary(id: &HostId) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut hasher = RandomState::new().build_hasher();
    id.as_str().hash(&mut hasher);
    COUNT.fetch_add(1, Ordering::Relaxed).hash(&mut hasher);
    format!("=stagecraft-{:016x}=", hasher.finish())
}
