//! The provider: configuration bound, secrets read at first use.

use std::sync::Arc;

use async_trait::async_trait;
use stagecraft_core::config::{ConfigBlock, ConfigError};
use stagecraft_core::{
    ApplyReport, ApprovedPlan, Build, BuildContext, CloudFacts, CloudProvider, Descriptor,
    EnvironmentName, ErrorKind, Finding, Host, HostSink, HostSpec, InfraPlan, PlanMode,
    PlanRequest, ProjectName, Result, Run, plan_hosts, tags,
};
use tokio::sync::OnceCell;

use crate::apply::Apply;
use crate::client::Client;
use crate::config::{Declared, DigitalOceanConfig, Problem};
use crate::error::{ID, provider_error};
use crate::{facts, preflight};

/// Registers the provider.
pub static DESCRIPTOR: Descriptor = Descriptor {
    id: ID,
    summary: "DigitalOcean droplets",
    origin: env!("CARGO_PKG_NAME"),
    capabilities: &["multi_create", "host_key_pins", "prices"],
    schema: || schemars::schema_for!(DigitalOceanConfig),
    build: Build::Cloud(build),
};

stagecraft_core::register!(DESCRIPTOR);

fn build(block: &ConfigBlock, context: &BuildContext) -> Result<Arc<dyn CloudProvider>> {
    let invalid = |error: ConfigError| {
        provider_error(
            ErrorKind::Config,
            format!("invalid config: {}", error.message),
        )
        .with_source(error)
    };
    let config: DigitalOceanConfig = block.parse().map_err(invalid)?;
    match DigitalOcean::bind(config, context.project.clone()) {
        Ok(provider) => Ok(Arc::new(provider)),
        Err(problem) => {
            let path: Vec<&str> = problem.path.iter().map(String::as_str).collect();
            Err(invalid(block.error(&path, problem.message)))
        }
    }
}

/// Droplets of one `DigitalOcean` account.
#[derive(Debug)]
pub struct DigitalOcean {
    config: DigitalOceanConfig,
    declared: Declared,
    project: Option<ProjectName>,
    client: OnceCell<Client>,
}

impl DigitalOcean {
    /// Binds a configuration. Nothing is read or sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the configuration cannot be carried out.
    pub fn new(config: DigitalOceanConfig, project: Option<ProjectName>) -> Result<Self> {
        Self::bind(config, project).map_err(|problem| {
            provider_error(
                ErrorKind::Config,
                format!(
                    "invalid config: {}: {}",
                    problem.path.join("."),
                    problem.message
                ),
            )
        })
    }

    fn bind(config: DigitalOceanConfig, project: Option<ProjectName>) -> Result<Self, Problem> {
        let declared = config
            .declared()
            .map_err(|mut problems| problems.swap_remove(0))?;
        Ok(Self {
            config,
            declared,
            project,
            client: OnceCell::new(),
        })
    }

    /// Token and address are read from the first run that needs them, and kept.
    async fn client(&self, run: &Run) -> Result<&Client> {
        self.client
            .get_or_try_init(|| async { Client::new(run, &self.config) })
            .await
    }
}

#[async_trait]
impl CloudProvider for DigitalOcean {
    fn id(&self) -> &'static str {
        ID
    }

    fn environments(&self) -> Vec<EnvironmentName> {
        self.declared.keys().cloned().collect()
    }

    fn declared(&self, environment: &EnvironmentName) -> Result<Vec<HostSpec>> {
        self.declared.get(environment).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.declared.keys().map(EnvironmentName::as_str).collect();
            provider_error(
                ErrorKind::Config,
                format!(
                    "environment `{environment}` is not declared, known: {}",
                    known.join(", ")
                ),
            )
        })
    }

    async fn observe(&self, run: &Run, request: &PlanRequest) -> Result<CloudFacts> {
        let client = self.client(run).await?;
        facts::observe(client, run, request, &self.config.ssh_key_name).await
    }

    /// In [`PlanMode::Destroy`] the environment may have left the file.
    fn plan(&self, facts: &CloudFacts, request: &PlanRequest) -> Result<InfraPlan> {
        let declared = match (self.declared(&request.environment), request.mode) {
            (Ok(declared), _) => declared,
            (Err(_), PlanMode::Destroy) => Vec::new(),
            (Err(error), PlanMode::Reconcile | PlanMode::Prune) => return Err(error),
        };
        plan_hosts(ID, self.project.as_ref(), &declared, facts, request)
    }

    async fn preflight(
        &self,
        run: &Run,
        facts: &CloudFacts,
        plan: &InfraPlan,
    ) -> Result<Vec<Finding>> {
        if plan.create.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.client(run).await?;
        let all = facts::list_all_hosts(client, run, &plan.environment).await?;
        Ok(preflight::check(facts, plan, &all))
    }

    async fn apply(&self, run: &Run, plan: &ApprovedPlan, ready: &dyn HostSink) -> ApplyReport {
        let plan = plan.plan();
        match self.client(run).await {
            Ok(client) => {
                let apply = Apply {
                    client,
                    run,
                    poll: &self.config.poll,
                    project: self.project.as_ref(),
                    environment: &plan.environment,
                };
                let mut report = ApplyReport::default();
                match plan.mode {
                    PlanMode::Reconcile => apply.reconcile(plan, ready, &mut report).await,
                    PlanMode::Destroy | PlanMode::Prune => {
                        apply.delete(&plan.delete, &mut report).await;
                    }
                }
                report
            }
            Err(error) => Apply::nothing_done(plan, &error),
        }
    }

    async fn hosts(&self, run: &Run, environment: &EnvironmentName) -> Result<Vec<Host>> {
        let client = self.client(run).await?;
        let mut hosts = facts::list_hosts(client, run, environment).await?;
        hosts.retain(|host| tags::is_owned(host, self.project.as_ref(), environment));
        hosts.sort_by(|a, b| a.node.cmp(&b.node).then_with(|| a.id.cmp(&b.id)));
        Ok(hosts)
    }
}
