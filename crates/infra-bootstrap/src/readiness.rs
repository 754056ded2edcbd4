//! The readiness ladder: the conditions for bootstrapping a host.

mod cloud_init;
mod connect;
mod state;

use std::time::Duration;

use stagecraft_core::PollPolicy;

use crate::config::{CloudInit, ReadinessConfig};

pub(crate) use connect::{connect, cure_of_key, spaced};
pub(crate) use state::{Boot, HostState, PROBE};

/// The time limits of the rungs of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadinessPolicy {
    /// An SSH session.
    pub connect: PollPolicy,
    /// The time from the first refused login during which logins are retried: the first boot
    /// starts the SSH server before it has written the authorized keys.
    pub login: Duration,
    /// The end of the first boot.
    pub boot: PollPolicy,
    /// Free package locks, and the end of commands that an earlier run left running.
    pub lock: PollPolicy,
    /// One read of the host.
    pub look: Duration,
    /// Whether cloud-init must have completed.
    pub cloud_init: CloudInit,
}

impl ReadinessPolicy {
    /// Uses the same pause and deadline for every rung.
    pub fn every(policy: PollPolicy) -> Self {
        Self {
            connect: policy,
            login: Duration::from_secs(30),
            boot: policy,
            lock: policy,
            look: Duration::from_mins(1),
            cloud_init: CloudInit::Wait,
        }
    }
}

impl Default for ReadinessPolicy {
    fn default() -> Self {
        ReadinessConfig::default().into()
    }
}

impl From<ReadinessConfig> for ReadinessPolicy {
    fn from(config: ReadinessConfig) -> Self {
        let policy = PollPolicy {
            interval: config.interval.get(),
            deadline: config.deadline.get(),
        };
        Self {
            cloud_init: config.cloud_init,
            ..Self::every(policy)
        }
    }
}
