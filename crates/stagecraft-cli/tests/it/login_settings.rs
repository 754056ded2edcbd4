//! Settings of the login that are wrong: told before a host is created or touched.

use crate::support::{Finished, Lab, quick};

const UP: [&str; 3] = ["infra", "up", "--yes"];
const BOOTSTRAP: [&str; 3] = ["infra", "bootstrap", "--yes"];
const ONLY_DB: [&str; 6] = ["infra", "up", "--yes", "--no-bootstrap", "--host", "db-1"];

/// What `infra.bootstrap.ssh` says, and what is told of it.
const WRONG: [(&str, &str); 8] = [
    (
        "private_key_path: operator.pub",
        "operator.pub holds no private key",
    ),
    ("config_file: nowhere", "ssh_config nowhere does not exist"),
    ("config_file: broken", "broken:2: "),
    (
        "config_file: commands",
        "commands:2: ProxyCommand is not supported",
    ),
    (
        "jump: bastion, known_hosts_file: folder",
        "known host keys in folder",
    ),
    (
        "user: admin, sudo_password_env: NO_SUCH",
        "infra.bootstrap.ssh.sudo_password_env",
    ),
    (
        "private_key_path: locked, passphrase_env: NO_SUCH",
        "infra.bootstrap.ssh.passphrase_env",
    ),
    ("private_key_path: locked", "locked is encrypted"),
];

/// The files that the settings name.
async fn write_files(lab: &Lab) {
    let write = |name: &str, text: &str| {
        std::fs::write(lab.directory.path().join(name), text).expect("a file");
    };
    write("broken", "Host *\n  User \"open\n");
    write("commands", "Host *\n  ProxyCommand nc -x proxy %h %p\n");
    write(
        "ignored",
        "Match host app-* exec true\n  IdentityAgent none\nHost db-1\n  BindAddress 127.0.0.1\n",
    );
    write("proxied", "Host db-1\n  ProxyCommand nc %h %p\n");
    std::fs::create_dir(lab.directory.path().join("folder")).expect("a folder");
    let path = lab.directory.path().join("locked");
    let make = tokio::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "open sesame", "-f"])
        .arg(&path)
        .status()
        .await;
    assert!(make.expect("ssh-keygen").success());
    std::fs::copy(
        path.with_extension("pub"),
        lab.directory.path().join("operator.pub"),
    )
    .expect("a copy");
}

fn say(lab: &Lab, before: &str, settings: &str) -> String {
    let line = format!("    ssh: {{ {settings} }}\n    readiness:");
    lab.edit(before, &line);
    line
}

