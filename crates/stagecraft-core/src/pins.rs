//! Pins: host key fingerprints in the cloud, readable from every machine.

use async_trait::async_trait;

use crate::error::Result;
use crate::hostkey::Fingerprint;
use crate::name::HostId;
use crate::plan::Account;
use crate::run::Run;

/// A cloud's store of host key fingerprints, as tags.
///
/// Each call is safe to repeat, and calls [`Run::before_write`] before each write.
#[async_trait]
pub trait HostKeyPins: Send + Sync + std::fmt::Debug {
    /// Adds a key that a host may present. Adding a pinned key again succeeds.
    ///
    /// # Errors
    ///
    /// The provider's own, by kind. A call that failed may have taken effect.
    async fn pin(&self, run: &Run, host: &HostId, key: Fingerprint) -> Result<()>;

    /// Removes exactly these keys from these hosts, and deletes tags without hosts.
    ///
    /// Missing hosts and keys that are not pinned count as done.
    ///
    /// # Errors
    ///
    /// The provider's own, by kind. Some pins may then be removed and others not.
    async fn unpin(&self, run: &Run, pins: &[(HostId, Fingerprint)]) -> Result<()>;
}

/// A local cache of host keys. Never required: the pins in the cloud are complete and take
/// precedence.
///
/// Its methods never fail: a key that cannot be stored is dropped.
#[async_trait]
pub trait HostKeyCache: Send + Sync + std::fmt::Debug {
    /// Sets the cloud of the hosts. Ids mean nothing without it, so nothing is cached until it is
    /// set.
    fn begin(&self, account: &Account, endpoint: &str);

    /// Returns the cached keys of a host.
    fn known(&self, host: &HostId) -> Vec<Fingerprint>;

    /// Records a key that a host proved at a login.
    fn proven(&self, host: &HostId, key: Fingerprint);

    /// Saves what was [proven](Self::proven) since, for later runs.
    async fn save(&self, run: &Run);

    /// Removes hosts that no longer exist.
    async fn forget(&self, run: &Run, hosts: &[HostId]);
}
