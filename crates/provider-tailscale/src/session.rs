//! Session on one host: reading, waiting, and the evidence of errors.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use stagecraft_core::{
    Error, ErrorKind, PollPolicy, ProbeFacts, Remote, RemoteCommand, RemoteOutput, Result, Run,
    SecretSource, seconds,
};

use crate::decide::Target;
use crate::error::{Failure, transport, with_evidence};
use crate::facts::{HostFacts, PROBE};
use crate::status::{BackendState, Status};

/// Deadline of a command that only reads or edits: each of its parts has its own 10 s.
pub(crate) const SHORT: Duration = Duration::from_mins(1);
/// Most lines of output in an error.
pub(crate) const EVIDENCE_LINES: usize = 10;

/// The waits of a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    /// Until a daemon that was just started answers.
    pub(crate) daemon: PollPolicy,
    /// Until a node is connected.
    pub(crate) connect: PollPolicy,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            daemon: PollPolicy {
                interval: Duration::from_secs(1),
                deadline: Duration::from_secs(20),
            },
            connect: PollPolicy {
                interval: Duration::from_secs(2),
                deadline: Duration::from_secs(30),
            },
        }
    }
}

/// Work on one host.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) run: &'a Run,
    pub(crate) remote: &'a dyn Remote,
    pub(crate) auth_key: &'a SecretSource,
    pub(crate) target: Target<'a>,
    pub(crate) waits: Waits,
}

impl Session<'_> {
    /// Reads the host once.
    pub(crate) async fn read(&self, operation: &'static str) -> Result<HostFacts> {
        let output = self.script(PROBE.to_owned(), SHORT, operation).await?;
        let facts = ProbeFacts {
            output: output.stdout,
            code: 0,
        };
        HostFacts::parse(&facts).map_err(|failure| {
            let error = Error::from(failure).with_operation(operation);
            self.evidence(error, "output", &output.stderr)
        })
    }

    /// Reads the host once its daemon has settled after a start.
    pub(crate) async fn read_settled(&self) -> Result<HostFacts> {
        let settled = |facts: &HostFacts| {
            let status = facts.status();
            status.is_some_and(|status| status.state != BackendState::NoState)
        };
        let what = "tailscaled to answer";
        let (result, last) = self.poll(self.waits.daemon, what, "install", settled).await;
        match (result, last) {
            // A daemon may stay in `NoState` until it gets the command to connect.
            (Err(error), Some(facts)) if is_deadline(&error) && facts.status().is_some() => {
                Ok(facts)
            }
            (Err(error), _) if is_deadline(&error) => {
                Err(Error::from(Failure::DaemonSilent).with_source(error))
            }
            (result, _) => result,
        }
    }

    /// Waits until the node is connected, or clearly needs something else.
    pub(crate) async fn await_connection(&self) -> Result<HostFacts> {
        let node = &self.target.node.name;
        let settled = |facts: &HostFacts| {
            facts.status().is_some_and(|status| {
                status.is_connected()
                    || status.is_locked_out()
                    || matches!(
                        status.state,
                        BackendState::NeedsLogin | BackendState::NeedsMachineAuth
                    )
            })
        };
        let what = format!("{node} to connect to {}", self.target.config.tailnet_domain);
        let (result, last) = self
            .poll(self.waits.connect, &what, "verify", settled)
            .await;
        result.map_err(|error| {
            if !is_deadline(&error) {
                return error;
            }
            let status = last.as_ref().and_then(HostFacts::status);
            let failure = Failure::NotConnected {
                node: node.to_string(),
                waited: seconds(self.waits.connect.deadline),
                state: status.map_or("no answer from tailscaled".into(), Status::describe),
            };
            let error = Error::from(failure).with_source(error);
            self.with_health(error, last.as_ref())
        })
    }

    /// Waits until a connected node has its name in the tailnet, which may have been requested a
    /// moment ago. If it has another one at the deadline, the next decision handles it.
    pub(crate) async fn await_name(&self, facts: HostFacts) -> Result<HostFacts> {
        let named = |facts: &HostFacts| {
            let status = facts.status();
            status.is_none_or(|status| !status.is_connected() || self.target.is_named(status))
        };
        if named(&facts) {
            return Ok(facts);
        }
        let what = format!("the tailnet to name {}", self.target.node.name);
        match self.poll(self.waits.connect, &what, "verify", named).await {
            (Err(error), last) if is_deadline(&error) => Ok(last.unwrap_or(facts)),
            (result, _) => result,
        }
    }

    /// Reads until `settled`. Returns the last facts too.
    async fn poll(
        &self,
        policy: PollPolicy,
        what: &str,
        operation: &'static str,
        settled: impl Fn(&HostFacts) -> bool + Send + Sync,
    ) -> (Result<HostFacts>, Option<HostFacts>) {
        let last = Mutex::new(None);
        let look = || async {
            let facts = self.read(operation).await?;
            let found = settled(&facts).then(|| facts.clone());
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(facts);
            Ok(found)
        };
        let host = Some(self.remote.host());
        let result = self.run.poll(policy, host, what, look).await;
        let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
        (result, last)
    }

    /// Runs a script until it ends.
    pub(crate) async fn script(
        &self,
        script: String,
        deadline: Duration,
        operation: &'static str,
    ) -> Result<RemoteOutput> {
        let command = RemoteCommand::script(script, deadline);
        let output = self.remote.exec(self.run, &command).await;
        output.map_err(|error| transport(error, operation))
    }

    /// Adds the last lines of output to an error, redacted.
    pub(crate) fn evidence(&self, error: Error, name: &'static str, output: &str) -> Error {
        let lines: Vec<&str> = output.lines().filter(|l| !l.trim().is_empty()).collect();
        let tail = &lines[lines.len().saturating_sub(EVIDENCE_LINES)..];
        let lines = tail.iter().map(|line| self.run.redact(line));
        with_evidence(error, name, lines)
    }

    /// Adds the daemon's own reports to an error.
    pub(crate) fn with_health(&self, error: Error, facts: Option<&HostFacts>) -> Error {
        let reports = facts.and_then(HostFacts::status).map(Status::evidence);
        let reports = reports.unwrap_or_default();
        let lines = reports.iter().map(|report| self.run.redact(report));
        with_evidence(error, "health", lines)
    }
}

fn is_deadline(error: &Error) -> bool {
    // A command's own deadline is also a timeout, but has the provider's name.
    error.kind() == ErrorKind::Timeout && error.provider().is_none()
}
