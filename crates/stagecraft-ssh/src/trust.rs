//! Accepted host keys of a server, and the errors for other keys.

use std::path::{Path, PathBuf};

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use stagecraft_core::{Error, ErrorKind, Fingerprint, Result};

use crate::known_hosts::KnownHosts;

/// The server to connect to.
#[derive(Debug)]
pub(crate) struct Server {
    /// Its name, for example `app-1`.
    pub(crate) name: String,
    /// Its address, for example `192.0.2.7:22`.
    pub(crate) place: String,
    /// Why it is not the host's own address; added to its errors.
    pub(crate) source: Option<String>,
    pub(crate) trust: Trust,
}

/// The accepted keys.
#[derive(Debug)]
pub(crate) struct Trust {
    pub(crate) accepted: Vec<Fingerprint>,
    revoked: Vec<Fingerprint>,
    /// The key types to request.
    pub(crate) kinds: Vec<Algorithm>,
    /// The files with the keys; `None` for pins.
    files: Option<Files>,
}

#[derive(Debug)]
struct Files {
    paths: Vec<PathBuf>,
    has_authority: bool,
    /// The types of the accepted keys, as the files write them.
    kinds: Vec<String>,
}

impl Trust {
    /// Accepts exactly these ed25519 keys.
    pub(crate) fn pins(accepted: Vec<Fingerprint>) -> Self {
        Self {
            accepted,
            revoked: Vec::new(),
            kinds: vec![Algorithm::Ed25519],
            files: None,
        }
    }

    /// Accepts the keys that files contain for a host, by its name. Only their types are requested,
    /// so that an attacker cannot present a key of an unknown type.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if a file cannot be read.
    pub(crate) fn files(paths: &[PathBuf], host: &str, port: u16) -> Result<Self> {
        let mut known = KnownHosts::default();
        for path in paths {
            known = known.and(KnownHosts::load(path)?);
        }
        let mut keys = known.lookup(host, port);
        if keys.iter().all(|key| key.is_revoked) {
            // As OpenSSH does for a non-standard port.
            keys.extend(known.lookup(host, 22));
        }
        let (revoked, accepted): (Vec<_>, Vec<_>) =
            keys.into_iter().partition(|known| known.is_revoked);
        let revoked: Vec<_> = revoked
            .iter()
            .map(|known| known.key.fingerprint())
            .collect();
        let mut names: Vec<String> = Vec::new();
        for known in &accepted {
            if !names.iter().any(|name| name == known.key.kind()) {
                names.push(known.key.kind().to_owned());
            }
        }
        let kinds: Vec<Algorithm> = ALL_KINDS
            .iter()
            .filter(|(name, _)| accepted.is_empty() || names.iter().any(|known| known == name))
            .map(|(_, kind)| kind.clone())
            .collect();
        let fingerprints = accepted.iter().map(|known| known.key.fingerprint());
        Ok(Self {
            accepted: fingerprints.filter(|one| !revoked.contains(one)).collect(),
            revoked,
            kinds,
            files: Some(Files {
                paths: paths.to_vec(),
                has_authority: known.has_authority(host, port),
                kinds: names,
            }),
        })
    }
}

const fn ecdsa(curve: EcdsaCurve) -> Algorithm {
    Algorithm::Ecdsa { curve }
}

/// In order of preference.
const ALL_KINDS: [(&str, Algorithm); 6] = [
    ("ssh-ed25519", Algorithm::Ed25519),
    ("ecdsa-sha2-nistp256", ecdsa(EcdsaCurve::NistP256)),
    ("ecdsa-sha2-nistp384", ecdsa(EcdsaCurve::NistP384)),
    ("ecdsa-sha2-nistp521", ecdsa(EcdsaCurve::NistP521)),
    (
        "ssh-rsa",
        Algorithm::Rsa {
            hash: Some(HashAlg::Sha512),
        },
    ),
    (
        "ssh-rsa",
        Algorithm::Rsa {
            hash: Some(HashAlg::Sha256),
        },
    ),
];

