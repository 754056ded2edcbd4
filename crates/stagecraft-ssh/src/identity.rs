//! Login keys, gathered before anything is sent.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::{Certificate, PrivateKey, PublicKey};
use stagecraft_core::{ConnectPhase, Error, ErrorKind, Fingerprint, Result, Run};

use crate::agent::{Agent, Asking, Silent};
use crate::certificate::{self, CertificateKey};
use crate::config::Identity;
use crate::key_file::{self, KeyFile, Locked, beside};
use crate::vault::Vault;

/// Most keys of one agent that are offered, beside those that files name.
const AGENT_LIMIT: usize = 5;
/// Most keys that are offered in all.
const OFFER_LIMIT: usize = 6;

/// A key that can be offered.
pub(crate) enum Candidate {
    File {
        key: Arc<PrivateKey>,
        label: String,
    },
    Agent {
        identity: Box<AgentIdentity>,
        /// Index in [`Keys::agents`].
        agent: usize,
        label: String,
    },
    /// A certificate from a file.
    Certificate {
        certificate: Box<Certificate>,
        key: CertificateKey,
        label: String,
    },
}

/// The keys to offer, in order, and the agents that sign with them.
#[derive(Default)]
pub(crate) struct Keys {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) agents: Vec<Agent>,
    /// Why existing keys are not offered.
    pub(crate) left_out: Vec<String>,
    seen: BTreeSet<Vec<u8>>,
}

/// Gathers the keys of `identity`. An encrypted file is not decrypted if an agent has its key, and
/// there is no passphrase prompt while another key can be offered.
///
/// # Errors
///
/// [`ErrorKind::Config`] if no key is usable; [`ErrorKind::Cancelled`].
pub(crate) async fn gather(
    run: &Run,
    identity: &Identity,
    deadline: Duration,
    (vault, silent): (&Vault, &Silent),
    phase: &ConnectPhase,
) -> Result<Keys> {
    let mut keys = Keys::default();
    let asking = Asking {
        deadline,
        silent,
        run: Some(run),
    };
    let mut found = keys.find(identity, &asking).await;
    for (index, path, locked) in found.closed {
        let is_needed = found.slots.iter().all(Vec::is_empty);
        if !is_needed && !vault.knows() {
            tracing::debug!(path = %path.display(), "an encrypted key is left closed");
            continue;
        }
        let opened = match vault.open(run, path, &locked, phase).await {
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
            opened => opened,
        };
        let candidate = opened.map(|key| vec![Candidate::of_file(key, path)]);
        found.slots[index] = left_out(candidate, &mut found.failures);
    }
    for wanted in found.certificates {
        match wanted.candidate(&found.slots, &[]) {
            Some(candidate) => found.slots[wanted.slot].push(candidate),
            None if wanted.is_named => found.failures.push(wanted.without_key()),
            None => {}
        }
    }
    for candidate in found.slots.into_iter().flatten() {
        keys.add(candidate);
    }
    if keys.candidates.is_empty() {
        return Err(none_usable(found.failures));
    }
    keys.candidates.truncate(OFFER_LIMIT);
    let failures = found.failures.iter().map(ToString::to_string);
    keys.left_out = failures.collect();
    Ok(keys)
}

/// The content of the key sources, before anything is decrypted.
pub(crate) struct Found<'a> {
    /// The keys of each source, in order.
    pub(crate) slots: Vec<Vec<Candidate>>,
    /// Encrypted files whose keys no agent has, with the indexes of their slots.
    pub(crate) closed: Vec<(usize, &'a Path, Box<Locked>)>,
    /// Certificates whose keys were not found yet.
    certificates: Vec<WantedCertificate>,
    pub(crate) failures: Vec<Error>,
}

/// A certificate from a file, to be offered with its key.
struct WantedCertificate {
    certificate: Certificate,
    path: PathBuf,
    slot: usize,
    /// Whether it was configured by name.
    is_named: bool,
}

impl WantedCertificate {
    /// The candidate, if its key is among these.
    fn candidate(&self, slots: &[Vec<Candidate>], held: &[Vec<Candidate>]) -> Option<Candidate> {
        let subject = wire(&certificate::subject(&self.certificate));
        let key = slots
            .iter()
            .chain(held)
            .flatten()
            .find_map(|candidate| match candidate {
                Candidate::File { key, .. } if wire(key.public_key()) == subject => {
                    Some(CertificateKey::File(Arc::clone(key)))
                }
                Candidate::Agent {
                    identity, agent, ..
                } => match identity.as_ref() {
                    AgentIdentity::PublicKey { key, .. } if wire(key) == subject => {
                        let (key, agent) = (key.clone(), *agent);
                        Some(CertificateKey::Agent { key, agent })
                    }
                    _ => None,
                },
                _ => None,
            })?;
        let fingerprint = Fingerprint::of_wire(&subject);
        Some(Candidate::Certificate {
            label: format!("{fingerprint} (certificate {})", self.path.display()),
            certificate: Box::new(self.certificate.clone()),
            key,
        })
    }

