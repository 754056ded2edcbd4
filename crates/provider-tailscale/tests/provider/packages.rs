//! The client's package: locks, mirrors, and work that was cut off.

use std::fs;
use std::time::Duration;

use provider_tailscale::core::{
    ErrorKind, Exit, Remote as _, RemoteCommand, Retry, Run, StepOutcome, shell_quote,
};

use crate::local::LocalHost;
use crate::scripts::join;
use crate::support::{NEEDS_LOGIN, node, provider, shown};

#[tokio::test(flavor = "current_thread")]
async fn client_alone_is_installed_without_a_key() {
    let host = LocalHost::new();
    let run = Run::default();
    let first = provider()
        .ensure_installed(&run, &host, &node())
        .await
        .unwrap();
    let changes = vec!["install tailscale".to_owned()];
    assert_eq!(first, StepOutcome::Changed { changes });
    let second = provider()
        .ensure_installed(&run, &host, &node())
        .await
        .unwrap();
    assert_eq!(second, StepOutcome::Unchanged);
    assert!(host.take_calls("tailscale").is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn lock_of_the_package_lists_is_waited_for() {
    let host = LocalHost::new();
    host.write("state/apt.locked", "1\n2\n3\n");
    join(&provider(), &host).await.unwrap();
    assert_eq!(host.take_calls("sleep"), ["5", "5", "5"]);
}

#[tokio::test(flavor = "current_thread")]
async fn lock_that_is_never_free_may_be_tried_again() {
    let host = LocalHost::new();
    host.write("state/apt.locked", &"x\n".repeat(100));
    let error = join(&provider(), &host).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Unavailable, Some("install"))
    );
    assert_eq!(error.retry(), Retry::After(None));
    assert!(error.to_string().contains("held by process 7"), "{error}");
    assert_eq!(host.take_calls("sleep").len(), 60);
}

#[tokio::test(flavor = "current_thread")]
async fn locks_are_waited_for_by_the_clock() {
    // Each answer takes 45 s, so that six waits of 50 s are all there is time for.
    let host = LocalHost::new();
    host.write("state/apt.locked", &"x\n".repeat(100));
    host.write("state/apt.takes", "45\n");
    join(&provider(), &host).await.unwrap_err();
    assert_eq!(host.take_calls("sleep").len(), 6);
    // apt itself has waited all the time that there is.
    let host = LocalHost::new();
    host.write("state/apt.busy", "x\n");
    let error = join(&provider(), &host).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(host.take_calls("sleep").is_empty());
    // What went on one lock is missing for the next.
    let host = LocalHost::new();
    host.write("state/apt.locked", "1\n2\n");
    join(&provider(), &host).await.unwrap();
    let calls = host.take_calls("apt");
    assert!(
        calls.last().unwrap().contains("DPkg::Lock::Timeout=290"),
        "{calls:?}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn mirror_that_fails_for_a_moment_is_asked_again() {
    let host = LocalHost::new();
    host.write("state/apt.hiccups", "1\n2\n");
    join(&provider(), &host).await.unwrap();
    assert_eq!(host.take_calls("sleep"), ["5", "5"]);
    let host = LocalHost::new();
    host.write("state/apt.hiccups", "1\n2\n3\n");
    let error = join(&provider(), &host).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Unavailable, Retry::After(None))
    );
    assert!(error.to_string().contains("Failed to fetch"), "{error}");
}

#[tokio::test(flavor = "current_thread")]
async fn package_work_that_was_cut_off_is_finished_first() {
    let host = LocalHost::new();
    host.write("state/apt.interrupted", "");
    join(&provider(), &host).await.unwrap();
    // Without the options dpkg would ask about a changed file, and end for want of an answer.
    let repaired = "--force-confdef --force-confold --configure -a";
    assert_eq!(host.take_calls("dpkg"), [repaired]);
}

