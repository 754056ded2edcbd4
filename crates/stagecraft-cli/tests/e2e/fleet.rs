//! The whole life of a fleet.

use std::collections::BTreeSet;

use crate::hosts::{config, docker, lab};

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
    for host in ["web-1", "web-2", "web-3", "db-1", "db-2"] {
        lab.inside(host, "docker version && docker compose version")
            .await;
    }

    // Every host has made a key of its own, and the one of its user data is trusted no more.
    let mut keys = BTreeSet::new();
    for host in ["web-1", "web-2", "web-3", "db-1", "db-2"] {
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

    let down = lab.infra("down", &["--confirm", "staging"]).await;
    down.expect_code(0);
    assert!(lab.droplets().is_empty());
    lab.shutdown().await;
}
