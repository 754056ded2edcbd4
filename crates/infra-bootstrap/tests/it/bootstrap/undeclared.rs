//! What the file no longer declares is taken back, or it is reported why not.

use std::sync::Arc;

use infra_bootstrap::{
    HostReport, Mode, SwapStep, SysctlConfig, SysctlStep, TimezoneStep, UpgradesStep, undeclared,
};
use stagecraft_core::{HostStep, StepOutcome};

use crate::bootstrap::support::{Connections, Machine, converge};

const RECORD: &str = "var/lib/stagecraft/given";
const SYSCTL: &str = "etc/sysctl.d/zz-stagecraft.conf";
const UPGRADES: &str = "etc/apt/apt.conf.d/99stagecraft-upgrades";
const SWAP: &str = "var/swap.stagecraft";
const ALL: [&str; 4] = ["swap", "sysctl", "timezone", "unattended_upgrades"];

fn machine() -> Machine {
    let machine = Machine::new();
    machine.write("etc/sysctl.d/README", "");
    machine.write("etc/apt/apt.conf.d/20auto-upgrades", "");
    machine.write("proc/swaps", "Filename Type Size Used Priority\n");
    machine.write("etc/fstab", "/dev/vda1 / ext4 defaults 0 1\n");
    machine.write("proc/sys/vm/swappiness", "60\n");
    machine.write("proc/sys/net/core/somaxconn", "4096\n");
    machine.write("usr/share/zoneinfo/Europe/Berlin", "TZif2 Berlin");
    machine.write("usr/share/zoneinfo/Etc/UTC", "TZif2 UTC");
    machine
}

fn declared() -> Vec<Arc<dyn HostStep>> {
    let settings = [("vm.swappiness", "10"), ("net.core.somaxconn", "8192")];
    let read = |(key, value): (&str, &str)| {
        let value = serde_json::from_value(serde_json::json!(value)).expect("a value");
        (key.parse().expect("a key"), value)
    };
    vec![
        Arc::new(SwapStep::new(&"16M".parse().expect("a size"))),
        Arc::new(SysctlStep::new(
            settings.map(read).into_iter().collect::<SysctlConfig>(),
        )),
        Arc::new(TimezoneStep::new("Europe/Berlin".parse().expect("a zone"))),
        Arc::new(UpgradesStep::new(false)),
    ]
}

fn none() -> Vec<Arc<dyn HostStep>> {
    ALL.iter()
        .map(|id| undeclared(id).expect("it is taken back"))
        .collect()
}

async fn run(machine: &Machine, steps: Vec<Arc<dyn HostStep>>, mode: Mode) -> HostReport {
    let report = converge(&Connections::to(machine.clone()), steps, mode).await;
    assert!(report.is_ok(), "{report:?}");
    report
}

/// What each step did or would do.
fn changes(report: &HostReport) -> Vec<String> {
    let told = report.steps.iter().flat_map(|step| match &step.outcome {
        StepOutcome::Changed { changes } | StepOutcome::WouldChange { changes } => changes.clone(),
        _ => Vec::new(),
    });
    told.collect()
}

#[tokio::test]
async fn what_left_the_file_is_undone_and_then_not_reported_any_more() {
    let machine = machine();
    run(&machine, declared(), Mode::Apply).await;
    assert_eq!(machine.read("etc/localtime"), "TZif2 Berlin");
    // Somebody else has a wish of his own meanwhile.
    machine.write("proc/sys/net/core/somaxconn", "1024\n");

    let told = [
        "take away 16 MiB of swap, which the file no longer declares",
        "no longer set net/core/somaxconn, which was 4096 before",
        "no longer set vm/swappiness, which was 60 before",
        "set the time zone back to Etc/UTC",
        "leave unattended upgrades to the system's own settings",
    ];
    assert_eq!(changes(&run(&machine, none(), Mode::DryRun).await), told);
    assert_eq!(machine.read("proc/sys/vm/swappiness"), "10\n");
    assert_eq!(changes(&run(&machine, none(), Mode::Apply).await), told);
    assert_eq!(machine.read("proc/sys/vm/swappiness"), "60\n");
    assert_eq!(machine.read("proc/sys/net/core/somaxconn"), "1024\n");
    assert_eq!(machine.read("etc/localtime"), "TZif2 UTC");
    assert_eq!(machine.read("etc/fstab"), "/dev/vda1 / ext4 defaults 0 1\n");
    for file in [SWAP, SYSCTL, UPGRADES] {
        assert!(!machine.has(file), "{file}");
    }
    let record = machine.read(RECORD);
    assert!(record.lines().all(|line| line.starts_with('#')), "{record}");
    let again = run(&machine, none(), Mode::Apply).await;
    assert!(
        again.steps.is_empty() && again.warnings.is_empty(),
        "{again:?}"
    );
}

#[tokio::test]
async fn what_builds_without_a_record_left_is_reported_with_the_way_to_undo_it() {
    let machine = machine();
    run(&machine, declared(), Mode::Apply).await;
    machine.remove(RECORD);
    let report = run(&machine, none(), Mode::Apply).await;
    assert!(report.steps.is_empty(), "{report:?}");
    let told = report.warnings.join("\n");
    for way in ["`swap: 0`", "`sysctl: {}`", "declare `unattended_upgrades`"] {
        assert!(told.contains(way), "{told}");
    }
    for file in [SWAP, SYSCTL, UPGRADES] {
        assert!(machine.has(file), "{file}");
    }
    let nothing = SysctlStep::new(SysctlConfig::default());
    run(&machine, vec![Arc::new(nothing)], Mode::Apply).await;
    assert!(!machine.read(SYSCTL).contains("vm/"));
    let left = run(
        &machine,
        vec![undeclared("sysctl").expect("a step")],
        Mode::Apply,
    )
    .await;
    assert!(left.warnings.is_empty(), "{left:?}");
}

#[tokio::test]
async fn hosts_without_anything_of_ours_report_nothing() {
    let report = run(&machine(), none(), Mode::Apply).await;
    assert!(
        report.steps.is_empty() && report.warnings.is_empty(),
        "{report:?}"
    );
    for id in ["docker", "network", "system", "readiness"] {
        assert!(undeclared(id).is_none(), "{id}");
    }
}
