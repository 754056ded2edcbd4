//! A fleet of which a few hosts fail, each for a reason of its own.

use std::time::Duration;

use serde_json::Value;

use crate::hosts::{assert_ended_within, assert_failure, config, engine, lab};

const HOSTS: usize = 50;

/// On which host what is broken, and by what it is mended; the code, and words of the evidence.
const FAULTS: [(&str, &str, &str, &str, &str); 4] = [
    (
        "web-7",
        "echo 'import fcntl, time
lock = open(\"/var/lib/dpkg/lock-frontend\", \"w\")
fcntl.lockf(lock, fcntl.LOCK_EX)
open(\"/run/locked\", \"w\")
time.sleep(3600)' >/run/agent
setsid python3 /run/agent >/dev/null 2>&1 &
echo $! >/run/holder; until [ -e /run/locked ]; do sleep 0.05; done",
        "kill $(cat /run/holder)",
        "host_not_ready",
        "(python3 /run/agent",
    ),
    (
        "web-18",
        "systemctl stop ssh.socket ssh.service",
        "systemctl start ssh",
        "ssh_failed",
        "connection refused",
    ),
    (
        "web-29",
        "mount -t tmpfs none /usr/share/zoneinfo",
        "umount /usr/share/zoneinfo",
        "system_change_failed",
        "the host knows no time zone",
    ),
    (
        "web-40",
        "mount -t tmpfs -o size=1m none /var/lib/docker",
        "umount /var/lib/docker",
        "system_verify_failed",
        "on the disk of /var/lib/docker",
    ),
];
/// It stands still, and says nothing.
const FROZEN: &str = "web-50";
/// Two rungs with the deadline of this test take less.
const TOO_LONG: Duration = Duration::from_mins(2);

fn is_ready(host: &Value) -> bool {
    let mut steps = host["steps"].as_array().expect("steps").iter();
    host["failure"].is_null() && steps.all(|step| step["status"] != "failed")
}

#[tokio::test(flavor = "multi_thread")]
async fn five_of_fifty_hosts_fail_and_only_they_are_left_for_the_next_run() {
    let steps = "\
readiness: { interval: 500ms, deadline: 40s }
docker: { enabled: false }
timezone: Europe/Vienna";
    let hosts = format!("web: {{ role: web, count: {HOSTS}, image: debian-13-x64 }}");
    let lab = lab(&config(&hosts, steps)).await;
    lab.control()
        .update_knobs(|knobs| knobs.droplet_limit = 100);
    let up = lab.infra("up", &["--yes", "--no-bootstrap"]).await;
    up.expect_code(0);
    for number in 1..=HOSTS {
        lab.booted(&format!("web-{number}")).await;
    }
    for (host, breaks, ..) in FAULTS {
        lab.inside(host, breaks).await;
    }
    engine(&["pause", &lab.container(FROZEN)]).await;

    let partial = lab.bootstrap().await;
    let result = partial.expect_code(10).result();
    assert_eq!(result["outcome"], "partial");
    for (host, _, _, code, words) in FAULTS {
        assert_failure(&result, host, code, &[words]);
        assert_ended_within(&result, host, TOO_LONG);
    }
    assert_failure(&result, FROZEN, "ssh_failed", &["banner"]);
    assert_ended_within(&result, FROZEN, TOO_LONG);
    let reports = result["hosts"].as_array().expect("hosts");
    let ready = reports.iter().filter(|host| is_ready(host)).count();
    assert_eq!((reports.len(), ready), (HOSTS, HOSTS - FAULTS.len() - 1));

    engine(&["unpause", &lab.container(FROZEN)]).await;
    for (host, _, mends, ..) in FAULTS {
        lab.inside(host, mends).await;
    }
    let rest = lab.bootstrap().await.expect_code(0).result();
    let broken = |name: &str| name == FROZEN || FAULTS.iter().any(|fault| fault.0 == name);
    for host in rest["hosts"].as_array().expect("hosts") {
        let name = host["host"].as_str().expect("a name");
        let is_changed = host.to_string().contains("\"changed\"");
        // The disk was full after all was done.
        let has_work = broken(name) && name != "web-40";
        assert_eq!(is_changed, has_work, "{host}");
    }
    lab.shutdown().await;
}
