//! Pinning host keys in the cloud, where every machine can read them.

use async_trait::async_trait;

use crate::error::Result;
use crate::hostkey::Fingerprint;
use crate::name::HostId;
use crate::plan::Account;
use crate::run::Run;

/// The ability of a cloud to hold the fingerprints of host keys, as tags.
///
/// Each call is safe to repeat, and calls [`Run::before_write`] before each write.
#[async_trait]
pub trait HostKeyPins: Send + Sync + std::fmt::Debug {
    /// Gives a host one more key that it may show. A key that is pinned already stays so.
    ///
    /// # Errors
    ///
    /// The provider's own, by kind. A call that failed may have been carried out.
    async fn pin(&self, run: &Run, host: &HostId, key: Fingerprint) -> Result<()>;

    /// Takes exactly these keys from these hosts, and drops what nobody bears any more.
    ///
    /// A host that is gone, and a key that is not pinned, count as done.
    ///
    /// # Errors
    ///
    /// The provider's own, by kind. Some pins may be gone then and others not.
    async fn unpin(&self, run: &Run, pins: &[(HostId, Fingerprint)]) -> Result<()>;
}

/// What one machine remembers of host keys. Never needed: the pins in the cloud say it all, and
/// win over it.
///
/// Nothing here fails: what cannot be remembered is not.
#[async_trait]
pub trait HostKeyCache: Send + Sync + std::fmt::Debug {
    /// Tells which cloud the hosts are in. Ids mean nothing without it; until it is known,
    /// nothing is remembered.
    fn begin(&self, account: &Account, endpoint: &str);

    /// The keys that a host is remembered by.
    fn known(&self, host: &HostId) -> Vec<Fingerprint>;

    /// A host was logged in to, and has proven to have this key.
    fn proven(&self, host: &HostId, key: Fingerprint);

    /// Keeps what was [proven](Self::proven) since, for later runs.
    async fn save(&self, run: &Run);

    /// Forgets hosts that are gone.
    async fn forget(&self, run: &Run, hosts: &[HostId]);
}
