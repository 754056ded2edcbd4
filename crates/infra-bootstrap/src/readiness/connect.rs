//! The first rung: an SSH session with a host whose key is known.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use stagecraft_core::{
    Connector, Error, ErrorKind, Event, FailureCode, Remote, RemoteTarget, Retry, Run, StepFailure,
    seconds,
};
use tokio::time::{Instant, timeout};

use super::ReadinessPolicy;
use crate::failure;

/// The refused logins that follow each other without a longer pause.
const QUICK_LOGINS: u32 = 2;
/// The pause after further ones. OpenSSH 9.8 and later counts 5 s against an address for each, and
/// turns it away from 15 s on (`PerSourcePenalties` of `sshd_config(5)`).
const LOGIN_PAUSE: Duration = Duration::from_secs(6);

/// Connects, again and again while the host may still be booting.
///
/// # Errors
///
/// `host_key_mismatch` at once if no key is known or another one was shown; `ssh_failed` with
/// the last cause at the deadline, or at once for what time does not heal; `interrupted`.
pub(crate) async fn connect(
    run: &Run,
    connector: &dyn Connector,
    target: &RemoteTarget,
    policy: &ReadinessPolicy,
) -> Result<Arc<dyn Remote>, StepFailure> {
    if target.host_keys.is_empty() {
        return Err(StepFailure::new(
            FailureCode::HostKeyMismatch,
            format!("no host key of `{}` is known, so it is not connected to", target.host),
        )
        .with_evidence([format!(
            "the host bears no tag with the fingerprint of its key: accept it by `stagecraft infra hosts trust {}`, or replace the host",
            target.host
        )]));
    }
    let started = Instant::now();
    let mut first_refusal = None;
    let mut refusals = 0_u32;
    let mut refused: Option<String> = None;
    let mut last: Option<Error> = None;
    let mut attempts = 0_u32;
    loop {
        run.check().map_err(|_| failure::interrupted())?;
        attempts += 1;
        let left = policy.connect.deadline.saturating_sub(started.elapsed());
        let error = match timeout(left, connector.connect(run, target)).await {
            Ok(Ok(remote)) => {
                run.emit(Event::HostConnected {
                    host: target.host.clone(),
                    host_key: remote.host_key().to_string(),
                });
                return Ok(remote);
            }
            Ok(Err(error)) => error,
            // Cut short at the deadline: what the last whole attempt found tells more.
            Err(_) => last.take().unwrap_or_else(|| {
                Error::new(ErrorKind::Timeout, "the connection attempt did not end")
                    .with_retry(Retry::After(None))
            }),
        };
        let wanted = match error.kind() {
            ErrorKind::HostKey => {
                return Err(failure::of_error(FailureCode::HostKeyMismatch, &error).with_evidence(
                    [format!(
                        "a key that was verified is accepted by `stagecraft infra hosts trust {} --fingerprint FINGERPRINT --replace`",
                        target.host
                    )],
                ));
            }
            ErrorKind::Cancelled => return Err(failure::interrupted()),
            ErrorKind::Unauthorized => {
                let since = *first_refusal.get_or_insert_with(Instant::now);
                let left = policy.login.saturating_sub(since.elapsed());
                refusals += 1;
                refused = Some(error.to_string());
                let pause = if refusals > QUICK_LOGINS {
                    LOGIN_PAUSE.min(left)
                } else {
                    Duration::ZERO
                };
                (!left.is_zero()).then_some(pause)
            }
            _ => match error.retry() {
                Retry::After(wanted) => Some(wanted.unwrap_or_default()),
                Retry::Never | Retry::Exhausted => None,
            },
        };
        let Some(wanted) = wanted else {
            return Err(failure::of_error(FailureCode::SshFailed, &error));
        };
        let is_login = error.kind() == ErrorKind::Unauthorized;
        let earlier = refused.as_ref().filter(|_| !is_login);
        let left = policy.connect.deadline.saturating_sub(started.elapsed());
        if left.is_zero() {
            // A server that has refused logins may answer no more: they are the cause.
            return Err(late(target, &error, started.elapsed(), attempts)
                .with_evidence(earlier.map(|refusal| format!("before that: {refusal}"))));
        }
        let pause = policy.connect.interval.max(wanted);
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

/// Up to a quarter of a pause more: hosts that came up together do not go on in step, at a jump
/// host for example. The same host waits the same in every run.
fn jitter(pause: Duration, target: &RemoteTarget, attempt: u32) -> Duration {
    const PARTS: u32 = 1000;
    let mut hasher = DefaultHasher::new();
    (target.host.as_str(), target.address, attempt).hash(&mut hasher);
    let part = u32::try_from(hasher.finish() % u64::from(PARTS)).unwrap_or_default();
    pause / 4 * part / PARTS
}

fn late(target: &RemoteTarget, last: &Error, elapsed: Duration, attempts: u32) -> StepFailure {
    let cause = failure::of_error(FailureCode::SshFailed, last);
    StepFailure::new(
        FailureCode::SshFailed,
        format!(
            "waited {} for an SSH session with {}",
            seconds(elapsed),
            target.address
        ),
    )
    .with_evidence([format!("attempt {attempts}: {}", cause.message)])
    .with_evidence(cause.evidence)
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
