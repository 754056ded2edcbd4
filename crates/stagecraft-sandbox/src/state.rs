//! State of the sandbox: droplets, tags, keys, actions, limits and requests.

pub(crate) mod actions;
pub(crate) mod armed;
pub(crate) mod backups;
pub(crate) mod catalog;
pub(crate) mod droplet;
pub(crate) mod events;
pub(crate) mod firewall;
pub(crate) mod images;
pub(crate) mod journal;
pub(crate) mod keys;
pub(crate) mod leftovers;
pub(crate) mod life;
pub(crate) mod projects;
pub(crate) mod rate;
pub(crate) mod scopes;
pub(crate) mod tags;
pub(crate) mod vpcs;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::driver::HostDriver;
use crate::fault::Faults;
use crate::knobs::Knobs;
use actions::Actions;
use armed::ArmedFailure;
use droplet::Droplet;
use firewall::Firewalls;
use images::Images;
use journal::Journal;
use keys::Keys;
use leftovers::Leftovers;
use projects::Projects;
use rate::Rate;
use tags::Tags;
use vpcs::Vpcs;

/// State shared by the handlers, the control and the background work.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) token: String,
    pub(crate) address: SocketAddr,
    pub(crate) driver: Option<Arc<dyn HostDriver>>,
    pub(crate) started: Instant,
    /// Cancelled when the sandbox stops.
    pub(crate) stop: CancellationToken,
    state: Mutex<State>,
    work: Mutex<JoinSet<()>>,
}

/// The mutable part.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) knobs: Knobs,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    pub(crate) rate: Rate,
    pub(crate) keys: Keys,
    pub(crate) tags: Tags,
    pub(crate) actions: Actions,
    pub(crate) firewalls: Firewalls,
    pub(crate) images: Images,
    pub(crate) leftovers: Leftovers,
    pub(crate) projects: Projects,
    pub(crate) vpcs: Vpcs,
    pub(crate) droplets: BTreeMap<u64, Droplet>,
    /// Stand-ins armed to fail, by host name and program.
    pub(crate) armed: BTreeMap<(String, String), ArmedFailure>,
}

impl World {
    pub(crate) fn new(
        token: String,
        address: SocketAddr,
        driver: Option<Arc<dyn HostDriver>>,
        state: State,
    ) -> Self {
        Self {
            token,
            address,
            driver,
            started: Instant::now(),
            stop: CancellationToken::new(),
            state: Mutex::new(state),
            work: Mutex::default(),
        }
    }

    /// Locks the state. A panic elsewhere leaves it usable: every change consists of independent
    /// assignments.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a task that the sandbox awaits when it stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        // Removes tasks that have ended, so that the set does not grow forever.
        while work.try_join_next().is_some() {}
        work.spawn(task);
    }

    /// Takes the tasks out, to await them.
    pub(crate) fn take_work(&self) -> JoinSet<()> {
        std::mem::take(&mut *self.work.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for this long, or until the sandbox stops.
    pub(crate) async fn pause(&self, duration: Duration) {
        if !duration.is_zero() {
            // No caller needs to know which of the two it was.
            drop(tokio::time::timeout(duration, self.stop.cancelled()).await);
        }
    }

    /// The time since the start, in milliseconds.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl State {
    /// The droplet of an id, if the API knows it.
    pub(crate) fn readable(&self, id: u64) -> Option<&Droplet> {
        self.droplets
            .get(&id)
            .filter(|droplet| droplet.is_readable())
    }

    /// The same, if reads by id find it already.
    pub(crate) fn found(&self, id: u64, now: Instant) -> Option<&Droplet> {
        self.readable(id)
            .filter(|droplet| droplet.found_from <= now)
    }

    /// The droplet of an id, if the API knows it, for changes.
    pub(crate) fn readable_mut(&mut self, id: u64) -> Option<&mut Droplet> {
        self.droplets
            .get_mut(&id)
            .filter(|droplet| droplet.is_readable())
    }

    /// How many droplets count towards the limit.
    pub(crate) fn living(&self) -> usize {
        self.droplets
            .values()
            .filter(|droplet| droplet.is_readable())
            .count()
    }

    /// Ensures that a tag exists and returns its key.
    pub(crate) fn ensure_tag(&mut self, name: &str) -> String {
        self.tags.ensure(name, &self.knobs.tag_case)
    }

    /// Tags a droplet; the tag shows after the tag lag unless it is there already.
    pub(crate) fn tag(&mut self, id: u64, name: &str, now: Instant) {
        let visible_from = now + self.knobs.tag_lag;
        let key = self.ensure_tag(name);
        if let Some(droplet) = self.readable_mut(id) {
            droplet.tags.entry(key).or_insert(visible_from);
        }
    }
}

/// The current time as the API writes it.
pub(crate) fn timestamp() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// An address for the `ordinal`th droplet if there are no hosts: from the ranges that RFC 5737 and
/// RFC 2544 reserve for documentation and tests.
pub(crate) fn imaginary_address(ordinal: u32) -> Ipv4Addr {
    let [_, _, high, low] = ordinal.to_be_bytes();
    if high == 0 && low < 254 {
        Ipv4Addr::new(203, 0, 113, low + 1)
    } else {
        Ipv4Addr::new(198, 18, high, low)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn imaginary_addresses_differ() {
        let addresses: BTreeSet<Ipv4Addr> = (0..2000).map(imaginary_address).collect();
        assert_eq!(addresses.len(), 2000);
        assert!(addresses.contains(&Ipv4Addr::new(203, 0, 113, 1)));
    }
}
