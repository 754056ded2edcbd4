//! From errors to the failures that reports hold.

use stagecraft_core::{Error, ErrorKind, FailureCode, Run, StepFailure};

/// The failure of an error: its message, and as evidence its causes, context and hint.
pub(crate) fn of_error(code: FailureCode, error: &Error) -> StepFailure {
    let causes = error.chain().into_iter().skip(1);
    let context = error
        .context()
        .iter()
        .map(|(name, value)| format!("{name}: {value}"));
    let hint = error.hint().map(ToOwned::to_owned);
    StepFailure::new(code, error.to_string()).with_evidence(causes.chain(context).chain(hint))
}

/// The code of an error that has the same meaning everywhere, if it is one of those.
pub(crate) fn common_code(error: &Error) -> Option<FailureCode> {
    match error.kind() {
        ErrorKind::Cancelled => Some(FailureCode::Interrupted),
        ErrorKind::HostKey => Some(FailureCode::HostKeyMismatch),
        ErrorKind::Config | ErrorKind::SecretMissing => Some(FailureCode::ConfigInvalid),
        _ => None,
    }
}

/// The failure of a run that was cancelled.
pub(crate) fn interrupted() -> StepFailure {
    StepFailure::new(FailureCode::Interrupted, "interrupted")
}

/// The failure without any of the run's secrets.
pub(crate) fn redacted(run: &Run, failure: &StepFailure) -> StepFailure {
    StepFailure {
        code: failure.code,
        message: run.redact(&failure.message),
        evidence: failure
            .evidence
            .iter()
            .map(|line| run.redact(line))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_holds_causes_context_and_hint() {
        let error = Error::new(ErrorKind::Unavailable, "could not connect")
            .with_source(Error::new(ErrorKind::Unavailable, "connection refused"))
            .with_context("address", "192.0.2.1:22")
            .with_hint("is the host switched on?");
        let failure = of_error(FailureCode::SshFailed, &error);
        assert_eq!(failure.message, "could not connect");
        assert_eq!(
            failure.evidence,
            [
                "connection refused",
                "address: 192.0.2.1:22",
                "is the host switched on?"
            ]
        );
    }
    #[test]
    fn only_kinds_that_mean_the_same_everywhere_have_a_code_of_their_own() {
        for (kind, code) in [
            (ErrorKind::Cancelled, Some(FailureCode::Interrupted)),
            (ErrorKind::HostKey, Some(FailureCode::HostKeyMismatch)),
            (ErrorKind::Config, Some(FailureCode::ConfigInvalid)),
            (ErrorKind::SecretMissing, Some(FailureCode::ConfigInvalid)),
            (ErrorKind::Unavailable, None),
        ] {
            assert_eq!(common_code(&Error::new(kind, "words")), code, "{kind:?}");
        }
    }
}
