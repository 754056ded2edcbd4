//! A repository of packages under Docker's names, which hosts have on their own disk: what goes
//! wrong with packages is shown without the net, and in seconds.

use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::hosts::{assert_ended_within, config, engine, failure, lab};
use crate::support::{Finished, Lab};

/// Docker from the repository on the host's disk.
pub(crate) const DOCKER: &str = "docker: { mirror: 'file:///srv/linux' }";
/// The one host of [`host`].
pub(crate) const HOST: &str = "web-1";

/// A host whose first boot is over, with that repository and nothing else, and this below
/// `infra.bootstrap`.
pub(crate) async fn host(bootstrap: &str) -> Lab {
    let lab = lab(&config(
        "web-1: { role: web, image: debian-13-x64 }",
        bootstrap,
    ))
    .await;
    lab.infra("up", &["--yes", "--no-bootstrap"])
        .await
        .expect_code(0);
    lab.booted(HOST).await;
    lab.give_packages(&[HOST]).await;
    lab
}

/// The status of a step on the one host.
pub(crate) fn status<'a>(result: &'a Value, step: &str) -> &'a str {
    let mut steps = result["hosts"][0]["steps"]
        .as_array()
        .expect("steps")
        .iter();
    let step = steps.find(|own| own["step"] == step);
    step.expect("a step of that name")["status"]
        .as_str()
        .expect("a status")
}

impl Lab {
    /// Runs `infra bootstrap` on all hosts.
    pub(crate) async fn bootstrap(&self) -> Finished {
        self.infra("bootstrap", &["--yes", "-o", "json"]).await
    }

    /// The failure of the one host, which is told within two minutes.
    pub(crate) async fn fails(&self) -> Value {
        let failed = self.bootstrap().await;
        let result = failed.expect_code(3).result();
        assert_ended_within(&result, HOST, Duration::from_mins(2));
        failure(&result, HOST).clone()
    }

    /// Asserts that the next run makes the hosts ready, and the one after it changes nothing.
    pub(crate) async fn heals(&self) {
        self.bootstrap().await.expect_code(0);
        let result = self.bootstrap().await.expect_code(0).result();
        for host in result["hosts"].as_array().expect("hosts") {
            for step in host["steps"].as_array().expect("steps") {
                let is_idle = step["status"] == "unchanged" || step["status"] == "skipped";
                assert!(is_idle, "{host}");
            }
        }
    }

    /// Waits for the end of a host's first boot.
    pub(crate) async fn booted(&self, host: &str) {
        self.until(host, "test -e /run/cloud-init/result.json")
            .await;
    }

    /// Puts the repository onto hosts, and makes it the only one that they have.
    pub(crate) async fn give_packages(&self, hosts: &[&str]) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("sh");
        command
            .args(["-c", include_str!("repository.sh"), "sh"])
            .arg(folder.path());
        let made = command.output().await.expect("a shell");
        let told = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{told}");
        let from = folder.path().join("linux");
        let from = from.to_str().expect("UTF-8");
        for host in hosts {
            let to = format!("{}:/srv/", self.container(host));
            engine(&["cp", "-q", from, &to]).await;
            let others = "rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*";
            self.inside(host, others).await;
        }
    }
}
