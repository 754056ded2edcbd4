//! Keys that were checked before the connections.

use stagecraft_core::{ErrorKind, Result};
use tokio::sync::Mutex;

use crate::config::Identity;
use crate::identity::Keys;

/// Results by key source: hosts with the same login share one.
#[derive(Debug, Default)]
pub(crate) struct Prepared(Mutex<Vec<(Identity, Result<()>)>>);

impl Prepared {
    /// Checks whether there are keys, with the result of the first call of `gather`.
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
        // Held while keys are gathered, so that a hanging agent delays only once.
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
