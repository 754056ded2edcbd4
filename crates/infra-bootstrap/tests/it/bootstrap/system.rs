//! The steps that set up and check the system, against a host in a directory.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use infra_bootstrap::{
    HostReport, Mode, SwapStep, SysctlConfig, SysctlStep, SystemConfig, SystemStep, TimezoneStep,
    UpgradesStep,
};
use stagecraft_core::{FailureCode, HostStep, StepFailure, StepOutcome};

use crate::bootstrap::support::{Connections, Machine, converge};

async fn run(machine: &Machine, step: impl HostStep + 'static, mode: Mode) -> HostReport {
    let step: Arc<dyn HostStep> = Arc::new(step);
    converge(&Connections::to(machine.clone()), vec![step], mode).await
}

fn only(report: &HostReport) -> &StepOutcome {
    assert_eq!(report.failure, None);
    &report.steps[0].outcome
}

fn failure(report: &HostReport) -> &StepFailure {
    report.first_failure().expect("it failed")
}

fn changed(changes: &[&str]) -> StepOutcome {
    StepOutcome::Changed {
        changes: changes.iter().map(ToString::to_string).collect(),
    }
}

#[tokio::test]
async fn time_zone_is_set_once_and_an_unknown_one_refused() {
    let machine = Machine::new();
    machine.write("usr/share/zoneinfo/Europe/Berlin", "TZif2");
    machine.write("etc/timezone", "Etc/UTC\n");
    let berlin = || TimezoneStep::new("Europe/Berlin".parse().expect("a zone"));
    let report = run(&machine, berlin(), Mode::Apply).await;
    assert_eq!(
        only(&report),
        &changed(&["set the time zone to Europe/Berlin"])
    );
    assert_eq!(machine.read("etc/localtime"), "TZif2");
    assert_eq!(machine.read("etc/timezone"), "Europe/Berlin\n");
    let report = run(&machine, berlin(), Mode::Apply).await;
    assert_eq!(only(&report), &StepOutcome::Unchanged);
    let nowhere = TimezoneStep::new("Europe/Nowhere".parse().expect("a zone"));
    let report = run(&machine, nowhere, Mode::Apply).await;
    assert_eq!(failure(&report).code, FailureCode::SystemChangeFailed);
    assert!(
        failure(&report)
            .message
            .ends_with("the host knows no time zone Europe/Nowhere")
    );
}

fn settings(pairs: &[(&str, &str)]) -> SysctlStep {
    let read = |(key, value): &(&str, &str)| {
        let value = serde_json::from_value(serde_json::json!(value)).expect("a value");
        (key.parse().expect("a key"), value)
    };
    SysctlStep::new(pairs.iter().map(read).collect::<SysctlConfig>())
}

/// Read at boot after `99-sysctl.conf`, which is often a link to `/etc/sysctl.conf`.
const SYSCTL_FILE: &str = "etc/sysctl.d/zz-stagecraft.conf";

#[tokio::test]
async fn kernel_settings_are_kept_now_and_for_later_boots() {
    let machine = Machine::new();
    machine.write("etc/sysctl.d/README", "");
    assert_eq!(
        machine.shell("echo /proc/sys/").stdout.trim(),
        machine.path("proc/sys/").display().to_string()
    );
    machine.write("proc/sys/vm/swappiness", "60\n");
    machine.write("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n");
    let wanted = || {
        settings(&[
            ("vm.swappiness", "10"),
            ("net.ipv4.tcp_rmem", "4096 131072 9999999"),
        ])
    };
    let report = run(&machine, wanted(), Mode::DryRun).await;
    assert_eq!(machine.read("proc/sys/vm/swappiness"), "60\n");
    assert!(matches!(only(&report), StepOutcome::WouldChange { changes } if changes.len() == 2));
    let report = run(&machine, wanted(), Mode::Apply).await;
    assert_eq!(
        only(&report),
        &changed(&[
            "set net.ipv4.tcp_rmem to 4096 131072 9999999",
            "set vm.swappiness to 10"
        ])
    );
    assert_eq!(machine.read("proc/sys/vm/swappiness"), "10\n");
    let file = machine.read(SYSCTL_FILE);
    assert!(
        file.ends_with("net/ipv4/tcp_rmem=4096 131072 9999999\nvm/swappiness=10\n"),
        "{file}"
    );
    machine.write("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t9999999\n");
    assert_eq!(
        only(&run(&machine, wanted(), Mode::Apply).await),
        &StepOutcome::Unchanged
    );

    // Somebody else changes one, and the other leaves the configuration.
    machine.write("proc/sys/vm/swappiness", "60\n");
    let report = run(&machine, settings(&[("vm.swappiness", "10")]), Mode::Apply).await;
    assert_eq!(
        only(&report),
        &changed(&[
            "set vm.swappiness to 10",
            "no longer set net/ipv4/tcp_rmem, which was 4096 131072 6291456 before"
        ])
    );
    let report = run(&machine, settings(&[("vm.nonsense", "1")]), Mode::Apply).await;
    assert!(
        failure(&report)
            .message
            .ends_with("the kernel has no setting vm/nonsense")
    );
    let kept = machine.read(SYSCTL_FILE);
    assert!(kept.ends_with("\nvm/swappiness=10\n"), "{kept}");
}

