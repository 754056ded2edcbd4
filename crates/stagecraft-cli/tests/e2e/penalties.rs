//! OpenSSH 10 with its own penalties (`PerSourcePenalties` of `sshd_config(5)`): none is ever due.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::hosts::{CHEAP, assert_ended_within, assert_failure, assert_fine, config, lab};
use crate::support::Lab;

const JSON: [&str; 3] = ["--yes", "--output", "json"];
/// What systemd writes while a host boots.
const NOLOGIN: &str = include_str!("field/run-nologin.txt");
const TWO_FACTORS: &str = include_str!("field/sshd-two-factors.conf");

/// A user other than root who may log in and use sudo.
const DEPLOY: &str = "
useradd --create-home --shell /bin/bash deploy
install -d -m 700 -o deploy -g deploy /home/deploy/.ssh
install -m 600 -o deploy -g deploy /root/.ssh/authorized_keys /home/deploy/.ssh/
echo 'deploy ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/deploy";

/// Asserts that the server is of the version that counts, and has turned nobody away. What it counts
/// is in its log from then on.
async fn assert_never_penalised(lab: &Lab, host: &str) {
    let version = lab.inside(host, "/usr/sbin/sshd -V 2>&1").await;
    assert!(version.contains("OpenSSH_10"), "{version}");
    let settings = lab.inside(host, "/usr/sbin/sshd -G").await;
    assert!(
        settings.contains("persourcepenalties crash:90 authfail:5"),
        "{settings}"
    );
    let log = lab
        .inside(host, "journalctl --no-pager -o cat -t sshd")
        .await;
    for word in ["activating", "drop connection", "new active"] {
        assert!(!log.contains(word), "{word}: {log}");
    }
}

