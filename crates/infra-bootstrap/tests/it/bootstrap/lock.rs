//! The lock on a host.

use std::sync::Arc;
use std::time::Duration;

use infra_bootstrap::LockedRemote;
use stagecraft_core::{
    Connector, ErrorKind, Exit, HostName, Remote, RemoteCommand, RemoteTarget, Run,
};

use crate::bootstrap::support::{Connections, Machine, host_key};

async fn locked(machine: &Machine, label: &str, wait: u64) -> LockedRemote {
    let target = RemoteTarget {
        host: HostName::new("app-1").unwrap(),
        aliases: Vec::new(),
        address: [192, 0, 2, 7].into(),
        host_keys: vec![host_key()],
    };
    let connections = Connections::to(machine.clone());
    let remote = connections.connect(&Run::default(), &target).await.unwrap();
    LockedRemote::new(remote, label, Duration::from_secs(wait))
}

fn script(text: &str) -> RemoteCommand {
    RemoteCommand::script(text, Duration::from_mins(1))
}

#[tokio::test]
async fn output_and_exit_code_are_those_of_the_command() {
    let machine = Machine::new();
    let remote = locked(&machine, "test", 5).await;
    let output = remote
        .exec(
            &Run::default(),
            &script("echo out; echo err >&2; cat; exit 75"),
        )
        .await
        .unwrap();
    assert_eq!(output.exit, Exit::Code(75));
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("out\n", "err\n")
    );
    let argv = RemoteCommand::argv(["env", "printf", "%s", "it's"], Duration::from_mins(1));
    machine.program("printf", "shift; echo \"<$1>\"");
    let output = remote.exec(&Run::default(), &argv).await.unwrap();
    assert_eq!(output.stdout, "<it's>\n");
}

#[tokio::test]
async fn nobody_else_may_open_the_lock() {
    for former in [None, Some("x\n")] {
        let machine = Machine::new();
        if let Some(text) = former {
            machine.write("run/stagecraft.lock", text);
        }
        let remote = locked(&machine, "test", 5).await;
        remote.exec(&Run::default(), &script(":")).await.unwrap();
        let seen = machine.shell("stat -c %a /run/stagecraft.lock");
        assert_eq!(seen.stdout, "600\n", "{former:?}");
    }
}

#[tokio::test]
async fn commands_run_one_at_a_time_and_the_waiting_one_names_the_holder() {
    let machine = Machine::new();
    // The first one goes on until the file `state/go` is there.
    let holder = std::thread::spawn({
        let machine = machine.clone();
        move || {
            tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap()
                .block_on(async {
                    let wait = format!(
                        ": >{0}/running; while [ -d {0} ] && ! [ -e {0}/go ]; do :; done",
                        machine.path("state").display()
                    );
                    locked(&machine, "docker", 5)
                        .await
                        .exec(&Run::default(), &script(&wait))
                        .await
                        .unwrap()
                })
        }
    });
    while !machine.has("state/running") {
        std::thread::yield_now();
    }
    let remote = locked(&machine, "network", 1).await;
    let error = remote
        .exec(&Run::default(), &script("echo never"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(
        error.to_string(),
        "waited 1s for an earlier run on this host to end"
    );
    let (name, held) = &error.context()[1];
    assert_eq!(*name, "held by");
    assert!(
        held.starts_with("process ") && held.ends_with(" docker"),
        "{held}"
    );

    machine.write("state/go", "");
    assert!(holder.join().unwrap().is_success());
    let output = remote
        .exec(&Run::default(), &script("echo now"))
        .await
        .unwrap();
    assert_eq!(output.stdout, "now\n");
}

#[tokio::test]
async fn what_runs_on_in_the_background_does_not_keep_the_lock() {
    let machine = Machine::new();
    let remote = locked(&machine, "test", 1).await;
    // Until the test has ended.
    let state = machine.path("state");
    let background = format!(
        "(while [ -d {} ]; do :; done) >/dev/null 2>&1 &",
        state.display()
    );
    remote
        .exec(&Run::default(), &script(&background))
        .await
        .unwrap();
    let output = remote.exec(&Run::default(), &script("echo free")).await;
    assert_eq!(output.unwrap().stdout, "free\n");
    let shared: Arc<dyn Remote> = Arc::new(remote);
    shared.close().await;
}

#[tokio::test]
async fn command_that_hangs_is_ended_before_its_deadline_and_frees_the_lock() {
    let machine = Machine::new();
    machine.remove("state/clock");
    let remote = locked(&machine, "test", 1).await;
    let hanging = RemoteCommand::script(
        "trap 'echo cleaned; exit 143' TERM\necho 'at work'\nn=0\nwhile [ \"$n\" -lt 10000000 ]; do n=$((n + 1)); done",
        Duration::from_secs(1),
    );
    let error = remote.exec(&Run::default(), &hanging).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.to_string(), "command was ended on the host after 1s");
    let lines: Vec<_> = error.context().iter().map(|(_, line)| line).collect();
    assert_eq!(lines, ["at work", "cleaned"]);
    let output = remote.exec(&Run::default(), &script("echo free")).await;
    assert_eq!(output.unwrap().stdout, "free\n");
}

#[tokio::test]
async fn deadline_is_told_on_hosts_whose_timeout_ends_with_125() {
    let machine = Machine::new();
    machine.remove("state/clock");
    // As that of uutils did before 0.8, if the command ends by SIGTERM.
    let limited = "[ \"$1\" = -k ] || exit 1\n/usr/bin/timeout \"$@\" || exit 125";
    machine.program("timeout", limited);
    let remote = locked(&machine, "test", 1).await;
    let hanging = RemoteCommand::script(
        "n=0\nwhile [ \"$n\" -lt 10000000 ]; do n=$((n + 1)); done",
        Duration::from_secs(1),
    );
    let error = remote.exec(&Run::default(), &hanging).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.to_string(), "command was ended on the host after 1s");
}

