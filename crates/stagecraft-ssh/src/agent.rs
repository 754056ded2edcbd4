//! Reads the keys of SSH agents.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use stagecraft_core::{Error, ErrorKind, Event, Result, Run, seconds};
use tokio::net::UnixStream;

/// How long an agent may take before the wait is reported.
const TOLD_AFTER: Duration = Duration::from_secs(1);
/// Timeout of an agent that did not answer before.
const SILENT_DEADLINE: Duration = Duration::from_secs(1);

pub(crate) type Agent = AgentClient<UnixStream>;

/// Agents that did not answer in time. Otherwise each connection would wait as long again.
#[derive(Debug, Default)]
pub(crate) struct Silent(Mutex<BTreeSet<PathBuf>>);

impl Silent {
    fn sockets(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How agents are queried.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    /// Timeout of one agent.
    pub(crate) deadline: Duration,
    pub(crate) silent: &'a Silent,
    /// The run that reports a slow agent.
    pub(crate) run: Option<&'a Run>,
}

impl Asking<'_> {
    /// Lists the keys of an agent, at least one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if it cannot be reached, does not answer or holds no key.
    pub(crate) async fn ask(&self, socket: &Path) -> Result<(Agent, Vec<AgentIdentity>)> {
        let place = socket.display();
        let failed = |message: String, hint| Error::new(ErrorKind::Config, message).with_hint(hint);
        let deadline = if self.silent.sockets().contains(socket) {
            self.deadline.min(SILENT_DEADLINE)
        } else {
            self.deadline
        };
        let Some(listed) = self.listed(socket, deadline).await else {
            self.silent.sockets().insert(socket.to_path_buf());
            let time = seconds(deadline);
            return Err(failed(
                format!("ssh-agent at {place} gave no answer within {time}"),
                "unlock or restart it, or name another agent by SSH_AUTH_SOCK or IdentityAgent",
            ));
        };
        self.silent.sockets().remove(socket);
        let (agent, identities) = listed.map_err(|error| {
            failed(
                format!("ssh-agent at {place} cannot be reached"),
                "start ssh-agent and add a key with `ssh-add`",
            )
            .with_source(error)
        })?;
        if identities.is_empty() {
            return Err(failed(
                format!("ssh-agent at {place} holds no key"),
                "add a key with `ssh-add`",
            ));
        }
        Ok((agent, identities))
    }

    /// The agent's answer; `None` at the deadline.
    async fn listed(
        &self,
        socket: &Path,
        deadline: Duration,
    ) -> Option<Result<(Agent, Vec<AgentIdentity>), russh::keys::Error>> {
        let mut listing = pin!(async {
            let mut agent = Agent::connect_uds(socket).await?;
            let identities = agent.request_identities().await?;
            Ok((agent, identities))
        });
        let first = deadline.min(TOLD_AFTER);
        if let Ok(listed) = tokio::time::timeout(first, &mut listing).await {
            return Some(listed);
        }
        if let (Some(run), true) = (self.run, first < deadline) {
            run.emit(Event::Waiting {
                host: None,
                what: format!("the answer of ssh-agent at {}", socket.display()),
                elapsed: first,
                deadline,
            });
        }
        let rest = deadline.saturating_sub(first);
        tokio::time::timeout(rest, listing).await.ok()
    }
}
