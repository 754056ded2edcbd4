//! What became of steps, and of the hosts on which they ran.

use schemars::JsonSchema;
use serde::Serialize;
use stagecraft_core as core;

use super::duration::millis;

/// How one step ended.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(crate) enum StepOutcome {
    /// Everything was as wanted; nothing was touched.
    Unchanged,
    /// These changes were made and verified.
    Changed {
        /// What was changed, one short phrase each.
        changes: Vec<String>,
    },
    /// These changes would be made. Dry runs only.
    WouldChange {
        /// What would be changed, one short phrase each.
        changes: Vec<String>,
    },
    /// What the step has to do shows only once an earlier one has changed the host. Dry runs
    /// only.
    MayChange {
        /// What would be changed as the host is now, one short phrase each.
        changes: Vec<String>,
        /// The id of the earlier step, which would or may change the host.
        after: String,
    },
    /// The step was not carried out, on purpose.
    Skipped {
        /// Why.
        reason: String,
    },
    /// The step failed.
    Failed(StepFailure),
}

/// Why a step failed, or a host is not ready.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StepFailure {
    /// A code from the closed set.
    code: FailureCode,
    /// What happened, in one line.
    message: String,
    /// The last lines of output, or what was awaited and for how long.
    evidence: Vec<String>,
    /// What helps.
    advice: Advice,
}

/// What helps after a failure.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Advice {
    /// To run the same command again: it goes on where it stopped.
    RunAgain,
    /// To change something first, which the failure names. Until then every run fails alike.
    ChangeFirst,
}

/// The closed set of reasons for which a host is not ready.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum FailureCode {
    /// No SSH session could be had, or it was lost.
    SshFailed,
    /// The host showed a key that is not known for it, or none is known.
    HostKeyMismatch,
    /// The host could not be given a host key of its own.
    HostKeyRotationFailed,
    /// The host did not finish its first boot in time.
    HostNotReady,
    /// The state of Docker could not be read.
    DockerDetectFailed,
    /// Docker could not be installed.
    DockerInstallFailed,
    /// Docker was installed but does not answer.
    DockerVerifyFailed,
    /// The network provider's client could not be installed.
    NetworkInstallFailed,
    /// The host could not join the network.
    NetworkJoinFailed,
    /// The host joined the network but is not connected as wanted.
    NetworkVerifyFailed,
    /// A setting of the host's system could not be changed.
    SystemChangeFailed,
    /// The host's system is not fit for use: its disk or its clock.
    SystemVerifyFailed,
    /// The configuration does not allow the step on this host, or no login at it.
    ConfigInvalid,
    /// The host would be changed in a way that was not confirmed, so it was left as it is.
    NotApproved,
    /// The run was interrupted before the host was ready.
    Interrupted,
}

/// What became of one host.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HostReport {
    /// The host's name. For one whose name in the cloud breaks the naming rule, a stand-in made
    /// of its id.
    host: String,
    /// Its id in the cloud.
    id: String,
    /// The address that was connected to.
    address: Option<String>,
    /// Its full name in the private network, once it is known to be a member.
    fqdn: Option<String>,
    /// The operating system's own name for itself, once the host was looked at.
    system: Option<String>,
    /// What stopped nothing but should be looked at: what failed or was degraded in the host's
    /// first boot, in the first run and in runs that fail; what steps report beside their outcome.
    warnings: Vec<String>,
    /// How each step ended, in the order in which they ran. Empty if the host never became
    /// ready for steps.
    steps: Vec<StepReport>,
    /// Why the host was given up as a whole. The failure of a single step is in `steps`.
    failure: Option<StepFailure>,
    /// What had to be tried again or waited for, at most ten causes.
    retries: Vec<Retried>,
    /// The time from the first attempt to connect to the end.
    #[schemars(extend("x-unit" = "milliseconds"))]
    duration_ms: u64,
}

/// Something that had to be tried again, or looked at again.
#[derive(Debug, Serialize, JsonSchema)]
struct Retried {
    /// What: `connect`, `the package lock`.
    what: String,
    /// How often it was tried again, or looked at without success.
    times: u32,
    /// Why, the last time. Never empty.
    reason: String,
}

