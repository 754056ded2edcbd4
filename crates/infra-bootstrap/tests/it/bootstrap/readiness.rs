//! The readiness ladder above the connection: the first boot, package locks, earlier runs.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use infra_bootstrap::{Bootstrap, CloudInit, Mode, ReadinessPolicy};
use stagecraft_core::{ErrorKind, FailureCode, StepOutcome};
use tokio::time::Instant;

use crate::bootstrap::support::{
    Connections, Events, FILE, FileStep, Machine, bootstrap, environment, host, policy,
};

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
        "var/lib/cloud/instance/boot-finished",
    ] {
        let machine = Machine::new();
        machine.write("run/cloud-init/status.json", "{}");
        // Switched off since: that is usual, and harmless once it has run.
        machine.write("run/cloud-init/disabled", "");
        machine.write("state/system-state", "running\n");
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

const ORDERING_CYCLE: &str = include_str!("../../fixtures/cloud-init-status-ordering-cycle.json");
const DEGRADED: &str = include_str!("../../fixtures/cloud-init-status-degraded.json");

/// A host whose cloud-init systemd has dropped.
fn dropped() -> Machine {
    let machine = Machine::new();
    machine.write("run/cloud-init/status.json", ORDERING_CYCLE);
    machine.write("state/system-state", "degraded\n");
    machine.write("state/units", "");
    machine.program(
        "journalctl",
        "echo 'local-fs.target: Job cloud-init.service/start deleted to break ordering cycle'",
    );
    machine
}

#[tokio::test(start_paused = true)]
async fn first_boot_that_systemd_dropped_ends_at_once_with_what_is_known() {
    let started = Instant::now();
    let events = Events::default();
    let report = bootstrap(&Connections::to(dropped()), &host("app-1"), &events).await;
    let failure = report.failure.unwrap();
    assert_eq!(failure.code, FailureCode::HostNotReady);
    assert!(
        failure
            .message
            .starts_with("cloud-init has not run to its end")
    );
    let evidence = failure.evidence.join("\n");
    for told in [
        "its stages that never ran: init-local, init, modules-final",
        "\ncloud-final.service: Result=success LoadState=loaded ActiveState=inactive\n",
        "Job cloud-init.service/start deleted to break ordering cycle",
        "readiness: { cloud_init: ignore }",
    ] {
        assert!(evidence.contains(told), "{told}: {evidence}");
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn first_boot_that_still_has_a_job_or_a_system_that_starts_is_awaited() {
    for (state, units) in [
        ("running", "81 cloud-final.service start waiting\n"),
        ("starting", ""),
        ("offline", ""),
    ] {
        let machine = dropped();
        machine.write("state/system-state", state);
        machine.write("state/units", units);
        let connections = Connections::to(machine);
        let report = bootstrap(&connections, &host("app-1"), &Events::default()).await;
        let failure = report.failure.unwrap();
        assert_eq!(
            failure.message, "waited 1m for the first boot to end",
            "{state}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn disabled_cloud_init_that_never_ran_ends_at_once_with_why() {
    let machine = Machine::new();
    machine.write("run/cloud-init/disabled", "");
    machine.write("run/cloud-init/ds-identify.log", "no datasource found\n");
    machine.write("etc/cloud/cloud-init.disabled", "");
    let connections = Connections::to(machine);
    let report = bootstrap(&connections, &host("app-1"), &Events::default()).await;
    let failure = report.failure.unwrap();
    assert_eq!(failure.code, FailureCode::HostNotReady);
    assert!(
        failure
            .message
            .starts_with("cloud-init is disabled on the host")
    );
    let evidence = failure.evidence.join("\n");
    for told in [
        "cloud-init.disabled is there",
        "no datasource found",
        "cloud_init: ignore",
    ] {
        assert!(evidence.contains(told), "{told}: {evidence}");
    }
}

#[tokio::test(start_paused = true)]
async fn ignored_cloud_init_is_neither_awaited_nor_told_of() {
    let running = Machine::new();
    running.write("run/cloud-init/status.json", DEGRADED);
    let ended = Machine::new();
    ended.write("run/cloud-init/status.json", DEGRADED);
    ended.write(
        "run/cloud-init/result.json",
        "{\"v1\": {\"errors\": [\"x\"]}}",
    );
    for machine in [dropped(), running, ended] {
        let step = Arc::new(FileStep::new("file", FILE, &[]));
        let ignoring = ReadinessPolicy {
            cloud_init: CloudInit::Ignore,
            ..policy()
        };
        let connections = Connections::to(machine);
        let report = Bootstrap::new(connections as _, [step as _], ignoring)
            .unwrap()
            .host(
                &Events::default().run(),
                &environment(),
                &host("app-1"),
                Mode::Apply,
            )
            .await;
        assert!(
            report.is_changed() && report.warnings.is_empty(),
            "{report:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn degraded_first_boot_is_a_warning_with_its_lines_and_no_failure() {
    let machine = Machine::new();
    machine.write("run/cloud-init/status.json", DEGRADED);
    machine.write("run/cloud-init/result.json", "{\"v1\": {\"errors\": []}}");
    let connections = Connections::to(machine);
    let report = bootstrap(&connections, &host("app-1"), &Events::default()).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(report.warnings.len(), 2, "{:?}", report.warnings);
    assert!(report.warnings[0].ends_with("Invalid format at line 6 column 1"));
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
