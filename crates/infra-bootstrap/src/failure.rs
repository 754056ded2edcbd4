//! Conversion of errors to the failures in reports.

use stagecraft_core::{
    Advice, Error, ErrorKind, FailureCode, JUMP_HOST, Run, StepFailure, shorten,
};

/// The longest message, in characters.
const MESSAGE_LIMIT: usize = 1000;
/// The longest line of evidence, in characters.
const LINE_LIMIT: usize = 500;
/// The lines of evidence that are kept from its start.
const FIRST_LINES: usize = 10;
/// The lines of evidence that are kept from its end.
const LAST_LINES: usize = 20;

/// Converts an error to a failure: its message, its causes, context and hint as evidence, and the
/// advice of its kind.
pub(crate) fn of_error(code: FailureCode, error: &Error) -> StepFailure {
    let causes = error.chain().into_iter().skip(1);
    let context = error
        .context()
        .iter()
        .map(|(name, value)| format!("{name}: {value}"));
    let hint = error.hint().map(ToOwned::to_owned);
    // The more lasting of the two: a wrong configuration is wrong whatever the error.
    let advice = Advice::of_code(code).max(Advice::of_kind(error.kind()));
    StepFailure::new(code, error.to_string())
        .with_advice(advice)
        .with_evidence(causes.chain(context).chain(hint))
}

/// Returns the code of an error whose meaning is the same everywhere, if it has one.
pub(crate) fn common_code(error: &Error) -> Option<FailureCode> {
    match error.kind() {
        ErrorKind::Cancelled => Some(FailureCode::Interrupted),
        ErrorKind::HostKey => Some(FailureCode::HostKeyMismatch),
        ErrorKind::Config | ErrorKind::SecretMissing => Some(FailureCode::ConfigInvalid),
        _ => None,
    }
}

/// Returns the failure of a cancelled run.
pub(crate) fn interrupted() -> StepFailure {
    StepFailure::new(FailureCode::Interrupted, "interrupted")
}

/// Prepares a failure for display: without the run's secrets, and short enough to read, whatever a
/// host has printed.
///
/// Secrets are redacted first, since a part of one would not be recognized.
pub(crate) fn redacted(run: &Run, failure: &StepFailure) -> StepFailure {
    let short = |text: &str, limit| shorten(&without_credentials(&run.redact(text)), limit);
    let lines = &failure.evidence;
    let left_out = lines.len().saturating_sub(FIRST_LINES + LAST_LINES);
    let mut evidence: Vec<String> = lines
        .iter()
        .enumerate()
        .filter(|(index, _)| !(FIRST_LINES..FIRST_LINES + left_out).contains(index))
        .map(|(_, line)| short(line, LINE_LIMIT))
        .collect();
    if left_out > 0 {
        evidence.insert(FIRST_LINES, format!("[... {left_out} lines left out ...]"));
    }
    StepFailure {
        code: failure.code,
        message: short(&failure.message, MESSAGE_LIMIT),
        evidence,
        advice: failure.advice,
    }
}

/// Whether a failure was converted from an error about a jump host.
pub(crate) fn is_of_jump_host(failure: &StepFailure) -> bool {
    let mark = format!("{JUMP_HOST}: ");
    failure.evidence.iter().any(|line| line.starts_with(&mark))
}

/// Removes user and password from URLs: hosts print those of their package mirrors.
fn without_credentials(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        kept.push_str(before);
        kept.push_str("://");
        let end = after.find(|c: char| c.is_whitespace() || "/?#'\"<>".contains(c));
        let authority = &after[..end.unwrap_or(after.len())];
        rest = match authority.rfind('@') {
            Some(at) => {
                kept.push_str("***");
                &after[at..]
            }
            None => after,
        };
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use stagecraft_core::{NoEvents, SecretSource};

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

    #[tokio::test]
    async fn failure_is_short_and_without_secrets_whatever_a_host_printed() {
        let variables = BTreeMap::from([("KEY".to_owned(), "s3cret".to_owned())]);
        let run = Run::new(Arc::new(NoEvents), Arc::new(variables));
        let source = SecretSource::Variable("KEY".to_owned());
        run.secret(&source).await.unwrap();
        let line = "x".repeat(LINE_LIMIT - 3) + "s3cret";
        let failure = StepFailure::new(FailureCode::HostNotReady, "m".repeat(1_000_000))
            .with_evidence((0..100_000).map(|number| format!("{number}")))
            .with_evidence([line]);
        let told = redacted(&run, &failure);
        assert_eq!(told.message.chars().count(), MESSAGE_LIMIT);
        assert_eq!(told.evidence.len(), FIRST_LINES + 1 + LAST_LINES);
        assert_eq!(told.evidence[10], "[... 99971 lines left out ...]");
        assert_eq!(told.evidence[11], "99981");
        let last = told.evidence.last().unwrap();
        assert!(last.ends_with("x***"), "{last}");
    }

    #[test]
    fn credentials_of_urls_are_not_told() {
        for (printed, told) in [
            (
                "E: http://me:s3cret@mirror.example/x https://a.example/@b 403",
                "E: http://***@mirror.example/x https://a.example/@b 403",
            ),
            ("ftp://p@ss@host", "ftp://***@host"),
            ("mail me@example.com: a://", "mail me@example.com: a://"),
        ] {
            assert_eq!(without_credentials(printed), told);
        }
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
