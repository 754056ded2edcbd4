//! The host keys that hosts show, as a whole: connections themselves know fingerprints only.

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

/// A host key that was shown before a login, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShownKey {
    /// The key.
    pub key: PublicKeyLine,
    /// What was connected to, for example `192.0.2.7:22`.
    pub place: String,
    /// What leads there, if it is not the host's own address: `HostName` of a file in the form
    /// of `ssh_config`, in words.
    pub detour: Option<String>,
}

/// The keys that were proven, by their fingerprints.
#[derive(Debug, Default)]
pub(crate) struct Proven(Mutex<BTreeMap<Fingerprint, PublicKeyLine>>);

impl Proven {
    /// Notes the key of a session that was logged in to.
    pub(crate) fn note(&self, observed: &Observed) {
        let Some(key) = observed.shown_key() else {
            return;
        };
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.fingerprint(), key);
    }
}

impl SshConnector {
    /// The whole key of a fingerprint that a host of this connector, or of a clone of it, has
    /// proven to have.
    pub fn proven_key(&self, fingerprint: Fingerprint) -> Option<PublicKeyLine> {
        let keys = self.proven.0.lock();
        let keys = keys.unwrap_or_else(PoisonError::into_inner);
        keys.get(&fingerprint).cloned()
    }

    /// Reads the ed25519 host key that a host proves to have now, and hangs up before a login.
    ///
    /// Nothing is known by that: whoever is at the address, or between, has shown it. It has to
    /// be compared with what the host's console or its cloud shows. The keys that the target may
    /// show do not count.
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
