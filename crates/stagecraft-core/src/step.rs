//! The interface of a host step: one thing that bootstrap ensures on every host.

use async_trait::async_trait;

use crate::name::{EnvironmentName, HostName, NodeName, RoleName};
use crate::network::Change;
use crate::outcome::StepFailure;
use crate::probe::{ProbeFacts, ProbeScript};
use crate::remote::{Login, Remote};
use crate::run::Run;

/// Ensures one thing on a host: probe, decide, change, verify.
#[async_trait]
pub trait HostStep: Send + Sync + std::fmt::Debug {
    /// The step's id, which is also its key under `infra.bootstrap`.
    fn id(&self) -> &'static str;

    /// Returns the steps that this one requires: they must have succeeded.
    fn after(&self) -> &'static [&'static str] {
        &[]
    }

    /// Returns the steps that this one runs after if they are configured. Unlike those of
    /// [`after`](Self::after) they may be missing, and may have failed.
    fn follows(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether the step is a check, which never changes anything.
    fn is_check(&self) -> bool {
        false
    }

    /// Whether the file does not name the step, so that it only removes what it gave earlier.
    /// Reports leave it out while it has nothing to do.
    fn is_undeclared(&self) -> bool {
        false
    }

    /// Returns the script that reads the host's state. Constant and read-only.
    fn inspect(&self) -> ProbeScript;

    /// Returns `$1`, `$2` and so on of the script of [`inspect`](Self::inspect): what to look for,
    /// the same on every host. Default: none.
    fn inspect_args(&self) -> Vec<String> {
        Vec::new()
    }

    /// Decides what to do. Pure.
    ///
    /// # Errors
    ///
    /// [`StepFailure`] if the state cannot be parsed or must not be changed.
    fn decide(&self, facts: &ProbeFacts, host: &HostContext) -> Result<Decision, StepFailure>;

    /// Returns warnings about the host although the step did not fail, one line each. Pure.
    ///
    /// The facts are those of the last probe of the run. Default: none.
    fn warnings(&self, _facts: &ProbeFacts, _host: &HostContext) -> Vec<String> {
        Vec::new()
    }

    /// Applies the changes and verifies them. Safe to repeat.
    ///
    /// # Errors
    ///
    /// [`StepFailure`] with evidence.
    async fn change(
        &self,
        run: &Run,
        remote: &dyn Remote,
        host: &HostContext,
        changes: &[Change],
    ) -> Result<(), StepFailure>;

    /// Applies the changes like [`change`](Self::change), and returns further changes on the host,
    /// one short phrase each: those that [`decide`](Self::decide) could not foresee. The engine
    /// calls this method. Default: calls `change` and returns none.
    ///
    /// # Errors
    ///
    /// Those of [`change`](Self::change).
    async fn change_and_report(
        &self,
        run: &Run,
        remote: &dyn Remote,
        host: &HostContext,
        changes: &[Change],
    ) -> Result<Vec<String>, StepFailure> {
        self.change(run, remote, host, changes).await?;
        Ok(Vec::new())
    }
}

/// A step's decision for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: the host is as wanted.
    Nothing,
    /// Nothing, on purpose, for this reason.
    Skip(String),
    /// These changes.
    Change(Vec<Change>),
}

impl From<Vec<Change>> for Decision {
    /// Returns these changes, or [`Decision::Nothing`] if there are none.
    fn from(changes: Vec<Change>) -> Self {
        if changes.is_empty() {
            Self::Nothing
        } else {
            Self::Change(changes)
        }
    }
}

/// The host that a step works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostContext {
    /// The environment.
    pub environment: EnvironmentName,
    /// The host's name within it.
    pub name: HostName,
    /// The host's role.
    pub role: RoleName,
    /// The host's name in cloud and network.
    pub node: NodeName,
    /// The login of this run, which no step may remove. `None` if unknown.
    pub login: Option<Login>,
    /// The name of the key that the cloud installs on new hosts, according to the file.
    pub operator_key: Option<String>,
    /// Whether the login is proven to use that key.
    pub is_operator_login: bool,
}