    fn without_key(&self) -> Error {
        let message = format!(
            "the private key of certificate file {} is neither in a key file nor in an agent",
            self.path.display()
        );
        Error::new(ErrorKind::Config, message)
    }
}

impl Keys {
    /// Queries the agents and reads the files.
    ///
    /// A key of an agent that a file names counts as the file's: it is offered before the other
    /// keys of the agent, whatever their order. Of those others only the first are offered.
    pub(crate) async fn find<'a>(
        &mut self,
        identity: &'a Identity,
        asking: &Asking<'_>,
    ) -> Found<'a> {
        let sources = flatten(identity);
        let mut failures = Vec::new();
        let mut held: Vec<Vec<Candidate>> = Vec::new();
        for source in &sources {
            let listed = match source {
                Identity::Agent(socket) | Identity::NamedAgent(socket) => {
                    self.ask_agent(socket, asking).await
                }
                Identity::File(_) | Identity::Certificate(_) | Identity::Any(_) => Ok(Vec::new()),
            };
            held.push(left_out(listed, &mut failures));
        }
        let mut slots: Vec<Vec<Candidate>> = sources.iter().map(|_| Vec::new()).collect();
        let mut closed = Vec::new();
        let mut named = 0;
        // As OpenSSH does: if certificates are named, those beside keys are ignored.
        let is_named = |source: &&Identity| matches!(source, Identity::Certificate(_));
        let are_certificates_named = sources.iter().any(is_named);
        let mut wanted = Vec::new();
        for (slot, source) in sources.iter().enumerate() {
            let found = match source {
                Identity::Certificate(path) => {
                    certificate::read(path).map(|found| Some((path.clone(), found)))
                }
                Identity::File(path) if !are_certificates_named => {
                    Ok(certificate::of_key_file(path))
                }
                _ => Ok(None),
            };
            match found {
                Ok(Some((path, certificate))) => wanted.push(WantedCertificate {
                    certificate,
                    path,
                    slot,
                    is_named: are_certificates_named,
                }),
                Ok(None) => {}
                Err(error) => failures.push(error),
            }
        }
        for (index, source) in sources.iter().enumerate() {
            let Identity::File(path) = source else {
                continue;
            };
            let public = match read_key(path) {
                Ok(KeyFile::Open(key)) => {
                    slots[index].push(Candidate::of_file(Arc::new(*key), path));
                    continue;
                }
                Ok(KeyFile::Locked(locked)) => match locked.public.clone() {
                    Some(public) if has(&held, &public) => public,
                    _ => {
                        closed.push((index, path.as_path(), locked));
                        continue;
                    }
                },
                Ok(KeyFile::Public(public)) if has(&held, &public) => *public,
                Ok(KeyFile::Public(_)) => {
                    failures.push(if path.exists() {
                        key_file::only_public(path)
                    } else {
                        nobody_has(path)
                    });
                    continue;
                }
                Err(error) => {
                    left_out(Err(error), &mut failures);
                    continue;
                }
            };
            let of_agents = take(&mut held, &public);
            named += of_agents.len();
            slots[index].extend(of_agents);
        }
        let mut certificates = Vec::new();
        for wanted in wanted {
            match wanted.candidate(&slots, &held) {
                Some(candidate) => {
                    named += 1;
                    slots[wanted.slot].push(candidate);
                }
                None => certificates.push(wanted),
            }
        }
        // Named keys must fit before others.
        let limit = AGENT_LIMIT.min(OFFER_LIMIT.saturating_sub(named));
        for ((slot, held), source) in slots.iter_mut().zip(held).zip(&sources) {
            if matches!(source, Identity::NamedAgent(_)) {
                continue;
            }
            if held.len() > limit {
                tracing::debug!(held = held.len(), offered = limit, "agent");
            }
            slot.extend(held.into_iter().take(limit));
        }
        Found {
            slots,
            closed,
            certificates,
            failures,
        }
    }
}

