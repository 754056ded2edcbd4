//! The whole life of a fleet.

use std::collections::BTreeSet;

use crate::hosts::{assert_failure, assert_fine, config, docker, engine, host, lab};
use crate::support::Lab;

const HOSTS: [&str; 5] = ["web-1", "web-2", "web-3", "db-1", "db-2"];

#[tokio::test(flavor = "multi_thread")]
async fn five_hosts_go_from_nothing_to_docker_and_compose_and_back() {
    let hosts = "\
web: { role: web, count: 3, image: debian-13-x64 }
db: { role: db, count: 2, image: debian-12-x64 }";
    let lab = lab(&config(hosts, &docker())).await;

    let up = lab.infra("up", &["--yes", "--output", "json"]).await;
    up.expect_code(0);
    let result = up.result();
    let reports = result["hosts"].as_array().expect("hosts");
    assert_eq!(reports.len(), 5);
    for host in HOSTS {
        lab.inside(host, "docker version && docker compose version")
            .await;
    }

    // Every host has made a key of its own, and the one of its user data is trusted no more.
    let mut keys = BTreeSet::new();
    for host in HOSTS {
        let public = lab
            .inside(host, "cat /etc/ssh/ssh_host_ed25519_key.pub")
            .await;
        assert!(public.trim().ends_with("stagecraft-own"), "{public}");
        assert!(keys.insert(public));
    }

    let again = lab.infra("up", &["--yes", "--output", "json"]).await;
    again.expect_code(0);
    for report in again.result()["hosts"].as_array().expect("hosts") {
        for step in report["steps"].as_array().expect("steps") {
            assert_eq!(step["status"], "unchanged", "{report}");
        }
    }

    assert_daemons_are_healed(&lab).await;

    let containers = HOSTS.map(|host| lab.container(host));
    let down = lab.infra("down", &["--confirm", "staging"]).await;
    down.expect_code(0);
    assert!(lab.droplets().is_empty());
    let left = engine(&["ps", "--all", "--format", "{{.Names}}"]).await;
    let left = String::from_utf8(left.stdout).expect("UTF-8");
    for container in containers {
        assert!(!left.lines().any(|name| name == container), "{left}");
    }
    lab.shutdown().await;
}

/// One daemon was stopped, and one cannot start.
async fn assert_daemons_are_healed(lab: &Lab) {
    lab.inside("web-1", "systemctl stop docker.socket docker.service")
        .await;
    let breaks = "echo '{ broken' >/etc/docker/daemon.json; systemctl restart docker || :";
    lab.inside("db-1", breaks).await;
    let bootstrap = ["--yes", "--output", "json"];
    let partial = lab.infra("bootstrap", &bootstrap).await;
    let result = partial.expect_code(10).result();
    let words = ["unable to configure the Docker daemon", "daemon.json"];
    assert_failure(&result, "db-1", "docker_verify_failed", &words);
    for name in ["web-1", "web-2", "web-3", "db-2"] {
        assert_fine(&result, name);
        let is_changed = host(&result, name).to_string().contains("\"changed\"");
        assert_eq!(is_changed, name == "web-1", "{result}");
    }
    lab.inside("web-1", "docker version").await;

    lab.inside("db-1", "rm /etc/docker/daemon.json").await;
    let mended = lab.infra("bootstrap", &bootstrap).await;
    assert_fine(&mended.expect_code(0).result(), "db-1");
    lab.inside("db-1", "docker version").await;
}
