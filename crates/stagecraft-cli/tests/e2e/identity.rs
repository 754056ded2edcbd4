//! Whose host it is that answers.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use stagecraft_core::Fingerprint;
use stagecraft_sandbox::RecordedRequest;

use crate::hosts::{CHEAP, assert_failure, assert_fine, config, host, lab};
use crate::support::Lab;

const JSON: [&str; 3] = ["--yes", "--output", "json"];
const HOST: &str = "web-1: { role: web, image: debian-13-x64 }";
const KEY: &str = "/etc/ssh/ssh_host_ed25519_key";
const FIRST_ZONE: &str = "Europe/Berlin";
const NEXT_ZONE: &str = "Asia/Tokyo";

/// The key that a host's server shows.
async fn shown(lab: &Lab, name: &str) -> Fingerprint {
    let scan = "ssh-keyscan -t ed25519 127.0.0.1 2>/dev/null | grep ssh-ed25519";
    let line = lab.until(name, scan).await;
    let (_, key) = line.trim().split_once(' ').expect("a key");
    Fingerprint::of_line(key).expect("a key")
}

/// Gives a host another key, as somebody who reinstalls its server. Gives that key.
async fn change_key(lab: &Lab, name: &str) -> Fingerprint {
    let before = shown(lab, name).await;
    let script = format!(
        "mv {KEY} /root/kept && mv {KEY}.pub /root/kept.pub && \
         ssh-keygen -q -t ed25519 -N '' -C root@new -f {KEY} && systemctl reload ssh"
    );
    lab.inside(name, &script).await;
    until_other(lab, name, before).await
}

/// Waits until a server that was reloaded shows another key.
async fn until_other(lab: &Lab, name: &str, former: Fingerprint) -> Fingerprint {
    for _ in 0..100 {
        let now = shown(lab, name).await;
        if now != former {
            return now;
        }
    }
    panic!("{name} still shows {former}");
}

fn pins(lab: &Lab, name: &str) -> Vec<Fingerprint> {
    let id = lab.id(name);
    let droplets = lab.droplets();
    let droplet = droplets.iter().find(|droplet| droplet.id == id);
    let tags = &droplet.expect("the droplet").tags;
    tags.iter()
        .filter_map(|tag| Fingerprint::from_tag(tag))
        .collect()
}

