//! Rotation of host keys over real SSH, killed between any two steps.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod lab;
use stagecraft_core::{FailureCode, Fingerprint, StepOutcome};

use infra_bootstrap::Mode;
use lab::{Fuse, Lab};

fn changed() -> StepOutcome {
    StepOutcome::Changed {
        changes: vec!["give the host a host key of its own".to_owned()],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fresh_host_gets_its_own_key_before_anything_is_sent() {
    let lab = Lab::new().await;
    let report = lab.converge(Mode::Apply, &Fuse::none()).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(report.step("host_key"), Some(&changed()));
    assert_eq!(report.steps[0].step, "host_key");
    let own = lab.shown().await;
    assert_ne!(own, lab.first_key());
    assert_eq!(lab.pinned(), [own], "the first key's pin is gone");
    assert_eq!(
        lab.keys_of_secrets(),
        [own],
        "secrets went to the own key only"
    );
    let left = lab
        .run("ls /etc/ssh; stat -c %a /etc/ssh/ssh_host_ed25519_key")
        .await;
    assert!(!left.contains("stagecraft"), "{left}");
    assert!(left.contains("600"), "{left}");

    // A rotated host costs one connection and one command.
    let fuse = Fuse::none();
    let report = lab.converge(Mode::Apply, &fuse).await;
    assert_eq!(report.step("host_key"), None, "{report:?}");
    assert_eq!(lab.shown().await, own);
    assert_eq!(fuse.calls(), ["connect", "exec"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_first_boot_left_is_reported_by_the_first_run_and_by_runs_that_fail() {
    let lab = Lab::new().await;
    let result = r#"{"v1": {"datasource": "x", "errors": ["scripts_user failed"]}}"#;
    lab.run(&format!("echo '{result}' >/run/cloud-init/result.json"))
        .await;
    let first = lab.converge(Mode::Apply, &Fuse::none()).await;
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(first.warnings.len(), 1, "{first:?}");
    assert!(first.warnings[0].ends_with("there: scripts_user failed"));
    let second = lab.converge(Mode::Apply, &Fuse::none()).await;
    assert!(second.is_ok() && second.warnings.is_empty(), "{second:?}");
    lab.run(": >/root/broken").await;
    let failed = lab.converge(Mode::Apply, &Fuse::none()).await;
    assert!(!failed.is_ok(), "{failed:?}");
    assert_eq!(failed.warnings, first.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_run_tells_of_it_and_changes_nothing() {
    let lab = Lab::new().await;
    let fuse = Fuse::none();
    let report = lab.converge(Mode::DryRun, &fuse).await;
    assert!(
        matches!(
            report.step("host_key"),
            Some(StepOutcome::WouldChange { .. })
        ),
        "{report:?}"
    );
    assert_eq!(fuse.calls(), ["connect", "exec"]);
    assert_eq!(lab.shown().await, lab.first_key());
    assert_eq!(lab.pinned(), [lab.first_key()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_between_any_two_steps_locks_nobody_out() {
    let lab = Lab::new().await;
    let mut points = Vec::new();
    for point in 0.. {
        lab.renew().await;
        let fuse = Fuse::after(point);
        let report = lab.converge(Mode::Apply, &fuse).await;
        // What anybody reads from the cloud now lets them in.
        let shown = lab.shown().await;
        assert!(lab.pinned().contains(&shown), "{:?}", fuse.calls());
        let is_whole = !fuse.is_burnt();
        if !is_whole {
            points.extend(fuse.calls().last().cloned());
            let again = lab.converge(Mode::Apply, &Fuse::none()).await;
            assert!(again.is_ok(), "{:?}: {again:?}", fuse.calls());
        }
        let own = lab.shown().await;
        assert_ne!(own, lab.first_key(), "{:?}", fuse.calls());
        assert_eq!(lab.pinned(), [own], "{:?}", fuse.calls());
        assert!(lab.keys_of_secrets().iter().all(|key| *key == own));
        if is_whole {
            assert!(report.is_ok(), "{report:?}");
            break;
        }
    }
    for kind in ["connect", "exec", "pin", "unpin"] {
        assert!(points.iter().any(|point| point == kind), "{points:?}");
    }
    assert!(points.len() >= 14, "{points:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_that_is_cut_between_any_two_steps_ends_no_run() {
    let lab = Lab::new().await;
    for point in 0.. {
        lab.renew().await;
        let fuse = Fuse::cut(point);
        let report = lab.converge(Mode::Apply, &fuse).await;
        assert!(report.is_ok(), "{:?}: {report:?}", fuse.calls());
        assert_eq!(report.step("host_key"), Some(&changed()));
        let own = lab.shown().await;
        assert_ne!(own, lab.first_key(), "{:?}", fuse.calls());
        assert_eq!(lab.pinned(), [own], "{:?}", fuse.calls());
        assert!(lab.keys_of_secrets().iter().all(|key| *key == own));
        if !fuse.is_burnt() {
            assert!(point >= 10, "{point}");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_within_the_scripts_leaves_a_key_that_the_next_run_takes_up() {
    let lab = Lab::new().await;
    // The public half is in its place, the private one not yet.
    for (name, script) in [
        (
            "half a key",
            "cd /etc/ssh && echo x >ssh_host_ed25519_key.stagecraft-next",
        ),
        (
            "without its public half",
            "cd /etc/ssh && ssh-keygen -q -t ed25519 -N '' -C x -f ssh_host_ed25519_key.stagecraft-next && rm *next.pub",
        ),
        (
            "between the renames",
            "cd /etc/ssh && ssh-keygen -q -t ed25519 -N '' -C stagecraft-own -f ssh_host_ed25519_key.stagecraft-next && mv *next.pub ssh_host_ed25519_key.pub",
        ),
        (
            "a public half alone",
            "cd /etc/ssh && ssh-keygen -q -t ed25519 -N '' -C stagecraft-own -f other && mv other.pub ssh_host_ed25519_key.pub && rm other",
        ),
    ] {
        lab.renew().await;
        lab.run(script).await;
        let report = lab.converge(Mode::Apply, &Fuse::none()).await;
        assert!(report.is_ok(), "{name}: {report:?}");
        let own = lab.shown().await;
        assert_ne!(own, lab.first_key(), "{name}");
        assert_eq!(lab.pinned(), [own], "{name}");
        let public = lab.run("cat /etc/ssh/ssh_host_ed25519_key.pub").await;
        assert!(
            public.trim().ends_with(" stagecraft-own"),
            "{name}: {public}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_rotation_keeps_the_key_and_nothing_is_sent() {
    let lab = Lab::new().await;
    // It refuses any key but the first one.
    lab.run(
        "mv /usr/local/sbin/sshd /usr/local/sbin/sshd.real && printf '%s\\n' '#!/bin/sh' \
         'grep -q stagecraft-first /etc/ssh/ssh_host_ed25519_key.pub || { echo no such key >&2; exit 1; }' \
         'exec /usr/local/sbin/sshd.real \"$@\"' >/usr/local/sbin/sshd && chmod 755 /usr/local/sbin/sshd",
    )
    .await;
    let report = lab.converge(Mode::Apply, &Fuse::none()).await;
    let failure = report.first_failure().unwrap();
    assert_eq!(failure.code, FailureCode::HostKeyRotationFailed);
    assert!(
        failure
            .evidence
            .iter()
            .any(|line| line.contains("the one before it is back")),
        "{failure:?}"
    );
    assert!(
        matches!(report.step("secret"), Some(StepOutcome::Skipped { .. })),
        "{report:?}"
    );
    assert!(lab.keys_of_secrets().is_empty());
    assert_eq!(lab.shown().await, lab.first_key());
    assert!(lab.pinned().contains(&lab.first_key()));

    lab.run("mv /usr/local/sbin/sshd.real /usr/local/sbin/sshd")
        .await;
    let report = lab.converge(Mode::Apply, &Fuse::none()).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(
        lab.pinned(),
        [lab.shown().await],
        "no pin of a thrown away key stays"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn former_key_that_a_kill_has_left_is_removed_and_the_own_one_stays() {
    let lab = Lab::new().await;
    assert!(lab.converge(Mode::Apply, &Fuse::none()).await.is_ok());
    let own = lab.shown().await;
    lab.run("cd /etc/ssh && cp -p ssh_host_ed25519_key ssh_host_ed25519_key.stagecraft-old")
        .await;
    let report = lab.converge(Mode::Apply, &Fuse::none()).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!((lab.shown().await, lab.pinned()), (own, vec![own]));
    let left = lab.run("cd /etc/ssh && ls -d *stagecraft* || :").await;
    assert_eq!(left, "");
    let report = lab.converge(Mode::Apply, &Fuse::none()).await;
    assert!(report.step("host_key").is_none(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn key_that_comes_back_after_a_kill_between_the_renames_is_whole() {
    let lab = Lab::new().await;
    lab.run(
        "cd /etc/ssh && ssh-keygen -q -t ed25519 -N '' -C stagecraft-own -f ssh_host_ed25519_key.stagecraft-next && \
         mv *next.pub ssh_host_ed25519_key.pub",
    )
    .await;
    // It refuses any key that has just been put in its place.
    lab.run(
        "mv /usr/local/sbin/sshd /usr/local/sbin/sshd.real && printf '%s\\n' '#!/bin/sh' \
         'cd /etc/ssh; [ -e ssh_host_ed25519_key.stagecraft-next ] || [ ! -e ssh_host_ed25519_key.stagecraft-old ] || exit 1' \
         'exec /usr/local/sbin/sshd.real \"$@\"' >/usr/local/sbin/sshd && chmod 755 /usr/local/sbin/sshd",
    )
    .await;
    let report = lab.converge(Mode::Apply, &Fuse::none()).await;
    let failure = report.first_failure().unwrap();
    assert_eq!(failure.code, FailureCode::HostKeyRotationFailed);
    let public = lab.run("cat /etc/ssh/ssh_host_ed25519_key.pub").await;
    assert_eq!(Fingerprint::of_line(public.trim()), Some(lab.first_key()));
    assert!(public.trim().ends_with(" stagecraft-first"), "{public}");

    lab.run("mv /usr/local/sbin/sshd.real /usr/local/sbin/sshd")
        .await;
    let report = lab.converge(Mode::Apply, &Fuse::none()).await;
    assert!(report.is_ok(), "{report:?}");
    assert_ne!(lab.shown().await, lab.first_key());
    assert_eq!(lab.pinned(), [lab.shown().await]);
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_does_not_take_the_key_up_is_told_and_nothing_is_sent() {
    let lab = Lab::new().await;
    lab.run("printf 'always\\nunit is broken\\n' >/run/sandbox/fail/systemctl")
        .await;
    let report = lab.converge(Mode::Apply, &Fuse::none()).await;
    let failure = report.first_failure().unwrap();
    assert_eq!(
        failure.code,
        FailureCode::HostKeyRotationFailed,
        "{failure:?}"
    );
    assert!(lab.keys_of_secrets().is_empty());
    assert!(lab.pinned().contains(&lab.shown().await));
    lab.run("rm /run/sandbox/fail/systemctl").await;
    let report = lab.converge(Mode::Apply, &Fuse::none()).await;
    assert!(report.is_ok(), "{report:?}");
    assert_ne!(lab.shown().await, lab.first_key());
    assert_eq!(lab.pinned(), [lab.shown().await]);
}

#[tokio::test(flavor = "multi_thread")]
async fn key_that_stagecraft_did_not_make_stays() {
    let lab = Lab::new().await;
    lab.run("sed -i 's/stagecraft-first/root@old-host/' /etc/ssh/ssh_host_ed25519_key.pub")
        .await;
    let report = lab.converge(Mode::Apply, &Fuse::none()).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(report.step("host_key"), None);
    assert_eq!(lab.shown().await, lab.first_key());
}
