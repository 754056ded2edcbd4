//! Access ends when its declaration ends, against a host in a directory.

use std::sync::Arc;

use infra_bootstrap::{HostReport, Mode, UserConfig, UsersConfig, UsersStep, undeclared};
use stagecraft_core::{HostStep, Login, StepOutcome};

use crate::bootstrap::support::{Connections, Machine, converge};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1cqyzY3mnbqVkXcGWpGG3oWp3X8Ck6E2k6ZcUpVx7Z ada";
const SECOND: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAISecondSecondSecondSecondSecondSecond ada@phone";
const RECORD: &str = "var/lib/stagecraft/given";
const KEYS: &str = "home/ada/.ssh/authorized_keys";
const RULE: &str = "etc/sudoers.d/stagecraft-ada";

fn machine() -> Machine {
    let machine = Machine::new();
    machine.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    machine.write("etc/shadow", "root:*:19000:0:99999:7:::\n");
    machine.write("etc/group", "root:x:0:\ndocker:x:999:bob\nadm:x:4:\n");
    machine.write("etc/sudoers.d/README", "");
    machine
}

fn ada() -> UserConfig {
    UserConfig {
        authorized_keys: vec![KEY.parse().expect("a key"), SECOND.parse().expect("a key")],
        groups: vec![
            "docker".parse().expect("a group"),
            "adm".parse().expect("a group"),
        ],
        sudo: Some(true),
        ..UserConfig::default()
    }
}

fn users(all: &[(&str, UserConfig)]) -> Arc<dyn HostStep> {
    let read = |(name, user): &(&str, UserConfig)| (name.parse().expect("a name"), user.clone());
    Arc::new(UsersStep::new(
        all.iter().map(read).collect::<UsersConfig>(),
    ))
}

fn nobody() -> Arc<dyn HostStep> {
    undeclared("users").expect("something is taken back")
}

async fn run(machine: &Machine, step: Arc<dyn HostStep>, mode: Mode) -> HostReport {
    converge(&Connections::to(machine.clone()), vec![step], mode).await
}

async fn run_as(machine: &Machine, step: Arc<dyn HostStep>, login: Option<Login>) -> HostReport {
    let connections = Connections::to(machine.clone());
    *connections.login.lock().unwrap() = login;
    converge(&connections, vec![step], Mode::Apply).await
}

#[track_caller]
fn changes(report: &HostReport) -> Vec<String> {
    assert_eq!(report.failure, None);
    match report.step("users") {
        None | Some(StepOutcome::Unchanged) => Vec::new(),
        Some(StepOutcome::Changed { changes } | StepOutcome::WouldChange { changes }) => {
            changes.clone()
        }
        other => panic!("neither changed nor unchanged: {other:?}"),
    }
}