/// Reads a key file, or its public half beside it if the file is missing.
fn read_key(path: &Path) -> Result<KeyFile> {
    match key_file::read(path) {
        Err(error) if !path.exists() => match key_file::read(&beside(path, ".pub")) {
            Ok(public @ KeyFile::Public(_)) => Ok(public),
            _ => Err(error),
        },
        read => read,
    }
}

/// The error for a key of which only the public half exists.
fn nobody_has(path: &Path) -> Error {
    let place = path.display();
    let message = format!(
        "key file {place} does not exist, and no ssh-agent that is asked has the key of {place}.pub"
    );
    Error::new(ErrorKind::Config, message).with_hint("add the key to the agent with `ssh-add`")
}

fn left_out(found: Result<Vec<Candidate>>, failures: &mut Vec<Error>) -> Vec<Candidate> {
    found.unwrap_or_else(|error| {
        tracing::debug!(%error, "a source of login keys is left out");
        failures.push(error);
        Vec::new()
    })
}

/// Whether an agent's key, or a certificate of it, is this one.
fn is_of(candidate: &Candidate, wanted: &[u8]) -> bool {
    matches!(candidate, Candidate::Agent { identity, .. } if wire(&identity.public_key()) == wanted)
}

fn has(held: &[Vec<Candidate>], public: &PublicKey) -> bool {
    let wanted = wire(public);
    held.iter()
        .flatten()
        .any(|candidate| is_of(candidate, &wanted))
}

/// Takes the agents' candidates for a key.
fn take(held: &mut [Vec<Candidate>], public: &PublicKey) -> Vec<Candidate> {
    let wanted = wire(public);
    let mut taken = Vec::new();
    for candidates in held {
        taken.extend(candidates.extract_if(.., |candidate| is_of(candidate, &wanted)));
    }
    taken
}

pub(crate) fn flatten(identity: &Identity) -> Vec<&Identity> {
    match identity {
        Identity::Any(all) => all.iter().flat_map(flatten).collect(),
        one => vec![one],
    }
}

fn none_usable(mut failures: Vec<Error>) -> Error {
    match failures.len() {
        0 => Error::new(ErrorKind::Config, "no key to log in with is configured").with_hint(
            "add one to ssh-agent with `ssh-add`, or name its file by infra.bootstrap.ssh.private_key_path",
        ),
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
    fn of_file(key: Arc<PrivateKey>, path: &Path) -> Self {
        let fingerprint = Fingerprint::of_wire(&wire(key.public_key()));
        Self::File {
            label: format!("{fingerprint} ({})", path.display()),
            key,
        }
    }

    /// The offered form: a certificate is another offer than its key.
    fn own_wire(&self) -> Vec<u8> {
        match self {
            Self::File { key, .. } => wire(key.public_key()),
            Self::Certificate { certificate, .. } => certificate.to_bytes().unwrap_or_default(),
            Self::Agent { identity, .. } => match identity.as_ref() {
                AgentIdentity::PublicKey { key, .. } => wire(key),
                AgentIdentity::Certificate { certificate, .. } => {
                    certificate.to_bytes().unwrap_or_default()
                }
            },
        }
    }

    /// The public half, and its source.
    pub(crate) fn public(&self) -> (Vec<u8>, &str) {
        match self {
            Self::File { key, label } => (wire(key.public_key()), label),
            Self::Certificate {
                certificate, label, ..
            } => (wire(&certificate::subject(certificate)), label),
            Self::Agent {
                identity, label, ..
            } => (wire(&identity.public_key()), label),
        }
    }
}

impl Keys {
    /// Adds a key unless it is there already.
    pub(crate) fn add(&mut self, candidate: Candidate) {
        if self.seen.insert(candidate.own_wire()) {
            self.candidates.push(candidate);
        }
    }

    /// All keys that an agent would sign with.
    async fn ask_agent(&mut self, socket: &Path, asking: &Asking<'_>) -> Result<Vec<Candidate>> {
        let (agent, identities) = asking.ask(socket).await?;
        let place = self.agents.len();
        self.agents.push(agent);
        let held = identities.into_iter().map(|identity| {
            let what = match &identity {
                AgentIdentity::PublicKey { .. } => "ssh-agent",
                AgentIdentity::Certificate { .. } => "certificate in ssh-agent",
            };
            let public = wire(&identity.public_key());
            Candidate::Agent {
                label: format!("{} ({what})", Fingerprint::of_wire(&public)),
                identity: Box::new(identity),
                agent: place,
            }
        });
        Ok(held.collect())
    }
}

pub(crate) fn wire(key: &PublicKey) -> Vec<u8> {
    key.to_bytes().unwrap_or_default()
}
