//! Logins that are not root's, and hosts behind a jump host.

use std::time::Duration;

use crate::hosts::{CHEAP, assert_ended_within, assert_failure, assert_fine, config, host, lab};
use crate::support::Lab;

const ONLY_CREATE: [&str; 2] = ["--yes", "--no-bootstrap"];
const JSON: [&str; 3] = ["--yes", "--output", "json"];
const ZONE: &str = "Europe/Berlin";

/// Makes a user with root's keys, a password and this line of sudoers.
async fn add_user(lab: &Lab, host: &str, password: &str, sudoers: &str) {
    lab.until(host, "test -e /var/lib/cloud/instance/boot-finished")
        .await;
    let script = format!(
        "useradd -m -s /bin/bash deploy && echo 'deploy:{password}' | chpasswd && \
         install -d -o deploy -m 700 /home/deploy/.ssh && \
         install -o deploy -m 600 /root/.ssh/authorized_keys /home/deploy/.ssh/ && \
         sed -i 's/.* ssh-ed25519/ssh-ed25519/' /home/deploy/.ssh/authorized_keys"
    );
    lab.inside(host, &script).await;
    rights(lab, host, sudoers).await;
}

async fn rights(lab: &Lab, host: &str, sudoers: &str) {
    let script = format!(
        "echo '{sudoers}' >/etc/sudoers.d/deploy; chmod 440 /etc/sudoers.d/deploy; visudo -c"
    );
    lab.inside(host, &script).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_of_other_users_are_taken_as_they_are_and_told_where_they_are_missing() {
    let all = ["free", "asks", "wrong", "none"];
    let hosts = all.map(|name| format!("{name}: {{ role: web, image: debian-13-x64 }}"));
    let mut lab = lab(&config(&hosts.join("\n"), CHEAP)).await;
    lab.infra("up", &ONLY_CREATE).await.expect_code(0);
    let asked = "deploy ALL=(ALL:ALL) ALL";
    add_user(&lab, "free", "other", "deploy ALL=(ALL:ALL) NOPASSWD:ALL").await;
    add_user(&lab, "asks", "open sesame", asked).await;
    add_user(&lab, "wrong", "other", asked).await;
    add_user(&lab, "none", "open sesame", "# nothing").await;
    let zone = format!("timezone: {ZONE}");
    let user = format!("{zone}\n    ssh: {{ user: deploy }}");
    lab.edit(&zone, &user);

    let partial = lab.infra("bootstrap", &JSON).await;
    let result = partial.expect_code(10).result();
    assert_fine(&result, "free");
    let words = ["wants a password of deploy", "sudo_password_env"];
    assert_failure(&result, "asks", "ssh_failed", &words);

    let password = "user: deploy, sudo_password_env: SUDO_PASSWORD";
    lab.edit("user: deploy", password);
    let secret = "open sesame";
    lab.variables.insert("SUDO_PASSWORD".into(), secret.into());
    let partial = lab.infra("bootstrap", &JSON).await;
    let result = partial.expect_code(10).result();
    assert_fine(&result, "free");
    assert_fine(&result, "asks");
    let words = ["refused the password of deploy"];
    assert_failure(&result, "wrong", "ssh_failed", &words);
    let words = ["deploy has no sudo rights on none"];
    assert_failure(&result, "none", "ssh_failed", &words);
    for name in ["wrong", "none"] {
        assert_ended_within(&result, name, Duration::from_mins(1));
    }
    assert!(!partial.stdout.contains(secret) && !partial.stderr.contains(secret));
    lab.assert_zone(&["free", "asks"], ZONE).await;

    rights(&lab, "none", asked).await;
    lab.inside("wrong", "echo 'deploy:open sesame' | chpasswd")
        .await;
    lab.infra("bootstrap", &JSON).await.expect_code(0);
    lab.assert_zone(&all, ZONE).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sudo_rs_is_taken_as_sudo_and_told_where_it_cannot_take_a_password() {
    let hosts = "rust: { role: web, image: debian-13-x64 }";
    let mut lab = lab(&config(hosts, CHEAP)).await;
    lab.infra("up", &ONLY_CREATE).await.expect_code(0);
    let asked = "deploy ALL=(ALL:ALL) ALL";
    add_user(&lab, "rust", "open sesame", "# nothing").await;
    let install = "apt-get update -q && apt-get install -q -y sudo-rs && \
        ln -s /usr/bin/sudo-rs /usr/local/bin/sudo && sudo --version 2>&1";
    let version = lab.until("rust", install).await;
    assert!(version.contains("sudo-rs"), "{version}");
    let zone = format!("timezone: {ZONE}");
    lab.edit(&zone, &format!("{zone}\n    ssh: {{ user: deploy }}"));
    let fails = async |lab: &Lab, words: &[&str]| {
        let failed = lab.infra("bootstrap", &JSON).await;
        let result = failed.expect_code(3).result();
        assert_failure(&result, "rust", "ssh_failed", words);
    };

    fails(&lab, &["deploy has no sudo rights on rust"]).await;
    rights(&lab, "rust", asked).await;
    fails(&lab, &["wants a password of deploy"]).await;
    // The version of Debian 13 reads ahead, others than it up to the end of the password's line.
    let password = "user: deploy, sudo_password_env: SUDO_PASSWORD";
    lab.edit("user: deploy", password);
    lab.variables.insert("SUDO_PASSWORD".into(), "other".into());
    fails(&lab, &["refused the password of deploy"]).await;
    let secret = "open sesame";
    lab.variables.insert("SUDO_PASSWORD".into(), secret.into());
    let words = [
        "as if it belonged to the password",
        "let sudoers say NOPASSWD",
    ];
    fails(&lab, &words).await;
    rights(&lab, "rust", "deploy ALL=(ALL:ALL) NOPASSWD:ALL").await;
    lab.edit(", sudo_password_env: SUDO_PASSWORD", "");
    lab.infra("bootstrap", &JSON).await.expect_code(0);
    lab.assert_zone(&["rust"], ZONE).await;
    lab.shutdown().await;
}

/// Holds connections to the SSH server of a host that never log in, as many as it takes.
const CROWD: &str = r"
cat >/root/crowd.py <<'EOT'
import signal, socket, sys
kept = [socket.create_connection((sys.argv[1], 22)) for _ in range(8)]
open('/run/crowd', 'w').close()
signal.pause()
EOT
systemd-run --unit crowd python3 /root/crowd.py";

#[tokio::test(flavor = "multi_thread")]
async fn crowded_jump_host_is_tried_again_and_logged_in_to_once_for_all_hosts_behind_it() {
    let behind = ["web-1", "web-2", "web-3", "web-4", "web-5"];
    let hosts = "\
jump: { role: jump, image: debian-13-x64 }
web: { role: web, count: 5, image: debian-13-x64 }";
    let lab = lab(&config(hosts, CHEAP)).await;
    lab.infra("up", &JSON).await.expect_code(0);
    let address = lab.address("jump").await;
    let key = lab
        .inside("jump", "cat /etc/ssh/ssh_host_ed25519_key.pub")
        .await;
    let known = lab.directory.path().join("jump_hosts");
    std::fs::write(&known, format!("{address} {key}")).expect("a file");
    for name in behind {
        let only_jump = format!("iptables -A INPUT -p tcp --dport 22 ! -s {address} -j DROP");
        lab.inside(name, &only_jump).await;
    }
    let limited = "\
        printf 'MaxStartups 2:100:4\\nPerSourcePenalties no\\n' >/etc/ssh/sshd_config.d/00-few.conf
        systemctl restart ssh; journalctl --rotate -q; journalctl --vacuum-time=1s -q";
    lab.inside("jump", limited).await;
    lab.edit(
        ZONE,
        &format!(
            "Asia/Tokyo\n    ssh: {{ jump: 'root@{address}', known_hosts_file: '{}' }}",
            known.display()
        ),
    );

    // Others take all places before the login, and are sent away a while later.
    lab.inside("jump", &format!("{CROWD} {address}")).await;
    lab.until("jump", "test -e /run/crowd").await;
    let web = ["--yes", "--role", "web", "--output", "json"];
    lab.edit("500ms, deadline: 60s", "500ms, deadline: 10s");
    let failed = lab.infra("bootstrap", &web).await;
    let result = failed.expect_code(3).result();
    let place = format!("jump host {address} ({address}:22) turns this address away for now");
    for name in behind {
        assert_failure(&result, name, "ssh_failed", &[&place]);
        assert_ended_within(&result, name, Duration::from_mins(1));
    }

    lab.inside("jump", "systemctl stop crowd").await;
    lab.edit("500ms, deadline: 10s", "500ms, deadline: 60s");
    let done = lab.infra("bootstrap", &web).await;
    let result = done.expect_code(0).result();
    for name in behind {
        assert_fine(&result, name);
        let retried = host(&result, name)["retries"].to_string();
        assert!(!retried.contains("closed"), "{retried}");
    }
    lab.assert_zone(&behind, "Asia/Tokyo").await;
    let log = "journalctl -q --no-pager _COMM=sshd _COMM=sshd-session";
    let log = lab.inside("jump", log).await;
    assert_eq!(log.matches("Accepted publickey").count(), 1, "{log}");
    lab.shutdown().await;
}
