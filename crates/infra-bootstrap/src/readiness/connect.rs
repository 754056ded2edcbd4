//! The first rung: an SSH session with a host whose key is known.

use std::error::Error as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use stagecraft_core::{
    Advice, ConnectPhase, Connector, Error, ErrorKind, Event, FailureCode, Remote, RemoteTarget,
    Retry, Run, StepFailure, seconds,
};
use tokio::time::{Instant, timeout};

use super::ReadinessPolicy;
use crate::failure;

/// How many refused logins are followed by a short pause, and that pause: the keys may be written
/// soon.
const QUICK_LOGINS: u32 = 1;
const QUICK_PAUSE: Duration = Duration::from_secs(2);
/// The pause after further ones. OpenSSH 9.8 and later penalizes an address by 5 s for each, and
/// rejects it from 15 s on (`PerSourcePenalties` of `sshd_config(5)`). This is longer, so that a
/// run right after a failed one stays below that, too.
const LOGIN_PAUSE: Duration = Duration::from_secs(7);
/// The longest pause between logins that a host refuses while it boots.
const BOOT_PAUSE: Duration = Duration::from_secs(15);

/// How many refused connections follow each other without a longer pause: most hosts have started
/// their SSH server by then.
const QUICK_REFUSALS: u32 = 8;
/// The pause after further ones, in pauses of the policy, and its maximum.
///
/// `ufw limit`, which DigitalOcean's images with Docker and others set up for SSH, refuses an
/// address from its sixth connection within 30 s on, and counts refused ones too:
/// <https://github.com/digitalocean/droplet-1-clicks/blob/master/common/scripts/014-ufw-docker.sh>.
/// More frequent attempts extend the ban indefinitely.
const REFUSAL_PAUSES: u32 = 4;
const REFUSAL_PAUSE: Duration = Duration::from_secs(7);

/// The key that sets the deadline in a file.
const DEADLINE_KEY: &str = "infra.bootstrap.readiness.deadline";

