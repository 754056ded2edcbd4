//! Host keys that are known before the first connection.
//!
//! A create request carries a fresh host key in its user data and the key's fingerprint in a
//! tag. Anyone who can read the tags can verify the host before the first packet, from any
//! machine, without saved state.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, BASE64_NOPAD};
use secrecy::SecretString;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{LineEnding, PrivateKey};

use crate::error::{Error, ErrorKind, Result};

/// The prefix of the tag with a host key's fingerprint.
pub const HOST_KEY_TAG_PREFIX: &str = "stagecraft-hostkey-";

/// The comment of the public key that a host is created with. The host's own keys have another.
pub const FIRST_HOST_KEY_COMMENT: &str = "stagecraft-first";

/// The SHA-256 fingerprint of a public host key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Computes the fingerprint of a public key in SSH's wire form.
    pub fn of_wire(public_key: &[u8]) -> Self {
        Self(Sha256::digest(public_key).into())
    }

    /// Computes the fingerprint of a public key in OpenSSH's one-line form, as in a `.pub` file.
    pub fn of_line(line: &str) -> Option<Self> {
        let key = ssh_key::PublicKey::from_openssh(line.trim()).ok()?;
        Some(Self::of_wire(&key.to_bytes().ok()?))
    }

    /// Reads the tag that [`tag`](Self::tag) writes. Case does not matter.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let (prefix, encoded) = tag.split_at_checked(HOST_KEY_TAG_PREFIX.len())?;
        if !prefix.eq_ignore_ascii_case(HOST_KEY_TAG_PREFIX) {
            return None;
        }
        let bytes = BASE32_NOPAD
            .decode(encoded.to_ascii_uppercase().as_bytes())
            .ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// Returns the tag that pins this key: base32 in lower case, since clouds ignore case in tags.
    pub fn tag(&self) -> String {
        let encoded = BASE32_NOPAD.encode(&self.0).to_ascii_lowercase();
        format!("{HOST_KEY_TAG_PREFIX}{encoded}")
    }
}

impl fmt::Display for Fingerprint {
    /// Formats it as OpenSSH does: `SHA256:` and base64 without padding.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA256:{}", BASE64_NOPAD.encode(&self.0))
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    /// Parses the output of `ssh-keygen -l`: `SHA256:` and base64 without padding.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for any other text.
    fn from_str(text: &str) -> Result<Self> {
        text.strip_prefix("SHA256:")
            .and_then(|encoded| BASE64_NOPAD.decode(encoded.as_bytes()).ok())
            .and_then(|bytes| Some(Self(bytes.try_into().ok()?)))
            .ok_or_else(|| {
                let rule = "write `SHA256:` and 43 characters of base64, as `ssh-keygen -l` does";
                Error::new(
                    ErrorKind::Config,
                    format!("invalid fingerprint {text:?}: {rule}"),
                )
            })
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A fresh ed25519 host key. The private half is kept only in the user data.
#[derive(Debug)]
pub struct HostKey {
    private: SecretString,
    public: String,
    fingerprint: Fingerprint,
}

impl HostKey {
    /// Generates a key from the system's randomness.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the system has no randomness.
    pub fn generate() -> Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the system gave no randomness").with_source(error)
        })?;
        let pair = Ed25519Keypair::from_seed(&seed);
        Self::from_pair(pair).map_err(|error| {
            Error::new(ErrorKind::Protocol, "cannot encode a key").with_source(error)
        })
    }

    fn from_pair(pair: Ed25519Keypair) -> Result<Self, ssh_key::Error> {
        let key = PrivateKey::new(KeypairData::Ed25519(pair), FIRST_HOST_KEY_COMMENT)?;
        Ok(Self {
            private: SecretString::from(key.to_openssh(LineEnding::LF)?.to_string()),
            public: key.public_key().to_openssh()?,
            fingerprint: Fingerprint::of_wire(&key.public_key().to_bytes()?),
        })
    }

    /// The private key in OpenSSH's file form.
    pub fn private(&self) -> &SecretString {
        &self.private
    }

    /// The public key in OpenSSH's one-line form.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The fingerprint of the public key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn fingerprint_survives_its_tag_in_any_case() {
        let key = HostKey::generate().unwrap();
        let tag = key.fingerprint().tag();
        assert_eq!(tag.len(), HOST_KEY_TAG_PREFIX.len() + 52);
        assert_eq!(Fingerprint::from_tag(&tag), Some(key.fingerprint()));
        assert_eq!(
            Fingerprint::from_tag(&tag.to_ascii_uppercase()),
            Some(key.fingerprint())
        );
    }

    #[test]
    fn broken_tags_are_no_fingerprints() {
        for tag in [
            "",
            "stagecraft",
            "stagecraft-hostkey-",
            "stagecraft-hostkey-abc",
            "stagecraft-hostkey-ü",
        ] {
            assert_eq!(Fingerprint::from_tag(tag), None, "{tag}");
        }
    }

    #[test]
    fn fingerprint_is_read_as_ssh_keygen_prints_it_and_nothing_else_is() {
        let fingerprint = HostKey::generate().unwrap().fingerprint();
        let text = fingerprint.to_string();
        assert_eq!(text.parse::<Fingerprint>().unwrap(), fingerprint);
        for bad in [
            "",
            "SHA256:",
            &text[..text.len() - 1],
            &format!("{text}="),
            &text[7..],
        ] {
            let error = bad.parse::<Fingerprint>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{bad}");
        }
    }

    #[test]
    fn fingerprint_is_the_one_that_ssh_key_prints() {
        let key = HostKey::generate().unwrap();
        let parsed = ssh_key::PublicKey::from_openssh(key.public()).unwrap();
        assert_eq!(
            parsed.fingerprint(ssh_key::HashAlg::Sha256).to_string(),
            key.fingerprint().to_string()
        );
        assert!(
            key.private()
                .expose_secret()
                .starts_with("-----BEGIN OPENSSH PRIVATE KEY-----")
        );
    }
}
