//! The closed set of reasons for which a host is not ready.

use serde::Serialize;

/// The closed set of reasons for which a host is not ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// No SSH session could be opened, or it was lost.
    SshFailed,
    /// The host presented a key that is not among its known ones, or none is known.
    HostKeyMismatch,
    /// The host could not be given its own host key.
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
    /// The host's system is unfit for use: its disk or its clock.
    SystemVerifyFailed,
    /// The configuration forbids the step on this host, or any login to it.
    ConfigInvalid,
    /// The host was left unchanged, since its changes were not confirmed.
    NotApproved,
    /// The run was interrupted before the host was ready.
    Interrupted,
}

impl FailureCode {
    /// Returns the code as printed, for example `ssh_failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SshFailed => "ssh_failed",
            Self::HostKeyMismatch => "host_key_mismatch",
            Self::HostKeyRotationFailed => "host_key_rotation_failed",
            Self::HostNotReady => "host_not_ready",
            Self::DockerDetectFailed => "docker_detect_failed",
            Self::DockerInstallFailed => "docker_install_failed",
            Self::DockerVerifyFailed => "docker_verify_failed",
            Self::NetworkInstallFailed => "network_install_failed",
            Self::NetworkJoinFailed => "network_join_failed",
            Self::NetworkVerifyFailed => "network_verify_failed",
            Self::SystemChangeFailed => "system_change_failed",
            Self::SystemVerifyFailed => "system_verify_failed",
            Self::ConfigInvalid => "config_invalid",
            Self::NotApproved => "not_approved",
            Self::Interrupted => "interrupted",
        }
    }
}

impl std::fmt::Display for FailureCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
