//! Two hosts up and down again, as library calls: no program, no file.
//!
//! Cloud and hosts are the sandbox's, on this machine (Linux only):
//! `cargo run -p stagecraft-engine --example fleet`.

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use infra_bootstrap::{Bootstrap, DockerConfig, DockerStep, Fleet, ReadinessPolicy};
use provider_digitalocean::{DigitalOcean, DigitalOceanConfig, HostConfig};
use secrecy::ExposeSecret as _;
use stagecraft_core::{
    Confirmation, HostKey, HostStep, NoEvents, PlanMode, PlanRequest, PollPolicy, Run,
};
use stagecraft_engine::{Engine, Outcome, UpOptions};
use stagecraft_sandbox::{ProcessHosts, ProcessHostsConfig, Sandbox, SandboxConfig};
use stagecraft_ssh::{Identity, SshConfig, SshConnector};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = HostKey::generate()?;
    // Readable by its owner only, as every temporary file.
    let mut login = tempfile::NamedTempFile::new()?;
    login.write_all(key.private().expose_secret().as_bytes())?;
    let sandbox = Sandbox::start(SandboxConfig {
        ssh_keys: vec![("operator".to_owned(), key.public().to_owned())],
        driver: Some(Arc::new(
            ProcessHosts::new(ProcessHostsConfig::default()).await?,
        )),
        ..SandboxConfig::default()
    })
    .await?;

    // A program of its own begins here: with its account instead of the sandbox's.
    let variables = BTreeMap::from([
        ("DO_TOKEN".to_owned(), sandbox.token().to_owned()),
        ("DIGITALOCEAN_API_URL".to_owned(), sandbox.url()),
    ]);
    let run = Run::new(Arc::new(NoEvents), Arc::new(variables));
    let connector = SshConnector::new(SshConfig {
        port: sandbox.ssh_port().unwrap_or(22),
        identity: Identity::File(login.path().to_owned()),
        ..SshConfig::default()
    });
    let result = up_and_down(&run, connector).await;
    sandbox.shutdown().await;
    result
}

async fn up_and_down(run: &Run, connector: SshConnector) -> Result<(), Box<dyn std::error::Error>> {
    let engine = engine(connector)?;

    let request = PlanRequest::new("staging".parse()?, PlanMode::Reconcile);
    let planned = engine.plan(run, &request).await?;
    println!("to create: {}", planned.plan.create.len());
    let report = engine.up(run, planned, UpOptions::default()).await?;
    for host in &report.hosts {
        println!("{}: ready: {}", host.host, host.is_ok());
    }
    expect_done(report.outcome())?;

    let planned = engine.plan(run, &request).await?;
    println!("to create now: {}", planned.plan.create.len());

    let request = PlanRequest::new("staging".parse()?, PlanMode::Destroy);
    let planned = engine.plan(run, &request).await?;
    let confirmation = Confirmation::typed("staging", &request.environment)?;
    let report = engine.down(run, planned, &confirmation).await?;
    println!("gone: {}", report.apply.deleted.len());
    expect_done(report.outcome())
}

fn engine(connector: SshConnector) -> Result<Engine, Box<dyn std::error::Error>> {
    let mut config = DigitalOceanConfig::new("DO_TOKEN", "operator");
    config.default_size = Some("s-1vcpu-1gb".to_owned());
    config.default_region = Some("nyc3".to_owned());
    config.poll.interval = Duration::from_millis(200).into();
    for (name, role) in [("app-1", "app"), ("db-1", "db")] {
        let host = HostConfig::new(role.parse()?);
        config = config.with_host("staging".parse()?, name.parse()?, host);
    }
    let cloud = DigitalOcean::new(config, Some("example".parse()?))?;

    let docker: Arc<dyn HostStep> = Arc::new(DockerStep::new(DockerConfig::default()));
    let policy = ReadinessPolicy::every(PollPolicy {
        interval: Duration::from_millis(100),
        deadline: Duration::from_mins(1),
    });
    let bootstrap = Bootstrap::new(Arc::new(connector), [docker], policy)?;
    Ok(Engine::new(Arc::new(cloud)).with_bootstrap(Arc::new(Fleet::new(Arc::new(bootstrap)))))
}

fn expect_done(outcome: Outcome) -> Result<(), Box<dyn std::error::Error>> {
    if outcome == Outcome::Done {
        Ok(())
    } else {
        Err(format!("ended as {outcome:?}").into())
    }
}