#[tokio::test(flavor = "current_thread")]
async fn release_without_packages_is_named() {
    let host = LocalHost::new();
    host.write(
        "state/curl.stderr",
        "curl: (22) The requested URL returned error: 404\n",
    );
    let error = join(&provider(), &host).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::CommandFailed, Some("install"))
    );
    assert!(
        error
            .to_string()
            .contains("no signing key at https://pkgs.tailscale.com/stable/debian/bookworm"),
        "{error}"
    );
    assert!(host.take_calls("apt").is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn work_that_is_cut_off_is_told() {
    let host = LocalHost::new();
    host.write(
        "bin/apt-get",
        "#!/bin/sh\necho 'Setting up tailscale'\nexec tail -f /dev/null\n",
    );
    let script = format!(
        "os_id=debian\nos_codename=bookworm\n{}",
        include_str!("../../src/scripts/install.sh")
    );
    let limited = format!("timeout -k 5 1 /bin/sh -c {}", shell_quote(&script));
    let command = RemoteCommand::script(limited, Duration::from_mins(1));
    let output = host.exec(&Run::default(), &command).await.unwrap();
    assert_eq!(output.exit, Exit::Code(124));
    assert!(
        output.stderr.contains("Setting up tailscale\n"),
        "{output:?}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn source_that_cannot_be_read_is_taken_back() {
    const SOURCE: &str = "root/etc/apt/sources.list.d/tailscale.list";
    for before in ["", "deb https://mirror.example stable main\n"] {
        let host = LocalHost::new();
        if !before.is_empty() {
            fs::create_dir_all(host.path("root/etc/apt/sources.list.d")).unwrap();
            host.write(SOURCE, before);
        }
        host.write("state/apt.hiccups", "1\n2\n3\n");
        join(&provider(), &host).await.unwrap_err();
        assert_eq!(host.read(SOURCE), before);
        assert_eq!(host.path(SOURCE).exists(), !before.is_empty());
        join(&provider(), &host).await.unwrap();
        assert_eq!(host.read(SOURCE), "content\n");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn repository_of_others_that_cannot_be_read_stops_nothing() {
    const SOURCE: &str = "root/etc/apt/sources.list.d/tailscale.list";
    // As apt 2.6 says it on Debian 11, whose backports were archived.
    let others = "Hit:1 https://pkgs.tailscale.com/stable/debian bullseye InRelease\n\
                  E: The repository 'http://deb.debian.org/debian bullseye-backports Release' does not have a Release file.\n";
    let host = LocalHost::new();
    host.write("state/apt.unread", others);
    join(&provider(), &host).await.unwrap();
    assert!(host.path(SOURCE).exists());

    // It is told if the client cannot be had without it.
    let host = LocalHost::new();
    host.write("state/apt.unread", others);
    host.write("state/apt.missing", "");
    let error = join(&provider(), &host).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("package lists could not be read"),
        "{error}"
    );
    assert!(shown(&error).contains("bullseye-backports"));
    assert!(!host.path(SOURCE).exists());
}

#[tokio::test(flavor = "current_thread")]
async fn full_tmp_stops_nothing_while_there_is_room_elsewhere() {
    let host = LocalHost::new();
    for place in ["root/var/tmp", "root/dev/shm"] {
        fs::create_dir_all(host.path(place)).unwrap();
    }
    let tmp = host.path("stagecraft-work.");
    let text = format!(
        "case \"$*\" in *{}*) exit 1 ;; esac\nexec /usr/bin/mktemp \"$@\"",
        tmp.display()
    );
    host.replace("mktemp", &text);
    join(&provider(), &host).await.unwrap();
    let curl = host.read("state/curl.calls");
    assert!(curl.contains("root/var/tmp/stagecraft-work."), "{curl}");
    assert_eq!(fs::read_dir(host.path("root/var/tmp")).unwrap().count(), 0);
}

#[tokio::test(flavor = "current_thread")]
async fn full_file_systems_are_named_and_need_a_change() {
    let full = "case \"$1 $2\" in
  '-iP '*/root/run/) echo 'tmpfs 1024 1024 0 100% /run' ;;
  '-kP /var' | '-kP '*/root/var/tmp/) echo '/dev/vda1 8192 8180 12 100% /' ;;
esac";
    let apt =
        "#!/bin/sh\necho 'E: Write error - write (28: No space left on device)' >&2\nexit 100\n";
    let on_disk = "the file system of / is full (12 of 8192 KiB are free)";
    for (tool, words) in [
        (
            "head",
            format!(
                "there is no room for temporary files: TMP cannot be written to, {on_disk}, the file system of /run can hold no more files (0 of 1024 are free), "
            ),
        ),
        (
            "apt-get",
            format!("{on_disk}: tailscale could not be installed"),
        ),
    ] {
        let host = LocalHost::new();
        for place in ["root/var/tmp", "root/dev/shm"] {
            fs::create_dir_all(host.path(place)).unwrap();
        }
        host.replace("df", full);
        if tool == "head" {
            host.replace(tool, "exit 1");
        } else {
            host.write("bin/apt-get", apt);
        }
        let error = join(&provider(), &host).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (ErrorKind::Rejected, Some("install"))
        );
        let root = host.path("root");
        let words = words.replace("TMP", &root.parent().unwrap().display().to_string());
        assert!(error.to_string().contains(&words), "{error}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn key_is_not_sent_to_a_host_whose_run_is_full() {
    let host = LocalHost::with_client(NEEDS_LOGIN);
    host.replace("head", "exit 1");
    host.replace(
        "df",
        "[ \"$1\" != -kP ] || echo 'tmpfs 4096 4096 0 100% /run'",
    );
    let error = join(&provider(), &host).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Rejected, Some("join"))
    );
    assert!(
        error
            .to_string()
            .ends_with("the file system of /run is full (0 of 4096 KiB are free)"),
        "{error}"
    );
    assert!(host.key_files().is_empty());
}
