//! The life of one host: planned, created, found, deleted. Configured in Rust, without YAML.
//!
//! It talks to the API whose address `DIGITALOCEAN_API_URL` holds, with the token in `DO_TOKEN`;
//! the account needs an SSH key named `my-ssh-key`. `stagecraft sandbox` sets up all three:
//!
//! `cargo build -p provider-digitalocean --example lifecycle`
//! `stagecraft sandbox --hosts none -- target/debug/examples/lifecycle`

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::sync::Arc;
use std::time::Duration;

use provider_digitalocean::core::{
    ApprovedPlan, CloudProvider, Confirmation, Host, HostSink, Lookup, NoEvents, PlanMode,
    PlanRequest, Run,
};
use provider_digitalocean::{DigitalOcean, DigitalOceanConfig, HostConfig};

const API_VARIABLE: &str = "DIGITALOCEAN_API_URL";

/// Where variables come from is up to the program.
#[derive(Debug)]
struct Environment;

impl Lookup for Environment {
    #[expect(clippy::disallowed_methods, reason = "a program, not a library")]
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

#[derive(Debug)]
struct Told;

impl HostSink for Told {
    fn ready(&self, host: Host) {
        if let Some(address) = host.public_ipv4 {
            println!("ready: {} at {address}", host.node);
        }
    }
}

fn config() -> Result<DigitalOceanConfig, Box<dyn std::error::Error>> {
    let mut app = HostConfig::new("app".parse()?);
    app.size = Some("s-1vcpu-1gb".to_owned());
    app.region = Some("nyc3".to_owned());
    let mut config = DigitalOceanConfig::new("DO_TOKEN", "my-ssh-key").with_host(
        "example".parse()?,
        "app-1".parse()?,
        app,
    );
    config.poll.interval = Duration::from_millis(200).into();
    Ok(config)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let run = Run::new(Arc::new(NoEvents), Arc::new(Environment));
    if run.variable(API_VARIABLE).is_none() {
        return Err(format!("{API_VARIABLE} is not set, and real hosts cost money").into());
    }
    let cloud = DigitalOcean::new(config()?, Some("lifecycle".parse()?))?;

    let up = PlanRequest::new("example".parse()?, PlanMode::Reconcile);
    let facts = cloud.observe(&run, &up).await?;
    let plan = cloud.plan(&facts, &up)?;
    for entry in &plan.create {
        let price = entry.monthly.map(|price| format!(" for {price} a month"));
        println!("would create {}{}", entry.node, price.unwrap_or_default());
    }
    if let Some(finding) = cloud.preflight(&run, &facts, &plan).await?.first() {
        return Err(finding.message.clone().into());
    }
    let approved = ApprovedPlan::reconcile(plan, &facts.account, &facts.endpoint)?;
    let report = cloud.apply(&run, &approved, &Told).await;
    for failure in &report.failed {
        println!("failed: {}: {}", failure.host, failure.error);
    }

    let down = PlanRequest::new("example".parse()?, PlanMode::Destroy);
    let facts = cloud.observe(&run, &down).await?;
    let plan = cloud.plan(&facts, &down)?;
    let confirmation = Confirmation::typed("example", &down.environment)?;
    let approved = ApprovedPlan::destroy(plan, &facts.account, &facts.endpoint, &confirmation)?;
    let report = cloud.apply(&run, &approved, &Told).await;
    for host in &report.deleted {
        println!("gone: {} (id {})", host.name, host.id);
    }
    let left = cloud.hosts(&run, &down.environment).await?;
    println!("hosts left: {}", left.len());
    if report.is_complete() && left.is_empty() {
        Ok(())
    } else {
        Err("not everything was deleted".into())
    }
}
