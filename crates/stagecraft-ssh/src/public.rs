//! Public halves of the login keys.

use std::collections::BTreeSet;
use std::time::Duration;

use stagecraft_core::{Fingerprint, LoginKey};

use crate::agent::{Asking, Silent};
use crate::config::Identity;
use crate::identity::{Keys, wire};

/// Returns the public halves of all keys that would be offered to a host.
///
/// Queries agents and reads private key files. Signs nothing, so there is no passphrase prompt.
/// Safe to repeat. `deadline` is the timeout of one agent.
///
/// `None` if a source cannot be read, because then the keys are unknown.
pub async fn public_keys(identity: &Identity, deadline: Duration) -> Option<Vec<LoginKey>> {
    let mut keys = Keys::default();
    let asking = Asking {
        deadline,
        silent: &Silent::default(),
        run: None,
    };
    let found = keys.find(identity, &asking).await;
    if let Some(error) = found.failures.first() {
        tracing::debug!(%error, "not all login keys are known");
        return None;
    }
    let mut all: Vec<Vec<LoginKey>> = Vec::new();
    for slot in &found.slots {
        let of_slot = slot.iter().map(|candidate| {
            let (wire, label) = candidate.public();
            let place = label.to_owned();
            LoginKey { wire, place }
        });
        all.push(of_slot.collect());
    }
    for (index, path, locked) in &found.closed {
        let wire = wire(locked.public.as_ref()?);
        let place = format!("{} ({})", Fingerprint::of_wire(&wire), path.display());
        all[*index].push(LoginKey { wire, place });
    }
    let mut seen = BTreeSet::new();
    let publics = all.into_iter().flatten();
    Some(
        publics
            .filter(|key| seen.insert(key.wire.clone()))
            .collect(),
    )
}