/// Connects, with retries while the host may still be booting. It prepares the login first, which
/// may prompt: that time does not count towards the deadline.
///
/// # Errors
///
/// `host_key_mismatch` at once if no key is known or the host presented another; `config_invalid`
/// at once if the login's own settings are wrong; `ssh_failed` at the deadline with the last cause
/// and the phase of an attempt that was cut short, or at once for errors that do not pass by
/// themselves; `interrupted`.
pub(crate) async fn connect(
    run: &Run,
    connector: &dyn Connector,
    target: &RemoteTarget,
    policy: &ReadinessPolicy,
) -> Result<Arc<dyn Remote>, StepFailure> {
    if target.host_keys.is_empty() {
        return Err(StepFailure::new(
            FailureCode::HostKeyMismatch,
            format!(
                "no host key of `{}` is known, so it is not connected to",
                target.host
            ),
        ));
    }
    // Before the clock starts: it may prompt for a passphrase.
    let prepared = connector.prepare(run, &target.host, &target.aliases).await;
    prepared.map_err(|error| of_login(&error))?;
    let started = Instant::now();
    let mut refused: Option<Refused> = None;
    let mut shut = 0_u32;
    let mut last: Option<Error> = None;
    let mut attempts = 0_u32;
    loop {
        run.check().map_err(|_| failure::interrupted())?;
        let elapsed = started.elapsed();
        let left = policy.connect.deadline.saturating_sub(elapsed);
        if let Some(last) = last.as_ref().filter(|_| left.is_zero()) {
            return Err(late(target, elapsed)
                .with_advice(Advice::of_kind(last.kind()))
                .with_evidence(evidence(refused.as_ref(), attempts, last)));
        }
        attempts += 1;
        let phase = ConnectPhase::default();
        let connecting = connector.connect_telling(run, target, &phase);
        let begun = Instant::now();
        let error = match timeout(left, connecting).await {
            Ok(Ok(remote)) => {
                run.emit(Event::HostConnected {
                    host: target.host.clone(),
                    host_key: remote.host_key().to_string(),
                });
                return Ok(remote);
            }
            Ok(Err(error)) => error,
            Err(_) => {
                // Completed attempts are more informative, so they come first.
                let whole = last
                    .as_ref()
                    .map(|last| evidence(refused.as_ref(), attempts - 1, last));
                let cut = cut_short(policy.connect.deadline, &phase, begun.elapsed());
                return Err(late(target, started.elapsed())
                    .with_evidence(whole.into_iter().flatten())
                    .with_evidence([format!("attempt {attempts}: {cut}")]));
            }
        };
        shut = if is_refused(&error) { shut + 1 } else { 0 };
        let wanted = match error.kind() {
            ErrorKind::HostKey => {
                return Err(failure::of_error(FailureCode::HostKeyMismatch, &error));
            }
            ErrorKind::Cancelled => return Err(failure::interrupted()),
            ErrorKind::Unauthorized => {
                let refused = refused.get_or_insert_with(|| Refused {
                    since: Instant::now(),
                    first: (attempts, error.duplicate()),
                    times: 0,
                });
                refused.times += 1;
                refused.pause(&error, policy.login)
            }
            _ => match error.retry() {
                Retry::After(wanted) => Some(wanted.unwrap_or_default()),
                Retry::Never | Retry::Exhausted => None,
            },
        };
        let Some(wanted) = wanted else {
            let failure = of_login(&error);
            return Err(
                match refused.as_ref().filter(|refused| !refused.is_same(&error)) {
                    Some(refused) => failure.with_evidence(refused.evidence()),
                    None => failure,
                },
            );
        };
        let elapsed = started.elapsed();
        let left = policy.connect.deadline.saturating_sub(elapsed);
        if left.is_zero() {
            return Err(late(target, elapsed)
                .with_advice(Advice::of_kind(error.kind()))
                .with_evidence(evidence(refused.as_ref(), attempts, &error)));
        }
        let mut pause = policy.connect.interval.max(wanted);
        if shut > QUICK_REFUSALS {
            pause = pause.max(spaced(policy.connect.interval));
        }
        let delay = (pause + jitter(pause, target, attempts)).min(left);
        run.emit(Event::Retrying {
            host: Some(target.host.clone()),
            what: "connect".to_owned(),
            reason: run.redact(&error.chain().join(": ")),
            delay,
        });
        last = Some(error);
        run.sleep(delay).await.map_err(|_| failure::interrupted())?;
    }
}

/// Returns how to accept the key of a host explicitly, as evidence of why it was refused. The
/// options repeat the environment and the project.
pub(crate) fn cure_of_key(target: &RemoteTarget, options: &str) -> String {
    let host = &target.host;
    let command = format!("stagecraft infra hosts trust {host}");
    if target.host_keys.is_empty() {
        format!(
            "the host bears no tag with the fingerprint of its key: accept it by `{command}{options}`, or replace the host"
        )
    } else {
        format!(
            "a key that was verified is accepted by `{command} --fingerprint FINGERPRINT --replace{options}`"
        )
    }
}

/// The logins that a host has refused.
struct Refused {
    since: Instant,
    /// The first one, with the number of its attempt: it has the reason. Later ones may only show
    /// how the server treats addresses with too many refusals.
    first: (u32, Error),
    times: u32,
}

impl Refused {
    /// Returns the pause before the next login; `None` for no further login. If the host itself
    /// asks for a later retry, retries continue at growing intervals.
    fn pause(&self, error: &Error, window: Duration) -> Option<Duration> {
        if let Retry::After(Some(wanted)) = error.retry() {
            let further = self.times.saturating_sub(QUICK_LOGINS);
            return Some((wanted + further * Duration::from_secs(1)).min(BOOT_PAUSE.max(wanted)));
        }
        let left = window.saturating_sub(self.since.elapsed());
        let pause = if self.times > QUICK_LOGINS {
            LOGIN_PAUSE.min(left)
        } else {
            QUICK_PAUSE
        };
        (!left.is_zero()).then_some(pause)
    }

