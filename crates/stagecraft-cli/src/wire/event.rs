//! What the lines tell.

use schemars::JsonSchema;
use serde::Serialize;
use stagecraft_core as core;

use super::duration::millis;
use super::plan::Planned;
use super::result::Result;
use super::step::StepOutcome;

/// Something that happened.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// The plan was made. Nothing was written yet.
    Planned(Planned),
    /// From now on this run is the only one that works on the environment.
    LeaseTaken {
        /// The environment.
        environment: String,
        /// The random id of this run, which others are told that meet the lease.
        run: String,
    },
    /// The lease of a run that is gone is removed, to be taken.
    LeaseTakenOver {
        /// The environment.
        environment: String,
        /// Who held it, and since when, in one line.
        holder: String,
        /// How it is known that it is gone.
        reason: String,
    },
    /// Another run has the lease now. This one writes nothing any more.
    LeaseLost {
        /// The environment.
        environment: String,
        /// Who has it now, in one line, if that could be read.
        holder: Option<String>,
    },
    /// The lease could not be given back. It expires by itself.
    LeaseLeft {
        /// The environment.
        environment: String,
        /// Why.
        reason: String,
    },
    /// A create request for these hosts is about to be sent.
    HostsRequested {
        /// The names of the hosts.
        hosts: Vec<String>,
    },
    /// The cloud accepted the request for a host.
    HostAccepted {
        /// The host's name.
        host: String,
        /// Its id in the cloud.
        id: String,
        /// Whether it was found after a lost answer instead of in the answer.
        adopted: bool,
    },
    /// A host is active and has its own public address.
    HostActive {
        /// The host's name.
        host: String,
        /// Its id in the cloud.
        id: String,
        /// Its public address.
        address: String,
    },
    /// A host could not be made, worked on or removed. The result has the whole error.
    HostFailed {
        /// The host's name.
        host: String,
        /// What happened, in one line.
        message: String,
    },
    /// The cloud accepted the removal of a host.
    HostDeleteAccepted {
        /// The host's name.
        host: String,
        /// Its id in the cloud.
        id: String,
    },
    /// A host is gone.
    HostGone {
        /// The host's name.
        host: String,
        /// Its id in the cloud.
        id: String,
    },
    /// A login was proven, on a host that showed a known key.
    HostConnected {
        /// The host's name.
        host: String,
        /// The fingerprint of the host key that it showed.
        host_key: String,
    },
    /// A step began on a host.
    StepStarted {
        /// The host's name.
        host: String,
        /// The step's id.
        step: String,
    },
    /// A step ended on a host.
    StepFinished {
        /// The host's name.
        host: String,
        /// The step's id.
        step: String,
        /// How it ended.
        outcome: StepOutcome,
    },
    /// The run waits for something. Told again and again while it waits.
    Waiting {
        /// The host's name, when the wait belongs to one.
        host: Option<String>,
        /// What is awaited.
        what: String,
        /// The time spent so far.
        #[schemars(extend("x-unit" = "milliseconds"))]
        elapsed_ms: u64,
        /// The time after which the wait is given up.
        #[schemars(extend("x-unit" = "milliseconds"))]
        deadline_ms: u64,
    },
    /// A call failed and is to be sent again.
    Retrying {
        /// The host's name, when the call belongs to one.
        host: Option<String>,
        /// The call.
        what: String,
        /// Why.
        reason: String,
        /// The pause before it.
        #[schemars(extend("x-unit" = "milliseconds"))]
        delay_ms: u64,
    },
    /// The command ended. Always the last line, and the only one of its kind.
    Result(Result),
}

/// Every event of the framework has a line: a new one does not compile before it is here.
impl From<core::Event> for Event {
    fn from(event: core::Event) -> Self {
        match event {
            core::Event::LeaseTaken { environment, run } => Self::LeaseTaken {
                environment: environment.into(),
                run,
            },
            core::Event::LeaseTakenOver {
                environment,
                holder,
                reason,
            } => Self::LeaseTakenOver {
                environment: environment.into(),
                holder,
                reason,
            },
            core::Event::LeaseLost {
                environment,
                holder,
            } => Self::LeaseLost {
                environment: environment.into(),
                holder,
            },
            core::Event::LeaseLeft {
                environment,
                reason,
            } => Self::LeaseLeft {
                environment: environment.into(),
                reason,
            },
            core::Event::HostsRequested { hosts } => Self::HostsRequested {
                hosts: hosts.into_iter().map(String::from).collect(),
            },
            core::Event::HostAccepted { host, id, adopted } => Self::HostAccepted {
                host: host.into(),
                id,
                adopted,
            },
            core::Event::HostActive { host, id, address } => Self::HostActive {
                host: host.into(),
                id,
                address,
            },
            core::Event::HostFailed { host, message } => Self::HostFailed {
                host: host.into(),
                message,
            },
            core::Event::HostDeleteAccepted { host, id } => Self::HostDeleteAccepted {
                host: host.into(),
                id,
            },
            core::Event::HostGone { host, id } => Self::HostGone {
                host: host.into(),
                id,
            },
            core::Event::HostConnected { host, host_key } => Self::HostConnected {
                host: host.into(),
                host_key,
            },
            core::Event::StepStarted { host, step } => Self::StepStarted {
                host: host.into(),
                step,
            },
            core::Event::StepFinished {
                host,
                step,
                outcome,
            } => Self::StepFinished {
                host: host.into(),
                step,
                outcome: (&outcome).into(),
            },
            core::Event::Waiting {
                host,
                what,
                elapsed,
                deadline,
            } => Self::Waiting {
                host: host.map(String::from),
                what,
                elapsed_ms: millis(elapsed),
                deadline_ms: millis(deadline),
            },
            core::Event::Retrying {
                host,
                what,
                reason,
                delay,
            } => Self::Retrying {
                host: host.map(String::from),
                what,
                reason,
                delay_ms: millis(delay),
            },
        }
    }
}