impl Server {
    /// The error for a key that is not accepted.
    pub(crate) fn refusal(&self, shown: Fingerprint) -> Error {
        let Self {
            name, place, trust, ..
        } = self;
        let Some(files) = &trust.files else {
            return wrong_key(self, &trust.accepted, shown, "pin that");
        };
        if trust.revoked.contains(&shown) {
            let message = format!("host key {shown} of {name} ({place}) is revoked");
            return Error::new(ErrorKind::HostKey, message)
                .with_hint("whoever has this key is not to be trusted; ask who runs the host");
        }
        if !trust.accepted.is_empty() {
            let cure = "correct the file of known hosts";
            return wrong_key(self, &trust.accepted, shown, cure);
        }
        let message = format!("host key {shown} of {name} ({place}) is not known");
        let cure = format!(
            "compare the fingerprint with that of the host, then {}",
            files.cure()
        );
        let error = Error::new(ErrorKind::HostKey, message).with_hint(cure);
        if files.has_authority {
            error.with_context("note", "certificates of `@cert-authority` are not used")
        } else {
            error
        }
    }

    /// The error for a server with none of the requested key types.
    pub(crate) fn no_common_kind(&self, theirs: &str) -> Error {
        let name = &self.name;
        let kinds = self
            .trust
            .files
            .as_ref()
            .map(|files| files.kinds.join(", "));
        match kinds.filter(|kinds| !kinds.is_empty()) {
            Some(kinds) => Error::new(
                ErrorKind::HostKey,
                format!("{name} is known by a host key of type {kinds}, and has only {theirs}"),
            )
            .with_hint("verify its new fingerprint, then correct the file of known hosts"),
            None => Error::new(
                ErrorKind::HostKey,
                format!("{name} has no ssh-ed25519 host key, only {theirs}"),
            ),
        }
    }
}

impl Files {
    fn cure(&self) -> String {
        match self.paths.first() {
            Some(path) => format!(
                "log in once with `ssh`, or add its key to {}",
                Path::display(path)
            ),
            None => "name a file of known host keys that holds its key".to_owned(),
        }
    }
}

/// The error for a key that is not expected. `cure` is what to do once the key is verified.
fn wrong_key(server: &Server, expected: &[Fingerprint], shown: Fingerprint, cure: &str) -> Error {
    let Server { name, place, .. } = server;
    let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
    let expected = match expected.as_slice() {
        [one] => one.clone(),
        several => format!("one of {}", several.join(", ")),
    };
    let error = Error::new(
        ErrorKind::HostKey,
        format!("host key of {name} has changed: expected {expected}, but {place} showed {shown}"),
    );
    let usual = format!(
        "someone may be between you and the host; if it was rebuilt, verify the new fingerprint \
         on its console and {cure}"
    );
    match &server.source {
        // Most likely another host, so this comes first.
        Some(source) => error.with_hint(format!("{source}; if that is right, {usual}")),
        None => error.with_hint(usual),
    }
}

#[cfg(test)]
mod tests {
    use stagecraft_core::Retry;

    use super::*;

    #[test]
    fn wrong_key_names_all_fingerprints_and_is_never_retried() {
        let host = Server {
            name: "app-1".to_owned(),
            place: "192.0.2.7:22".to_owned(),
            source: None,
            trust: Trust::pins(Vec::new()),
        };
        let [a, b, c] = [b"a", b"b", b"c"].map(|key| Fingerprint::of_wire(key));
        let one = wrong_key(&host, &[a], c, "pin that");
        assert_eq!(
            one.to_string(),
            format!("host key of app-1 has changed: expected {a}, but 192.0.2.7:22 showed {c}")
        );
        let several = wrong_key(&host, &[a, b], c, "pin that").to_string();
        assert!(
            several.contains(&format!("expected one of {a}, {b}, but")),
            "{several}"
        );
        assert_eq!(one.retry(), Retry::Never);
        assert!(one.hint().is_some());
    }
}
