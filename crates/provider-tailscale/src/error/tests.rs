use std::collections::HashSet;
use std::mem::discriminant;

use super::*;

/// Every failure with its kind, whether it may pass by itself, its operation, and whether there is
/// a known remedy for the user.
fn table() -> Vec<(Failure, ErrorKind, bool, &'static str, bool)> {
    use ErrorKind as K;
    use Failure as F;
    let text = || "words".to_owned();
    let (found, wanted) = (text(), text());
    vec![
        (F::Unreadable(text()), K::Protocol, false, "verify", false),
        (F::NotInstalled, K::Rejected, false, "install", true),
        (F::System(text()), K::Unsupported, false, "install", true),
        (
            F::TooOld { found, wanted },
            K::Rejected,
            false,
            "install",
            true,
        ),
        (
            F::Install(text()),
            K::CommandFailed,
            false,
            "install",
            false,
        ),
        (F::NoRoom(text()), K::Rejected, false, "install", true),
        (
            F::PackageLock(text()),
            K::Unavailable,
            true,
            "install",
            false,
        ),
        (F::Download(text()), K::Unavailable, true, "install", false),
        (F::DaemonSilent, K::Unavailable, false, "install", true),
        (F::KeyMissing(text()), K::SecretMissing, false, "join", true),
        (F::KeyMalformed(text()), K::Config, false, "join", true),
        (
            F::KeyNotStored(text()),
            K::CommandFailed,
            false,
            "join",
            false,
        ),
        (F::KeyInvalid, K::Unauthorized, false, "join", true),
        (F::KeyExpired, K::Unauthorized, false, "join", true),
        (F::KeyUsed, K::Unauthorized, false, "join", true),
        (F::TagsRefused(text()), K::Forbidden, false, "join", true),
        (F::TagsRequired, K::Config, false, "join", true),
        (F::NeedsApproval(text()), K::Rejected, false, "join", true),
        (
            F::LockedOut {
                node: text(),
                key: text(),
            },
            K::Rejected,
            false,
            "verify",
            true,
        ),
        (F::Unreachable(text()), K::Unavailable, true, "join", true),
        (F::NotPermitted, K::Forbidden, false, "join", true),
        (
            F::OtherTailnet {
                found: text(),
                wanted: text(),
            },
            K::Rejected,
            false,
            "join",
            true,
        ),
        (
            F::OtherServer {
                found: text(),
                wanted: text(),
            },
            K::Rejected,
            false,
            "join",
            true,
        ),
        (F::Command(text()), K::CommandFailed, false, "join", false),
        (
            F::NotConnected {
                node: text(),
                waited: text(),
                state: text(),
            },
            K::Timeout,
            false,
            "verify",
            true,
        ),
        (F::TagsMissing(text()), K::Rejected, false, "verify", true),
        (
            F::OtherName {
                found: text(),
                wanted: text(),
            },
            K::Rejected,
            false,
            "verify",
            true,
        ),
        (F::DidNotLast(text()), K::Rejected, false, "verify", false),
    ]
}

#[test]
fn every_failure_has_its_kind_retry_operation_and_hint() {
    let mut seen = HashSet::new();
    for (failure, kind, again, operation, has_hint) in table() {
        assert!(seen.insert(discriminant(&failure)), "twice: {failure:?}");
        let error = Error::from(failure);
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.retry() == Retry::After(None), again, "{error}");
        assert_eq!(error.retry() == Retry::Never, !again, "{error}");
        assert_eq!(error.operation(), Some(operation), "{error}");
        assert_eq!(error.hint().is_some(), has_hint, "{error}");
        assert_eq!(error.provider(), Some("tailscale"));
        assert!(error.to_string().starts_with("tailscale provider: "));
    }
    assert_eq!(
        seen.len(),
        28,
        "a new failure needs its row, and this number"
    );
}

#[test]
fn missing_key_is_told_by_the_name_of_its_variable() {
    assert_eq!(
        Error::from(Failure::KeyMissing(
            "environment variable TS_AUTHKEY".into()
        ))
        .to_string(),
        "tailscale provider: auth key missing from environment variable TS_AUTHKEY"
    );
}

#[test]
fn failed_connection_keeps_its_kind_and_retry_below_the_providers_words() {
    let lost = Error::new(ErrorKind::HostKey, "host key has changed");
    let error = transport(lost, "join");
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::HostKey, Retry::Never)
    );
    assert_eq!(error.chain()[1], "host key has changed");
    let error = transport(Error::cancelled(), "join");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(error.to_string(), "interrupted");
}
