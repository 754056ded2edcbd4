//! The public halves of the keys to log in with.

use std::time::Duration;

use stagecraft_core::LoginKey;

use crate::config::Identity;
use crate::identity::{Keys, flatten};

/// The public halves of all keys that would be offered to a host.
///
/// Asks agents, and reads the files of private keys. Nothing is signed, so nobody is asked for
/// a passphrase. Safe to repeat. `deadline` is the time for the answer of one agent.
///
/// `None` if a source cannot be read: then nobody can say which keys there are.
pub async fn public_keys(identity: &Identity, deadline: Duration) -> Option<Vec<LoginKey>> {
    let mut keys = Keys::default();
    for source in flatten(identity) {
        let added = match source {
            Identity::File(path) => keys.add_file(path),
            Identity::Agent(socket) => keys.add_agent(socket, deadline).await,
            Identity::Any(_) => Ok(()),
        };
        if let Err(error) = added {
            tracing::debug!(%error, "not all login keys are known");
            return None;
        }
    }
    let publics = keys.candidates.iter().map(|candidate| {
        let (wire, place) = candidate.public();
        LoginKey {
            wire,
            place: place.to_owned(),
        }
    });
    Some(publics.collect())
}
