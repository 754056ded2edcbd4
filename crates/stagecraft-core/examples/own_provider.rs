//! A cloud provider of one's own: registered, found, built from a file, planned and applied.
//!
//! Its cloud is a shelf in memory, so it needs no network and no account:
//! `cargo run -p stagecraft-core --example own_provider`.

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use stagecraft_core::config::{ConfigBlock, Document, Project, UniqueMap};
use stagecraft_core::{
    Account, ApplyReport, ApprovedPlan, Build, BuildContext, CloudFacts, CloudProvider, Descriptor,
    EnvironmentName, Error, ErrorKind, Finding, Host, HostId, HostName, HostOptions, HostSink,
    HostSpec, HostStatus, InfraPlan, PlanMode, PlanRequest, ProjectName, Registry, Result,
    RoleName, Run, plan_hosts, register, tags,
};

const FILE: &str = "\
project: { name: demo }
cloud:
  provider: shelf
  providers:
    shelf:
      board: upper
      hosts:
        staging: { app-1: app, db-1: db }
";

/// The provider's block of the file. What it does not know, it refuses.
#[derive(Debug, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct ShelfConfig {
    /// The board on which hosts stand.
    board: String,
    /// The role of each host, by environment and name.
    hosts: UniqueMap<EnvironmentName, UniqueMap<HostName, RoleName>>,
}

static DESCRIPTOR: Descriptor = Descriptor {
    id: "shelf",
    summary: "Hosts on a shelf",
    origin: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    is_experimental: true,
    is_default_step: false,
    capabilities: &[],
    schema: || schemars::schema_for!(ShelfConfig),
    effective: |block| block.effective::<ShelfConfig>(),
    build: Build::Cloud(build),
};

register!(DESCRIPTOR);

fn build(block: &ConfigBlock, context: &BuildContext) -> Result<Arc<dyn CloudProvider>> {
    Ok(Arc::new(Shelf {
        config: block.parse()?,
        project: context.project.clone(),
        hosts: Mutex::default(),
    }))
}

#[derive(Debug)]
struct Shelf {
    config: ShelfConfig,
    project: Option<ProjectName>,
    hosts: Mutex<Vec<Host>>,
}

impl Shelf {
    fn standing(&self) -> MutexGuard<'_, Vec<Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CloudProvider for Shelf {
    fn id(&self) -> &'static str {
        DESCRIPTOR.id
    }

    fn environments(&self) -> Vec<EnvironmentName> {
        self.config.hosts.keys().cloned().collect()
    }

    fn declared(&self, environment: &EnvironmentName) -> Result<Vec<HostSpec>> {
        let hosts = self.config.hosts.get(environment).ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("no environment `{environment}`"))
        })?;
        Ok(hosts
            .iter()
            .map(|(name, role)| HostSpec {
                name: name.clone(),
                role: role.clone(),
                size: "one-unit".to_owned(),
                region: self.config.board.clone(),
                image: "none".to_owned(),
                options: HostOptions::default(),
            })
            .collect())
    }

    async fn observe(&self, run: &Run, _: &PlanRequest) -> Result<CloudFacts> {
        run.check()?;
        Ok(CloudFacts {
            account: Account {
                id: "1".to_owned(),
                name: "the owner of the shelf".to_owned(),
                team: None,
            },
            endpoint: "memory".to_owned(),
            host_limit: None,
            operator_key: None,
            hosts: self.standing().clone(),
            sizes: BTreeMap::new(),
            backup_percent: None,
            time: None,
        })
    }

    fn plan(&self, facts: &CloudFacts, request: &PlanRequest) -> Result<InfraPlan> {
        let declared = self.declared(&request.environment)?;
        let naming = self.project.clone().into();
        plan_hosts(self.id(), &naming, &declared, facts, request)
    }

    async fn preflight(&self, _: &Run, _: &CloudFacts, _: &InfraPlan) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

    async fn apply(&self, _: &Run, plan: &ApprovedPlan, ready: &dyn HostSink) -> ApplyReport {
        let mut report = ApplyReport::default();
        for entry in &plan.plan().create {
            let host = Host {
                id: HostId::new(format!("unit-{}", self.standing().len() + 1)),
                node: entry.node.to_string(),
                name: Some(entry.spec.name.clone()),
                role: Some(entry.spec.role.clone()),
                size: entry.spec.size.clone(),
                region: entry.spec.region.clone(),
                public_ipv4: Some([192, 0, 2, 1].into()),
                private_ipv4: None,
                status: HostStatus::Active,
                disk_gb: None,
                vpc: None,
                cloud_project: None,
                image: None,
                features: None,
                // By these the next plan knows the host as its own.
                tags: entry.tags.clone(),
            };
            self.standing().push(host.clone());
            ready.ready(host.clone());
            report.created.push(host);
        }
        report
    }

    async fn hosts(&self, _: &Run, environment: &EnvironmentName) -> Result<Vec<Host>> {
        let mut hosts = self.standing().clone();
        hosts.retain(|host| tags::is_owned(host, self.project.as_ref(), environment));
        Ok(hosts)
    }
}

/// Takes hosts as they become ready; here a bootstrap would begin.
#[derive(Debug)]
struct Told;

impl HostSink for Told {
    fn ready(&self, host: Host) {
        println!("ready: {} on the {} board", host.node, host.region);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::discover()?;
    let project = Project::new(Document::new("stagecraft.yml", FILE)?)?;
    let context = BuildContext {
        project: project.name().cloned(),
        ..BuildContext::default()
    };
    let id = project.cloud()?;
    let cloud = registry.cloud(id, &project.cloud_block(id), &context)?;

    let run = Run::default();
    let request = PlanRequest::new("staging".parse()?, PlanMode::Reconcile);
    let facts = cloud.observe(&run, &request).await?;
    let plan = cloud.plan(&facts, &request)?;
    for entry in &plan.create {
        println!("would create {} ({})", entry.node, entry.tags.join(", "));
    }
    let approved = ApprovedPlan::reconcile(plan, &facts.account, &facts.endpoint)?;
    let report = cloud.apply(&run, &approved, &Told).await;
    println!("created {}", report.created.len());

    let facts = cloud.observe(&run, &request).await?;
    let plan = cloud.plan(&facts, &request)?;
    println!("a second plan creates {}", plan.create.len());
    Ok(())
}