#[tokio::test]
async fn value_that_the_kernel_refuses_is_not_kept_for_the_next_boot() {
    let machine = Machine::new();
    machine.write("etc/sysctl.d/README", "");
    machine.write("proc/sys/vm/swappiness", "60\n");
    // Whatever is written there is gone.
    symlink("/dev/null", machine.path("proc/sys/vm/overcommit_ratio")).expect("a link");
    let wanted = settings(&[("vm.overcommit_ratio", "-1"), ("vm.swappiness", "10")]);
    let report = run(&machine, wanted, Mode::Apply).await;
    let message = &failure(&report).message;
    assert!(message.contains("vm/overcommit_ratio is "), "{message}");
    assert!(!machine.has(SYSCTL_FILE));
}

#[tokio::test]
async fn file_of_earlier_versions_is_taken_up_and_makes_way() {
    const FORMER: &str = "etc/sysctl.d/60-stagecraft.conf";
    let machine = Machine::new();
    machine.write("proc/sys/vm/swappiness", "10\n");
    machine.write(FORMER, "# ours\nvm/swappiness=10\nvm/nonsense=1\n");
    let wanted = || settings(&[("vm.swappiness", "10")]);
    let report = run(&machine, wanted(), Mode::Apply).await;
    assert_eq!(
        only(&report),
        &changed(&[
            "no longer set vm/nonsense, which stays until the next boot",
            "let the kernel settings outlast /etc/sysctl.conf"
        ])
    );
    assert!(!machine.has(FORMER));
    assert!(machine.read(SYSCTL_FILE).ends_with("\nvm/swappiness=10\n"));
    let report = run(&machine, wanted(), Mode::Apply).await;
    assert_eq!(only(&report), &StepOutcome::Unchanged);
}

#[tokio::test]
async fn swap_file_is_added_resized_and_taken_away() {
    let machine = Machine::new();
    machine.write("proc/swaps", "Filename Type Size Used Priority\n");
    machine.write("etc/fstab", "/dev/vda1 / ext4 defaults 0 1\n");
    let swap = |size: &str| SwapStep::new(&size.parse().expect("a size"));
    for (size, told) in [
        ("16M", "add 16 MiB of swap"),
        ("32M", "change swap from 16 MiB to 32 MiB"),
    ] {
        let report = run(&machine, swap(size), Mode::Apply).await;
        assert_eq!(only(&report), &changed(&[told]));
        let report = run(&machine, swap(size), Mode::Apply).await;
        assert_eq!(only(&report), &StepOutcome::Unchanged);
        let fstab = machine.read("etc/fstab");
        assert_eq!(fstab.matches("swap.stagecraft").count(), 1, "{fstab}");
        assert!(fstab.starts_with("/dev/vda1 "), "{fstab}");
    }
    let report = run(&machine, swap("9999999G"), Mode::DryRun).await;
    assert_eq!(failure(&report).code, FailureCode::SystemChangeFailed);
    assert!(
        failure(&report)
            .message
            .starts_with("the disk has no room for ")
    );
    let report = run(&machine, swap("0"), Mode::Apply).await;
    assert_eq!(only(&report), &changed(&["take away 32 MiB of swap"]));
    assert_eq!(machine.read("etc/fstab"), "/dev/vda1 / ext4 defaults 0 1\n");
    assert!(!machine.has("var/swap.stagecraft"));
    let report = run(&machine, swap("0"), Mode::Apply).await;
    assert_eq!(only(&report), &StepOutcome::Unchanged);
}

