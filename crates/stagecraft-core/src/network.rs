//! What a network provider does: it makes hosts members of one private network.

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

    /// The secrets without which no new host can join.
    fn join_secrets(&self) -> Vec<SecretSource> {
        Vec::new()
    }

    /// The script that reads a host's state. Constant and read only: it shares one round trip
    /// with the scripts of all steps.
    fn probe(&self) -> ProbeScript;

    /// Decides what is to be changed on a host. Pure. Empty: nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind`](crate::ErrorKind) `Protocol` if the facts cannot be understood, `Rejected`
    /// if the host is in a state that must not be changed (another network, a version that is
    /// too old), `Config` if the configuration gives the node no valid name or tags.
    fn decide(&self, facts: &ProbeFacts, node: &NodeSpec) -> Result<Vec<Change>>;

    /// What the network's client reports about a member that can be reached, one line each. Pure.
    ///
    /// Default: nothing.
    fn warnings(&self, _facts: &ProbeFacts) -> Vec<String> {
        Vec::new()
    }

    /// Makes the changes and proves that the node is connected as wanted. Safe to repeat.
    ///
    /// # Errors
    ///
    /// [`Error::operation`](crate::Error::operation) tells the part that failed: `install`,
    /// `join` or `verify`.
    async fn change(
        &self,
        run: &Run,
        host: &dyn Remote,
        node: &NodeSpec,
        changes: &[Change],
    ) -> Result<Joined>;

    /// The full name that a node is expected to have. Pure.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the configuration names no domain.
    fn node_fqdn(&self, node: &NodeName) -> Result<String>;

    /// Removes a node that will not come back from the network's own list.
    ///
    /// # Errors
    ///
    /// The provider's own. A node that is already gone is fine.
    async fn forget(&self, run: &Run, node: &NodeName) -> Result<StepOutcome>;
}

/// A host as its network is to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its name: `{environment}-{host}`.
    pub name: NodeName,
    /// Its role, from which its tags follow.
    pub role: RoleName,
}

/// One thing that is to be changed on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What kind of change; each provider and step knows its own.
    pub id: &'static str,
    /// What a person is told, for example `install tailscale`.
    pub summary: String,
}

impl Change {
    /// Makes a change.
    pub fn new(id: &'static str, summary: impl Into<String>) -> Self {
        Self {
            id,
            summary: summary.into(),
        }
    }
}

/// A node that is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Joined {
    /// The network's own id of the node.
    pub node_id: String,
    /// The name by which others reach it, as the network gave it.
    pub fqdn: String,
    /// Its addresses in the network.
    pub addresses: Vec<IpAddr>,
}
