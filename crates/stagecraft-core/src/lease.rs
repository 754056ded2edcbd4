//! One run for each environment: a marker in the cloud that only one run can make.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::name::EnvironmentName;
use crate::run::Run;

/// What clocks that tell whole seconds may be wrong by.
const GRAIN: Duration = Duration::from_secs(1);
/// The longest name of a machine that is kept, in characters.
const MACHINE_LIMIT: usize = 64;

/// The ability of a cloud to let one run work on an environment at a time.
///
/// Each call is safe to repeat. What was in flight when a call was dropped may still be carried
/// out: a marker that is left so is found, and judged, by whoever comes next.
#[async_trait]
pub trait LeaseProvider: Send + Sync + std::fmt::Debug {
    /// How often the holder shows that it lives, and when it counts as gone.
    fn timing(&self) -> LeaseTiming;

    /// Makes the marker, if there is none. A lost answer is resolved by looking.
    ///
    /// # Errors
    ///
    /// The provider's own, by kind. Another holder is no error: see [`Take::Held`].
    async fn take(&self, run: &Run, environment: &EnvironmentName, holder: &Holder)
    -> Result<Take>;

    /// Shows that the holder lives.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Locked`](crate::ErrorKind::Locked) if this very marker is gone; the provider's own, by kind.
    async fn beat(&self, run: &Run, environment: &EnvironmentName, marker: &Marker) -> Result<()>;

    /// Removes exactly this marker, never a later one. What is gone already counts as removed.
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

/// How often the holder of a lease shows that it lives, and when it counts as gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTiming {
    /// The time between two beats.
    pub interval: Duration,
    /// The time without a beat after which another run may take over.
    pub expiry: Duration,
    /// How long what was written may be missing in lists.
    pub list_lag: Duration,
}

/// Who holds a lease. Nothing in it is secret: whoever may read the account may read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// A random id of the run.
    pub run: String,
    /// The name of the machine.
    pub machine: String,
    /// The id of the machine's boot, where the system has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// The space in which process ids count, where the system has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<u64>,
    /// The id of the process.
    pub pid: u32,
    /// When the process began, in a unit of the system's own since its boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// What it does: `up`, `down`.
    pub operation: String,
}

impl Holder {
    /// The run of this process on this machine.
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

/// A marker as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// Its id in the cloud, which no other marker ever has.
    pub id: String,
    /// Who holds it; `None` if that cannot be read.
    pub holder: Option<Holder>,
    /// When it was made, by the cloud's clock.
    pub since: String,
    /// How long it shows no beat, by the cloud's clock; `None` if that is not known.
    pub idle: Option<Duration>,
    /// The time without a beat after which it counts as left behind.
    pub expiry: Duration,
}

impl Marker {
    /// Whether its holder has shown no sign of life for so long that it counts as gone.
    ///
    /// A marker whose holder cannot be read never does: it may be of a later version.
    pub fn is_expired(&self) -> bool {
        self.holder.is_some() && self.idle.is_some_and(|idle| idle >= self.expiry + GRAIN)
    }
}

/// Who holds it and since when, on one line.
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

/// What came of [`LeaseProvider::take`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// The marker is ours.
    Taken(Marker),
    /// There is one already.
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
