//! The readiness ladder above the connection: the first boot, package locks, earlier runs.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use stagecraft_core::{ErrorKind, FailureCode, StepOutcome};
use tokio::time::Instant;

use crate::support::{Connections, Events, Machine, bootstrap, host};

#[tokio::test(start_paused = true)]
async fn first_boot_is_awaited_and_its_log_shown_at_the_deadline() {
    let machine = Machine::new();
    machine.write(
        "run/cloud-init/status.json",
        "{ \"stage\": \"modules-final\" }",
    );
    machine.write(
        "var/log/cloud-init-output.log",
        "ci-info: | eth0 |\nUnpacking droplet-agent ...\nhunter3\n",
    );
    let events = Events::default();
    let started = Instant::now();
    let connections = Connections::to(machine);
    let report = bootstrap(&connections, &host("app-1"), &events).await;
    let failure = report.failure.unwrap();
    assert_eq!(failure.code, FailureCode::HostNotReady);
    assert_eq!(failure.message, "waited 1m for the first boot to end");
    assert_eq!(
        failure.evidence,
        [
            "cloud-init is in its stage modules-final",
            "Unpacking droplet-agent ...",
            "hunter3"
        ]
    );
    assert_eq!(started.elapsed(), Duration::from_mins(1));
    assert_eq!(connections.connects(), 1);
    let names = events.names();
    let (last, before) = names.split_last().expect("events");
    assert_eq!(*last, "host_failed");
    assert!(before[1..].iter().all(|name| *name == "waiting"));
}

#[tokio::test(start_paused = true)]
async fn first_boot_has_ended_by_any_of_its_marks() {
    for mark in [
        "run/cloud-init/result.json",
        "run/cloud-init/disabled",
        "var/lib/cloud/instance/boot-finished",
    ] {
        let machine = Machine::new();
        machine.write("run/cloud-init/status.json", "{}");
        machine.write(mark, "");
        let report = bootstrap(
            &Connections::to(machine),
            &host("app-1"),
            &Events::default(),
        )
        .await;
        assert!(report.is_ok(), "{mark}: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn host_that_restarts_in_its_first_boot_is_connected_to_again() {
    let machine = Machine::new();
    machine.write("run/cloud-init/status.json", "{}");
    let connections = Connections::to(machine.clone());
    connections.break_execs([None, Some(ErrorKind::Unavailable)]);
    let events = Events::default();
    let host = host("app-1");
    let (report, ()) = tokio::join!(bootstrap(&connections, &host, &events), async {
        while connections.connects() < 2 {
            tokio::time::advance(Duration::from_millis(500)).await;
        }
        machine.write("run/cloud-init/result.json", "{}");
    });
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(connections.connects(), 2);
}

/// Holds a lock, as a package manager would, until it is dropped.
struct Holder(Child);

impl Holder {
    fn of(machine: &Machine, lock: &str) -> Self {
        let ready = machine.path("state/held");
        let child = Command::new("flock")
            .arg(machine.path(lock))
            .args(["sh", "-c", ": >\"$0\"; read -r line"])
            .arg(&ready)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        while !ready.exists() {
            std::thread::yield_now();
        }
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ended = self.0.wait();
    }
}

#[tokio::test(start_paused = true)]
async fn held_package_lock_is_awaited_and_its_holder_named() {
    let machine = Machine::new();
    let holder = Holder::of(&machine, "var/lib/dpkg/lock-frontend");
    let events = Events::default();
    let connections = Connections::to(machine.clone());
    let report = bootstrap(&connections, &host("app-1"), &events).await;
    let failure = report.failure.unwrap();
    assert_eq!(failure.code, FailureCode::HostNotReady);
    assert_eq!(failure.message, "waited 1m for the package lock");
    let pid = holder.0.id();
    assert!(
        failure.evidence[0].contains(&format!("lock-frontend is held by process {pid} (flock ")),
        "{:?}",
        failure.evidence
    );
    assert!(!machine.has("run/file"));

    drop(holder);
    let report = bootstrap(&connections, &host("app-1"), &events).await;
    assert!(report.is_ok() && report.is_changed(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_run_left_running_is_awaited_before_deciding() {
    let machine = Machine::new();
    let earlier = Holder::of(&machine, "run/stagecraft.lock");
    let pid = earlier.0.id();
    machine.write("run/stagecraft.lock", &format!("{pid} docker\n"));
    let connections = Connections::to(machine);
    let report = bootstrap(&connections, &host("app-1"), &Events::default()).await;
    let failure = report.failure.unwrap();
    assert_eq!(
        failure.message,
        "waited 1m for an earlier run on this host to end"
    );
    assert!(
        failure.evidence[0].ends_with(&format!("is held by process {pid} (docker)")),
        "{:?}",
        failure.evidence
    );
}

#[tokio::test(start_paused = true)]
async fn host_that_needs_no_change_does_not_wait_for_the_package_lock() {
    let machine = Machine::new();
    let _holder = Holder::of(&machine, "var/lib/dpkg/lock-frontend");
    machine.write("run/file", "");
    let started = Instant::now();
    let report = bootstrap(
        &Connections::to(machine),
        &host("app-1"),
        &Events::default(),
    )
    .await;
    assert_eq!(report.step("file"), Some(&StepOutcome::Unchanged));
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn work_that_the_lock_holder_did_meanwhile_is_not_done_again() {
    let machine = Machine::new();
    let mut holder = Some(Holder::of(&machine, "var/lib/dpkg/lock-frontend"));
    let events = Events::default();
    let connections = Connections::to(machine.clone());
    let host = host("app-1");
    let (report, ()) = tokio::join!(bootstrap(&connections, &host, &events), async {
        while connections.execs() < 2 {
            tokio::time::advance(Duration::from_millis(500)).await;
        }
        machine.write("run/file", "");
        holder.take();
    });
    assert_eq!(report.step("file"), Some(&StepOutcome::Unchanged));
}

#[tokio::test(start_paused = true)]
async fn garbled_answers_fail_with_what_was_said() {
    let machine = Machine::new();
    machine.program("id", "kill -9 $PPID");
    let report = bootstrap(
        &Connections::to(machine),
        &host("app-1"),
        &Events::default(),
    )
    .await;
    let failure = report.failure.unwrap();
    assert_eq!(failure.code, FailureCode::HostNotReady);
}
