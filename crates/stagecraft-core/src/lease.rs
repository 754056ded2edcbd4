//! Leases: one run per environment, by a marker in the cloud that only one run can create.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::name::EnvironmentName;
use crate::run::Run;

/// Error of clocks with one-second resolution.
const GRAIN: Duration = Duration::from_secs(1);
/// The longest machine name that is kept, in characters.
const MACHINE_LIMIT: usize = 64;

/// A cloud's leases, which let one run at a time work on an environment.
///
/// Each call is safe to repeat. A request in flight when its call is dropped may still take
/// effect: the next run finds the marker that it left, and judges it.
#[async_trait]
pub trait LeaseProvider: Send + Sync + std::fmt::Debug {
    /// Returns how often the holder renews, and when it counts as gone.
    fn timing(&self) -> LeaseTiming;

    /// Creates the marker, if there is none. Resolves a lost answer by reading.
    ///
    /// # Errors
    ///
    /// The provider's own, by kind. Another holder is not an error: see [`Take::Held`].
    async fn take(&self, run: &Run, environment: &EnvironmentName, holder: &Holder)
    -> Result<Take>;

    /// Renews the lease: shows that the holder is alive.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Locked`](crate::ErrorKind::Locked) if this marker is gone; the provider's
    /// own, by kind.
    async fn beat(&self, run: &Run, environment: &EnvironmentName, marker: &Marker) -> Result<()>;

    /// Removes exactly this marker, never a later one. Removing a missing marker succeeds.
    ///
    /// # Errors
    ///
    /// The provider's own, by kind.
    async fn remove(&self, run: &Run, marker: &Marker) -> Result<()>;

    /// Reads the marker, if there is one.
    ///
    /// # Errors
    ///
    /// The provider's own, by kind.
    async fn read(&self, run: &Run, environment: &EnvironmentName) -> Result<Option<Marker>>;
}

/// How often the holder of a lease renews it, and when it counts as gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTiming {
    /// The time between two renewals.
    pub interval: Duration,
    /// The time without renewal after which another run may take over.
    pub expiry: Duration,
    /// How long a write may be missing from lists.
    pub list_lag: Duration,
}

/// The holder of a lease. Contains no secret: anyone who can read the account can read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// A random id of the run.
    pub run: String,
    /// The name of the machine.
    pub machine: String,
    /// The boot id of the machine, if the system has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// The namespace of process ids, if the system has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<u64>,
    /// The process id.
    pub pid: u32,
    /// The start time of the process since boot, in the system's own unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// The operation: `up`, `down`.
    pub operation: String,
}

impl Holder {
    /// Describes a run of this process on this machine.
    pub fn new(run: &str, machine: &str, pid: u32, operation: &str) -> Self {
        Self {
            run: run.to_owned(),
            machine: machine.chars().take(MACHINE_LIMIT).collect(),
            boot: None,
            space: None,
            pid,
            started: None,
            operation: operation.to_owned(),
        }
    }
}

/// A marker as observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// Its id in the cloud, which no other marker ever has.
    pub id: String,
    /// The holder; `None` if it cannot be read.
    pub holder: Option<Holder>,
    /// When it was created, by the cloud's clock.
    pub since: String,
    /// The time since its last renewal, by the cloud's clock; `None` if unknown.
    pub idle: Option<Duration>,
    /// The time without renewal after which it counts as abandoned.
    pub expiry: Duration,
}

impl Marker {
    /// Whether its holder has not renewed it for so long that it counts as gone.
    ///
    /// A marker with an unreadable holder never expires: it may be of a later version.
    pub fn is_expired(&self) -> bool {
        self.holder.is_some() && self.idle.is_some_and(|idle| idle >= self.expiry + GRAIN)
    }
}

/// Formats the holder and the start of the lease, on one line.
impl std::fmt::Display for Marker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.holder {
            Some(holder) => write!(
                f,
                "`{}` on {}, pid {}, since {}",
                holder.operation, holder.machine, holder.pid, self.since
            ),
            None => write!(f, "a run that cannot be told, since {}", self.since),
        }
    }
}

/// Result of [`LeaseProvider::take`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// The marker is ours.
    Taken(Marker),
    /// Another marker exists.
    Held(Marker),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(idle: Option<u64>, is_known: bool) -> Marker {
        Marker {
            id: "m".to_owned(),
            holder: is_known.then(|| Holder::new("0f", "laptop", 7, "up")),
            since: "2026-11-21T07:00:00Z".to_owned(),
            idle: idle.map(Duration::from_secs),
            expiry: Duration::from_secs(90),
        }
    }

    #[test]
    fn only_a_known_holder_without_a_beat_for_the_whole_expiry_counts_as_gone() {
        assert!(marker(Some(91), true).is_expired());
        assert!(!marker(Some(90), true).is_expired(), "clocks have a grain");
        assert!(!marker(None, true).is_expired(), "the time is not known");
        assert!(!marker(Some(9000), false).is_expired());
    }

    #[test]
    fn long_names_of_machines_are_cut() {
        let holder = Holder::new("0f", &"x".repeat(500), 1, "up");
        assert_eq!(holder.machine.len(), MACHINE_LIMIT);
    }
}
