//! How an operation ended as a whole.

use infra_bootstrap::HostReport;
use serde::Serialize;
use stagecraft_core::{ApplyReport, ErrorKind, FailureCode, StepFailure};

/// How an operation ended as a whole. The CLI has an exit code for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything was done, or there was nothing to do.
    Done,
    /// Some hosts are fine, some are not.
    Partial,
    /// The cloud provider gave no usable host.
    CloudFailed,
    /// Every host failed its bootstrap.
    BootstrapFailed,
    /// Every host failed, and each of them at the network.
    NetworkFailed,
    /// The run was interrupted before it was done.
    Interrupted,
    /// Another run took over the environment before it was done.
    Locked,
    /// A guard refused what was to be done, host by host, and nothing else was.
    Refused,
}

impl Outcome {
    /// How a look at hosts, or work on them, ended.
    pub fn of_hosts(hosts: &[HostReport], interrupted: bool) -> Self {
        let failures: Vec<_> = hosts.iter().filter_map(HostReport::first_failure).collect();
        if failures.is_empty() {
            Self::Done
        } else if interrupted {
            Self::Interrupted
        } else if hosts.len() > failures.len() {
            Self::Partial
        } else {
            of_failures(&failures)
        }
    }
}

/// How it ended if every host failed.
pub(crate) fn of_failures(failures: &[&StepFailure]) -> Outcome {
    let all = |is: &dyn Fn(&StepFailure) -> bool| failures.iter().all(|failure| is(failure));
    if all(&is_network) {
        Outcome::NetworkFailed
    } else if all(&|failure| failure.code == FailureCode::NotApproved) {
        Outcome::Refused
    } else {
        Outcome::BootstrapFailed
    }
}

/// Whether guards alone kept a plan from being done: running it again does not help.
pub(crate) fn is_refused(apply: &ApplyReport) -> bool {
    let mut failed = apply.failed.iter();
    !apply.is_complete()
        && apply.not_tried.is_empty()
        && failed.all(|failure| failure.error.kind() == ErrorKind::Guard)
}

/// Whether the failure is the network provider's.
pub(crate) fn is_network(failure: &StepFailure) -> bool {
    matches!(
        failure.code,
        FailureCode::NetworkInstallFailed
            | FailureCode::NetworkJoinFailed
            | FailureCode::NetworkVerifyFailed
    )
}
