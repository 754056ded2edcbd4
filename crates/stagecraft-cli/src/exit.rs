//! The exit codes: a contract with scripts.

use std::process::ExitCode;

use stagecraft_core::{Error, ErrorKind};
use stagecraft_engine::Outcome;

/// Exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done, or nothing to do.
    Done,
    /// 1: the configuration or the command line is wrong.
    Usage,
    /// 2: the cloud provider failed.
    Cloud,
    /// 3: every host failed its bootstrap.
    Bootstrap,
    /// 4: every host failed at the network provider.
    Network,
    /// 5: another run holds the environment's lease.
    Locked,
    /// 6: a saved plan is stale.
    Stale,
    /// 7: a guard refused.
    Guard,
    /// 10: some hosts succeeded, some failed.
    Partial,
    /// 20: changes are pending. Only on request.
    Pending,
    /// 130: interrupted.
    Interrupted,
    /// The exit code of a program that this one only started.
    Other(u8),
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Usage => 1,
            Self::Cloud => 2,
            Self::Bootstrap => 3,
            Self::Network => 4,
            Self::Locked => 5,
            Self::Stale => 6,
            Self::Guard => 7,
            Self::Partial => 10,
            Self::Pending => 20,
            Self::Interrupted => 130,
            Self::Other(code) => code,
        }
    }

    /// The code of an error that ended an operation before it did anything.
    pub(crate) fn of_error(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Config | ErrorKind::SecretMissing => Self::Usage,
            ErrorKind::Guard => Self::Guard,
            ErrorKind::Locked => Self::Locked,
            ErrorKind::Stale => Self::Stale,
            ErrorKind::Cancelled => Self::Interrupted,
            _ => Self::Cloud,
        }
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::CloudFailed => Self::Cloud,
            Outcome::BootstrapFailed => Self::Bootstrap,
            Outcome::NetworkFailed => Self::Network,
            Outcome::Interrupted => Self::Interrupted,
            Outcome::Locked => Self::Locked,
            Outcome::Refused => Self::Guard,
            Outcome::Partial => Self::Partial,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
