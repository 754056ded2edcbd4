//! Brings one host to ready with a step of one's own, twice: the second time nothing is done.
//!
//! The host is one of the sandbox, on this machine (Linux only):
//! `cargo run -p infra-bootstrap --example one_host`.

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use infra_bootstrap::{Bootstrap, DockerConfig, DockerStep, HostReport, Mode, ReadinessPolicy};
use secrecy::ExposeSecret as _;
use stagecraft_core::{
    Change, Decision, FailureCode, Host, HostContext, HostId, HostKey, HostStatus, HostStep,
    PollPolicy, ProbeFacts, ProbeScript, Remote, Result, Run, StepFailure, StepOutcome, Upload,
};
use stagecraft_sandbox::{BootRequest, HostDriver as _, ProcessHosts, ProcessHostsConfig};
use stagecraft_ssh::{Identity, SshConfig, SshConnector};

/// Tells who logs in where they are.
#[derive(Debug)]
struct Motd;

impl Motd {
    fn text(host: &HostContext) -> String {
        format!("{} ({})\n", host.node, host.role)
    }
}

#[async_trait]
impl HostStep for Motd {
    fn id(&self) -> &'static str {
        "motd"
    }

    fn after(&self) -> &'static [&'static str] {
        &["docker"]
    }

    fn inspect(&self) -> ProbeScript {
        ProbeScript("echo text:; cat /etc/motd")
    }

    fn decide(&self, facts: &ProbeFacts, host: &HostContext) -> Result<Decision, StepFailure> {
        Ok(if facts.rest_after("text") == Some(&Self::text(host)) {
            Decision::Nothing
        } else {
            Decision::Change(vec![Change::new("write", "write /etc/motd")])
        })
    }

    async fn change(
        &self,
        run: &Run,
        remote: &dyn Remote,
        host: &HostContext,
        _: &[Change],
    ) -> Result<(), StepFailure> {
        let upload = Upload {
            path: "/etc/motd".to_owned(),
            content: Self::text(host).into(),
            mode: 0o644,
            owner: None,
        };
        remote
            .upload(run, &upload)
            .await
            .map_err(|error| StepFailure::new(FailureCode::HostNotReady, error.to_string()))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hosts = ProcessHosts::new(ProcessHostsConfig::default()).await?;
    let (host, login) = boot(&hosts).await?;
    let connector = SshConnector::new(SshConfig {
        port: hosts.ssh_port(),
        identity: Identity::File(login.path().to_owned()),
        ..SshConfig::default()
    });
    let steps: [Arc<dyn HostStep>; 2] = [
        Arc::new(Motd),
        Arc::new(DockerStep::new(DockerConfig::default())),
    ];
    let policy = ReadinessPolicy::every(PollPolicy {
        interval: Duration::from_millis(100),
        deadline: Duration::from_mins(1),
    });
    let bootstrap = Bootstrap::new(Arc::new(connector), steps, policy)?;
    let environment = "staging".parse()?;
    for attempt in ["first run", "second run"] {
        let run = Run::default();
        let report = bootstrap.host(&run, &environment, &host, Mode::Apply).await;
        show(attempt, &report)?;
    }
    hosts.destroy_all().await;
    Ok(())
}

fn show(attempt: &str, report: &HostReport) -> Result<(), String> {
    if let Some(failure) = report.first_failure() {
        return Err(format!("{attempt}: {}", failure.message));
    }
    for step in &report.steps {
        match &step.outcome {
            StepOutcome::Changed { changes } => {
                println!("{attempt}: {}: {}", step.step, changes.join(", "));
            }
            other => println!("{attempt}: {}: {other:?}", step.step),
        }
    }
    Ok(())
}

/// A host on this machine, as a cloud would give it, and the key to log in with.
async fn boot(
    hosts: &ProcessHosts,
) -> Result<(Host, tempfile::NamedTempFile), Box<dyn std::error::Error>> {
    let key = HostKey::generate()?;
    // Readable by its owner only, as every temporary file.
    let mut login = tempfile::NamedTempFile::new()?;
    login.write_all(key.private().expose_secret().as_bytes())?;

    let host_key = HostKey::generate()?;
    let mut user_data = String::from("#cloud-config\nssh_keys:\n  ed25519_private: |\n");
    for line in host_key.private().expose_secret().lines() {
        writeln!(user_data, "    {line}")?;
    }
    writeln!(user_data, "  ed25519_public: {}", host_key.public())?;

    let request = BootRequest {
        id: 1,
        name: "staging-app-1".to_owned(),
        image: "ubuntu-24-04-x64".to_owned(),
        user_data: Some(user_data),
        authorized_keys: vec![key.public().to_owned()],
    };
    let address = hosts.boot(request).await?;
    let host = Host {
        id: HostId::new("1"),
        node: "staging-app-1".to_owned(),
        name: Some("app-1".parse()?),
        role: Some("app".parse()?),
        size: "small".to_owned(),
        region: "here".to_owned(),
        public_ipv4: Some(address),
        private_ipv4: None,
        status: HostStatus::Active,
        disk_gb: None,
        vpc: None,
        cloud_project: None,
        image: None,
        features: None,
        // The pin: no connection is made to a host that shows another key.
        tags: vec![host_key.fingerprint().tag()],
    };
    Ok((host, login))
}