    fn is_same(&self, error: &Error) -> bool {
        self.first.1.to_string() == error.to_string()
    }

    fn evidence(&self) -> Vec<String> {
        let (number, error) = &self.first;
        attempt(*number, error)
    }
}

/// Returns what the attempts found: the first refused login, then the last one if it differs.
fn evidence(refused: Option<&Refused>, number: u32, last: &Error) -> Vec<String> {
    let Some(refused) = refused else {
        return attempt(number, last);
    };
    let mut lines = refused.evidence();
    if !refused.is_same(last) {
        lines.extend(attempt(number, last));
    }
    lines
}

/// Returns the failure of an error that does not pass by itself.
fn of_login(error: &Error) -> StepFailure {
    let code = failure::common_code(error).unwrap_or(FailureCode::SshFailed);
    match code {
        FailureCode::Interrupted => failure::interrupted(),
        code => failure::of_error(code, error),
    }
}

/// Returns the pause between connections that a firewall may count.
pub(crate) fn spaced(interval: Duration) -> Duration {
    (interval * REFUSAL_PAUSES).min(REFUSAL_PAUSE).max(interval)
}

/// Whether the host, or a firewall on it, refused the connection.
fn is_refused(error: &Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &io::Error| cause.kind() == io::ErrorKind::ConnectionRefused)
}

/// Adds up to a quarter of a pause, so that hosts that booted together do not stay in step, at a
/// jump host for example. The same host has the same jitter in every run.
fn jitter(pause: Duration, target: &RemoteTarget, attempt: u32) -> Duration {
    const PARTS: u32 = 1000;
    let mut hasher = DefaultHasher::new();
    (target.host.as_str(), target.address, attempt).hash(&mut hasher);
    let part = u32::try_from(hasher.finish() % u64::from(PARTS)).unwrap_or_default();
    pause / 4 * part / PARTS
}

fn late(target: &RemoteTarget, elapsed: Duration) -> StepFailure {
    StepFailure::new(
        FailureCode::SshFailed,
        format!(
            "waited {} for an SSH session with {}",
            seconds(elapsed),
            target.address
        ),
    )
}

/// Formats the result of an attempt.
fn attempt(number: u32, error: &Error) -> Vec<String> {
    let cause = failure::of_error(FailureCode::SshFailed, error);
    let mut lines = vec![format!("attempt {number}: {}", cause.message)];
    lines.extend(cause.evidence);
    lines
}

/// Describes an attempt that the deadline ended.
fn cut_short(deadline: Duration, phase: &ConnectPhase, elapsed: Duration) -> String {
    let doing = match phase.now() {
        Some((what, since)) => format!("while {what}, for {}", seconds(since)),
        None => format!("after {}", seconds(elapsed)),
    };
    format!(
        "cut short by {DEADLINE_KEY} ({}) {doing}",
        seconds(deadline)
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use stagecraft_core::HostName;

    use super::*;

    #[test]
    fn pauses_of_hosts_differ_by_up_to_a_quarter_and_are_the_same_in_every_run() {
        let target = |number: u8| RemoteTarget {
            host: HostName::new(format!("app-{number}")).unwrap(),
            aliases: Vec::new(),
            address: [192, 0, 2, number].into(),
            host_keys: Vec::new(),
        };
        let pause = Duration::from_secs(4);
        let all = || (0..50).map(|number| jitter(pause, &target(number), 1));
        assert!(all().all(|more| more < Duration::from_secs(1)));
        assert!(all().collect::<BTreeSet<_>>().len() > 40);
        assert!(all().eq(all()));
        let one = target(1);
        assert_ne!(jitter(pause, &one, 1), jitter(pause, &one, 2));
    }
}
