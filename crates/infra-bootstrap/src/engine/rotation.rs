//! Rotation of the host key, right after the first login and before any secret is sent.
//!
//! A host is created with a key that the cloud keeps in its user data, and that hosts of one create
//! request share. It gets its own key, which never leaves it. At every moment one of the pinned
//! keys is the one that the host presents. So a kill between any two steps locks no one out, and
//! the next run continues where this one ended.

use std::time::Duration;

use stagecraft_core::{
    ErrorKind, Event, FailureCode, Fingerprint, Host, HostId, HostKeyPins, Remote, RemoteCommand,
    Run, StepFailure, StepOutcome, shell_quote,
};
use tokio::time::Instant;

use super::Bootstrap;
use super::host_key::{ID, Work, decide, failed, others, outcome};
use super::session::Session;
use crate::failure;
use crate::lock::LockedRemote;
use crate::mode::Mode;
use crate::readiness::ReadinessPolicy;
use crate::report::HostReport;
use crate::steps::PRELUDE;

const MAKE: &str = include_str!("rotation/make.sh");
const PLACE: &str = include_str!("rotation/place.sh");
/// Records which keys the cloud installed on the host, in the same command: once, by the first
/// run that logs in.
const REMEMBER: &str = include_str!("rotation/remember.sh");
/// The longest time for one of the scripts.
const DEADLINE: Duration = Duration::from_mins(1);
/// The lines of output that a failure shows.
const LINES: usize = 5;

impl Bootstrap {
    /// Ensures that the host has its own key. Returns the pins to be removed, or nothing on
    /// failure: then no step may send anything.
    pub(super) async fn identify(
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
        let work = decide(&session.facts(ID), shown, &pinned);
        let told = outcome(&work, mode);
        let (Some(pins), Some(told)) = (&self.pins, told) else {
            if let Some(outcome) = contradiction {
                report.finish_step(run, ID, outcome, Duration::ZERO);
            }
            return Some(Vec::new());
        };
        let started = Instant::now();
        let (outcome, stale) = match work {
            Work::Rotate if mode == Mode::Apply => {
                run.emit(Event::StepStarted {
                    host: report.host.clone(),
                    step: ID.to_owned(),
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
        report.finish_step(run, ID, outcome, started.elapsed());
        stale
    }

    /// Installs the host's own key, over as many connections as needed: after a lost one it
    /// continues from the key that the host then has.
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
            let rotating = rotate(run, pins, session, id, pinned, policy, operator);
            let failure = match rotating.await {
                Ok(stale) => return Ok(stale),
                Err(failure) => failure,
            };
            if session.loss().is_none() {
                return Err(failure);
            }
            session.recover(run, started, self.step_deadline).await?;
            let shown = session.host_key();
            if decide(&session.facts(ID), shown, pinned) != Work::Rotate {
                return Ok(session.settle(pinned));
            }
        }
    }

    /// Whether no earlier run has bootstrapped the host: it still has the key of its user data.
    /// Only this run reports the warnings of its first boot. An image has its own warnings, which
    /// users cannot act on.
    ///
    /// Without pins hosts keep that key, and every run counts as the first.
    pub(super) fn is_first_run(&self, host: &Host, session: &Session) -> bool {
        let shown = session.host_key();
        let work = decide(&session.facts(ID), shown, &host.host_keys());
        self.pins.is_none() || work == Work::Rotate
    }
}

/// Installs the host's own key, and continues over a connection that was proven with it.
///
/// Returns the pins to be removed now. Until they are, other runs would accept the former keys
/// as the host's.
///
/// # Errors
///
/// `host_key_rotation_failed`, `config_invalid` without the right to change the host,
/// `ssh_failed` or `interrupted`. The host can still be reached by one of its pinned keys.
async fn rotate(
    run: &Run,
    pins: &dyn HostKeyPins,
    session: &mut Session,
    id: &HostId,
    pinned: &[Fingerprint],
    policy: &ReadinessPolicy,
    operator_key: Option<&str>,
) -> Result<Vec<Fingerprint>, StepFailure> {
    if !session.is_root() {
        return Err(StepFailure::new(
            FailureCode::ConfigInvalid,
            "the login is not root, which a new host key needs",
        ));
    }
    let write = run.before_write().await;
    write.map_err(|error| of_error(&error))?;
    let locked = LockedRemote::new(session.remote(), ID, policy.lock.deadline.min(DEADLINE));
    // A change that has begun on a host is completed.
    let shielded = run.shielded();
    let made = execute(&shielded, &locked, MAKE).await?;
    let line = made.lines().last().unwrap_or_default();
    let own = Fingerprint::of_line(line).ok_or_else(|| {
        failed("the host's answer is no public key").with_evidence([line.to_owned()])
    })?;
    // Always sent, even if the list showed it: it may have been removed since.
    let result = pins.pin(run, id, own).await;
    result.map_err(|error| of_error(&error))?;
    session.expect(own);
    run.check().map_err(|_| failure::interrupted())?;
    let operator = shell_quote(operator_key.unwrap_or_default());
    let place = format!("{PRELUDE}\noperator={operator}\n{REMEMBER}\n{PLACE}");
    execute(&shielded, &locked, &place).await?;
    session.prove(run, own).await?;
    Ok(others(pinned, own))
}

async fn execute(run: &Run, remote: &dyn Remote, script: &str) -> Result<String, StepFailure> {
    let command = RemoteCommand::script(script, DEADLINE);
    let output = remote.exec(run, &command).await;
    let output = output.map_err(|error| of_error(&error))?;
    let tail = output.tail(LINES);
    match output.success() {
        Ok(output) => Ok(output.stdout),
        Err(error) => Err(of_error(&error).with_evidence(tail)),
    }
}

fn of_error(error: &stagecraft_core::Error) -> StepFailure {
    let lost = (error.kind() == ErrorKind::Unavailable && error.provider().is_none())
        .then_some(FailureCode::SshFailed);
    let code = failure::common_code(error).or(lost);
    let cause = failure::of_error(code.unwrap_or(FailureCode::HostKeyRotationFailed), error);
    if code.is_some() {
        return cause;
    }
    failed("the host was given no host key of its own")
        .with_advice(cause.advice)
        .with_evidence([cause.message])
        .with_evidence(cause.evidence)
}
