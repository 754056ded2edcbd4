//! Private key files.

use std::fs::Metadata;
use std::io::ErrorKind as IoErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use russh::keys::{Algorithm, PrivateKey, PublicKey, decode_secret_key};
use secrecy::{ExposeSecret as _, SecretString};
use stagecraft_core::{Error, ErrorKind, Result};

use form::{Closed, Form};

mod form;

/// Size limit of private key files.
const FILE_LIMIT: u64 = 64 * 1024;

/// The content of a key file.
pub(crate) enum KeyFile {
    Open(Box<PrivateKey>),
    Locked(Box<Locked>),
    /// Only the public half: an agent may have the other.
    Public(Box<PublicKey>),
}

/// An encrypted key.
pub(crate) struct Locked {
    text: SecretString,
    form: Form,
    /// Its public half, which OpenSSH's own format does not encrypt.
    pub(crate) public: Option<PublicKey>,
}

/// The file with the same name and an additional suffix.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Why an encrypted key was not decrypted.
pub(crate) enum NotOpened {
    /// The passphrase seems to be wrong.
    Wrong,
    /// Decrypted, but unusable.
    Useless(Error),
}

/// Reads a key file.
///
/// # Errors
///
/// [`ErrorKind::Config`] if it cannot be read, contains no usable key, or is readable by others.
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
    if !text.contains("PRIVATE KEY") && !text.trim_start().starts_with("PuTTY-") {
        return Err(not_a_key());
    }
    is_private(path, &file)?;
    let form = Form::of(&text).map_err(|form| unsupported(path, &form))?;
    if let Some(form) = form {
        let open = PrivateKey::from_openssh(&text).ok();
        return Ok(KeyFile::Locked(Box::new(Locked {
            public: open.map(|key| key.public_key().clone()),
            text: text.into(),
            form,
        })));
    }
    match decode_secret_key(&text, None) {
        Ok(key) => Ok(KeyFile::Open(Box::new(usable(key, path)?))),
        Err(error) => Err(not_a_key().with_source(error)),
    }
}

/// Checks that only its owner can read a file, if the owner is the current user: as `ssh` does.
fn is_private(path: &Path, file: &Metadata) -> Result<()> {
    let mode = file.mode() & 0o777;
    let others = mode & 0o077;
    if file.uid() != rustix::process::getuid().as_raw() || others == 0 {
        return Ok(());
    }
    let place = path.display();
    Err(Error::new(
        ErrorKind::Config,
        format!("key file {place} is open to others (mode {mode:04o}), so it is not used"),
    )
    .with_hint(format!("close it with `chmod 600 {place}`")))
}

/// No passphrase can decrypt it here.
fn unsupported(path: &Path, form: &str) -> Error {
    let place = path.display();
    let hint = if path.extension().is_some_and(|end| end == "ppk") {
        format!("rewrite it with `puttygen {place} -O private-openssh -o NEW_FILE`")
    } else {
        format!("rewrite it in OpenSSH's own form with `ssh-keygen -p -f {place}`")
    };
    let message = format!("key file {place}: this form of encryption is not supported ({form})");
    Error::new(ErrorKind::Config, message).with_hint(hint)
}

fn not_private(path: &Path) -> Error {
    let message = format!("file {} holds no private key", path.display());
    Error::new(ErrorKind::Config, message)
}

/// The error for a file with a public key whose private half is nowhere.
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
    /// Decrypts the key. Takes a good part of a second of computing, on purpose.
    pub(crate) async fn open(
        &self,
        path: &Path,
        passphrase: &SecretString,
    ) -> Result<PrivateKey, NotOpened> {
        let (form, text) = (self.form.clone(), self.text.clone());
        let passphrase = passphrase.clone();
        let decode = move || form.open(text.expose_secret(), passphrase.expose_secret());
        match tokio::task::spawn_blocking(decode).await {
            Ok(Ok(key)) => usable(key, path).map_err(NotOpened::Useless),
            Ok(Err(Closed::Unsupported(form))) => Err(NotOpened::Useless(unsupported(path, &form))),
            Ok(Err(Closed::Wrong)) | Err(_) => Err(NotOpened::Wrong),
        }
    }
}
