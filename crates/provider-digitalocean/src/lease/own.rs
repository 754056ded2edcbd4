//! Leases held by this process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;

/// Markers created by this process, by id.
#[derive(Debug, Default)]
pub(crate) struct Own(Mutex<BTreeMap<String, Clock>>);

impl Own {
    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Clock>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
