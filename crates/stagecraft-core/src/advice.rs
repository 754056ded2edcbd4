//! Advice after a failure: one table for errors, one for failures of hosts.

use serde::Serialize;

use crate::error::ErrorKind;
use crate::failure_code::FailureCode;

/// Advice after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Advice {
    /// Run the same command again: it continues where it stopped.
    RunAgain,
    /// First change what the failure names. Until then every run fails in the same way.
    ChangeFirst,
}

impl Advice {
    /// Returns the advice for an error of this kind.
    pub fn of_kind(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::RateLimited
            | ErrorKind::Unavailable
            | ErrorKind::Protocol
            | ErrorKind::Timeout
            | ErrorKind::Cancelled
            | ErrorKind::CommandFailed
            | ErrorKind::Locked => Self::RunAgain,
            ErrorKind::Config
            | ErrorKind::SecretMissing
            | ErrorKind::Unauthorized
            | ErrorKind::Forbidden
            | ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::Rejected
            | ErrorKind::HostKey
            | ErrorKind::Guard
            | ErrorKind::Stale
            | ErrorKind::Unsupported => Self::ChangeFirst,
        }
    }

    /// Returns the advice for a failure with this code whose cause is otherwise unknown.
    pub fn of_code(code: FailureCode) -> Self {
        match code {
            FailureCode::SshFailed
            | FailureCode::HostKeyRotationFailed
            | FailureCode::HostNotReady
            | FailureCode::DockerDetectFailed
            | FailureCode::DockerInstallFailed
            | FailureCode::DockerVerifyFailed
            | FailureCode::NetworkInstallFailed
            | FailureCode::NetworkJoinFailed
            | FailureCode::NetworkVerifyFailed
            | FailureCode::SystemChangeFailed
            | FailureCode::NotApproved
            | FailureCode::Interrupted => Self::RunAgain,
            FailureCode::HostKeyMismatch
            | FailureCode::SystemVerifyFailed
            | FailureCode::ConfigInvalid => Self::ChangeFirst,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_and_kind_has_its_advice() {
        // The matches above are exhaustive; this lists the advice that users read for each code.
        let again = [
            FailureCode::SshFailed,
            FailureCode::HostKeyRotationFailed,
            FailureCode::HostNotReady,
            FailureCode::DockerDetectFailed,
            FailureCode::DockerInstallFailed,
            FailureCode::DockerVerifyFailed,
            FailureCode::NetworkInstallFailed,
            FailureCode::NetworkJoinFailed,
            FailureCode::NetworkVerifyFailed,
            FailureCode::SystemChangeFailed,
            FailureCode::NotApproved,
            FailureCode::Interrupted,
        ];
        let first = [
            FailureCode::HostKeyMismatch,
            FailureCode::SystemVerifyFailed,
            FailureCode::ConfigInvalid,
        ];
        assert!(
            again
                .iter()
                .all(|code| Advice::of_code(*code) == Advice::RunAgain)
        );
        assert!(
            first
                .iter()
                .all(|code| Advice::of_code(*code) == Advice::ChangeFirst)
        );
        for (kind, advice) in [
            (ErrorKind::Config, Advice::ChangeFirst),
            (ErrorKind::SecretMissing, Advice::ChangeFirst),
            (ErrorKind::Unauthorized, Advice::ChangeFirst),
            (ErrorKind::Forbidden, Advice::ChangeFirst),
            (ErrorKind::NotFound, Advice::ChangeFirst),
            (ErrorKind::AlreadyExists, Advice::ChangeFirst),
            (ErrorKind::Rejected, Advice::ChangeFirst),
            (ErrorKind::RateLimited, Advice::RunAgain),
            (ErrorKind::Unavailable, Advice::RunAgain),
            (ErrorKind::Protocol, Advice::RunAgain),
            (ErrorKind::Timeout, Advice::RunAgain),
            (ErrorKind::Cancelled, Advice::RunAgain),
            (ErrorKind::HostKey, Advice::ChangeFirst),
            (ErrorKind::CommandFailed, Advice::RunAgain),
            (ErrorKind::Guard, Advice::ChangeFirst),
            (ErrorKind::Locked, Advice::RunAgain),
            (ErrorKind::Stale, Advice::ChangeFirst),
            (ErrorKind::Unsupported, Advice::ChangeFirst),
        ] {
            assert_eq!(Advice::of_kind(kind), advice, "{kind:?}");
        }
    }
}