/// The record without its heading.
fn record(machine: &Machine) -> Vec<String> {
    let text = machine.read(RECORD);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

#[track_caller]
fn assert_no_access(machine: &Machine, name: &str) {
    let keys = machine.read(&format!("home/{name}/.ssh/authorized_keys"));
    assert!(!keys.contains("ssh-"), "{keys}");
    assert!(!machine.has(&format!("etc/sudoers.d/stagecraft-{name}")));
    let groups = machine.read("etc/group");
    assert!(!groups.contains(name), "{groups}");
    let accounts = machine.read("etc/passwd");
    if let Some(account) = accounts
        .lines()
        .find(|line| line.starts_with(&format!("{name}:")))
    {
        let shadow = machine.read("etc/shadow");
        let locked = format!("{name}:!:19000:0:99999:7::1:\n");
        assert!(shadow.contains(&locked), "{shadow}");
        assert!(account.ends_with("nologin"), "{account}");
    }
    let left = record(machine);
    assert!(
        left.iter().all(|line| line.starts_with("locked ")),
        "{left:?}"
    );
}

#[tokio::test]
async fn user_that_left_the_file_loses_everything_but_the_home() {
    let machine = machine();
    run(&machine, users(&[("ada", ada())]), Mode::Apply).await;
    machine.write("home/ada/notes", "mine");
    assert_eq!(
        record(&machine),
        [
            "account ada",
            "group ada docker",
            "group ada adm",
            "sudo ada",
            "keys ada"
        ]
    );
    let mode = machine.shell("stat -c %a /var/lib/stagecraft /var/lib/stagecraft/given");
    assert_eq!(mode.stdout, "700\n600\n");

    let told = [
        "revoke the access of ada: lock the account, whose home stays, remove 2 keys, \
         remove its sudo rule, take it out of docker, adm",
    ];
    let before = machine.calls();
    assert_eq!(changes(&run(&machine, nobody(), Mode::DryRun).await), told);
    assert_eq!(machine.calls(), before, "a dry run only reads");
    assert_eq!(changes(&run(&machine, nobody(), Mode::Apply).await), told);
    assert_no_access(&machine, "ada");
    assert!(machine.read("etc/group").contains("docker:x:999:bob\n"));
    assert_eq!(machine.read("home/ada/notes"), "mine");

    let after = machine.calls();
    let report = run(&machine, nobody(), Mode::Apply).await;
    assert!(report.steps.is_empty(), "{report:?}");
    assert!(report.warnings.is_empty(), "{report:?}");
    assert_eq!(machine.calls(), after);
}

#[tokio::test]
async fn what_left_a_users_entry_is_taken_back_and_the_rest_stays() {
    let machine = machine();
    run(&machine, users(&[("ada", ada())]), Mode::Apply).await;
    let less = || {
        users(&[(
            "ada",
            UserConfig {
                authorized_keys: vec![SECOND.parse().expect("a key")],
                groups: vec!["adm".parse().expect("a group")],
                sudo: None,
                ..UserConfig::default()
            },
        )])
    };
    let report = run(&machine, less(), Mode::Apply).await;
    assert_eq!(
        changes(&report),
        [
            "no longer let ada use sudo",
            "take ada out of the group docker",
            "revoke the key `ada` of ada",
        ]
    );
    assert!(!machine.has(RULE));
    let keys = machine.read(KEYS);
    assert!(keys.contains(SECOND) && !keys.contains(KEY), "{keys}");
    let groups = machine.read("etc/group");
    assert!(
        groups.contains("docker:x:999:bob\nadm:x:4:ada\n"),
        "{groups}"
    );
    assert_eq!(changes(&run(&machine, less(), Mode::Apply).await), [""; 0]);
}

#[tokio::test]
async fn what_others_gave_stays_when_a_user_leaves_the_file() {
    let machine = machine();
    let home = machine.path("home/ada").display().to_string();
    let accounts = machine.read("etc/passwd");
    machine.write(
        "etc/passwd",
        &format!("{accounts}ada:x:1001:1001::{home}:/bin/sh\n"),
    );
    machine.write("etc/group", "docker:x:999:ada\nadm:x:4:\n");
    machine.write(KEYS, "ssh-ed25519 AAAAof-others\n");
    run(&machine, users(&[("ada", ada())]), Mode::Apply).await;
    let told = changes(&run(&machine, nobody(), Mode::Apply).await);
    assert_eq!(
        told,
        [
            "revoke the access of ada: remove 2 keys, remove its sudo rule, take it out of adm, \
          the account itself stays, since Stagecraft did not create it"
        ]
    );
    assert!(
        machine
            .read("etc/group")
            .contains("docker:x:999:ada\nadm:x:4:\n")
    );
    assert!(
        machine
            .read(KEYS)
            .starts_with("ssh-ed25519 AAAAof-others\n")
    );
    assert!(machine.read("etc/passwd").ends_with(":/bin/sh\n"));
    assert!(run(&machine, nobody(), Mode::Apply).await.steps.is_empty());
}

#[tokio::test]
async fn login_in_use_keeps_its_account_and_key_and_is_named() {
    let wire = b"the key of ada, as long as such keys are";
    let login = Login::new("ada", wire);
    let own = format!("ssh-ed25519 {} ada@work", login.key);
    let machine = machine();
    let with_own = UserConfig {
        authorized_keys: vec![KEY.parse().expect("a key"), own.parse().expect("a key")],
        ..ada()
    };
    run(&machine, users(&[("ada", with_own)]), Mode::Apply).await;

    // Of her own keys only the one goes by which she is not logged in.
    let no_keys = UserConfig {
        authorized_keys: Vec::new(),
        sudo: Some(false),
        ..UserConfig::default()
    };
    let report = run_as(&machine, users(&[("ada", no_keys)]), Some(login.clone())).await;
    assert_eq!(changes(&report), ["revoke the key `ada` of ada"]);
    let keys = machine.read(KEYS);
    assert!(keys.contains(&own) && !keys.contains(KEY), "{keys}");
    assert!(machine.has(RULE));

    // And nothing at all while nobody knows who is logged in.
    for login in [Some(login), None] {
        let before = machine.calls();
        let report = run_as(&machine, nobody(), login).await;
        assert!(report.steps.is_empty(), "{report:?}");
        assert_eq!(report.warnings.len(), 1, "{report:?}");
        assert!(
            report.warnings[0].starts_with("ada keeps access"),
            "{report:?}"
        );
        assert_eq!(machine.calls(), before);
    }
    run(&machine, nobody(), Mode::Apply).await;
    assert_no_access(&machine, "ada");
}

#[tokio::test]
async fn access_from_builds_without_a_record_is_reported_and_revoked_only_by_name() {
    let machine = machine();
    run(&machine, users(&[("ada", ada())]), Mode::Apply).await;
    machine.remove(RECORD);
    let report = run(&machine, nobody(), Mode::Apply).await;
    assert!(report.steps.is_empty(), "{report:?}");
    assert_eq!(
        report.warnings,
        [
            "the account ada has access from a build that kept no record, and the file does not name \
          it: `users: { ada: { revoked: true } }` revokes it"
        ]
    );
    let undecided = UserConfig {
        sudo: None,
        ..ada()
    };
    let report = run(&machine, users(&[("ada", undecided)]), Mode::Apply).await;
    assert_eq!(changes(&report), [""; 0]);
    assert!(
        report.warnings[0].contains("`sudo: false` revokes it"),
        "{report:?}"
    );

    let revoked = || {
        let user = UserConfig {
            revoked: true,
            ..UserConfig::default()
        };
        users(&[("ada", user)])
    };
    assert_eq!(
        changes(&run(&machine, revoked(), Mode::Apply).await),
        [
            "revoke the access of ada: lock the account, whose home stays, remove 2 keys, \
          remove its sudo rule"
        ]
    );
    assert!(!machine.has(RULE));
    assert!(!machine.read(KEYS).contains("ssh-"));
    assert!(
        machine
            .read("etc/shadow")
            .contains("ada:!:19000:0:99999:7::1:\n")
    );
    let report = run(&machine, revoked(), Mode::Apply).await;
    assert_eq!((changes(&report).len(), report.warnings.len()), (0, 0));
    assert!(
        run(&machine, nobody(), Mode::Apply)
            .await
            .warnings
            .is_empty()
    );
}

#[tokio::test]
async fn user_that_comes_back_is_let_in_again() {
    let machine = machine();
    machine.program("bash", "");
    run(&machine, users(&[("ada", ada())]), Mode::Apply).await;
    run(&machine, nobody(), Mode::Apply).await;
    let told = changes(&run(&machine, users(&[("ada", ada())]), Mode::Apply).await);
    assert_eq!(told[0], "let ada in again");
    assert!(
        machine
            .read("etc/shadow")
            .contains("ada:!:19000:0:99999:7:::\n")
    );
    assert!(machine.read("etc/passwd").ends_with(":/bin/bash\n"));
    assert!(machine.read(KEYS).contains(KEY));
    assert_eq!(
        changes(&run(&machine, users(&[("ada", ada())]), Mode::Apply).await),
        [""; 0]
    );
    run(&machine, nobody(), Mode::Apply).await;
    assert_no_access(&machine, "ada");
}

#[tokio::test]
async fn account_that_is_gone_is_forgotten_and_not_locked_when_somebody_else_adds_it() {
    let machine = machine();
    run(&machine, users(&[("ada", ada())]), Mode::Apply).await;
    machine.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    let report = run(&machine, nobody(), Mode::Apply).await;
    assert_eq!(changes(&report), ["forget ada, whose account is gone"]);
    assert_eq!(record(&machine), [""; 0]);
    assert!(!machine.has(RULE));
}

/// Lets the command of this number fail, of all that change something, and everything after it.
fn fuse(machine: &Machine) {
    for name in [
        "mv", "rm", "mkdir", "cp", "useradd", "usermod", "gpasswd", "runuser",
    ] {
        let own = machine.path("bin").join(name);
        let real = machine.path("bin").join(format!("{name}.real"));
        std::fs::rename(&own, &real).unwrap();
        let real = real.display();
        machine.program(
            name,
            &format!(
                "left=$(cat ROOT/state/fuse)\n\
                 [ \"$left\" != 0 ] || exit 1\n\
                 [ -z \"$left\" ] || echo $((left - 1)) >ROOT/state/fuse\n\
                 exec {real} \"$@\""
            ),
        );
    }
    machine.write("state/fuse", "");
}

#[tokio::test]
async fn broken_off_at_any_point_nothing_that_was_given_is_forgotten() {
    let machine = machine();
    fuse(&machine);
    let ada = || UserConfig {
        authorized_keys: vec![KEY.parse().expect("a key")],
        groups: vec!["docker".parse().expect("a group")],
        ..ada()
    };
    for gives in [true, false] {
        let mut cut = 0;
        loop {
            let name = &format!("{}{cut}", if gives { "given" } else { "lost" });
            if !gives {
                run(&machine, users(&[(name, ada())]), Mode::Apply).await;
            }
            machine.write("state/fuse", &cut.to_string());
            let step = if gives {
                users(&[(name, ada())])
            } else {
                nobody()
            };
            let report = run(&machine, step, Mode::Apply).await;
            let is_whole = report.first_failure().is_none();
            machine.write("state/fuse", "");
            run(&machine, nobody(), Mode::Apply).await;
            assert_no_access(&machine, name);
            if is_whole {
                break;
            }
            cut += 1;
        }
        assert!(cut > 10, "it was cut at {cut} points");
        assert!(run(&machine, nobody(), Mode::Apply).await.steps.is_empty());
    }
}
