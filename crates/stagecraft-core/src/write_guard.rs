//! What stands between a run and its writes.

use async_trait::async_trait;

use crate::error::{Error, Result};

/// Stands between a run and its writes.
#[async_trait]
pub trait WriteGuard: Send + Sync + std::fmt::Debug {
    /// Whether the next write may be sent. Asks the cloud only if that is not known.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Locked`](crate::ErrorKind::Locked) if another run works on the environment now; the provider's own if
    /// it cannot be known.
    async fn check(&self) -> Result<()>;

    /// Whether [`check`](Self::check) would ask nobody now.
    fn is_fresh(&self) -> bool;

    /// Why no write may be sent any more, once that is so.
    fn lost(&self) -> Option<Error>;

    /// The random id of the run that holds the lease, which no other holder has.
    fn run_id(&self) -> &str;
}
