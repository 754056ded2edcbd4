//! What a run tells while it works.

use std::time::Duration;

use crate::name::{EnvironmentName, HostName};
use crate::outcome::StepOutcome;

/// Something that happened in a run.
///
/// One stream feeds progress bars, plain lines and JSON lines alike.
/// No event holds a secret.
///
/// The set is closed on purpose: who passes events on must not compile before it has decided
/// what becomes of a new one. Programs read the CLI's own types, never these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// From now on this run is the only one that works on the environment.
    LeaseTaken {
        /// The environment.
        environment: EnvironmentName,
        /// The random id of this run.
        run: String,
    },
    /// The lease of a run that is gone is being removed, to take it.
    LeaseTakenOver {
        /// The environment.
        environment: EnvironmentName,
        /// Who held it, and since when.
        holder: String,
        /// How it is known that it is gone.
        reason: String,
    },
    /// Another run has the lease now. This one writes nothing any more.
    LeaseLost {
        /// The environment.
        environment: EnvironmentName,
        /// Who has it now, if that could be read.
        holder: Option<String>,
    },
    /// The lease could not be given back. It expires by itself.
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
        /// Whether it was found after a lost answer instead of in the answer.
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
    /// A host could not be made, worked on or removed. A step that failed is told by itself.
    HostFailed {
        /// The host.
        host: HostName,
        /// What happened.
        message: String,
    },
    /// The cloud accepted the removal of a host.
    HostDeleteAccepted {
        /// The host.
        host: HostName,
        /// Its id in the cloud.
        id: String,
    },
    /// A host is gone.
    HostGone {
        /// The host.
        host: HostName,
        /// Its id in the cloud.
        id: String,
    },
    /// A host's login was proven with a known host key.
    HostConnected {
        /// The host.
        host: HostName,
        /// The fingerprint of the host key that it showed.
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
    /// The run waits for something that has a deadline.
    Waiting {
        /// The host, when the wait belongs to one.
        host: Option<HostName>,
        /// What is awaited.
        what: String,
        /// The time spent so far.
        elapsed: Duration,
        /// The time after which the wait is given up.
        deadline: Duration,
    },
    /// A call is to be sent again.
    Retrying {
        /// The host, when the call belongs to one.
        host: Option<HostName>,
        /// The call.
        what: String,
        /// Why.
        reason: String,
        /// The pause before it.
        delay: Duration,
    },
}

/// Takes events. Must neither block nor fail.
pub trait EventSink: Send + Sync + std::fmt::Debug {
    /// Takes one event.
    fn emit(&self, event: Event);
}

/// Drops every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl EventSink for NoEvents {
    fn emit(&self, _event: Event) {}
}
