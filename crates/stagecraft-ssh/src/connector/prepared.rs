//! The keys that were looked at ahead of the connections.

use stagecraft_core::{ErrorKind, Result};
use tokio::sync::Mutex;

use crate::config::Identity;
use crate::identity::Keys;

/// What was found, by where the keys come from: hosts that are logged in to alike are one case.
#[derive(Debug, Default)]
pub(crate) struct Prepared(Mutex<Vec<(Identity, Result<()>)>>);

impl Prepared {
    /// Whether there are keys, by what `gather` finds the first time.
    ///
    /// # Errors
    ///
    /// Those of `gather`; the same each time, unless it was cancelled.
    pub(crate) async fn keys<F>(
        &self,
        identity: &Identity,
        gather: impl FnOnce() -> F,
    ) -> Result<()>
    where
        F: Future<Output = Result<Keys>>,
    {
        let copy = |found: &Result<()>| match found {
            Ok(()) => Ok(()),
            Err(error) => Err(error.duplicate()),
        };
        // Held while keys are gathered: an agent that hangs is waited for once.
        let mut all = self.0.lock().await;
        if let Some((_, found)) = all.iter().find(|(known, _)| known == identity) {
            return copy(found);
        }
        let found = gather().await.map(|_| ());
        let is_cancelled = |found: &Result<()>| matches!(found, Err(error) if error.kind() == ErrorKind::Cancelled);
        if !is_cancelled(&found) {
            all.push((identity.clone(), copy(&found)));
        }
        found
    }
}
