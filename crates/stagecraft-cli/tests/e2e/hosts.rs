//! A fleet of container hosts, and what is done to them from outside.

use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use stagecraft_sandbox::{ContainerHosts, ContainerHostsConfig, HostDriver as _};
use tokio::process::Command;

use crate::power::Orderly;
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
    lab_booting(text, Duration::from_secs(1)).await
}

/// Container hosts whose vendor's part of the first boot takes so long.
pub(crate) async fn lab_booting(text: &str, first_boot: Duration) -> Lab {
    let config = ContainerHostsConfig::default().first_boot(first_boot);
    let hosts = ContainerHosts::new(config).await.expect("a Docker Engine");
    let hosts = Arc::new(hosts);
    let driver = Arc::new(Orderly(Arc::clone(&hosts)));
    Lab::with_containers(hosts, driver, text).await
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

/// A bootstrap without Docker: a cheap step, and deadlines that bound a test.
pub(crate) const CHEAP: &str = "\
docker: { enabled: false }
readiness: { interval: 500ms, deadline: 60s }
timezone: Europe/Berlin";

/// A program in the place of `useradd` that stands still while `/run/hold` exists.
const SLOW: &str = r#"
    touch /run/hold
    cat >/usr/local/sbin/useradd <<'EOT'
#!/bin/sh
echo $$ >/run/inside
while [ -e /run/hold ]; do sleep 0.2; done
exec /usr/sbin/useradd "$@"
EOT
    chmod 755 /usr/local/sbin/useradd"#;

impl Lab {
    /// Waits until a script succeeds inside a host: at most a minute.
    pub(crate) async fn until(&self, host: &str, script: &str) -> String {
        let containers = self.containers.as_ref().expect("container hosts");
        let mut interval = tokio::time::interval(Duration::from_millis(200));
        let mut last = None;
        for _ in 0..300 {
            interval.tick().await;
            match containers.run(self.id(host), script).await {
                Ok(printed) => return printed,
                Err(error) => last = Some(error),
            }
        }
        panic!("{host}: {script}: {last:?}");
    }

    /// Makes the step `users` of a host stand still in its middle.
    pub(crate) async fn hold_users(&self, host: &str) {
        self.inside(host, SLOW).await;
    }

    /// Waits until the step `users` of a host stands still.
    pub(crate) async fn until_held(&self, host: &str) {
        self.until(host, "kill -0 $(cat /run/inside)").await;
    }

    /// Asserts that the hosts are in this time zone.
    pub(crate) async fn assert_zone(&self, hosts: &[&str], zone: &str) {
        for host in hosts {
            let found = self.inside(host, "readlink /etc/localtime").await;
            assert!(found.trim().ends_with(zone), "{host}: {found}");
        }
    }
}

/// A host's report in a result.
pub(crate) fn host<'a>(result: &'a Value, name: &str) -> &'a Value {
    let mut hosts = result["hosts"].as_array().expect("hosts").iter();
    let found = hosts.find(|host| host["host"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {result}"))
}

/// The failure of a host as a whole, or else of its first failed step.
#[track_caller]
pub(crate) fn failure<'a>(result: &'a Value, name: &str) -> &'a Value {
    let host = host(result, name);
    if !host["failure"].is_null() {
        return &host["failure"];
    }
    let mut steps = host["steps"].as_array().expect("steps").iter();
    let failed = steps.find(|step| step["status"] == "failed");
    failed.unwrap_or_else(|| panic!("nothing failed on {host}"))
}

/// Asserts that the work on a host ended in time: its deadlines are shorter, and without them it
/// would take minutes.
#[track_caller]
pub(crate) fn assert_ended_within(result: &Value, name: &str, limit: Duration) {
    let took = host(result, name)["duration_ms"].as_u64();
    let took = Duration::from_millis(took.expect("a duration"));
    assert!(took < limit, "{name} took {took:?}");
}

/// Asserts that nothing of a host failed.
#[track_caller]
pub(crate) fn assert_fine(result: &Value, name: &str) {
    let host = host(result, name);
    assert!(host["failure"].is_null(), "{host}");
    let mut steps = host["steps"].as_array().expect("steps").iter();
    assert!(steps.all(|step| step["status"] != "failed"), "{host}");
}

/// Asserts the code of a host's failure, and that each of these words is in it.
#[track_caller]
pub(crate) fn assert_failure(result: &Value, name: &str, code: &str, words: &[&str]) {
    let failed = failure(result, name);
    assert_eq!(failed["code"], code, "{failed}");
    let text = failed.to_string();
    for word in words {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
}
