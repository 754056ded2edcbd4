//! Unlocked keys: encrypted keys are decrypted once, however many hosts use them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use russh::keys::PrivateKey;
use secrecy::SecretString;
use stagecraft_core::{ConnectPhase, Error, ErrorKind, Result, Run, SecretSource};
use tokio::sync::Mutex;

use crate::key_file::{Locked, NotOpened};

/// Most prompts for one passphrase.
const TRIES: u32 = 3;

/// Prompts a person for the passphrase of a key.
#[async_trait]
pub trait AskPassphrase: Send + Sync + std::fmt::Debug {
    /// Prompts for the passphrase of a key file; `None` without a terminal, or if nothing was
    /// typed. `is_again` is set after a wrong passphrase.
    async fn ask(&self, run: &Run, key_file: &Path, is_again: bool) -> Option<SecretString>;
}

/// Decrypted keys, and the failures.
#[derive(Debug, Default)]
pub(crate) struct Vault {
    source: Option<SecretSource>,
    ask: Option<Arc<dyn AskPassphrase>>,
    // Held while a key is decrypted, so that there is only one prompt.
    opened: Mutex<BTreeMap<PathBuf, Result<Arc<PrivateKey>>>>,
}

impl Vault {
    pub(crate) fn new(source: Option<SecretSource>) -> Self {
        Self {
            source,
            ..Self::default()
        }
    }

    pub(crate) fn with_ask(self, ask: Arc<dyn AskPassphrase>) -> Self {
        Self {
            ask: Some(ask),
            ..self
        }
    }

    /// Decrypts a key. Concurrent callers for the same key get the same result, also on failure.
    /// While it waits for a person or a command, `phase` says so.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] without a passphrase or with a wrong one, [`ErrorKind::SecretMissing`]
    /// if it cannot be read, [`ErrorKind::Cancelled`].
    pub(crate) async fn open(
        &self,
        run: &Run,
        path: &Path,
        locked: &Locked,
        phase: &ConnectPhase,
    ) -> Result<Arc<PrivateKey>> {
        phase.begin(format!("waiting for the passphrase of {}", path.display()));
        let mut opened = self.opened.lock().await;
        match opened.get(path) {
            Some(Ok(key)) => return Ok(Arc::clone(key)),
            Some(Err(error)) => return Err(error.duplicate()),
            None => {}
        }
        let key = tokio::select! {
            biased;
            () = run.cancellation().cancelled() => return Err(Error::cancelled()),
            key = self.open_once(run, path, locked) => key.map(Arc::new),
        };
        let kept = match &key {
            Ok(key) => Ok(Arc::clone(key)),
            Err(error) => Err(error.duplicate()),
        };
        opened.insert(path.to_path_buf(), kept);
        key
    }

    /// Whether passphrases are available without a prompt.
    pub(crate) fn knows(&self) -> bool {
        self.source.is_some()
    }

    async fn open_once(&self, run: &Run, path: &Path, locked: &Locked) -> Result<PrivateKey> {
        if let Some(source) = &self.source {
            let passphrase = secret(run, source, "passphrase", "passphrase").await?;
            return locked
                .open(path, &passphrase)
                .await
                .map_err(|reason| not_opened(path, reason));
        }
        let mut error = encrypted(path);
        for attempt in 0..TRIES {
            let Some(ask) = &self.ask else { break };
            let Some(passphrase) = ask.ask(run, path, attempt > 0).await else {
                // Cancelling the run does not mean that there is no passphrase.
                run.check()?;
                break;
            };
            match locked.open(path, &passphrase).await {
                Ok(key) => return Ok(key),
                Err(reason) => error = not_opened(path, reason),
            }
        }
        Err(error)
    }
}

/// Reads a required secret. `key` is the prefix of the settings that name it.
pub(crate) async fn secret(
    run: &Run,
    source: &SecretSource,
    what: &str,
    key: &str,
) -> Result<SecretString> {
    let missing = || {
        let ending = match source {
            SecretSource::Variable(_) => "env",
            SecretSource::File(_) => "file",
            SecretSource::Command(_) => "cmd",
        };
        let message = format!("{what} missing from {source}");
        Error::new(ErrorKind::SecretMissing, message).with_hint(format!(
            "provide it, or correct infra.bootstrap.ssh.{key}_{ending}"
        ))
    };
    match run.secret(source).await {
        Ok(Some(secret)) => Ok(secret),
        Ok(None) => Err(missing()),
        Err(error) if error.kind() == ErrorKind::SecretMissing => Err(missing().with_source(error)),
        Err(error) => Err(error),
    }
}

fn encrypted(path: &Path) -> Error {
    let place = path.display();
    Error::new(ErrorKind::Config, format!("key file {place} is encrypted")).with_hint(format!(
        "add it to ssh-agent with `ssh-add {place}`, or name its passphrase by infra.bootstrap.ssh.passphrase_env"
    ))
}

fn not_opened(path: &Path, reason: NotOpened) -> Error {
    match reason {
        NotOpened::Useless(error) => error,
        NotOpened::Wrong => {
            let place = path.display();
            let message = format!("the passphrase of key file {place} is wrong");
            Error::new(ErrorKind::Config, message)
                .with_hint(format!("try it with `ssh-keygen -y -f {place}`"))
        }
    }
}
