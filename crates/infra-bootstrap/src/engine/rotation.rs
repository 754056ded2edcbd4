//! Rotation of the host key, right after the first login and before any secret is sent.
//!
//! A host is made with a key that the cloud keeps in its user data, and that hosts of one create
//! request share. It gets a key of its own, which never leaves it. At every moment one of the
//! pinned keys is the one that the host shows, so that a kill between any two steps locks nobody
//! out, and the next run goes on where this one ended.

use std::time::Duration;

use stagecraft_core::{
    ErrorKind, FIRST_HOST_KEY_COMMENT, FailureCode, Fingerprint, HostId, HostKeyPins, ProbeFacts,
    ProbeScript, Remote, RemoteCommand, Run, StepFailure, StepOutcome, shell_quote,
};

use super::Mode;
use super::session::Session;
use crate::failure;
use crate::lock::LockedRemote;
use crate::readiness::ReadinessPolicy;
use crate::steps::PRELUDE;

/// The id by which reports tell of it.
pub(super) const ID: &str = "host_key";
/// Reads which key lies in its place. Travels with the steps' own scripts.
pub(super) const PROBE: ProbeScript = ProbeScript(include_str!("rotation/probe.sh"));

const MAKE: &str = include_str!("rotation/make.sh");
const PLACE: &str = include_str!("rotation/place.sh");
/// Keeps which keys the cloud put on the host, in the same command: it is done once, by the first
/// run that logs in.
const REMEMBER: &str = include_str!("rotation/remember.sh");
/// The comment of a key that the host has made itself.
const OWN_COMMENT: &str = "stagecraft-own";
/// How long one of the scripts may take.
const DEADLINE: Duration = Duration::from_mins(1);
/// The lines of output that are told of a failure.
const LINES: usize = 5;

/// What is to be done about a host's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Work {
    /// Nothing: it is the host's own, or was never ours to change.
    Nothing,
    /// The host needs a key of its own, or an earlier run has begun to give it one.
    Rotate,
    /// It has one, and pins are left of keys that it does not show any more.
    DropPins(Vec<Fingerprint>),
}

/// Decides. Pure.
///
/// A key that Stagecraft has neither made nor had made stays: an adopted host keeps its own.
pub(super) fn decide(facts: &ProbeFacts, shown: Fingerprint, pinned: &[Fingerprint]) -> Work {
    let line = facts.value("key").unwrap_or_default().trim();
    let comment = line.splitn(3, ' ').nth(2).unwrap_or_default();
    if comment == FIRST_HOST_KEY_COMMENT || facts.value("next").is_some() {
        return Work::Rotate;
    }
    if comment != OWN_COMMENT {
        return Work::Nothing;
    }
    if Fingerprint::of_line(line) != Some(shown) {
        return Work::Rotate;
    }
    let stale: Vec<_> = others(pinned, shown);
    if stale.is_empty() {
        Work::Nothing
    } else {
        Work::DropPins(stale)
    }
}

fn others(pinned: &[Fingerprint], shown: Fingerprint) -> Vec<Fingerprint> {
    let all = pinned.iter().copied();
    all.filter(|key| *key != shown).collect()
}

/// What is told of it, before or after.
pub(super) fn outcome(work: &Work, mode: Mode) -> Option<StepOutcome> {
    let change = match work {
        Work::Nothing => return None,
        Work::Rotate => "give the host a host key of its own",
        Work::DropPins(_) => "drop the pin of the former host key",
    };
    let changes = vec![change.to_owned()];
    Some(match mode {
        Mode::Apply => StepOutcome::Changed { changes },
        Mode::DryRun => StepOutcome::WouldChange { changes },
    })
}

/// What is told if this machine remembers a host by none of the keys that are pinned for it.
pub(super) fn contradiction(
    pinned: &[Fingerprint],
    remembered: &[Fingerprint],
) -> Option<StepOutcome> {
    let first = remembered.first()?;
    let is_fine = pinned.is_empty() || remembered.iter().any(|key| pinned.contains(key));
    (!is_fine).then(|| StepOutcome::Skipped {
        reason: format!(
            "this machine remembers the host by {first}, which is not pinned any more; the pin in the cloud counts"
        ),
    })
}

/// Gives the host its own key, and goes on over a connection that was proven with it.
///
/// Gives the pins that are to be dropped now. Until they are, the former keys would be taken
/// for the host's by other runs.
///
/// # Errors
///
/// `host_key_rotation_failed`, `config_invalid` without the right to change the host,
/// `ssh_failed` or `interrupted`. The host can still be reached by one of its pinned keys.
pub(super) async fn rotate(
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
    // What has begun on a host comes to its end.
    let shielded = run.shielded();
    let made = execute(&shielded, &locked, MAKE).await?;
    let line = made.lines().last().unwrap_or_default();
    let own = Fingerprint::of_line(line).ok_or_else(|| {
        failed("the host's answer is no public key").with_evidence([line.to_owned()])
    })?;
    // Always sent, though the list may have shown it: it may have been taken away since.
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

/// A failure of the rotation itself.
pub(super) fn failed(message: impl Into<String>) -> StepFailure {
    StepFailure::new(FailureCode::HostKeyRotationFailed, message)
}

#[cfg(test)]
mod tests {
    use stagecraft_core::HostKey;

    use super::*;

    fn facts(lines: &[&str]) -> ProbeFacts {
        ProbeFacts {
            output: lines.join("\n"),
            code: 0,
        }
    }

    #[test]
    fn key_of_the_user_data_and_one_that_waits_are_rotated() {
        let first = HostKey::generate().unwrap();
        let shown = first.fingerprint();
        let line = format!("key={}", first.public());
        assert_eq!(decide(&facts(&[&line]), shown, &[shown]), Work::Rotate);
        let own = line.replace(FIRST_HOST_KEY_COMMENT, OWN_COMMENT);
        assert_eq!(decide(&facts(&[&own]), shown, &[shown]), Work::Nothing);
        assert_eq!(
            decide(&facts(&[&own, "next=1"]), shown, &[shown]),
            Work::Rotate
        );
    }

    #[test]
    fn own_key_that_is_not_shown_yet_is_rotated_and_others_lose_their_pins() {
        let (first, second) = (HostKey::generate().unwrap(), HostKey::generate().unwrap());
        let (former, own) = (first.fingerprint(), second.fingerprint());
        let line = format!("key={}", second.public());
        let facts = facts(&[&line.replace(FIRST_HOST_KEY_COMMENT, OWN_COMMENT)]);
        assert_eq!(decide(&facts, former, &[former, own]), Work::Rotate);
        assert_eq!(
            decide(&facts, own, &[former, own]),
            Work::DropPins(vec![former])
        );
    }

    #[test]
    fn key_of_another_origin_stays_whatever_is_pinned() {
        let key = HostKey::generate().unwrap();
        let shown = key.fingerprint();
        let other = Fingerprint::of_wire(b"other");
        for comment in ["root@image", "", "stagecraft-own too"] {
            let line = key.public().replace(FIRST_HOST_KEY_COMMENT, comment);
            let facts = facts(&[&format!("key={line}")]);
            assert_eq!(decide(&facts, shown, &[shown, other]), Work::Nothing);
        }
        assert_eq!(decide(&facts(&[]), shown, &[shown, other]), Work::Nothing);
    }
}
