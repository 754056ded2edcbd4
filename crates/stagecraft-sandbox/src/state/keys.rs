//! SSH keys of the account.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use ssh_key::PublicKey;
use tokio::time::Instant;

/// A public key of the account.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) fingerprint: String,
    /// In OpenSSH's format.
    pub(crate) openssh: String,
    visible_from: Instant,
}

impl Key {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "fingerprint": self.fingerprint,
            "public_key": self.openssh,
            "name": self.name,
        })
    }
}

/// Why a key was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyRefused {
    /// Not an OpenSSH public key.
    Invalid,
    /// The same key exists already, under any name.
    InUse,
}

/// The keys of the account, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    keys: BTreeMap<u64, Key>,
    made: u64,
}

impl Keys {
    /// Adds a key that can be read from `visible_from` on.
    pub(crate) fn add(
        &mut self,
        name: &str,
        public_key: &str,
        visible_from: Instant,
    ) -> Result<&Key, KeyRefused> {
        let fingerprint = fingerprint(public_key).ok_or(KeyRefused::Invalid)?;
        if self.keys.values().any(|key| key.fingerprint == fingerprint) {
            return Err(KeyRefused::InUse);
        }
        self.made += 1;
        let id = 46_102_310 + self.made;
        let (name, openssh) = (name.to_owned(), public_key.trim().to_owned());
        let key = Key {
            id,
            name,
            fingerprint,
            openssh,
            visible_from,
        };
        Ok(self.keys.entry(id).or_insert(key))
    }

    /// Finds a key by its id or fingerprint.
    pub(crate) fn find(&self, key: &str, now: Instant) -> Option<&Key> {
        let id: Option<u64> = key.parse().ok();
        self.visible(now)
            .find(|known| Some(known.id) == id || known.fingerprint == key)
    }

    /// The keys that can be read already.
    pub(crate) fn visible(&self, now: Instant) -> impl Iterator<Item = &Key> {
        self.keys
            .values()
            .filter(move |key| key.visible_from <= now)
    }

    /// Renames a key.
    pub(crate) fn rename(&mut self, id: u64, name: &str) -> Option<&Key> {
        let key = self.keys.get_mut(&id)?;
        name.clone_into(&mut key.name);
        Some(key)
    }

    /// Removes a key.
    pub(crate) fn remove(&mut self, id: u64) {
        self.keys.remove(&id);
    }
}

/// The MD5 of the key in hexadecimal pairs, the vendor's format.
fn fingerprint(public_key: &str) -> Option<String> {
    let blob = PublicKey::from_openssh(public_key.trim())
        .ok()?
        .to_bytes()
        .ok()?;
    let mut text = String::new();
    for byte in md5::compute(blob).0 {
        let colon = if text.is_empty() { "" } else { ":" };
        write!(text, "{colon}{byte:02x}").ok()?;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIc97hasv1q/warG+Tkpby9YNHI0GJTEPB25bFl2a6wG a comment";

    #[test]
    fn fingerprints_are_those_of_ssh_keygen() {
        // `ssh-keygen -l -E md5` prints the same for this key.
        let mut keys = Keys::default();
        let key = keys.add("laptop", KEY, Instant::now()).unwrap();
        assert_eq!(
            key.fingerprint,
            "6e:fd:3d:14:72:4d:84:b1:2f:23:7d:bd:6d:17:f3:e1"
        );
    }

    #[test]
    fn the_same_key_under_another_name_is_refused() {
        let mut keys = Keys::default();
        keys.add("laptop", KEY, Instant::now()).unwrap();
        let again = KEY.replace("a comment", "another");
        assert_eq!(
            keys.add("other", &again, Instant::now()).unwrap_err(),
            KeyRefused::InUse
        );
        assert_eq!(
            keys.add("bad", "ssh-rsa x", Instant::now()).unwrap_err(),
            KeyRefused::Invalid
        );
    }
}
