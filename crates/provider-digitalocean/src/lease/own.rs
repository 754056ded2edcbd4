//! The leases that this process holds.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;

/// The markers that this process made, by id.
#[derive(Debug, Default)]
pub(crate) struct Own(Mutex<BTreeMap<String, Clock>>);

impl Own {
    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Clock>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
