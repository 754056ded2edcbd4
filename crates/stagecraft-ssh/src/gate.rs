//! How many logins one address sees at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use stagecraft_core::{Error, Result, Run};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most connections to one address that have not logged in yet. OpenSSH's server begins to
/// hang up on some at 10 (`MaxStartups` of `sshd_config(5)`).
const LIMIT: usize = 8;

/// Lets at most [`LIMIT`] through for each address.
#[derive(Debug, Default)]
pub(crate) struct Gates(Mutex<BTreeMap<String, Arc<Semaphore>>>);

impl Gates {
    /// Waits for a place, which is free again once the permit is dropped.
    pub(crate) async fn enter(&self, run: &Run, place: &str) -> Result<OwnedSemaphorePermit> {
        let gate = {
            let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let gate = gates
                .entry(place.to_owned())
                .or_insert_with(|| Arc::new(Semaphore::new(LIMIT)));
            Arc::clone(gate)
        };
        tokio::select! {
            biased;
            () = run.cancellation().cancelled() => Err(Error::cancelled()),
            permit = gate.acquire_owned() => permit.map_err(|_| Error::cancelled()),
        }
    }
}
