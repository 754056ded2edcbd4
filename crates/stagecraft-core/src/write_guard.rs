//! A guard between a run and its writes.

use async_trait::async_trait;

use crate::error::{Error, Result};

/// Guards the writes of a run.
#[async_trait]
pub trait WriteGuard: Send + Sync + std::fmt::Debug {
    /// Checks whether the next write may be sent. Queries the cloud only if that is unknown.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Locked`](crate::ErrorKind::Locked) if another run works on the environment now;
    /// the provider's own if that cannot be determined.
    async fn check(&self) -> Result<()>;

    /// Whether [`check`](Self::check) would send no request now.
    fn is_fresh(&self) -> bool;

    /// Returns why no more writes may be sent, once that is the case.
    fn lost(&self) -> Option<Error>;

    /// Returns the random id of the run that holds the lease, which no other holder has.
    fn run_id(&self) -> &str;
}
