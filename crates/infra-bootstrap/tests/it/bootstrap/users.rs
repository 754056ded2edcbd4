//! The step `users`, against a host in a directory.

use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::Arc;

use infra_bootstrap::{HostReport, Mode, UserConfig, UsersStep};
use stagecraft_core::{FailureCode, HostStep, StepOutcome};

use crate::bootstrap::support::{Connections, Machine, converge};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1cqyzY3mnbqVkXcGWpGG3oWp3X8Ck6E2k6ZcUpVx7Z ada";
const OTHER: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOtherOtherOtherOtherOtherOtherOther ada@old";

fn machine() -> Machine {
    let machine = Machine::new();
    machine.write(
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nbin:x:2:2::/bin:/bin/false\n",
    );
    machine.write("etc/group", "root:x:0:\ndocker:x:999:bob\n");
    machine.write("etc/sudoers.d/README", "");
    machine
}

async fn apply(machine: &Machine, name: &str, user: UserConfig) -> HostReport {
    let users = [(name.parse().expect("a name"), user)]
        .into_iter()
        .collect();
    let step: Arc<dyn HostStep> = Arc::new(UsersStep::new(users));
    converge(&Connections::to(machine.clone()), vec![step], Mode::Apply).await
}

fn changes(report: &HostReport) -> Vec<String> {
    match report.step("users") {
        Some(StepOutcome::Changed { changes }) => changes.clone(),
        Some(StepOutcome::Unchanged) => Vec::new(),
        other => panic!("neither changed nor unchanged: {other:?}"),
    }
}

fn ada() -> UserConfig {
    UserConfig {
        authorized_keys: vec![KEY.parse().expect("a key")],
        groups: vec!["docker".parse().expect("a group")],
        sudo: Some(true),
        ..UserConfig::default()
    }
}

#[tokio::test]
async fn user_is_made_with_keys_groups_and_rights_and_then_left_alone() {
    let machine = machine();
    let report = apply(&machine, "ada", ada()).await;
    assert_eq!(
        changes(&report),
        ["add the user ada with 1 key, the groups docker, sudo"]
    );
    assert_eq!(
        machine.read("home/ada/.ssh/authorized_keys"),
        format!("# stagecraft: begin\n{KEY}\n# stagecraft: end\n")
    );
    assert!(machine.read("etc/group").contains("docker:x:999:bob,ada\n"));
    assert_eq!(
        machine.read("etc/sudoers.d/stagecraft-ada"),
        "ada ALL=(ALL:ALL) NOPASSWD:ALL\n"
    );
    let calls = machine.calls();
    assert_eq!(changes(&apply(&machine, "ada", ada()).await), [""; 0]);
    assert_eq!(machine.calls(), calls);
}

#[tokio::test]
async fn only_what_differs_is_changed_and_keys_of_others_stay() {
    let machine = machine();
    apply(&machine, "ada", ada()).await;
    let keys = machine.read("home/ada/.ssh/authorized_keys");
    machine.write("home/ada/.ssh/authorized_keys", &format!("{OTHER}\n{keys}"));
    assert_eq!(changes(&apply(&machine, "ada", ada()).await), [""; 0]);
    machine.program("zsh", "");
    let zsh = machine.path("bin/zsh").display().to_string();
    let user = UserConfig {
        authorized_keys: Vec::new(),
        sudo: Some(false),
        shell: Some(zsh.parse().expect("a path")),
        ..ada()
    };
    let report = apply(&machine, "ada", user.clone()).await;
    assert_eq!(
        changes(&report),
        [
            format!("set the shell of ada to {zsh}"),
            "no longer let ada use sudo".to_owned(),
            "revoke the key `ada` of ada".to_owned(),
        ]
    );
    assert!(!machine.has("etc/sudoers.d/stagecraft-ada"));
    let left = machine.read("home/ada/.ssh/authorized_keys");
    assert!(left.contains(OTHER) && !left.contains(KEY), "{left}");
    assert_eq!(changes(&apply(&machine, "ada", user).await), [""; 0]);
}

