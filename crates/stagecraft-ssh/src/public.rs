//! The public halves of the keys to log in with.

use std::collections::BTreeSet;
use std::time::Duration;

use stagecraft_core::{Error, ErrorKind, Fingerprint, LoginKey};

use crate::config::Identity;
use crate::identity::{Keys, flatten, wire};
use crate::key_file::{self, KeyFile};

/// The public halves of all keys that would be offered to a host.
///
/// Asks agents, and reads the files of private keys. Nothing is signed, so nobody is asked for
/// a passphrase. Safe to repeat. `deadline` is the time for the answer of one agent.
///
/// `None` if a source cannot be read: then nobody can say which keys there are.
pub async fn public_keys(identity: &Identity, deadline: Duration) -> Option<Vec<LoginKey>> {
    let mut agents = Keys::default();
    let mut publics = Vec::new();
    let mut seen = BTreeSet::new();
    let mut add = |wire: Vec<u8>, place: String| {
        if seen.insert(wire.clone()) {
            publics.push(LoginKey { wire, place });
        }
    };
    for source in flatten(identity) {
        let added = match source {
            Identity::File(path) => key_file::read(path).and_then(|file| {
                let public = match file {
                    KeyFile::Open(key) => key.public_key().clone(),
                    KeyFile::Locked(locked) => locked.public.ok_or_else(|| {
                        let message = format!("key file {} is encrypted", path.display());
                        Error::new(ErrorKind::Config, message)
                    })?,
                };
                let wire = wire(&public);
                let label = format!("{} ({})", Fingerprint::of_wire(&wire), path.display());
                add(wire, label);
                Ok(())
            }),
            Identity::Agent(socket) => agents.ask_agent(socket, deadline).await.map(|keys| {
                for key in keys {
                    let (wire, label) = key.public();
                    add(wire, label.to_owned());
                }
            }),
            Identity::Any(_) => Ok(()),
        };
        if let Err(error) = added {
            tracing::debug!(%error, "not all login keys are known");
            return None;
        }
    }
    Some(publics)
}
