//! What can stand between the operator and a host.

use std::time::Duration;

use crate::hosts::{
    CHEAP, assert_ended_within, assert_failure, assert_fine, config, engine, failure, lab,
};

const ONLY_CREATE: [&str; 2] = ["--yes", "--no-bootstrap"];
const JSON: [&str; 3] = ["--yes", "--output", "json"];
const FIRST_ZONE: &str = "Europe/Berlin";
const NEXT_ZONE: &str = "Asia/Tokyo";
/// Of a login that is refused for 12 s.
const LOGIN: Duration = Duration::from_secs(40);

/// Takes the place of sshd: accepts, and says nothing.
const SILENT: &str = r#"
systemctl stop ssh.socket ssh.service
cat >/root/silent.py <<'EOT'
import socket
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("", 22))
listener.listen(64)
kept = []
while True:
    kept.append(listener.accept())
EOT
systemd-run --unit silent python3 /root/silent.py"#;

#[tokio::test(flavor = "multi_thread")]
async fn hosts_out_of_reach_are_told_apart_and_finished_once_they_answer() {
    let all = ["down", "paused", "filtered", "silent", "fine"];
    let hosts = all.map(|name| format!("{name}: {{ role: web, image: debian-13-x64 }}"));
    let lab = lab(&config(&hosts.join("\n"), CHEAP)).await;
    lab.infra("up", &JSON).await.expect_code(0);
    lab.assert_zone(&all, FIRST_ZONE).await;
    lab.edit(FIRST_ZONE, NEXT_ZONE);
    // Longer than one attempt may take by itself: then its own words are told.
    lab.edit("500ms, deadline: 60s", "500ms, deadline: 24s");

    let address = lab.cut_power("down").await;
    engine(&["pause", &lab.container("paused")]).await;
    let drop = "iptables -A INPUT -p tcp --dport 22 -j DROP";
    lab.inside("filtered", drop).await;
    lab.inside("silent", SILENT).await;
    lab.until("silent", "systemctl is-active silent").await;

    let partial = lab.infra("up", &JSON).await;
    let result = partial.expect_code(10).result();
    let code = "ssh_failed";
    // The machine may know the way to it a while longer: then nothing answers.
    let no_route = failure(&result, "down").to_string().contains("no route to");
    let word = if no_route { "no route" } else { "no answer" };
    assert_failure(&result, "down", code, &[word, &address]);
    assert_failure(&result, "paused", code, &["banner"]);
    assert_failure(&result, "filtered", code, &["no answer from"]);
    assert_failure(&result, "silent", code, &["banner"]);
    assert_fine(&result, "fine");
    for name in &all[..4] {
        assert_ended_within(&result, name, Duration::from_secs(40));
    }
    lab.edit("500ms, deadline: 24s", "500ms, deadline: 60s");
    lab.assert_zone(&["fine"], NEXT_ZONE).await;

    lab.power_on("down", &address).await;
    engine(&["unpause", &lab.container("paused")]).await;
    let accept = "iptables -D INPUT -p tcp --dport 22 -j DROP";
    lab.inside("filtered", accept).await;
    lab.inside("silent", "systemctl stop silent; systemctl start ssh")
        .await;
    lab.infra("up", &JSON).await.expect_code(0);
    lab.assert_zone(&all, NEXT_ZONE).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_user_and_wrong_key_are_named_and_the_right_ones_go_on() {
    let mut lab = lab(&config("web-1: { role: web, image: debian-13-x64 }", CHEAP)).await;
    lab.infra("up", &JSON).await.expect_code(0);
    lab.edit(FIRST_ZONE, NEXT_ZONE);

    lab.edit("500ms, deadline: 60s", "500ms, deadline: 12s");
    let user = "timezone: Asia/Tokyo\n    ssh: { user: nobody }";
    lab.edit("timezone: Asia/Tokyo", user);
    let failed = lab.infra("up", &JSON).await;
    let result = failed.expect_code(3).result();
    let words = ["refused the login as nobody", "SHA256:", "authorized_keys"];
    assert_failure(&result, "web-1", "ssh_failed", &words);
    assert_ended_within(&result, "web-1", LOGIN);
    lab.edit(user, "timezone: Asia/Tokyo");

    let right = lab.variables["STAGECRAFT_SSH_KEY"].clone();
    let wrong = lab.directory.path().join("wrong-key");
    let key = stagecraft_core::HostKey::generate().expect("a key");
    crate::support::write_private(&wrong, &key);
    let wrong = wrong.display().to_string();
    lab.variables.insert("STAGECRAFT_SSH_KEY".into(), wrong);
    let failed = lab.infra("up", &JSON).await;
    let result = failed.expect_code(3).result();
    let offered = key.fingerprint().to_string();
    let words = ["refused the login as root", offered.as_str()];
    assert_failure(&result, "web-1", "ssh_failed", &words);
    assert_ended_within(&result, "web-1", LOGIN);

    lab.variables.insert("STAGECRAFT_SSH_KEY".into(), right);
    lab.edit("500ms, deadline: 12s", "500ms, deadline: 60s");
    lab.infra("up", &JSON).await.expect_code(0);
    lab.assert_zone(&["web-1"], NEXT_ZONE).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unsupported_system_is_refused_by_its_name() {
    let text = config("web-1: { role: web, image: debian-13-x64 }", CHEAP);
    let lab = lab(&text).await;
    lab.infra("up", &ONLY_CREATE).await.expect_code(0);
    lab.edit("docker: { enabled: false }", "docker: { enabled: true }");
    let other = "sed -i 's/^ID=.*/ID=plan9/; s/^VERSION_ID=.*/VERSION_ID=4/' /etc/os-release";
    lab.until("web-1", other).await;
    let failed = lab.infra("up", &JSON).await;
    let result = failed.expect_code(3).result();
    assert_failure(&result, "web-1", "docker_install_failed", &["`plan9 4`"]);
    // What does not need Docker is done.
    lab.assert_zone(&["web-1"], FIRST_ZONE).await;

    lab.edit("docker: { enabled: true }", "docker: { enabled: false }");
    lab.infra("up", &JSON).await.expect_code(0);
    lab.shutdown().await;
}