#[tokio::test]
async fn commands_own_exit_code_124_is_not_taken_for_a_deadline() {
    let machine = Machine::new();
    let remote = locked(&machine, "test", 1).await;
    let output = remote
        .exec(&Run::default(), &script("exit 124"))
        .await
        .unwrap();
    assert_eq!(output.exit, Exit::Code(124));
}

#[tokio::test]
async fn script_may_hold_the_word_that_ends_it() {
    let machine = Machine::new();
    let remote = locked(&machine, "test", 1).await;
    let text = "cat <<'STAGECRAFT_END'\n$HOME\nSTAGECRAFT_END\necho after";
    let output = remote.exec(&Run::default(), &script(text)).await.unwrap();
    assert_eq!(output.stdout, "$HOME\nafter\n");
}

#[tokio::test]
async fn what_killed_commands_have_left_goes_before_the_next_one() {
    let machine = Machine::new();
    let left = [
        "run/stagecraft-work.Ab12cd/log",
        "tmp/stagecraft-work.Ab12cd/log",
        "var/tmp/stagecraft-work.Ab12cd/log",
        "dev/shm/stagecraft-work.Ab12cd/log",
        "tmp/stagecraft-download.Ab12cd",
        "etc/fstab.stagecraft-new",
        "etc/apt/keyrings/docker.asc.stagecraft-new",
        "etc/sudoers.d/stagecraft-ada.stagecraft-new",
        "var/lib/stagecraft/given.stagecraft-new",
        "run/systemd/system/docker.service.d/stagecraft.conf",
    ];
    let kept = [
        "run/stagecraft-work.Ab12cd.bak/log",
        "tmp/stagecraft-workshop/log",
        "etc/fstab",
        "home/notes",
        "var/lib/stagecraft/given",
    ];
    for file in left.iter().chain(&kept) {
        machine.write(file, "text\n");
    }
    // A link under such a name goes nowhere, wherever it leads.
    let link = machine.path("tmp/stagecraft-work.Link00");
    std::os::unix::fs::symlink(machine.path("home"), &link).unwrap();
    let zone = machine.path("etc/localtime.stagecraft-new");
    std::os::unix::fs::symlink(machine.path("home/notes"), &zone).unwrap();

    let remote = locked(&machine, "test", 5).await;
    let output = remote
        .exec(&Run::default(), &script("echo done"))
        .await
        .unwrap();
    assert_eq!((&*output.stdout, &*output.stderr), ("done\n", ""));
    for file in left {
        assert!(!machine.has(file), "{file}");
    }
    assert!(!machine.has("run/stagecraft-work.Ab12cd"));
    assert!(zone.symlink_metadata().is_err());
    for file in kept {
        assert_eq!(machine.read(file), "text\n", "{file}");
    }
    assert!(link.symlink_metadata().is_ok());
    assert_eq!(machine.calls(), "systemctl daemon-reload\n");
    remote.exec(&Run::default(), &script(":")).await.unwrap();
    assert_eq!(machine.calls(), "systemctl daemon-reload\n");
}

#[tokio::test]
async fn lock_that_cannot_be_created_names_the_full_file_system() {
    for (df, kind, words) in [
        (
            "case $1 in -iP) echo 'tmpfs 1024 1024 0 100% /run' ;; *) echo 'tmpfs 4096 8 4088 1% /run' ;; esac",
            ErrorKind::Rejected,
            ": the file system of /run can hold no more files (0 of 1024 are free)",
        ),
        (
            "[ \"$1\" != -kP ] || echo 'tmpfs 4096 4090 6 100% /run'",
            ErrorKind::Rejected,
            ": the file system of /run is full (6 of 4096 KiB are free)",
        ),
        // Neither the head of the table nor a file system without a limit is full.
        (
            "echo 'Filesystem Inodes IUsed IFree IUse% Mounted on'; echo 'ramfs 0 0 0 - /run'",
            ErrorKind::CommandFailed,
            "",
        ),
    ] {
        let machine = Machine::new();
        machine.write("run/stagecraft.lock/in-its-place", "");
        machine.program("df", df);
        let remote = locked(&machine, "test", 5).await;
        let error = remote
            .exec(&Run::default(), &script("echo never"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{df}");
        let message = format!("cannot create the lock /run/stagecraft.lock on the host{words}");
        assert_eq!(error.to_string(), message);
        assert_eq!(error.context().is_empty(), !words.is_empty());
    }
}
