//! Host keys remembered by this machine: `.stagecraft/known_hosts` beside the configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use stagecraft_core::{Account, Error, Fingerprint, HostId, HostKeyCache, Run};
use stagecraft_ssh::SshConnector;
use stagecraft_ssh::known_hosts::{KnownHosts, PublicKeyLine, update_all};

/// The state directory of a project, beside its configuration.
const DIRECTORY: &str = ".stagecraft";

/// Known hosts file in which each host has an alias of endpoint, account and id.
///
/// Addresses and names are reused by other hosts later; an id is not.
#[derive(Debug)]
pub(crate) struct HostKeyFile {
    directory: PathBuf,
    /// Source of full public keys.
    connector: SshConnector,
    /// The suffix of this run's aliases.
    place: OnceLock<String>,
    known: OnceLock<KnownHosts>,
    proven: Mutex<BTreeMap<HostId, Fingerprint>>,
}

impl HostKeyFile {
    /// The file for the configuration in a directory. Reads nothing.
    pub(crate) fn new(beside: &Path, connector: SshConnector) -> Self {
        Self {
            directory: beside.join(DIRECTORY),
            connector,
            place: OnceLock::new(),
            known: OnceLock::new(),
            proven: Mutex::default(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.join("known_hosts")
    }

    fn alias(&self, host: &HostId) -> Option<String> {
        Some(format!("{}.{}", word(host.as_str()), self.place.get()?))
    }

    fn known_hosts(&self) -> &KnownHosts {
        self.known.get_or_init(|| {
            KnownHosts::load(&self.path()).unwrap_or_else(|error| {
                tracing::warn!(%error, "no host key is remembered");
                KnownHosts::default()
            })
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<HostId, Fingerprint>> {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the file, in a directory that Git ignores.
    async fn write(
        &self,
        run: &Run,
        changes: &[(String, Option<PublicKeyLine>)],
    ) -> Result<(), Error> {
        let changes = changes
            .iter()
            .map(|(name, key)| (name.as_str(), key.as_ref()));
        update_all(run, &self.path(), changes).await?;
        let ignore = self.directory.join(".gitignore");
        if !ignore.exists()
            && let Err(error) = std::fs::write(&ignore, "*\n")
        {
            tracing::warn!(%error, "{} was not written", ignore.display());
        }
        Ok(())
    }
}

#[async_trait]
impl HostKeyCache for HostKeyFile {
    fn begin(&self, account: &Account, endpoint: &str) {
        let endpoint = endpoint
            .split_once("://")
            .map_or(endpoint, |(_, rest)| rest);
        let place = format!("{}.{}", word(&account.id), word(endpoint));
        self.place.get_or_init(|| place);
    }

    fn known(&self, host: &HostId) -> Vec<Fingerprint> {
        let Some(alias) = self.alias(host) else {
            return Vec::new();
        };
        let keys = self.known_hosts().lookup(&alias, 22).into_iter();
        keys.filter(|known| !known.is_revoked)
            .map(|known| known.key.fingerprint())
            .collect()
    }

    fn proven(&self, host: &HostId, key: Fingerprint) {
        self.lock().insert(host.clone(), key);
    }

    async fn save(&self, run: &Run) {
        let proven = std::mem::take(&mut *self.lock());
        let changes: Vec<_> = proven
            .into_iter()
            .filter_map(|(host, key)| {
                let key = self.connector.proven_key(key)?;
                Some((self.alias(&host)?, Some(key)))
            })
            .collect();
        if changes.is_empty() {
            return;
        }
        // A cancelled run keeps what it has learned.
        if let Err(error) = self.write(&run.shielded(), &changes).await {
            tracing::warn!(%error, "host keys are not remembered");
        }
    }

    async fn forget(&self, run: &Run, hosts: &[HostId]) {
        let aliases = hosts.iter().filter_map(|host| self.alias(host));
        let changes: Vec<_> = aliases.map(|alias| (alias, None)).collect();
        if changes.is_empty() || !self.path().exists() {
            return;
        }
        if let Err(error) = self.write(&run.shielded(), &changes).await {
            tracing::warn!(%error, "host keys are not forgotten");
        }
    }
}

/// As a part of a host name: lower-case letters, digits, dots and dashes.
fn word(text: &str) -> String {
    let text = text.trim_matches('/').to_ascii_lowercase();
    let keep = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    };
    text.chars().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use stagecraft_core::HostKey;
    use stagecraft_ssh::SshConfig;

    use super::*;

    fn account(id: &str) -> Account {
        Account {
            id: id.to_owned(),
            name: "ops@example.com".to_owned(),
            team: None,
        }
    }

    fn file(directory: &Path, account_id: &str, endpoint: &str) -> HostKeyFile {
        let connector = SshConnector::new(SshConfig::default());
        let file = HostKeyFile::new(directory, connector);
        file.begin(&account(account_id), endpoint);
        file
    }

    #[tokio::test]
    async fn hosts_are_told_apart_by_endpoint_account_and_id_and_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let run = Run::default();
        let key: PublicKeyLine = HostKey::generate().unwrap().public().parse().unwrap();
        let api = "https://api.digitalocean.com/";
        let host = HostId::new("7");
        let own = file(directory.path(), "Acc_1", api);
        let alias = own.alias(&host).unwrap();
        assert_eq!(alias, "7.acc-1.api.digitalocean.com");
        own.write(&run, &[(alias, Some(key.clone()))])
            .await
            .unwrap();
        let again = file(directory.path(), "acc_1", api);
        assert_eq!(again.known(&host), [key.fingerprint()]);
        for (account, endpoint, id) in [
            ("acc_2", api, "7"),
            ("acc_1", "http://127.0.0.1:8080", "7"),
            ("acc_1", api, "8"),
        ] {
            let other = file(directory.path(), account, endpoint);
            assert!(other.known(&HostId::new(id)).is_empty(), "{account} {id}");
        }
        let ignore = directory.path().join(".stagecraft/.gitignore");
        assert_eq!(std::fs::read_to_string(ignore).unwrap(), "*\n");
        again.forget(&run, std::slice::from_ref(&host)).await;
        assert!(file(directory.path(), "acc_1", api).known(&host).is_empty());
    }

    #[tokio::test]
    async fn nothing_is_made_where_there_is_nothing_to_forget_or_keep() {
        let directory = tempfile::tempdir().unwrap();
        let own = file(directory.path(), "a", "b");
        own.forget(&Run::default(), &[HostId::new("7")]).await;
        own.save(&Run::default()).await;
        assert!(!directory.path().join(DIRECTORY).exists());
    }
}