#[track_caller]
fn assert_refused(finished: &Finished, told: &str) {
    let text = &finished.expect_code(1).stderr;
    assert!(text.contains(told), "{told}: {text}");
    assert!(text.contains("no host was c"), "{told}: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_of_the_login_end_up_before_a_host_is_created() {
    let lab = Lab::api_only(quick()).await;
    write_files(&lab).await;
    let mut before = "    readiness:".to_owned();
    // A key that the account does not know is refused for that, and sooner.
    for (settings, told) in WRONG
        .into_iter()
        .filter(|(said, _)| !said.contains("locked"))
    {
        before = say(&lab, &before, settings);
        assert_refused(&lab.run(&UP).await, told);
        assert!(lab.names().is_empty(), "{settings}");
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_of_the_login_are_told_with_code_1_if_hosts_exist_too() {
    let lab = Lab::api_only(quick()).await;
    write_files(&lab).await;
    lab.run(&ONLY_DB).await.expect_code(0);
    let mut before = "    readiness:".to_owned();
    for (settings, told) in WRONG {
        before = say(&lab, &before, settings);
        assert_refused(&lab.run(&BOOTSTRAP).await, told);
        let dry = lab.run(&["infra", "bootstrap", "--dry-run"]).await;
        assert_refused(&dry, told);
    }
    let only_db = ["infra", "up", "--yes", "--host", "db-1"];
    assert_refused(&lab.run(&only_db).await, "locked is encrypted");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_for_one_host_is_its_own_failure() {
    let lab = Lab::with_hosts(quick()).await;
    write_files(&lab).await;
    lab.run(&["infra", "up", "--yes", "--no-bootstrap"])
        .await
        .expect_code(0);
    say(&lab, "    readiness:", "config_file: proxied");
    let finished = lab
        .run(&["infra", "bootstrap", "--yes", "-o", "json"])
        .await;
    let result = finished.expect_code(10).result();
    for host in result["hosts"].as_array().expect("hosts") {
        let is_ready = host["host"] != "db-1";
        assert_eq!(host["failure"].is_null(), is_ready, "{host}");
        if !is_ready {
            assert_eq!(host["failure"]["code"], "config_invalid");
        }
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_ssh_config_that_are_ignored_are_warnings_of_the_hosts_that_they_are_for() {
    let lab = Lab::with_hosts(quick()).await;
    write_files(&lab).await;
    lab.run(&["infra", "up", "--yes", "--no-bootstrap"])
        .await
        .expect_code(0);
    say(&lab, "    readiness:", "config_file: ignored");
    let finished = lab.run(&BOOTSTRAP).await;
    let text = &finished.expect_code(0).stdout;
    let exec = "ignored:1: `Match exec` is not supported, so IdentityAgent under it is ignored";
    let bind = "ignored:4: BindAddress is not supported: the system chooses the address";
    for (warning, count) in [(exec, 2), (bind, 1)] {
        let lines = text.lines().filter(|line| line.contains("warning:"));
        let told = lines.filter(|line| line.contains(warning));
        assert_eq!(told.count(), count, "{warning}: {text}");
    }
    let json = lab.run(&["infra", "bootstrap", "-o", "json"]).await;
    let text = &json.expect_code(0).stdout;
    assert!(text.contains(bind), "{text}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_in_place_of_its_path_is_refused_and_never_shown() {
    let mut lab = Lab::api_only(quick()).await;
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VzYW1l\n-----END OPENSSH PRIVATE KEY-----";
    let variable = "STAGECRAFT_SSH_KEY".to_owned();
    lab.variables.insert(variable, key.to_owned());
    let why = "infra.bootstrap.ssh.private_key_path";
    for (arguments, code, told) in [
        (
            &BOOTSTRAP[..],
            1,
            "must be the path of a file, never the key itself",
        ),
        (
            &["infra", "bootstrap", "--yes", "-o", "json"],
            1,
            "STAGECRAFT_SSH_KEY",
        ),
        (&["config", "show"], 0, "private_key_path: '***'"),
        (&["config", "show", "--why", why], 0, "= ***"),
        (&["config", "show", "-o", "json"], 0, "\"***\""),
    ] {
        let finished = lab.run(arguments).await;
        let all = format!("{}{}", finished.stdout, finished.expect_code(code).stderr);
        assert!(all.contains(told), "{arguments:?}: {all}");
        assert!(!all.contains("c2VzYW1l"), "{arguments:?}: {all}");
    }
    assert!(lab.control().requests().is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn port_of_the_environment_that_is_none_is_refused_before_anything_is_sent() {
    let mut lab = Lab::api_only(quick()).await;
    for port in ["0", "65536", "ssh"] {
        let variable = "STAGECRAFT_SSH_PORT".to_owned();
        lab.variables.insert(variable, port.to_owned());
        let refused = lab.run(&BOOTSTRAP).await;
        let told = &refused.expect_code(1).stderr;
        let place = format!("STAGECRAFT_SSH_PORT is not a port: {port}");
        assert!(told.contains(&place), "{told}");
    }
    assert!(lab.control().requests().is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jump_host_that_is_none_is_told_at_its_place_before_anything_is_sent() {
    let lab = Lab::api_only(quick()).await;
    say(&lab, "    readiness:", "jump: \"a b\"");
    for command in [&["config", "validate"][..], &UP] {
        let refused = lab.run(command).await;
        let told = format!("{}{}", refused.stdout, refused.expect_code(1).stderr);
        let place =
            "infra.bootstrap.ssh.jump: invalid jump host \"a b\": write it as user@host:port";
        assert!(told.contains(place), "{told}");
        assert!(told.contains("stagecraft.yml:"), "{told}");
    }
    assert!(lab.control().requests().is_empty());
    lab.shutdown().await;
}
