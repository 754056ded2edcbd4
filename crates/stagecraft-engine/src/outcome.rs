//! How an operation ended as a whole.

use serde::Serialize;
use stagecraft_core::{FailureCode, StepFailure};

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