#[tokio::test]
async fn swap_that_cannot_be_made_again_is_not_asked_for_at_boot() {
    let machine = Machine::new();
    machine.write("proc/swaps", "Filename Type Size Used Priority\n");
    machine.write("etc/fstab", "/dev/vda1 / ext4 defaults 0 1\n");
    let swap = |size: &str| SwapStep::new(&size.parse().expect("a size"));
    let report = run(&machine, swap("16M"), Mode::Apply).await;
    assert_eq!(only(&report), &changed(&["add 16 MiB of swap"]));
    machine.program("mkswap", "exit 1");
    let report = run(&machine, swap("32M"), Mode::Apply).await;
    assert!(
        failure(&report)
            .message
            .ends_with("cannot be made a swap file")
    );
    assert_eq!(machine.read("etc/fstab"), "/dev/vda1 / ext4 defaults 0 1\n");
    assert!(!machine.has("var/swap.stagecraft"));
    assert!(!machine.has("etc/fstab.stagecraft-new"));
}

#[tokio::test]
async fn unattended_upgrades_are_switched_on_and_off() {
    let machine = Machine::new();
    machine.write("etc/apt/apt.conf.d/20auto-upgrades", "");
    for (is_on, told, value) in [
        (false, "switch unattended upgrades off", "\"0\""),
        (true, "switch unattended upgrades on", "\"1\""),
    ] {
        let report = run(&machine, UpgradesStep::new(is_on), Mode::Apply).await;
        assert_eq!(only(&report), &changed(&[told]));
        let file = machine.read("etc/apt/apt.conf.d/99stagecraft-upgrades");
        assert_eq!(file.matches(value).count(), 2, "{file}");
        assert_eq!(
            machine.calls().contains("install unattended-upgrades"),
            is_on
        );
        if is_on {
            machine.program("unattended-upgrade", "");
        }
        let report = run(&machine, UpgradesStep::new(is_on), Mode::Apply).await;
        assert_eq!(only(&report), &StepOutcome::Unchanged);
    }
}

fn later() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_090)
}

#[tokio::test]
async fn wrong_clock_and_full_disk_are_failures_with_evidence() {
    let machine = Machine::new();
    let check = |config: SystemConfig| SystemStep::new(config).with_clock(later);
    for (clock, message) in [
        ("1000000", Some("the clock is 1m 30s behind")),
        ("1000060", None),
        ("1000120", None),
        ("1000151", Some("the clock is 1m 1s ahead")),
    ] {
        machine.write("state/clock", clock);
        let report = run(&machine, check(SystemConfig::default()), Mode::Apply).await;
        match message {
            None => assert_eq!(only(&report), &StepOutcome::Unchanged),
            Some(message) => {
                assert_eq!(failure(&report).code, FailureCode::SystemVerifyFailed);
                assert_eq!(failure(&report).message, message);
                assert_eq!(
                    failure(&report).evidence[1],
                    "service that keeps the clock: none"
                );
            }
        }
    }
    machine.write("state/clock", "1000090");
    for (config, message) in [
        (
            SystemConfig {
                min_free_disk: "9999999T".parse().expect("a size"),
                ..SystemConfig::default()
            },
            "are free on the disk of /",
        ),
        (
            SystemConfig {
                require_time_service: true,
                ..SystemConfig::default()
            },
            "no service keeps the clock right",
        ),
    ] {
        let report = run(&machine, check(config), Mode::Apply).await;
        assert!(failure(&report).message.contains(message), "{report:?}");
    }
    machine.write("run/systemd/timesync/synchronized", "");
    let config = SystemConfig {
        require_time_service: true,
        ..SystemConfig::default()
    };
    assert_eq!(
        only(&run(&machine, check(config), Mode::Apply).await),
        &StepOutcome::Unchanged
    );
}
