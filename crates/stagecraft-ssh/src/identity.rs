//! The keys to log in with, gathered before anything is sent.

use std::collections::BTreeSet;
use std::io::ErrorKind as IoErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, PrivateKey, PublicKey, decode_secret_key};
use stagecraft_core::{Error, ErrorKind, Fingerprint, Result, seconds};
use tokio::net::UnixStream;

use crate::config::Identity;

/// The most keys of one agent that are offered.
const AGENT_LIMIT: usize = 5;
/// The most keys that are offered in all.
const OFFER_LIMIT: usize = 6;
/// No private key file is larger.
const FILE_LIMIT: u64 = 64 * 1024;

pub(crate) type Agent = AgentClient<UnixStream>;

/// A key that can be offered.
pub(crate) enum Candidate {
    File {
        key: Arc<PrivateKey>,
        label: String,
    },
    Agent {
        identity: Box<AgentIdentity>,
        /// Its place in [`Keys::agents`].
        agent: usize,
        label: String,
    },
}

/// The keys to offer, in their order, and the agents that sign with them.
#[derive(Default)]
pub(crate) struct Keys {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) agents: Vec<Agent>,
    seen: BTreeSet<Vec<u8>>,
}

/// Gathers the keys of `identity`.
///
/// # Errors
///
/// [`ErrorKind::Config`] if not one key can be used.
pub(crate) async fn gather(identity: &Identity, deadline: Duration) -> Result<Keys> {
    let mut keys = Keys::default();
    let mut failures = Vec::new();
    for source in flatten(identity) {
        let added = match source {
            Identity::File(path) => keys.add_file(path),
            Identity::Agent(socket) => keys.add_agent(socket, deadline).await,
            Identity::Any(_) => Ok(()),
        };
        if let Err(error) = added {
            tracing::debug!(%error, "a source of login keys is left out");
            failures.push(error);
        }
    }
    if keys.candidates.is_empty() {
        return Err(none_usable(failures));
    }
    keys.candidates.truncate(OFFER_LIMIT);
    Ok(keys)
}

pub(crate) fn flatten(identity: &Identity) -> Vec<&Identity> {
    match identity {
        Identity::Any(all) => all.iter().flat_map(flatten).collect(),
        one => vec![one],
    }
}

fn none_usable(mut failures: Vec<Error>) -> Error {
    match failures.len() {
        0 => Error::new(ErrorKind::Config, "no key to log in with is configured"),
        1 => failures.remove(0),
        _ => {
            let reasons: Vec<String> = failures.iter().map(ToString::to_string).collect();
            let error = Error::new(
                ErrorKind::Config,
                format!("no key to log in with can be used: {}", reasons.join("; ")),
            );
            match failures.iter().find_map(Error::hint) {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        }
    }
}

impl Candidate {
    /// The public half, and where it comes from.
    pub(crate) fn public(&self) -> (Vec<u8>, &str) {
        match self {
            Self::File { key, label } => (wire(key.public_key()), label),
            Self::Agent {
                identity, label, ..
            } => (wire(&identity.public_key()), label),
        }
    }
}

impl Keys {
    pub(crate) fn add_file(&mut self, path: &Path) -> Result<()> {
        let key = read_key(path)?;
        let wire = wire(key.public_key());
        if self.seen.insert(wire.clone()) {
            let label = format!("{} ({})", Fingerprint::of_wire(&wire), path.display());
            self.candidates.push(Candidate::File {
                key: Arc::new(key),
                label,
            });
        }
        Ok(())
    }

    pub(crate) async fn add_agent(&mut self, socket: &Path, deadline: Duration) -> Result<()> {
        let place = socket.display();
        let unreachable = || {
            Error::new(
                ErrorKind::Config,
                format!("ssh-agent at {place} cannot be reached"),
            )
            .with_hint("start ssh-agent and add a key with `ssh-add`")
        };
        let listed = tokio::time::timeout(deadline, async {
            let mut agent = Agent::connect_uds(socket).await?;
            let identities = agent.request_identities().await?;
            Ok::<_, russh::keys::Error>((agent, identities))
        })
        .await
        .map_err(|_| {
            Error::new(
                ErrorKind::Config,
                format!(
                    "ssh-agent at {place} gave no answer within {}",
                    seconds(deadline)
                ),
            )
        })?;
        let (agent, identities) = listed.map_err(|error| unreachable().with_source(error))?;
        if identities.is_empty() {
            return Err(Error::new(
                ErrorKind::Config,
                format!("ssh-agent at {place} holds no key"),
            )
            .with_hint("add a key with `ssh-add`"));
        }
        if identities.len() > AGENT_LIMIT {
            tracing::debug!(held = identities.len(), offered = AGENT_LIMIT, "agent");
        }
        for identity in identities.into_iter().take(AGENT_LIMIT) {
            let (wire, what) = match &identity {
                AgentIdentity::PublicKey { key, .. } => (wire(key), "ssh-agent"),
                AgentIdentity::Certificate { certificate, .. } => (
                    certificate.to_bytes().unwrap_or_default(),
                    "certificate in ssh-agent",
                ),
            };
            let public = self::wire(&identity.public_key());
            if self.seen.insert(wire) {
                let label = format!("{} ({what})", Fingerprint::of_wire(&public));
                self.candidates.push(Candidate::Agent {
                    identity: Box::new(identity),
                    agent: self.agents.len(),
                    label,
                });
            }
        }
        self.agents.push(agent);
        Ok(())
    }
}

fn wire(key: &PublicKey) -> Vec<u8> {
    key.to_bytes().unwrap_or_default()
}

fn read_key(path: &Path) -> Result<PrivateKey> {
    let place = path.display();
    let unreadable = |error: std::io::Error| {
        let message = if error.kind() == IoErrorKind::NotFound {
            format!("key file {place} does not exist")
        } else {
            format!("key file {place} cannot be read")
        };
        Error::new(ErrorKind::Config, message).with_source(error)
    };
    let not_a_key = || {
        Error::new(
            ErrorKind::Config,
            format!("file {place} holds no private key"),
        )
    };
    let encrypted = || {
        Error::new(ErrorKind::Config, format!("key file {place} is encrypted"))
            .with_hint(format!("add it to ssh-agent with `ssh-add {place}`"))
    };

    let file = std::fs::metadata(path).map_err(unreadable)?;
    if !file.is_file() || file.len() > FILE_LIMIT {
        return Err(not_a_key());
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_| not_a_key())?;
    if text.starts_with("ssh-") || text.starts_with("ecdsa-") {
        return Err(not_a_key().with_hint("this is a public key; name the file without `.pub`"));
    }
    // The older formats say so in a header, which the decoder does not always heed.
    if text
        .lines()
        .any(|line| line.starts_with("-----BEGIN ENCRYPTED") || line.contains("4,ENCRYPTED"))
    {
        return Err(encrypted());
    }
    let key = match decode_secret_key(&text, None) {
        Ok(key) => key,
        Err(russh::keys::Error::KeyIsEncrypted) => return Err(encrypted()),
        Err(error) => return Err(not_a_key().with_source(error)),
    };
    if matches!(
        key.algorithm(),
        Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256
    ) {
        return Err(Error::new(
            ErrorKind::Config,
            format!("key file {place} needs its hardware token"),
        )
        .with_hint(format!("add it to ssh-agent with `ssh-add {place}`")));
    }
    Ok(key)
}
