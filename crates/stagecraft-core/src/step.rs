//! What a host step does: one thing that bootstrap ensures on every host.

use async_trait::async_trait;

use crate::name::{EnvironmentName, HostName, NodeName, RoleName};
use crate::network::Change;
use crate::outcome::StepFailure;
use crate::probe::{ProbeFacts, ProbeScript};
use crate::remote::{Login, Remote};
use crate::run::Run;

/// Ensures one thing on a host: inspect, decide, change, verify.
#[async_trait]
pub trait HostStep: Send + Sync + std::fmt::Debug {
    /// The step's id, which is also its key under `infra.bootstrap`.
    fn id(&self) -> &'static str;

    /// The steps that must have succeeded before this one.
    fn after(&self) -> &'static [&'static str] {
        &[]
    }

    /// The steps that come before this one if they are configured. Unlike those of
    /// [`after`](Self::after) they may be missing, and may have failed.
    fn follows(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether the step only looks, and never changes anything.
    fn is_check(&self) -> bool {
        false
    }

    /// Whether the file does not name the step, so that it only takes back what it gave earlier.
    /// Reports leave it out while it has nothing to do.
    fn is_undeclared(&self) -> bool {
        false
    }

    /// The script that reads the host's state. Constant and read only.
    fn inspect(&self) -> ProbeScript;

    /// What the script of [`inspect`](Self::inspect) gets as `$1`, `$2` and so on: what it is to
    /// look for, the same on every host. Default: nothing.
    fn inspect_args(&self) -> Vec<String> {
        Vec::new()
    }

    /// Decides what is to be done. Pure.
    ///
    /// # Errors
    ///
    /// [`StepFailure`] if the state cannot be understood or must not be changed.
    fn decide(&self, facts: &ProbeFacts, host: &HostContext) -> Result<Decision, StepFailure>;

    /// What the host should be looked at for although the step did not fail, one line each. Pure.
    ///
    /// The facts are those of the last look of the run. Default: nothing.
    fn warnings(&self, _facts: &ProbeFacts, _host: &HostContext) -> Vec<String> {
        Vec::new()
    }

    /// Makes the changes and verifies them. Safe to repeat.
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

    /// Makes the changes as [`change`](Self::change) does, and returns what else was changed on the
    /// host, one short phrase each: what [`decide`](Self::decide) could not name before. This is
    /// what the engine calls. Default: `change`, and nothing else.
    ///
    /// # Errors
    ///
    /// As [`change`](Self::change).
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

/// What a step is to do on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: all is as wanted.
    Nothing,
    /// Nothing, on purpose, for this reason.
    Skip(String),
    /// These changes.
    Change(Vec<Change>),
}

impl From<Vec<Change>> for Decision {
    /// These changes, or nothing if there are none.
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
    /// The login of this run, which no step may take away. `None` if it is not known.
    pub login: Option<Login>,
    /// The name of the key that the cloud puts on hosts when it creates them, by the file.
    pub operator_key: Option<String>,
    /// Whether the login is proven to be by that key.
    pub is_operator_login: bool,
}
