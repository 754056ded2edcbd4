//! Decisions about a host's key: its own stays, the one from its user data is replaced.

use stagecraft_core::{
    FIRST_HOST_KEY_COMMENT, FailureCode, Fingerprint, ProbeFacts, ProbeScript, StepFailure,
    StepOutcome,
};

use crate::mode::Mode;

/// The id in reports.
pub(super) const ID: &str = "host_key";
/// Reads which key is installed. Sent with the steps' own scripts.
pub(super) const PROBE: ProbeScript = ProbeScript(include_str!("rotation/probe.sh"));

/// The comment of a key that the host has generated.
const OWN_COMMENT: &str = "stagecraft-own";

/// The work on a host's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Work {
    /// None: it is the host's own, or was never ours to change.
    Nothing,
    /// The host needs its own key, or an earlier run has begun to replace it.
    Rotate,
    /// It has its own key, and pins are left of keys that it no longer presents.
    DropPins(Vec<Fingerprint>),
}

/// Decides what to do. Pure.
///
/// Only keys from Stagecraft are replaced: an adopted host keeps its own.
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

pub(super) fn others(pinned: &[Fingerprint], shown: Fingerprint) -> Vec<Fingerprint> {
    let all = pinned.iter().copied();
    all.filter(|key| *key != shown).collect()
}

/// Returns the outcome to report, before or after the change.
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

/// Returns a warning if none of the pinned keys of a host is in the local cache.
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

/// Returns a failure of the rotation itself.
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
