//! A fleet of container hosts, and what is done to them from outside.

#![allow(dead_code, reason = "tests are added one by one")]

use std::process::Output;
use std::time::Duration;

use stagecraft_sandbox::{ContainerHostsConfig, HostDriver as _};
use tokio::process::Command;

use crate::support::{Finished, Lab};

/// The variable with the base of the repository of packages that `cargo xtask lab up` serves.
const MIRROR: &str = "STAGECRAFT_LAB_MIRROR";

/// The environment of all fleets here.
pub(crate) const ENVIRONMENT: &str = "staging";

/// A configuration with these lines under `infra.bootstrap`, and hosts as `web: { ... }`.
pub(crate) fn config(hosts: &str, bootstrap: &str) -> String {
    format!(
        "\
project: {{ name: shop }}
cloud:
  provider: digitalocean
  providers:
    digitalocean:
      token_env: DO_TOKEN
      ssh_key_name: my-ssh-key
      default_region: nyc3
      default_size: s-2vcpu-4gb
      poll: {{ interval: 50ms, deadline: 60s, list_lag: 400ms }}
      hosts:
        {ENVIRONMENT}:
          {}
infra:
  bootstrap:
    {}
",
        hosts.replace('\n', "\n          "),
        bootstrap.replace('\n', "\n    "),
    )
}

/// Docker's packages from the lab's repository.
#[expect(clippy::disallowed_methods, reason = "this is no library")]
pub(crate) fn docker() -> String {
    let mirror = std::env::var(MIRROR).expect("the variable that `cargo xtask e2e` sets");
    format!("docker: {{ install_method: apt, mirror: '{mirror}' }}")
}

/// Container hosts with this configuration.
pub(crate) async fn lab(text: &str) -> Lab {
    let first_boot = ContainerHostsConfig::default().first_boot(Duration::from_secs(1));
    Lab::with_containers(first_boot, text).await
}

impl Lab {
    /// Runs `stagecraft infra VERB --env staging` with further arguments.
    pub(crate) async fn infra(&self, verb: &str, more: &[&str]) -> Finished {
        let arguments = [&["infra", verb, "--env", ENVIRONMENT][..], more].concat();
        self.run(&arguments).await
    }

    /// The id of a host's droplet.
    pub(crate) fn id(&self, host: &str) -> u64 {
        let name = format!("{ENVIRONMENT}-{host}");
        let droplets = self.droplets();
        let droplet = droplets.iter().find(|droplet| droplet.name == name);
        droplet.expect("a droplet of that name").id
    }

    /// The name of a host's container.
    pub(crate) fn container(&self, host: &str) -> String {
        let containers = self.containers.as_ref().expect("container hosts");
        containers.container(self.id(host))
    }

    /// Runs a script as root inside a host, past SSH.
    pub(crate) async fn inside(&self, host: &str, script: &str) -> String {
        let containers = self.containers.as_ref().expect("container hosts");
        let ran = containers.run(self.id(host), script).await;
        ran.unwrap_or_else(|error| panic!("{host}: {error}"))
    }
}

/// Runs the `docker` command of the machine.
pub(crate) async fn engine(arguments: &[&str]) -> Output {
    let output = Command::new("docker").args(arguments).output().await;
    let output = output.expect("the docker command");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {stderr}");
    output
}
