//! Full host keys that hosts present: connections themselves know fingerprints only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use stagecraft_core::{ConnectPhase, Error, ErrorKind, Fingerprint, RemoteTarget, Result, Run};
use tokio_util::sync::CancellationToken;

use super::{SshConnector, Stop, place_behind};
use crate::client::{Client, Observed};
use crate::gate::Stage;
use crate::known_hosts::PublicKeyLine;
use crate::tether::Tether;
use crate::trust::{Server, Trust};

/// A host key that was presented before a login, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShownKey {
    /// The key.
    pub key: PublicKeyLine,
    /// The address connected to, for example `192.0.2.7:22`.
    pub place: String,
    /// Why it is not the host's own address: `HostName` of an `ssh_config` file, as text for
    /// messages.
    pub detour: Option<String>,
}

/// Proven keys, by fingerprint.
#[derive(Debug, Default)]
pub(crate) struct Proven(Mutex<BTreeMap<Fingerprint, PublicKeyLine>>);

impl Proven {
    /// Records the key of a session after its login.
    pub(crate) fn note(&self, observed: &Observed) {
        let Some(key) = observed.shown_key() else {
            return;
        };
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.fingerprint(), key);
    }
}

impl SshConnector {
    /// The full key of a fingerprint that a host of this connector, or of a clone of it, has
    /// proven.
    pub fn proven_key(&self, fingerprint: Fingerprint) -> Option<PublicKeyLine> {
        let keys = self.proven.0.lock();
        let keys = keys.unwrap_or_else(PoisonError::into_inner);
        keys.get(&fingerprint).cloned()
    }

    /// Reads the ed25519 host key that a host proves now, and disconnects before a login.
    ///
    /// The key is not verified: it belongs to the server at the address, or to an attacker in
    /// between. Compare it with what the host's console or its cloud shows. The target's accepted
    /// keys are ignored.
    ///
    /// # Errors
    ///
    /// As [`Connector::connect`](stagecraft_core::Connector::connect), but for those of the login.
    pub async fn shown_key(&self, run: &Run, target: &RemoteTarget) -> Result<ShownKey> {
        run.check()?;
        let host = &target.host;
        let (login, chain) = self.routes.of_target(run, target)?;
        let via = self.link(run, &chain, &ConnectPhase::default()).await?;
        let server = Server {
            name: host.to_string(),
            place: place_behind(via.as_deref(), &login.host, login.port),
            source: login.detour.clone(),
            trust: Trust::pins(Vec::new()),
        };
        let stop = Stop {
            login,
            server,
            is_jump: false,
        };
        let phase = ConnectPhase::default();
        let mut permit = self.gates.enter(run, &stop.server.place, &phase).await?;
        let stream = self.open(run, &stop, via.as_deref()).await?;
        permit.reach(Stage::Connected);
        let observed = Arc::new(Observed::default());
        let cut = CancellationToken::new();
        let _tied = cut.clone().drop_guard();
        let stream = Tether::new(stream, cut, observed.clone());
        // It expects no key, so the session ends as soon as one was proven.
        let client = Client::new(Vec::new(), observed.clone(), CancellationToken::new());
        let ended = self.exchange_keys(run, &stop, stream, client, &observed);
        match (ended.await, observed.shown_key()) {
            (_, Some(key)) => Ok(ShownKey {
                key,
                place: stop.server.place.clone(),
                detour: stop.server.source.clone(),
            }),
            (Err(error), None) => Err(error),
            (Ok(_), None) => Err(Error::new(
                ErrorKind::Protocol,
                format!("{host} has shown no host key"),
            )),
        }
    }
}
