//! User data, by the file that it is read from or by its digest.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

/// Texts that may hold secrets, so `Debug` shows only their keys.
pub(crate) struct Texts<K>(pub(crate) BTreeMap<K, String>);

impl<K> Default for Texts<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K> Deref for Texts<K> {
    type Target = BTreeMap<K, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<K: fmt::Debug> fmt::Debug for Texts<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
