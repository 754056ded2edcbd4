//! The parts of a fleet, and planning with them.

use std::sync::Arc;

use infra_bootstrap::Fleet;
use stagecraft_core::{
    CloudFacts, CloudProvider, Error, ErrorKind, Finding, InfraPlan, NetworkProvider, PlanMode,
    PlanRequest, Result, Run,
};

/// The providers of one project, ready to work.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) cloud: Arc<dyn CloudProvider>,
    pub(crate) network: Option<Arc<dyn NetworkProvider>>,
    pub(crate) fleet: Option<Arc<Fleet>>,
}

/// A plan, with the facts that it rests on and what is known to be wrong with it.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The plan.
    pub plan: InfraPlan,
    /// The facts.
    pub facts: CloudFacts,
    /// What would make the plan fail.
    pub findings: Vec<Finding>,
}

impl Engine {
    /// An engine that makes and removes hosts, and does nothing on them.
    pub fn new(cloud: Arc<dyn CloudProvider>) -> Self {
        Self {
            cloud,
            network: None,
            fleet: None,
        }
    }

    /// Bootstraps hosts as well.
    #[must_use]
    pub fn with_bootstrap(mut self, fleet: Arc<Fleet>) -> Self {
        self.fleet = Some(fleet);
        self
    }

    /// Tells the network when hosts go.
    #[must_use]
    pub fn with_network(mut self, network: Arc<dyn NetworkProvider>) -> Self {
        self.network = Some(network);
        self
    }

    /// Reads, plans and checks. Changes nothing.
    ///
    /// # Errors
    ///
    /// The provider's, by kind; [`ErrorKind::Config`] if the environment is not declared.
    pub async fn plan(&self, run: &Run, request: &PlanRequest) -> Result<Planned> {
        if request.mode != PlanMode::Destroy {
            self.cloud.declared(&request.environment)?;
        }
        let facts = self.cloud.observe(run, request).await?;
        if facts.hosts.is_empty() {
            // It may have left the file, but then it has hosts; else it was mistyped.
            self.cloud.declared(&request.environment)?;
        }
        let plan = self.cloud.plan(&facts, request)?;
        let findings = self.cloud.preflight(run, &facts, &plan).await?;
        Ok(Planned {
            plan,
            facts,
            findings,
        })
    }

    /// Refuses to begin with what cannot end well: every reason at once, before any write.
    pub(crate) async fn check_secrets(&self, run: &Run, planned: &Planned) -> Result<()> {
        let Some(network) = self.network.as_ref().filter(|_| self.fleet.is_some()) else {
            return Ok(());
        };
        if planned.plan.create.is_empty() {
            return Ok(());
        }
        let mut missing = Vec::new();
        let mut cause = None;
        for source in network.join_secrets() {
            match run.secret(&source).await {
                Ok(Some(_)) => {}
                Ok(None) => missing.push(source.to_string()),
                Err(error) => {
                    missing.push(source.to_string());
                    cause = Some(error);
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let error = Error::new(
            ErrorKind::SecretMissing,
            format!(
                "{} provider: auth key missing from {}",
                network.id(),
                missing.join(", ")
            ),
        )
        .with_hint("new hosts could not join the network, so none was created");
        Err(match cause {
            Some(cause) => error.with_source(cause),
            None => error,
        })
    }
}
