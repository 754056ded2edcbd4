//! OpenSSH user certificates from files, and their signers.

use std::path::Path;
use std::sync::Arc;

use russh::keys::agent::AgentIdentity;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{Certificate, HashAlg, PrivateKey, PublicKey};
use russh::{AgentAuthError, Signer};
use stagecraft_core::{Error, ErrorKind, Result};

use crate::agent::Agent;
use crate::file;
use crate::key_file::beside;

/// Size limit of certificate files.
const FILE_LIMIT: u64 = 64 * 1024;

/// The key that signs for a certificate.
#[derive(Debug, Clone)]
pub(crate) enum CertificateKey {
    File(Arc<PrivateKey>),
    Agent {
        key: PublicKey,
        /// Index of the agent.
        agent: usize,
    },
}

/// Reads a certificate.
///
/// # Errors
///
/// [`ErrorKind::Config`] if the file cannot be read, or contains no user certificate.
pub(crate) fn read(path: &Path) -> Result<Certificate> {
    let wrong = |what: &str| {
        let message = format!("certificate file {} {what}", path.display());
        Error::new(ErrorKind::Config, message)
    };
    let content = file::read(path, FILE_LIMIT)
        .map_err(|error| wrong("cannot be read").with_source(error))?
        .ok_or_else(|| wrong("does not exist"))?;
    let text = String::from_utf8_lossy(&content);
    let certificate = Certificate::from_openssh(text.trim())
        .map_err(|error| wrong("holds no certificate").with_source(error))?;
    if certificate.cert_type().is_user() {
        Ok(certificate)
    } else {
        Err(wrong("holds the certificate of a host, not of a user"))
    }
}

/// The certificate beside a key file, where `ssh-keygen -s` writes it.
pub(crate) fn of_key_file(path: &Path) -> Option<(std::path::PathBuf, Certificate)> {
    let path = beside(path, "-cert.pub");
    if !path.exists() {
        return None;
    }
    match read(&path) {
        Ok(certificate) => Some((path, certificate)),
        Err(error) => {
            tracing::debug!(%error, "a certificate beside a key is left out");
            None
        }
    }
}

/// The public key that a certificate certifies.
pub(crate) fn subject(certificate: &Certificate) -> PublicKey {
    PublicKey::from(certificate.public_key().clone())
}

/// Signs for a certificate.
pub(crate) enum CertificateSigner<'a> {
    File(&'a PrivateKey),
    /// An agent that has the key, but maybe not the certificate.
    Agent(&'a mut Agent, &'a PublicKey),
}

impl Signer for CertificateSigner<'_> {
    type Error = AgentAuthError;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        mut to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, Self::Error> {
        match self {
            Self::File(key) => {
                let signature = signature(key, hash, &to_sign).map_err(russh::keys::Error::from)?;
                let encoded = signature.encode_vec().map_err(russh::keys::Error::from)?;
                encoded
                    .encode(&mut to_sign)
                    .map_err(russh::keys::Error::from)?;
                Ok(to_sign)
            }
            Self::Agent(agent, key) => {
                let identity = AgentIdentity::PublicKey {
                    key: key.clone(),
                    comment: String::new(),
                };
                agent.auth_sign(&identity, hash, to_sign).await
            }
        }
    }
}

fn signature(
    key: &PrivateKey,
    hash: Option<HashAlg>,
    data: &[u8],
) -> Result<russh::keys::ssh_key::Signature, russh::keys::ssh_key::Error> {
    match key.key_data() {
        KeypairData::Rsa(pair) => Ok((pair, hash).try_sign(data)?),
        other => Ok(other.try_sign(data)?),
    }
}