/// How one step ended on a host.
#[derive(Debug, Serialize, JsonSchema)]
struct StepReport {
    /// The step's id.
    step: String,
    #[serde(flatten)]
    outcome: StepOutcome,
    /// The time that it took.
    #[schemars(extend("x-unit" = "milliseconds"))]
    duration_ms: u64,
}

impl From<&core::StepOutcome> for StepOutcome {
    fn from(outcome: &core::StepOutcome) -> Self {
        match outcome {
            core::StepOutcome::Unchanged => Self::Unchanged,
            core::StepOutcome::Changed { changes } => Self::Changed {
                changes: changes.clone(),
            },
            core::StepOutcome::WouldChange { changes } => Self::WouldChange {
                changes: changes.clone(),
            },
            core::StepOutcome::MayChange { changes, after } => Self::MayChange {
                changes: changes.clone(),
                after: after.clone(),
            },
            core::StepOutcome::Skipped { reason } => Self::Skipped {
                reason: reason.clone(),
            },
            core::StepOutcome::Failed(failure) => Self::Failed(failure.into()),
        }
    }
}

impl From<&core::StepFailure> for StepFailure {
    fn from(failure: &core::StepFailure) -> Self {
        Self {
            code: failure.code.into(),
            message: failure.message.clone(),
            evidence: failure.evidence.clone(),
            advice: match failure.advice {
                core::Advice::RunAgain => Advice::RunAgain,
                core::Advice::ChangeFirst => Advice::ChangeFirst,
            },
        }
    }
}

impl From<core::FailureCode> for FailureCode {
    fn from(code: core::FailureCode) -> Self {
        match code {
            core::FailureCode::SshFailed => Self::SshFailed,
            core::FailureCode::HostKeyMismatch => Self::HostKeyMismatch,
            core::FailureCode::HostKeyRotationFailed => Self::HostKeyRotationFailed,
            core::FailureCode::HostNotReady => Self::HostNotReady,
            core::FailureCode::DockerDetectFailed => Self::DockerDetectFailed,
            core::FailureCode::DockerInstallFailed => Self::DockerInstallFailed,
            core::FailureCode::DockerVerifyFailed => Self::DockerVerifyFailed,
            core::FailureCode::NetworkInstallFailed => Self::NetworkInstallFailed,
            core::FailureCode::NetworkJoinFailed => Self::NetworkJoinFailed,
            core::FailureCode::NetworkVerifyFailed => Self::NetworkVerifyFailed,
            core::FailureCode::SystemChangeFailed => Self::SystemChangeFailed,
            core::FailureCode::SystemVerifyFailed => Self::SystemVerifyFailed,
            core::FailureCode::ConfigInvalid => Self::ConfigInvalid,
            core::FailureCode::NotApproved => Self::NotApproved,
            core::FailureCode::Interrupted => Self::Interrupted,
        }
    }
}

impl From<&infra_bootstrap::HostReport> for HostReport {
    fn from(report: &infra_bootstrap::HostReport) -> Self {
        Self {
            host: report.host.to_string(),
            id: report.id.to_string(),
            address: report.address.map(|address| address.to_string()),
            fqdn: report.fqdn.clone(),
            steps: report.steps.iter().map(StepReport::from).collect(),
            failure: report.failure.as_ref().map(StepFailure::from),
            system: report.system.clone(),
            warnings: report.warnings.clone(),
            retries: report.retries.iter().map(Retried::from).collect(),
            duration_ms: millis(report.duration),
        }
    }
}

impl From<&infra_bootstrap::StepReport> for StepReport {
    fn from(report: &infra_bootstrap::StepReport) -> Self {
        Self {
            step: report.step.to_owned(),
            outcome: (&report.outcome).into(),
            duration_ms: millis(report.duration),
        }
    }
}

impl From<&infra_bootstrap::Retried> for Retried {
    fn from(retried: &infra_bootstrap::Retried) -> Self {
        Self {
            what: retried.what.clone(),
            times: retried.times,
            reason: retried.reason.clone(),
        }
    }
}
