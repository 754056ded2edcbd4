//! Outcomes of whole operations.

use infra_bootstrap::HostReport;
use serde::Serialize;
use stagecraft_core::{ApplyReport, ErrorKind, FailureCode, StepFailure};

/// Outcome of a whole operation. The CLI has an exit code for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything was done, or there was nothing to do.
    Done,
    /// Some hosts succeeded, some failed.
    Partial,
    /// The cloud provider returned no usable host.
    CloudFailed,
    /// Every host failed its bootstrap.
    BootstrapFailed,
    /// Every host failed, each of them in the network.
    NetworkFailed,
    /// The run was interrupted before it was done.
    Interrupted,
    /// Another run took over the environment before it was done.
    Locked,
    /// Guards refused every action, host by host, and nothing else failed.
    Refused,
}

impl Outcome {
    /// Returns the outcome of reading or bootstrapping hosts.
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

/// Returns the outcome if every host failed.
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

/// Whether only guards prevented a plan from being applied: a retry does not help.
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