/// The server's log says what it counts against whom.
async fn count_in_the_log(lab: &Lab, host: &str) {
    let verbose = "echo LogLevel VERBOSE >/etc/ssh/sshd_config.d/log.conf; systemctl reload ssh";
    lab.inside(host, verbose).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openssh_10_penalises_neither_a_host_that_boots_nor_logins_that_are_refused() {
    let text = config("web-1: { role: web, image: debian-13-x64 }", CHEAP);
    let mut lab = lab(&text).await;
    lab.infra("up", &JSON).await.expect_code(0);
    assert_never_penalised(&lab, "web-1").await;
    count_in_the_log(&lab, "web-1").await;

    // A key that the host does not know, in runs that follow each other at once.
    let right = lab.variables["STAGECRAFT_SSH_KEY"].clone();
    let wrong = lab.directory.path().join("wrong-key");
    let key = stagecraft_core::HostKey::generate().expect("a key");
    crate::support::write_private(&wrong, &key);
    let wrong = wrong.display().to_string();
    lab.variables.insert("STAGECRAFT_SSH_KEY".into(), wrong);
    lab.edit("500ms, deadline: 60s", "500ms, deadline: 12s");
    for _ in 0..3 {
        let failed = lab.infra("bootstrap", &JSON).await;
        let result = failed.expect_code(3).result();
        let words = ["refused the login as root", "PermitRootLogin"];
        assert_failure(&result, "web-1", "ssh_failed", &words);
    }
    let counted = lab.inside("web-1", "journalctl -o cat -t sshd").await;
    assert!(
        counted.contains("deferred penalty of 5 seconds"),
        "{counted}"
    );
    let log = lab.inside("web-1", "journalctl -o cat").await;
    let refused = log.matches("Failed publickey for root").count();
    assert!(refused >= 6, "{refused}: {log}");
    assert_never_penalised(&lab, "web-1").await;
    lab.variables.insert("STAGECRAFT_SSH_KEY".into(), right);
    lab.edit("500ms, deadline: 12s", "500ms, deadline: 60s");

    // A host that lets in root only while it boots, and then the others.
    lab.inside("web-1", DEPLOY).await;
    let user = "timezone: Europe/Berlin\n    ssh: { user: deploy }";
    lab.edit("timezone: Europe/Berlin", user);
    let nologin = format!("printf '%s' '{NOLOGIN}' >/run/nologin");
    lab.inside("web-1", &nologin).await;
    let opens = async {
        let refused = "journalctl -o cat -t sshd-session -t sshd | grep -c 'Access denied for user deploy' | grep -qx '[2-9]'";
        lab.until("web-1", refused).await;
        lab.inside("web-1", "rm /run/nologin").await;
    };
    let (finished, ()) = tokio::join!(lab.infra("bootstrap", &JSON), opens);
    let result = finished.expect_code(0).result();
    assert_fine(&result, "web-1");
    let retries = result["hosts"][0]["retries"].to_string();
    assert!(retries.contains("System is booting up"), "{retries}");
    assert_never_penalised(&lab, "web-1").await;

    // One that goes on refusing: its words are the evidence.
    lab.inside("web-1", &nologin).await;
    lab.edit("500ms, deadline: 60s", "500ms, deadline: 25s");
    let failed = lab.infra("bootstrap", &JSON).await;
    let result = failed.expect_code(3).result();
    let words = ["attempt 1: ", "System is booting up", "/run/nologin"];
    assert_failure(&result, "web-1", "ssh_failed", &words);
    lab.inside("web-1", "rm /run/nologin").await;
    assert_never_penalised(&lab, "web-1").await;

    // A second factor is reported at once.
    let two = format!(
        "printf '%s' '{TWO_FACTORS}' >/etc/ssh/sshd_config.d/two.conf; systemctl reload ssh"
    );
    lab.inside("web-1", &two).await;
    let failed = lab.infra("bootstrap", &JSON).await;
    let result = failed.expect_code(3).result();
    let words = ["keyboard-interactive", "second factor"];
    assert_failure(&result, "web-1", "ssh_failed", &words);
    assert_ended_within(&result, "web-1", Duration::from_secs(20));
    assert_never_penalised(&lab, "web-1").await;

    // So is a login shell that runs nothing.
    lab.edit("user: deploy", "user: root");
    for shell in ["/bin/false", "/usr/sbin/nologin"] {
        let set = format!(
            "rm -f /etc/ssh/sshd_config.d/two.conf; systemctl reload ssh; usermod -s {shell} root"
        );
        lab.inside("web-1", &set).await;
        let failed = lab.infra("bootstrap", &JSON).await;
        let result = failed.expect_code(3).result();
        assert_failure(&result, "web-1", "ssh_failed", &["the login shell", shell]);
    }
    lab.inside("web-1", "usermod -s /bin/bash root").await;
    assert_never_penalised(&lab, "web-1").await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn address_that_openssh_10_turns_away_is_named_and_let_in_again() {
    let text = config("web-1: { role: web, image: debian-13-x64 }", CHEAP);
    let lab = lab(&text).await;
    lab.infra("up", &JSON).await.expect_code(0);
    call_until_turned_away(&lab.address("web-1").await).await;
    let finished = lab.infra("bootstrap", &JSON).await;
    let result = finished.expect_code(0).result();
    let retries = result["hosts"][0]["retries"].to_string();
    let is_told = retries.contains("turns this address away for now")
        || retries.contains("closed the connection before the SSH banner");
    assert!(is_told, "{retries}");

    call_until_turned_away(&lab.address("web-1").await).await;
    lab.edit("500ms, deadline: 60s", "500ms, deadline: 5s");
    let failed = lab.infra("bootstrap", &JSON).await;
    let result = failed.expect_code(3).result();
    assert_failure(&result, "web-1", "ssh_failed", &["PerSourcePenalties"]);
    lab.shutdown().await;
}

/// What others do who call from the same address: each call without a login counts for a second.
async fn call_until_turned_away(address: &str) {
    for _ in 0..100 {
        let mut called = TcpStream::connect((address, 22))
            .await
            .expect("a connection");
        let mut said = [0; 4];
        let read = called.read_exact(&mut said).await;
        if read.is_err() || said != *b"SSH-" {
            return;
        }
    }
    panic!("{address} goes on answering");
}
