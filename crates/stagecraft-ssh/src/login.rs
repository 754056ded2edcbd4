//! Public key login.

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg};
use russh::{AgentAuthError, MethodKind, MethodSet};
use stagecraft_core::{Login, Result};

use crate::certificate::{self, CertificateKey, CertificateSigner};
use crate::client::{Client, Observed};
use crate::identity::{Candidate, Keys};
use crate::refusal::Refusal;
use crate::trust::Server;

/// The outcome of offering one key.
enum Offer {
    Accepted,
    /// Refused, with the methods that the host accepts.
    Refused(MethodSet),
    /// Accepted, but one of these methods is required as well.
    Partial(MethodSet),
    /// The agent refused to sign.
    Unsigned(russh::keys::Error),
    Lost,
}

/// Offers one key after the other until the host accepts one.
pub(crate) async fn login(
    session: &mut Handle<Client>,
    observed: &Observed,
    user: &str,
    server: &Server,
    mut keys: Keys,
) -> Result<()> {
    bind_agents(session, &mut keys).await;
    let mut refusal = Refusal {
        server,
        user,
        observed,
        offered: Vec::new(),
        left_out: std::mem::take(&mut keys.left_out),
    };
    let mut methods = MethodSet::empty();
    // The accepted key, if the host requires more.
    let mut accepted = None;
    let mut rsa_hash = None;
    for candidate in std::mem::take(&mut keys.candidates) {
        let hash = match candidate.algorithm() {
            Algorithm::Rsa { .. } => {
                if rsa_hash.is_none() {
                    rsa_hash = Some(best_rsa_hash(session).await);
                }
                rsa_hash
            }
            _ => None,
        };
        let offer = match &candidate {
            Candidate::File { key, .. } => {
                let key = PrivateKeyWithHashAlg::new(key.clone(), hash);
                match session.authenticate_publickey(user, key).await {
                    Ok(result) => judge(session, &result),
                    Err(_) => Offer::Lost,
                }
            }
            Candidate::Certificate {
                certificate, key, ..
            } => {
                let mut signer = match key {
                    CertificateKey::File(key) => CertificateSigner::File(key),
                    CertificateKey::Agent { key, agent } => {
                        CertificateSigner::Agent(&mut keys.agents[*agent], key)
                    }
                };
                let certificate = certificate.as_ref().clone();
                let result = session
                    .authenticate_certificate_with(user, certificate, hash, &mut signer)
                    .await;
                judge_signed(session, result)
            }
            Candidate::Agent {
                identity, agent, ..
            } => {
                let agent = &mut keys.agents[*agent];
                let result = match identity.as_ref().clone() {
                    AgentIdentity::PublicKey { key, .. } => {
                        session
                            .authenticate_publickey_with(user, key, hash, agent)
                            .await
                    }
                    AgentIdentity::Certificate { certificate, .. } => {
                        session
                            .authenticate_certificate_with(user, certificate, hash, agent)
                            .await
                    }
                };
                judge_signed(session, result)
            }
        };
        tracing::debug!(
            host = server.name,
            key = candidate.label(),
            "offered a login key"
        );
        let label = candidate.label().to_owned();
        match offer {
            Offer::Accepted => {
                observed.logged_in(Login::new(user, &candidate.public().0));
                return Ok(());
            }
            Offer::Unsigned(error) => {
                tracing::debug!(%error, "the agent did not sign");
                refusal.offered.push(format!("{label} which did not sign"));
            }
            Offer::Partial(further) => {
                let is_enough = !further.contains(&MethodKind::PublicKey);
                methods = further;
                refusal.offered.push(label.clone());
                accepted = Some(label);
                if is_enough {
                    break;
                }
            }
            Offer::Refused(further) => {
                refusal.offered.push(label);
                methods = further;
                if !methods.contains(&MethodKind::PublicKey) {
                    break;
                }
            }
            Offer::Lost => {
                refusal.offered.push(label);
                // `MaxAuthTries` ends the connection instead of an answer.
                let end = observed.end().unwrap_or_default();
                return Err(if end.contains("authentication failures") {
                    refusal.too_many_keys()
                } else {
                    refusal.hung_up()
                });
            }
        }
    }
    Err(match accepted {
        Some(accepted) => refusal.second_factor(&accepted, &methods),
        None => refusal.no_key(&methods),
    })
}

/// Binds each agent to the host that it signs for. Keys that `ssh-add -h` restricts to some hosts
/// require it. An agent that does not know the request refuses it without harm.
async fn bind_agents(session: &Handle<Client>, keys: &mut Keys) {
    let Some(binding) = session.agent_session_binding() else {
        return;
    };
    for agent in &mut keys.agents {
        if let Err(error) = agent.bind_session(binding, false).await {
            tracing::debug!(%error, "the agent does not bind sessions");
        }
    }
}

/// Always SHA-2: a host that only knows SHA-1 signatures is refused.
async fn best_rsa_hash(session: &Handle<Client>) -> HashAlg {
    match session.best_supported_rsa_hash().await {
        Ok(Some(Some(hash))) => hash,
        _ => HashAlg::Sha256,
    }
}

fn judge_signed(session: &Handle<Client>, result: Result<AuthResult, AgentAuthError>) -> Offer {
    match result {
        Ok(result) => judge(session, &result),
        Err(AgentAuthError::Key(error)) => Offer::Unsigned(error),
        Err(AgentAuthError::Send(_)) => Offer::Lost,
    }
}

fn judge(session: &Handle<Client>, result: &AuthResult) -> Offer {
    match result {
        AuthResult::Success => Offer::Accepted,
        // The library reports a connection that ended as a refusal without methods.
        AuthResult::Failure {
            remaining_methods, ..
        } if remaining_methods.is_empty() && session.is_closed() => Offer::Lost,
        AuthResult::Failure {
            remaining_methods,
            partial_success: true,
        } => Offer::Partial(remaining_methods.clone()),
        AuthResult::Failure {
            remaining_methods, ..
        } => Offer::Refused(remaining_methods.clone()),
    }
}

impl Candidate {
    fn label(&self) -> &str {
        match self {
            Self::File { label, .. }
            | Self::Agent { label, .. }
            | Self::Certificate { label, .. } => label,
        }
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::File { key, .. } => key.algorithm(),
            Self::Agent { identity, .. } => identity.public_key().algorithm(),
            Self::Certificate { certificate, .. } => certificate::subject(certificate).algorithm(),
        }
    }
}
