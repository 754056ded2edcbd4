//! Events that a run emits while it works.

use std::time::Duration;

use crate::name::{EnvironmentName, HostName};
use crate::outcome::StepOutcome;

/// Something that happened in a run.
///
/// One stream feeds progress bars, plain lines and JSON lines alike.
/// No event holds a secret.
///
/// Deliberately exhaustive: a new variant must break every forwarder until it handles it.
/// Programs read the CLI's own types, never these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The lease was acquired. From now on only this run changes the environment.
    LeaseTaken {
        /// The environment.
        environment: EnvironmentName,
        /// The random id of this run.
        run: String,
    },
    /// The lease of a run that is gone is being removed, so that this run can acquire it.
    LeaseTakenOver {
        /// The environment.
        environment: EnvironmentName,
        /// The previous holder, and since when it held the lease.
        holder: String,
        /// How it is known that the holder is gone.
        reason: String,
    },
    /// Another run has the lease now. This one writes nothing more.
    LeaseLost {
        /// The environment.
        environment: EnvironmentName,
        /// The present holder, if it could be read.
        holder: Option<String>,
    },
    /// The lease could not be released. It expires by itself.
    LeaseLeft {
        /// The environment.
        environment: EnvironmentName,
        /// Why.
        reason: String,
    },
    /// A create request for these hosts is about to be sent.
    HostsRequested {
        /// The hosts of the request.
        hosts: Vec<HostName>,
    },
    /// The cloud accepted the request for a host.
    HostAccepted {
        /// The host.
        host: HostName,
        /// Its id in the cloud.
        id: String,
        /// Whether it was found by a search after a lost answer.
        adopted: bool,
    },
    /// A host is active and has its own public address.
    HostActive {
        /// The host.
        host: HostName,
        /// Its id in the cloud.
        id: String,
        /// Its public address.
        address: String,
    },
    /// A host could not be created, bootstrapped or deleted. A failed step has its own event.
    HostFailed {
        /// The host.
        host: HostName,
        /// What happened.
        message: String,
    },
    /// The cloud accepted the deletion of a host.
    HostDeleteAccepted {
        /// The host.
        host: HostName,
        /// Its id in the cloud.
        id: String,
    },
    /// A host no longer exists.
    HostGone {
        /// The host.
        host: HostName,
        /// Its id in the cloud.
        id: String,
    },
    /// A login to a host succeeded, with a known host key.
    HostConnected {
        /// The host.
        host: HostName,
        /// The fingerprint of the host key that it presented.
        host_key: String,
    },
    /// A step began on a host.
    StepStarted {
        /// The host.
        host: HostName,
        /// The step.
        step: String,
    },
    /// A step ended on a host.
    StepFinished {
        /// The host.
        host: HostName,
        /// The step.
        step: String,
        /// How it ended.
        outcome: StepOutcome,
    },
    /// The run waits for something with a deadline.
    Waiting {
        /// The host, when the wait belongs to one.
        host: Option<HostName>,
        /// What is awaited.
        what: String,
        /// The time spent so far.
        elapsed: Duration,
        /// The time after which the wait ends.
        deadline: Duration,
    },
    /// A call will be retried.
    Retrying {
        /// The host, if the call belongs to one.
        host: Option<HostName>,
        /// The call.
        what: String,
        /// Why.
        reason: String,
        /// The pause before the retry.
        delay: Duration,
    },
}

/// Receives events. Must neither block nor fail.
pub trait EventSink: Send + Sync + std::fmt::Debug {
    /// Receives one event.
    fn emit(&self, event: Event);
}

/// Drops every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl EventSink for NoEvents {
    fn emit(&self, _event: Event) {}
}
