//! The interface of a network provider, which joins hosts to one private network.

use std::net::IpAddr;

use async_trait::async_trait;
use serde::Serialize;

use crate::error::Result;
use crate::name::{NodeName, RoleName};
use crate::outcome::StepOutcome;
use crate::probe::{ProbeFacts, ProbeScript};
use crate::remote::Remote;
use crate::run::Run;
use crate::secret::SecretSource;

/// Joins hosts to one network.
#[async_trait]
pub trait NetworkProvider: Send + Sync + std::fmt::Debug {
    /// The provider's id.
    fn id(&self) -> &'static str;

    /// Returns the secrets that a new host needs to join.
    fn join_secrets(&self) -> Vec<SecretSource> {
        Vec::new()
    }

    /// Returns the script that reads a host's state. Constant and read-only: it shares one round
    /// trip with the scripts of all steps.
    fn probe(&self) -> ProbeScript;

    /// Decides what to change on a host. Pure. An empty list means no change.
    ///
    /// # Errors
    ///
    /// [`ErrorKind`](crate::ErrorKind) `Protocol` if the facts cannot be parsed, `Rejected` if the
    /// host's state must not be changed (another network, a version that is too old), `Config` if
    /// the configuration leads to no valid name or tags for the node.
    fn decide(&self, facts: &ProbeFacts, node: &NodeSpec) -> Result<Vec<Change>>;

    /// Returns the warnings of the network's client on a reachable member, one line each. Pure.
    ///
    /// Default: none.
    fn warnings(&self, _facts: &ProbeFacts) -> Vec<String> {
        Vec::new()
    }

    /// Applies the changes and verifies that the node is connected as wanted. Safe to repeat.
    ///
    /// # Errors
    ///
    /// [`Error::operation`](crate::Error::operation) names the part that failed: `install`,
    /// `join` or `verify`.
    async fn change(
        &self,
        run: &Run,
        host: &dyn Remote,
        node: &NodeSpec,
        changes: &[Change],
    ) -> Result<Joined>;

    /// Returns the expected full name of a node. Pure.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the configuration names no domain.
    fn node_fqdn(&self, node: &NodeName) -> Result<String>;

    /// Removes a node that will not return from the network's own list.
    ///
    /// # Errors
    ///
    /// The provider's own. Removing a missing node succeeds.
    async fn forget(&self, run: &Run, node: &NodeName) -> Result<StepOutcome>;
}

/// A host as its network should see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its name: `{environment}-{host}`.
    pub name: NodeName,
    /// Its role, which determines its tags.
    pub role: RoleName,
}

/// One change to be made on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The kind of change, defined by each provider and step.
    pub id: &'static str,
    /// A summary for users, for example `install tailscale`.
    pub summary: String,
}

impl Change {
    /// Creates a change.
    pub fn new(id: &'static str, summary: impl Into<String>) -> Self {
        Self {
            id,
            summary: summary.into(),
        }
    }
}

/// A connected node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Joined {
    /// The network's id of the node.
    pub node_id: String,
    /// Its name for other nodes, as assigned by the network.
    pub fqdn: String,
    /// Its addresses in the network.
    pub addresses: Vec<IpAddr>,
}