/// How many logins the server of a host has accepted.
async fn logins(lab: &Lab, name: &str) -> usize {
    let log = "journalctl -q --no-pager _COMM=sshd _COMM=sshd-session || true";
    let log = lab.inside(name, log).await;
    log.matches("Accepted publickey").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_host_key_is_a_hard_stop_until_it_is_replaced_on_purpose() {
    let other = "web-2: { role: web, image: debian-13-x64 }";
    let lab = lab(&config(&format!("{HOST}\n{other}"), CHEAP)).await;
    lab.infra("up", &JSON).await.expect_code(0);
    lab.edit(FIRST_ZONE, NEXT_ZONE);
    let pinned = pins(&lab, "web-1");
    assert_eq!(pinned, [shown(&lab, "web-1").await]);
    let before = logins(&lab, "web-1").await;
    assert!(before > 0, "logins are seen");
    let new = change_key(&lab, "web-1").await;

    let partial = lab.infra("up", &JSON).await;
    let result = partial.expect_code(10).result();
    let words = [pinned[0].to_string(), new.to_string()];
    let words = [&words[0][..], &words[1], "infra hosts trust web-1"];
    assert_failure(&result, "web-1", "host_key_mismatch", &words);
    assert_fine(&result, "web-2");
    let retried = |line: &Value| line["event"] == "retrying" && line["host"] == "web-1";
    assert!(!partial.lines().iter().any(retried), "never tried again");
    assert_eq!(logins(&lab, "web-1").await, before, "nobody logged in");

    let new = new.to_string();
    let trust = ["web-1", "--fingerprint", &new];
    let refused = ["infra", "hosts", "trust"].iter().chain(&trust);
    let refused: Vec<&str> = refused.copied().collect();
    lab.run(&refused).await.expect_code(7);
    let replaced = [&refused[..], &["--replace"]].concat();
    lab.run(&replaced).await.expect_code(0);
    let result = lab.infra("up", &JSON).await.expect_code(0).result();
    assert_fine(&result, "web-1");
    lab.assert_zone(&["web-1", "web-2"], NEXT_ZONE).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn man_in_the_middle_of_the_first_connection_learns_nothing() {
    let lab = lab(&config(HOST, CHEAP)).await;
    let create = ["--yes", "--no-bootstrap"];
    lab.infra("up", &create).await.expect_code(0);
    let booted = "test -e /var/lib/cloud/instance/boot-finished";
    lab.until("web-1", booted).await;
    let first = pins(&lab, "web-1");
    let false_key = change_key(&lab, "web-1").await;

    let failed = lab.infra("up", &JSON).await;
    let result = failed.expect_code(3).result();
    let words = [first[0].to_string(), false_key.to_string()];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_failure(&result, "web-1", "host_key_mismatch", &words);
    assert_eq!(logins(&lab, "web-1").await, 0);
    assert_eq!(pins(&lab, "web-1"), first);

    // The man in the middle is gone.
    let script = format!("mv /root/kept {KEY}; mv /root/kept.pub {KEY}.pub; systemctl reload ssh");
    lab.inside("web-1", &script).await;
    until_other(&lab, "web-1", false_key).await;
    lab.infra("up", &JSON).await.expect_code(0);
    assert_ne!(pins(&lab, "web-1"), first, "the host has a key of its own");

    // A second machine with only the file and the token.
    let other = tempfile::tempdir().expect("a directory");
    std::fs::copy(lab.config_path(), other.path().join("stagecraft.yml")).expect("a copy");
    let arguments = ["infra", "up", "--env", "staging", "--yes", "-o", "json"];
    let up = lab.run_in(other.path(), &arguments).await;
    let result = up.expect_code(0).result();
    for step in host(&result, "web-1")["steps"].as_array().expect("steps") {
        assert!(step["status"] != "changed", "{result}");
    }
    lab.shutdown().await;
}

/// Asserts that a host shows a key that is pinned, and that nothing is left but one after a run.
async fn assert_next_run_finishes_rotation(lab: &Lab) {
    let now = shown(lab, "web-1").await;
    let pinned = pins(lab, "web-1");
    assert!(pinned.contains(&now), "locked out: {now}, {pinned:?}");
    lab.infra("up", &JSON).await.expect_code(0);
    let own = shown(lab, "web-1").await;
    assert_eq!(pins(lab, "web-1"), [own]);
    let public = lab.inside("web-1", &format!("cat {KEY}.pub")).await;
    assert!(public.trim().ends_with("stagecraft-own"), "{public}");
}

/// Where a run is killed.
#[derive(Debug, Clone, Copy)]
enum Point {
    /// At the event of this name: for steps, that of the rotation.
    Event(&'static str),
    /// At the second connection, which has proven the new key.
    Proven,
    /// At this request about the tag of a key.
    Request(&'static str),
}

/// All of them in their order.
const POINTS: [Point; 9] = [
    Point::Event("host_connected"),
    Point::Event("step_started"),
    // The new key is made, and is pinned.
    Point::Request("POST /v2/tags"),
    Point::Request("POST /v2/tags/{tag}/resources"),
    Point::Proven,
    // The pin of the first key is dropped.
    Point::Request("DELETE /v2/tags/{tag}/resources"),
    Point::Request("GET /v2/tags/{tag}"),
    Point::Request("DELETE /v2/tags/{tag}"),
    Point::Event("step_finished"),
];

impl Point {
    /// Kills an `up` at it.
    async fn kill(self, lab: &Lab) {
        let up = ["infra", "up", "--env", "staging", "--yes", "-o", "json"];
        if let Self::Request(kind) = self {
            return kill_at_request(lab, &up, kind).await;
        }
        let connected = std::cell::Cell::new(0);
        let at = |line: &Value| {
            let event = line["event"].as_str().unwrap_or_default();
            if event == "host_connected" {
                connected.set(connected.get() + 1);
            }
            match self {
                Self::Event("host_connected") => event == "host_connected",
                Self::Event(name) => event == name && line["step"] == "host_key",
                _ => connected.get() == 2,
            }
        };
        assert!(lab.kill_at(&up, at).await.is_some(), "{self:?}");
    }
}

/// Kills a run once the cloud was asked this about the tag of a host key.
async fn kill_at_request(lab: &Lab, arguments: &[&str], kind: &str) {
    let names_key = |request: &RecordedRequest| {
        let body = request.body.as_deref().unwrap_or_default();
        let mut words = request.target.split('/').chain(body.split('"'));
        request.kind == kind && words.any(|word| Fingerprint::from_tag(word).is_some())
    };
    let mut command = lab.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary");
    let mut interval = tokio::time::interval(Duration::from_millis(2));
    while !lab.control().requests().iter().any(names_key) {
        interval.tick().await;
        let ended = child.try_wait().expect("a state");
        assert!(ended.is_none(), "it ended without {kind}");
    }
    child.kill().await.expect("to kill it");
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_between_any_two_steps_of_the_rotation_locks_nobody_out() {
    for point in POINTS {
        let lab = lab(&config(HOST, CHEAP)).await;
        point.kill(&lab).await;
        assert_next_run_finishes_rotation(&lab).await;
        lab.shutdown().await;
    }
}