#[tokio::test]
async fn no_account_can_hold_up_the_reading_of_a_host() {
    const KEYS: &str = "home/ada/.ssh/authorized_keys";
    let machine = machine();
    apply(&machine, "ada", ada()).await;
    let fifo = |below: &str| {
        let path = machine.path(below);
        let made = Command::new("mkfifo").arg(path).status().expect("mkfifo");
        assert!(made.success());
    };
    // Nobody asks for eve.
    let home = machine.path("home/eve").display().to_string();
    let accounts = machine.read("etc/passwd");
    machine.write(
        "etc/passwd",
        &format!("eve:x:1000:1000::{home}:/bin/sh\n{accounts}"),
    );
    machine.write("home/eve/.ssh/config", "");
    fifo("home/eve/.ssh/authorized_keys");
    assert_eq!(changes(&apply(&machine, "ada", ada()).await), [""; 0]);
    // As ada and not as root.
    let drops = machine.read("state/drops");
    let as_ada = "--reuid=1001 --regid=1001 --init-groups ";
    assert!(
        drops.lines().all(|drop| drop.starts_with(as_ada)),
        "{drops}"
    );
    assert!(!drops.is_empty());

    // Three megabytes in a block of ours are not read to their end, and are put right.
    let long = format!("ssh-ed25519 {} x\n", "A".repeat(500)).repeat(6000);
    let block = format!("# stagecraft: begin\n{long}# stagecraft: end\n");
    machine.write(KEYS, &block);
    let told = changes(&apply(&machine, "ada", ada()).await);
    assert_eq!(told[0], "add 1 key to ada");
    assert!(
        told[1..]
            .iter()
            .all(|own| own.starts_with("revoke the key "))
    );
    assert_eq!(changes(&apply(&machine, "ada", ada()).await), [""; 0]);

    // What has no end is not opened, and told.
    for link in [None, Some("/dev/zero")] {
        machine.remove(KEYS);
        match link {
            None => fifo(KEYS),
            Some(to) => symlink(to, machine.path(KEYS)).expect("a link"),
        }
        let report = apply(&machine, "ada", ada()).await;
        let failure = report.first_failure().expect("it is refused");
        assert_eq!(
            failure.message,
            "the users could not be set up: the keys of ada could not be written"
        );
        assert!(
            failure.evidence[0].ends_with("authorized_keys is no plain file"),
            "{failure:?}"
        );
    }
}

#[tokio::test]
async fn what_the_host_does_not_have_is_named() {
    for (name, user, message) in [
        (
            "ada",
            UserConfig {
                groups: vec!["wizards".parse().expect("a group")],
                ..UserConfig::default()
            },
            "the users could not be set up: the host has no group wizards",
        ),
        (
            "ada",
            UserConfig {
                shell: Some("/no/shell".parse().expect("a path")),
                ..UserConfig::default()
            },
            "the users could not be set up: the host has no shell /no/shell",
        ),
        (
            "bin",
            UserConfig::default(),
            "the users could not be set up: bin is an account of the system",
        ),
    ] {
        let machine = machine();
        let report = apply(&machine, name, user).await;
        let failure = report.first_failure().expect("it is refused");
        assert_eq!(failure.code, FailureCode::SystemChangeFailed);
        assert_eq!(failure.message, message);
        assert_eq!(machine.calls(), "", "nothing was begun");
    }
}

#[test]
fn names_and_keys_are_checked_when_they_are_read() {
    use infra_bootstrap::{AuthorizedKey, LoginName};
    let root = "root".parse::<LoginName>().unwrap_err();
    assert!(root.contains("left as it is"), "{root}");
    let capital = "Ada".parse::<LoginName>().unwrap_err();
    assert!(capital.contains("lower-case"), "{capital}");
    for bad in ["", "root", "Ada", "a b", "-x", "a;b", "a:b"] {
        assert!(bad.parse::<LoginName>().is_err(), "{bad}");
    }
    for bad in [
        "",
        "ssh-ed25519",
        "command=\"x\" ssh-ed25519 AAAA",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ] {
        let refusal = bad.parse::<AuthorizedKey>().expect_err(bad);
        assert!(!refusal.contains("PRIVATE"), "{refusal}");
    }
}
