//! Encryption formats of private keys.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use data_encoding::{BASE64, BASE64_MIME, HEXUPPER_PERMISSIVE};
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::pkcs5::Error as Pkcs5Error;
use russh::keys::ssh_key::Cipher;
use russh::keys::{PrivateKey, decode_secret_key};
use secrecy::zeroize::Zeroizing;

/// The format of an encrypted key.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// Supported by the library: `OpenSSH`'s own format and `PuTTY`'s.
    Known,
    /// PKCS#8, in DER.
    Pkcs8(Vec<u8>),
    /// The OpenSSL format before PKCS#8, which names the cipher in a header.
    Pem(Pem),
}

#[derive(Debug, Clone)]
pub(super) struct Pem {
    /// The text between `BEGIN` and `PRIVATE KEY`.
    kind: &'static str,
    /// The length of the AES key.
    length: usize,
    vector: [u8; 16],
    sealed: Vec<u8>,
}

/// Why a key was not decrypted.
#[derive(Debug)]
pub(super) enum Closed {
    Wrong,
    /// Named as in the file or by OpenSSL.
    Unsupported(String),
}

impl Form {
    /// The format of a file, unless it is not encrypted.
    ///
    /// # Errors
    ///
    /// The name of a format that is not supported, whatever the passphrase.
    pub(super) fn of(text: &str) -> Result<Option<Self>, String> {
        let mut lines = text.lines().map(str::trim);
        let Some(first) = lines.find(|line| !line.is_empty()) else {
            return Ok(None);
        };
        if first.starts_with("PuTTY-User-Key-File-") {
            let named = text
                .lines()
                .find_map(|line| line.strip_prefix("Encryption: "));
            return match named.map_or("none", str::trim) {
                "none" => Ok(None),
                "aes256-cbc" => Ok(Some(Self::Known)),
                other => Err(other.to_owned()),
            };
        }
        let body = || {
            let lines = text
                .lines()
                .skip_while(|line| !line.starts_with("-----BEGIN "));
            let lines = lines
                .skip(1)
                .take_while(|line| !line.starts_with("-----END "));
            let body: String = lines.filter(|line| !line.contains(':')).collect();
            BASE64_MIME
                .decode(body.trim().as_bytes())
                .unwrap_or_default()
        };
        let Some(begin) = text.lines().find(|line| line.starts_with("-----BEGIN ")) else {
            return Ok(None);
        };
        match begin.trim() {
            "-----BEGIN OPENSSH PRIVATE KEY-----" => match cipher_of(&body()) {
                None => Ok(None),
                Some(name) if name == "none" => Ok(None),
                Some(name) if is_opened(&name) => Ok(Some(Self::Known)),
                Some(name) => Err(name),
            },
            "-----BEGIN ENCRYPTED PRIVATE KEY-----" => {
                let der = body();
                match EncryptedPrivateKeyInfoRef::try_from(der.as_slice()) {
                    Ok(info) if info.encryption_algorithm.pbes2().is_some() => {
                        Ok(Some(Self::Pkcs8(der)))
                    }
                    Ok(_) => Err("PKCS#8 with PBES1".to_owned()),
                    Err(_) => Err("PKCS#8 with a cipher other than AES".to_owned()),
                }
            }
            begin => {
                let header = text
                    .lines()
                    .find_map(|line| line.strip_prefix("DEK-Info: "));
                let Some((cipher, vector)) = header.and_then(|header| header.split_once(','))
                else {
                    return Ok(None);
                };
                let kind = match begin {
                    "-----BEGIN RSA PRIVATE KEY-----" => "RSA ",
                    "-----BEGIN EC PRIVATE KEY-----" => "EC ",
                    _ => return Err(format!("PEM with {cipher}")),
                };
                let length = match cipher {
                    "AES-128-CBC" => 16,
                    "AES-192-CBC" => 24,
                    "AES-256-CBC" => 32,
                    _ => return Err(format!("PEM with {cipher}")),
                };
                let vector = HEXUPPER_PERMISSIVE.decode(vector.trim().as_bytes());
                let vector = vector.ok().and_then(|vector| vector.try_into().ok());
                Ok(Some(Self::Pem(Pem {
                    kind,
                    length,
                    vector: vector.ok_or_else(|| format!("PEM with {cipher}"))?,
                    sealed: body(),
                })))
            }
        }
    }

    /// Decrypts `text`, which has this format.
    pub(super) fn open(&self, text: &str, passphrase: &str) -> Result<PrivateKey, Closed> {
        match self {
            Self::Known => decode_secret_key(text, Some(passphrase)).map_err(|_| Closed::Wrong),
            Self::Pkcs8(der) => {
                let info = EncryptedPrivateKeyInfoRef::try_from(der.as_slice());
                let opened = info.and_then(|info| info.decrypt(passphrase));
                let opened = opened.map_err(|error| match error {
                    pkcs8::Error::EncryptedPrivateKey(
                        error @ (Pkcs5Error::UnsupportedAlgorithm { .. }
                        | Pkcs5Error::AlgorithmParametersInvalid { .. }
                        | Pkcs5Error::NoPbes1CryptSupport),
                    ) => Closed::Unsupported(format!("PKCS#8: {error}")),
                    _ => Closed::Wrong,
                })?;
                decode("", opened.as_bytes())
            }
            Self::Pem(pem) => decode(pem.kind, &pem.decrypt(passphrase).ok_or(Closed::Wrong)?),
        }
    }
}

impl Pem {
    /// OpenSSL's `EVP_BytesToKey` with MD5, then CBC.
    fn decrypt(&self, passphrase: &str) -> Option<Zeroizing<Vec<u8>>> {
        let mut key = Zeroizing::new(Vec::with_capacity(32));
        while key.len() < self.length {
            let mut digest = md5::Context::new();
            let last = key.len().saturating_sub(16);
            digest.consume(&key[last..]);
            digest.consume(passphrase.as_bytes());
            digest.consume(&self.vector[..8]);
            key.extend_from_slice(&digest.finalize().0);
        }
        let key = &key[..self.length];
        let mut text = Zeroizing::new(self.sealed.clone());
        macro_rules! decrypt {
            ($cipher:ty) => {
                cbc::Decryptor::<$cipher>::new_from_slices(key, &self.vector)
                    .ok()?
                    .decrypt_padded::<Pkcs7>(&mut text)
                    .ok()?
                    .len()
            };
        }
        let length = match self.length {
            16 => decrypt!(aes::Aes128),
            24 => decrypt!(aes::Aes192),
            _ => decrypt!(aes::Aes256),
        };
        text.truncate(length);
        Some(text)
    }
}

/// Decodes a key in DER. Data decrypted with a wrong passphrase is rarely valid.
fn decode(kind: &str, der: &[u8]) -> Result<PrivateKey, Closed> {
    let body = BASE64.encode(der);
    let text = Zeroizing::new(format!(
        "-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----\n"
    ));
    decode_secret_key(&text, None).map_err(|_| Closed::Wrong)
}

/// The cipher that `OpenSSH`'s own format names after its first fields.
fn cipher_of(blob: &[u8]) -> Option<String> {
    let rest = blob.strip_prefix(b"openssh-key-v1\0")?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let name = rest.get(..u32::from_be_bytes(*length) as usize)?;
    String::from_utf8(name.to_vec()).ok()
}

fn is_opened(cipher: &str) -> bool {
    Cipher::new(cipher).is_ok_and(|cipher| cipher != Cipher::TdesCbc)
}
