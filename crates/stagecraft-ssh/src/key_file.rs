//! Files of private keys.

use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};

use russh::keys::{Algorithm, PrivateKey, PublicKey, decode_secret_key};
use secrecy::{ExposeSecret as _, SecretString};
use stagecraft_core::{Error, ErrorKind, Result};

/// No private key file is larger.
const FILE_LIMIT: u64 = 64 * 1024;

/// What a file holds.
pub(crate) enum KeyFile {
    Open(Box<PrivateKey>),
    Locked(Locked),
    /// Only the public half: an agent may have the other.
    Public(Box<PublicKey>),
}

/// An encrypted key.
pub(crate) struct Locked {
    text: SecretString,
    /// Its public half, which OpenSSH's own form does not encrypt.
    pub(crate) public: Option<PublicKey>,
}

/// The file with the same name and a further ending.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Why an encrypted key was not opened.
pub(crate) enum NotOpened {
    /// The passphrase is wrong, as far as one can tell.
    Wrong,
    /// Opened, but of no use.
    Useless(Error),
}

/// Reads a file.
///
/// # Errors
///
/// [`ErrorKind::Config`] if it cannot be read, or holds no key that can be used.
pub(crate) fn read(path: &Path) -> Result<KeyFile> {
    let place = path.display();
    let unreadable = |error: std::io::Error| {
        let message = if error.kind() == IoErrorKind::NotFound {
            format!("key file {place} does not exist")
        } else {
            format!("key file {place} cannot be read")
        };
        Error::new(ErrorKind::Config, message).with_source(error)
    };
    let not_a_key = || not_private(path);

    let file = std::fs::metadata(path).map_err(unreadable)?;
    if !file.is_file() || file.len() > FILE_LIMIT {
        return Err(not_a_key());
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_| not_a_key())?;
    if ["ssh-", "ecdsa-", "sk-"]
        .iter()
        .any(|kind| text.starts_with(kind))
    {
        return match PublicKey::from_openssh(&text) {
            Ok(public) => Ok(KeyFile::Public(Box::new(public))),
            Err(error) => Err(not_a_key().with_source(error)),
        };
    }
    // The older formats say so in a header, which the decoder does not always heed.
    let is_locked = text.lines().any(|line| {
        line.starts_with("-----BEGIN ENCRYPTED")
            || line.contains("4,ENCRYPTED")
            || line
                .strip_prefix("Encryption: ")
                .is_some_and(|kind| kind != "none")
    });
    let locked = |text: String| {
        let open = PrivateKey::from_openssh(&text).ok();
        KeyFile::Locked(Locked {
            public: open.map(|key| key.public_key().clone()),
            text: text.into(),
        })
    };
    if is_locked {
        return Ok(locked(text));
    }
    match decode_secret_key(&text, None) {
        Ok(key) => Ok(KeyFile::Open(Box::new(usable(key, path)?))),
        Err(russh::keys::Error::KeyIsEncrypted) => Ok(locked(text)),
        Err(error) => Err(not_a_key().with_source(error)),
    }
}

fn not_private(path: &Path) -> Error {
    let message = format!("file {} holds no private key", path.display());
    Error::new(ErrorKind::Config, message)
}

/// The file is of a public key whose other half nobody has.
pub(crate) fn only_public(path: &Path) -> Error {
    not_private(path).with_hint(
        "this is a public key, and no ssh-agent that is asked has its private half; name the file without `.pub`, or add the key to the agent",
    )
}

fn usable(key: PrivateKey, path: &Path) -> Result<PrivateKey> {
    if matches!(
        key.algorithm(),
        Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256
    ) {
        let place = path.display();
        return Err(Error::new(
            ErrorKind::Config,
            format!("key file {place} needs its hardware token"),
        )
        .with_hint(format!("add it to ssh-agent with `ssh-add {place}`")));
    }
    Ok(key)
}

impl Locked {
    /// Decrypts the key. This takes a good part of a second of computing, on purpose.
    pub(crate) async fn open(
        &self,
        path: &Path,
        passphrase: &SecretString,
    ) -> Result<PrivateKey, NotOpened> {
        let (text, passphrase) = (self.text.clone(), passphrase.clone());
        let decode =
            move || decode_secret_key(text.expose_secret(), Some(passphrase.expose_secret())).ok();
        match tokio::task::spawn_blocking(decode).await {
            Ok(Some(key)) => usable(key, path).map_err(NotOpened::Useless),
            Ok(None) | Err(_) => Err(NotOpened::Wrong),
        }
    }
}
