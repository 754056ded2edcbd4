//! Access that left the file is gone: real accounts, sudo and sshd.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::process::Command;

use crate::hosts::{config, host, lab};
use crate::stand_ins::{HOST, status};
use crate::support::Lab;

const ONE: &str = "web-1: { role: web, image: debian-13-x64 }";

/// Makes a key pair beside the configuration. Gives the path of its private half.
async fn key(lab: &Lab, name: &str) -> PathBuf {
    let path = lab.directory.path().join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
        .arg(&path)
        .status()
        .await;
    assert!(made.expect("ssh-keygen").success());
    path
}

fn public(key: &Path) -> String {
    let text = std::fs::read_to_string(key.with_extension("pub")).expect("a public key");
    text.trim().to_owned()
}

/// What OpenSSH's client gets of a command on the host: its output, or why it was refused.
async fn ssh(lab: &Lab, user: &str, key: &Path, command: &str) -> Result<String, String> {
    let address = lab.address(HOST).await;
    let output = Command::new("ssh")
        .args([
            "-F",
            "none",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "BatchMode=yes",
        ])
        .args(["-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR"])
        .args([
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "ConnectTimeout=60",
        ])
        .arg("-i")
        .arg(key)
        .arg(format!("{user}@{address}"))
        .arg(command)
        .env_remove("SSH_AUTH_SOCK")
        .output()
        .await;
    let output = output.expect("ssh");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

fn warnings(result: &Value) -> String {
    host(result, HOST)["warnings"].to_string()
}

async fn bootstrap(lab: &Lab) -> Value {
    lab.bootstrap().await.expect_code(0).result()
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_user_can_no_longer_log_in_or_use_sudo_and_others_can() {
    const ROOT: &str = "sudo -n id -u";
    let lab = lab(&config(ONE, "docker: { enabled: false }\nUSERS")).await;
    let (ada, bob) = (key(&lab, "ada").await, key(&lab, "bob").await);
    let other = key(&lab, "other").await;
    let entry = |name: &str, key: &Path| {
        let key = public(key);
        format!("{name}: {{ authorized_keys: ['{key}'], groups: [adm], sudo: true }}")
    };
    let (ada_entry, bob_entry) = (entry("ada", &ada), entry("bob", &bob));
    lab.edit("USERS", &format!("users: {{ {ada_entry}, {bob_entry} }}"));
    lab.infra("up", &["--yes", "-o", "json"])
        .await
        .expect_code(0);
    for (name, key) in [("ada", &ada), ("bob", &bob)] {
        assert_eq!(
            ssh(&lab, name, key, ROOT).await,
            Ok("0".to_owned()),
            "{name}"
        );
    }
    // A way in of her own making, and one that is open.
    let line = public(&other);
    lab.inside(
        HOST,
        &format!("echo '{line}' >>~ada/.ssh/authorized_keys; echo mine >~ada/notes"),
    )
    .await;
    assert_eq!(ssh(&lab, "ada", &other, ROOT).await, Ok("0".to_owned()));
    let open = ssh(&lab, "ada", &ada, "touch /tmp/open; exec sleep 600");

    let revoked = async {
        lab.until(HOST, "test -e /tmp/open").await;
        lab.edit(&format!("{ada_entry}, "), "");
        let plan = lab.infra("plan", &["--hosts"]).await;
        let told = &plan.expect_code(0).stdout;
        let change = "revoke the access of ada: lock the account, whose home stays, remove 1 key, \
                      remove its sudo rule, take it out of adm";
        assert!(told.contains(change), "{told}");
        assert!(!told.contains("access of bob"), "{told}");

        // Broken off in its middle: the script is killed where it locks the account.
        let slow = "touch /run/hold; cat >/usr/local/sbin/usermod <<'EOT'
#!/bin/sh
echo $$ >/run/inside; while [ -e /run/hold ]; do sleep 0.2; done; exec /usr/sbin/usermod \"$@\"
EOT
chmod 755 /usr/local/sbin/usermod";
        lab.inside(HOST, slow).await;
        let (cut, ()) = tokio::join!(lab.bootstrap(), async {
            lab.until_held(HOST).await;
            let kill = "pid=$(cat /run/inside); up=$(awk '{print $4}' /proc/$pid/stat); \
                        kill -KILL $up $pid; rm /run/hold /usr/local/sbin/usermod";
            lab.inside(HOST, kill).await;
        });
        assert_eq!(status(&cut.expect_code(3).result(), "users"), "failed");
        assert_eq!(status(&bootstrap(&lab).await, "users"), "changed");
    };
    let (open, ()) = tokio::join!(open, revoked);
    assert!(open.is_err(), "the open session has ended: {open:?}");

    for key in [&ada, &other] {
        let refused = ssh(&lab, "ada", key, "true").await;
        assert!(refused.is_err(), "{refused:?}");
    }
    assert_eq!(ssh(&lab, "bob", &bob, ROOT).await, Ok("0".to_owned()));
    for (script, seen) in [
        ("cat ~ada/notes", "mine"),
        ("id -nG ada", "ada"),
        (
            "runuser -u ada -- sudo -n id -u 2>/dev/null || echo refused",
            "refused",
        ),
        (
            "grep -c stagecraft ~ada/.ssh/authorized_keys; grep -c ' ada$' ~ada/.ssh/authorized_keys || :",
            "2\n0",
        ),
        ("passwd -S ada | cut -d ' ' -f 2", "L"),
        (
            "stat -c '%U %a' /var/lib/stagecraft /var/lib/stagecraft/given",
            "root 700\nroot 600",
        ),
        ("grep -c ada /var/lib/stagecraft/given", "1"),
    ] {
        assert_eq!(lab.inside(HOST, script).await.trim(), seen, "{script}");
    }
    assert_eq!(status(&bootstrap(&lab).await, "users"), "unchanged");

    // And back again.
    lab.edit("users: { ", &format!("users: {{ {ada_entry}, "));
    bootstrap(&lab).await;
    assert_eq!(ssh(&lab, "ada", &ada, ROOT).await, Ok("0".to_owned()));
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn block_that_left_the_file_is_revoked_but_for_the_login_of_the_run() {
    let mut lab = lab(&config(ONE, "docker: { enabled: false }\nUSERS")).await;
    let bob = key(&lab, "bob").await;
    let users = format!(
        "users: {{ bob: {{ authorized_keys: ['{}'], sudo: true }}, eve: {{ sudo: true }} }}",
        public(&bob)
    );
    lab.edit("USERS", &format!("{users}\n    timezone: Europe/Vienna\n    unattended_upgrades: false\n    sysctl: {{ net.core.somaxconn: 2048 }}"));
    lab.infra("up", &["--yes", "-o", "json"])
        .await
        .expect_code(0);
    let before = lab
        .inside(
            HOST,
            "sed -n 's/^sysctl net.core.somaxconn //p' /var/lib/stagecraft/given",
        )
        .await;

    // Logged in as bob, who left the file with all others.
    let operator = lab.variables["STAGECRAFT_SSH_KEY"].clone();
    lab.variables
        .insert("STAGECRAFT_SSH_KEY".into(), bob.display().to_string());
    lab.edit(&users, "ssh: { user: bob }");
    lab.edit("\n    timezone: Europe/Vienna\n    unattended_upgrades: false\n    sysctl: { net.core.somaxconn: 2048 }", "");
    let result = bootstrap(&lab).await;
    for step in ["users", "sysctl", "timezone", "unattended_upgrades"] {
        assert_eq!(status(&result, step), "changed", "{step}: {result}");
    }
    assert!(warnings(&result).contains("bob keeps access"), "{result}");
    assert_eq!(
        ssh(&lab, "bob", &bob, "sudo -n id -u").await,
        Ok("0".to_owned())
    );
    for (script, seen) in [
        (
            "passwd -S eve | cut -d ' ' -f 2; ls /etc/sudoers.d | grep -c eve || :",
            "L\n0",
        ),
        ("readlink -f /etc/localtime", "/usr/share/zoneinfo/Etc/UTC"),
        (
            "ls /etc/apt/apt.conf.d /etc/sysctl.d | grep stagecraft || :",
            "",
        ),
        ("cat /proc/sys/net/core/somaxconn", before.trim()),
    ] {
        assert_eq!(lab.inside(HOST, script).await.trim(), seen, "{script}");
    }
    let again = bootstrap(&lab).await;
    let steps = host(&again, HOST)["steps"].to_string();
    assert!(!steps.contains("\"changed\""), "{steps}");
    assert!(
        !steps.contains("\"users\""),
        "what has nothing to take back is left out: {steps}"
    );

    // As root again, nobody is spared.
    lab.variables.insert("STAGECRAFT_SSH_KEY".into(), operator);
    lab.edit("ssh: { user: bob }", "");
    let result = bootstrap(&lab).await;
    assert_eq!(status(&result, "users"), "changed");
    assert!(ssh(&lab, "bob", &bob, "true").await.is_err());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_operator_key_is_taken_from_root_once_the_new_one_has_logged_in() {
    let mut lab = lab(&config(ONE, "docker: { enabled: false }")).await;
    lab.infra("up", &["--yes", "-o", "json"])
        .await
        .expect_code(0);
    let former = PathBuf::from(&lab.variables["STAGECRAFT_SSH_KEY"]);
    let new = key(&lab, "new").await;
    let add = format!("echo '{}' >>/root/.ssh/authorized_keys", public(&new));
    lab.inside(HOST, &add).await;
    assert!(!bootstrap(&lab).await.to_string().contains("root's key"));

    lab.edit("ssh_key_name: my-ssh-key", "ssh_key_name: new-key");
    let kept = bootstrap(&lab).await;
    assert!(
        warnings(&kept).contains("root still lets in the key `my-ssh-key`"),
        "{kept}"
    );
    assert_eq!(
        ssh(&lab, "root", &former, "id -u").await,
        Ok("0".to_owned())
    );

    // Another key that logs in proves nothing of the one that the file names.
    lab.variables
        .insert("STAGECRAFT_SSH_KEY".into(), new.display().to_string());
    let kept = bootstrap(&lab).await;
    assert!(
        warnings(&kept).contains("root still lets in the key `my-ssh-key`"),
        "{kept}"
    );
    lab.add_account_key("new-key", &public(&new)).await;
    let plan = lab.infra("plan", &["--hosts"]).await;
    let told = &plan.expect_code(0).stdout;
    assert!(told.contains("revoke root's key `my-ssh-key`"), "{told}");
    let result = bootstrap(&lab).await;
    assert_eq!(status(&result, "users"), "changed");
    let refused = ssh(&lab, "root", &former, "true").await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(ssh(&lab, "root", &new, "id -u").await, Ok("0".to_owned()));
    let again = bootstrap(&lab).await;
    assert_eq!(warnings(&again), "[]");
    assert!(!again.to_string().contains("root's key"), "{again}");
    lab.shutdown().await;
}
