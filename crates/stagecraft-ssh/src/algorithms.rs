//! Transport algorithms, and the error for a server that supports none of them.

use std::borrow::Cow;

use russh::client::GexParams;
use russh::keys::Algorithm;
use russh::{AlgorithmKind, Preferred, cipher, compression, kex, mac};
use stagecraft_core::{Error, ErrorKind};

use crate::printable::printable;

/// In order of preference: by their cost here. The missing ones of `OpenSSH` use SHA-1, or are not
/// known to the library (`sntrup761x25519-sha512`).
const EXCHANGES: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_G16_SHA512,
    kex::DH_GEX_SHA256,
    kex::DH_G15_SHA512,
    kex::DH_G14_SHA256,
    kex::DH_G17_SHA512,
    kex::DH_G18_SHA512,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];
/// Without those in CBC mode.
const CIPHERS: &[cipher::Name] = &[
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];
/// Without SHA-1, MD5 and UMAC, which the library does not know.
const MACS: &[mac::Name] = &[
    mac::HMAC_SHA512_ETM,
    mac::HMAC_SHA256_ETM,
    mac::HMAC_SHA512,
    mac::HMAC_SHA256,
];
/// The group sizes in bits that a server may choose from, and the preferred one: twice the size
/// takes eight times as long.
const GROUPS: (usize, usize, usize) = (3072, 4096, 8192);

/// Algorithms to offer a server, with host keys of these types. `is_derived` omits the key exchange
/// for which the library does not expose the shared secret.
pub(crate) fn preferred(host_keys: Vec<Algorithm>, is_derived: bool) -> Preferred {
    let exchanges = if is_derived {
        &EXCHANGES[1..]
    } else {
        EXCHANGES
    };
    Preferred {
        kex: Cow::Borrowed(exchanges),
        key: Cow::Owned(host_keys),
        cipher: Cow::Borrowed(CIPHERS),
        mac: Cow::Borrowed(MACS),
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::DEFAULT
    }
}

/// The groups that a server may choose for the key exchange.
pub(crate) fn groups() -> GexParams {
    let (least, wanted, most) = GROUPS;
    GexParams::new(least, wanted, most).unwrap_or_default()
}

/// The error for a server at `address` that shares none of our algorithms of a kind.
pub(crate) fn none_in_common(kind: &AlgorithmKind, theirs: &[String], address: &str) -> Error {
    let (what, setting) = match kind {
        AlgorithmKind::Kex => ("key exchange", "KexAlgorithms"),
        AlgorithmKind::Cipher => ("cipher", "Ciphers"),
        AlgorithmKind::Mac => ("MAC", "MACs"),
        AlgorithmKind::Key => ("host key", "HostKeyAlgorithms"),
        AlgorithmKind::Compression => ("compression", "Compression"),
    };
    let ours = match kind {
        AlgorithmKind::Kex => names(EXCHANGES),
        AlgorithmKind::Cipher => names(CIPHERS),
        AlgorithmKind::Mac => names(MACS),
        AlgorithmKind::Key => Algorithm::Ed25519.to_string(),
        AlgorithmKind::Compression => compression::NONE.as_ref().to_owned(),
    };
    let theirs: Vec<&str> = theirs
        .iter()
        .map(String::as_str)
        .filter(|name| !is_extension(name))
        .collect();
    let theirs = printable(&theirs.join(", "));
    Error::new(
        ErrorKind::Protocol,
        format!("{address} offers no {what} that Stagecraft uses, only {theirs}"),
    )
    .with_hint(format!(
        "allow one of these by {setting} of the host's sshd_config(5): {ours}"
    ))
}

fn names<T: AsRef<str>>(all: &[T]) -> String {
    let names: Vec<&str> = all
        .iter()
        .map(AsRef::as_ref)
        .filter(|name| !is_extension(name))
        .collect();
    names.join(", ")
}

/// Whether a name in the list of key exchanges is an extension.
fn is_extension(name: &str) -> bool {
    name.starts_with("ext-info-") || name.starts_with("kex-strict-")
}
