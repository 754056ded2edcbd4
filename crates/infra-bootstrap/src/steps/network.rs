//! The step `network`: joins a host to the private network.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use stagecraft_core::{
    Advice, Change, Decision, Error, ErrorKind, FailureCode, HostContext, HostStep,
    NetworkProvider, NodeSpec, ProbeFacts, ProbeScript, Remote, Result, Run, StepFailure,
};

use crate::failure;

/// The step's id.
pub(crate) const ID: &str = "network";

/// The configuration of the step `network`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// The id of the network provider; must be that of `network.provider`.
    /// Example: `tailscale`.
    pub provider: String,
}

/// Joins a host to the private network, through the network's provider.
#[derive(Debug, Clone)]
pub struct NetworkStep {
    provider: Arc<dyn NetworkProvider>,
}

impl NetworkStep {
    /// Creates the step with this provider.
    pub fn new(provider: Arc<dyn NetworkProvider>) -> Self {
        Self { provider }
    }

    fn code(error: &Error, otherwise: FailureCode) -> FailureCode {
        failure::common_code(error).unwrap_or(match error.operation() {
            Some("install") => FailureCode::NetworkInstallFailed,
            Some("join") => FailureCode::NetworkJoinFailed,
            Some("verify") => FailureCode::NetworkVerifyFailed,
            _ if error.kind() == ErrorKind::Unavailable => FailureCode::SshFailed,
            _ => otherwise,
        })
    }
}

#[async_trait]
impl HostStep for NetworkStep {
    fn id(&self) -> &'static str {
        ID
    }

    fn inspect(&self) -> ProbeScript {
        self.provider.probe()
    }

    fn decide(&self, facts: &ProbeFacts, host: &HostContext) -> Result<Decision, StepFailure> {
        let changes = self.provider.decide(facts, &node(host)).map_err(|error| {
            let code = Self::code(&error, FailureCode::NetworkVerifyFailed);
            failure::of_error(code, &error)
        })?;
        Ok(changes.into())
    }

    fn warnings(&self, facts: &ProbeFacts, _: &HostContext) -> Vec<String> {
        self.provider.warnings(facts)
    }

    async fn change(
        &self,
        run: &Run,
        remote: &dyn Remote,
        host: &HostContext,
        changes: &[Change],
    ) -> Result<(), StepFailure> {
        let joined = self
            .provider
            .change(run, remote, &node(host), changes)
            .await
            .map_err(|error| {
                let code = Self::code(&error, FailureCode::NetworkJoinFailed);
                failure::of_error(code, &error)
            })?;
        // Without a domain in the configuration no name is expected.
        let Ok(expected) = self.provider.node_fqdn(&host.node) else {
            return Ok(());
        };
        let bare = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
        if bare(&joined.fqdn) == bare(&expected) {
            return Ok(());
        }
        Err(StepFailure::new(
            FailureCode::NetworkVerifyFailed,
            format!("the host was named `{}` instead of `{expected}`", joined.fqdn),
        )
        .with_advice(Advice::ChangeFirst)
        .with_evidence([
            "the network gives another name if one is taken: remove the node that holds it, then run again".to_owned(),
        ]))
    }
}

fn node(host: &HostContext) -> NodeSpec {
    NodeSpec {
        name: host.node.clone(),
        role: host.role.clone(),
    }
}
