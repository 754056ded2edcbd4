//! The step `docker`, against a host in a directory.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use infra_bootstrap::{DockerConfig, DockerStep, HostReport, InstallMethod, Mode};
use stagecraft_core::{FailureCode, HostStep, StepFailure, StepOutcome};

use crate::bootstrap::support::{Connections, Machine, converge};

fn step(config: DockerConfig) -> Vec<Arc<dyn HostStep>> {
    vec![Arc::new(DockerStep::new(config))]
}

fn pinned(version: &str) -> DockerConfig {
    DockerConfig {
        version: version.parse().unwrap(),
        ..DockerConfig::default()
    }
}

pub(crate) async fn apply(machine: &Machine, config: DockerConfig) -> HostReport {
    converge(&Connections::to(machine.clone()), step(config), Mode::Apply).await
}

pub(crate) fn outcome(report: &HostReport) -> &StepOutcome {
    assert_eq!(report.failure, None);
    report.step("docker").unwrap()
}

pub(crate) fn failure(report: &HostReport) -> &StepFailure {
    match outcome(report) {
        StepOutcome::Failed(failure) => failure,
        other => panic!("not failed: {other:?}"),
    }
}

pub(crate) fn changed(what: &str) -> StepOutcome {
    StepOutcome::Changed {
        changes: vec![what.to_owned()],
    }
}

#[tokio::test]
async fn apt_installs_from_the_vendor_and_a_second_run_changes_nothing() {
    let machine = Machine::new();
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &changed("install the latest docker"));
    assert_eq!(
        machine.read("etc/apt/sources.list.d/docker.sources"),
        format!(
            "Types: deb\nURIs: https://download.docker.com/linux/ubuntu\nSuites: noble\nComponents: stable\nArchitectures: amd64\nSigned-By: {}\n",
            machine.path("etc/apt/keyrings/docker.asc").display()
        )
    );
    let calls = machine.calls();
    assert!(calls.contains("-o DPkg::Lock::Timeout=300"), "{calls}");
    assert!(calls.contains("systemctl enable --now docker"), "{calls}");

    let connections = Connections::to(machine.clone());
    let report = converge(&connections, step(DockerConfig::default()), Mode::Apply).await;
    assert_eq!(outcome(&report), &StepOutcome::Unchanged);
    assert_eq!(machine.calls(), calls);
    assert_eq!((connections.connects(), connections.execs()), (1, 1));
}

#[tokio::test]
async fn script_installs_once_and_leaves_nothing_behind() {
    let machine = Machine::new();
    let config = DockerConfig {
        install_method: InstallMethod::Script,
        ..pinned("27.5.1")
    };
    let report = apply(&machine, config.clone()).await;
    assert_eq!(outcome(&report), &changed("install docker 27.5.1"));
    assert!(
        machine
            .calls()
            .contains("get.docker.com VERSION=27.5.1 DOWNLOAD_URL=https://download.docker.com\n")
    );
    let left: Vec<_> = std::fs::read_dir(machine.path("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(
        outcome(&apply(&machine, config).await),
        &StepOutcome::Unchanged
    );
}

#[tokio::test]
async fn pin_installs_that_version_and_refuses_another_one() {
    let machine = Machine::new();
    let report = apply(&machine, pinned("27.5.1")).await;
    assert_eq!(outcome(&report), &changed("install docker 27.5.1"));
    assert_eq!(machine.read("state/docker-version"), "27.5.1\n");
    let exact = "docker-ce=5:27.5.1-1~ubuntu.24.04~noble docker-ce-cli=5:27.5.1-1~ubuntu.24.04~noble containerd.io ";
    assert!(machine.calls().contains(exact), "{}", machine.calls());
    for version in ["27.5.1", "27.5"] {
        let report = apply(&machine, pinned(version)).await;
        assert_eq!(outcome(&report), &StepOutcome::Unchanged);
    }

    let before = machine.calls();
    let report = apply(&machine, pinned("29.1.3")).await;
    assert_eq!(failure(&report).code, FailureCode::DockerVerifyFailed);
    assert_eq!(
        failure(&report).message,
        "docker 27.5.1 is installed, but the configuration wants 29.1.3"
    );
    assert_eq!(machine.calls(), before);
}

#[tokio::test]
async fn pin_is_held_against_upgrades_until_latest_is_wanted() {
    let machine = Machine::new();
    apply(&machine, pinned("27.5.1")).await;
    let held =
        || ["docker-ce", "docker-ce-cli"].map(|name| machine.has(&format!("state/on-hold/{name}")));
    assert_eq!(held(), [true, true]);
    machine.remove("state/on-hold/docker-ce-cli");
    let report = apply(&machine, pinned("27.5.1")).await;
    assert_eq!(outcome(&report), &changed("hold docker-ce-cli at 27.5.1"));
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(
        outcome(&report),
        &changed("take the hold off docker-ce, docker-ce-cli")
    );
    assert_eq!(held(), [false, false]);
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &StepOutcome::Unchanged);
}

#[tokio::test]
async fn version_that_is_not_offered_fails_with_those_that_are() {
    let report = apply(&Machine::new(), pinned("19.03.1")).await;
    assert_eq!(failure(&report).code, FailureCode::DockerInstallFailed);
    assert_eq!(
        failure(&report).message,
        "docker could not be installed: there is no version 19.03.1 of docker-ce"
    );
    let last = failure(&report).evidence.last();
    assert_eq!(
        last.map(String::as_str),
        Some(
            "https://download.docker.com/linux/ubuntu offers for docker-ce: 5:29.1.3-1~ubuntu.24.04~noble 5:27.5.10-1~ubuntu.24.04~noble 5:27.5.1-1~ubuntu.24.04~noble"
        )
    );
}

#[tokio::test]
async fn dry_run_tells_what_it_would_change_and_touches_nothing() {
    let machine = Machine::new();
    let connections = Connections::to(machine.clone());
    let report = converge(&connections, step(pinned("27.5.1")), Mode::DryRun).await;
    assert_eq!(
        outcome(&report),
        &StepOutcome::WouldChange {
            changes: vec!["install docker 27.5.1".to_owned()]
        }
    );
    assert_eq!((connections.connects(), connections.execs()), (1, 1));
    assert_eq!(machine.calls(), "");
    assert!(!machine.has("run/stagecraft.lock"));
}

#[tokio::test]
async fn stopped_engine_is_started_and_nothing_installed() {
    let machine = Machine::new();
    machine.install_docker("docker-ce", "29.1.3");
    machine.write("state/packages/docker-compose-plugin", "");
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &changed("start docker"));
    assert_eq!(
        machine.calls(),
        "systemctl enable --now docker\ndocker run\n"
    );
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &StepOutcome::Unchanged);
}

#[tokio::test]
async fn missing_compose_plugin_is_added_to_the_vendors_engine() {
    let machine = Machine::new();
    machine.install_docker("docker-ce", "27.5.1");
    machine.write("state/running", "");
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(
        outcome(&report),
        &StepOutcome::Changed {
            changes: vec![
                "install the compose plugin".to_owned(),
                "also installed docker-buildx-plugin".to_owned(),
            ]
        }
    );
    assert_eq!(machine.read("state/docker-version"), "27.5.1");
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &StepOutcome::Unchanged);
}

#[tokio::test]
async fn lasting_troubles_fail_with_their_cause_and_the_last_lines() {
    let interrupted = "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.\n";
    let full = "E: You don't have enough free space in /var/cache/apt/archives/.\n";
    let mirror = "E: Failed to fetch http://me:s3cret@archive.example/x  503\n";
    // As curl 7.88 of Debian 12 says it.
    let refused = "curl: (7) Failed to connect to download.docker.com port 443 after 3 ms: Couldn't connect to server\n";
    let shown = "E: Failed to fetch http://***@archive.example/x  503";
    let packages = "docker-ce=5:29.1.3-1~ubuntu.24.04~noble \
        docker-ce-cli=5:29.1.3-1~ubuntu.24.04~noble \
        containerd.io=1.7-1 docker-buildx-plugin=1.7-1 docker-compose-plugin=1.7-1";
    for (file, text, last, message) in [
        (
            "state/apt-install",
            interrupted.repeat(2),
            interrupted,
            format!("these packages could not be installed: {packages}"),
        ),
        (
            "state/apt-install",
            full.to_owned(),
            "/dev/vda1 25G 25G 0 100% /",
            format!("the disk is full: these packages could not be installed: {packages}"),
        ),
        (
            "state/apt-update",
            mirror.repeat(3),
            shown,
            "a mirror did not answer: the package lists could not be read".to_owned(),
        ),
        (
            "state/offline",
            String::new(),
            "curl: (6) Could not resolve host: download.docker.com\n",
            "a mirror did not answer: the key of the packages could not be downloaded from https://download.docker.com/linux/ubuntu/gpg".to_owned(),
        ),
        (
            "state/offline",
            refused.to_owned(),
            refused,
            "a mirror did not answer: the key of the packages could not be downloaded from https://download.docker.com/linux/ubuntu/gpg".to_owned(),
        ),
    ] {
        let machine = Machine::new();
        machine.write(file, &text);
        let report = apply(&machine, DockerConfig::default()).await;
        let failure = failure(&report);
        assert_eq!(failure.code, FailureCode::DockerInstallFailed);
        assert_eq!(failure.message, format!("docker could not be installed: {message}"));
        assert!(
            failure.evidence.contains(&last.trim_end().to_owned()),
            "{file}: {:?}",
            failure.evidence
        );
        // What was begun does not stop others from using apt.
        assert_eq!(
            machine.has("etc/apt/sources.list.d/docker.sources"),
            file == "state/apt-install"
        );
    }
}

#[tokio::test]
async fn engine_that_never_answers_fails_verification_with_its_log() {
    for (obstacle, words) in [
        (
            "state/mute",
            "it did not answer at SOCKET within 60 s, and its service was active",
        ),
        ("state/dying", "its daemon ended"),
        ("state/broken-unit", "its service could not be started"),
    ] {
        let machine = Machine::new();
        let socket = machine.path("run/docker.sock").display().to_string();
        let words = words.replace("SOCKET", &socket);
        machine.write(obstacle, "");
        let report = apply(&machine, DockerConfig::default()).await;
        let failure = failure(&report);
        assert_eq!(failure.code, FailureCode::DockerVerifyFailed, "{obstacle}");
        assert_eq!(
            failure.message,
            format!("docker is installed but does not answer: {words}")
        );
        for line in ["docker[7]: failed to start daemon", "Result=exit-code"] {
            assert!(
                failure.evidence.contains(&line.to_owned()),
                "{:?}",
                failure.evidence
            );
        }
        // The obstacle gone, a second run finishes what is missing.
        machine.remove(obstacle);
        let report = apply(&machine, DockerConfig::default()).await;
        assert_eq!(outcome(&report), &changed("start docker"));
    }
}

#[tokio::test]
async fn start_that_hangs_is_told_with_its_state_and_its_log() {
    let machine = Machine::new();
    machine.install_docker("docker-ce", "29.1.3");
    machine.write("state/packages/docker-compose-plugin", "");
    machine.write("state/hanging", "");
    // The time is up at once.
    machine.program(
        "timeout",
        "case \"$*\" in '90 systemctl enable --now docker') [ ! -e ROOT/state/hanging ] || exit 124 ;; -k*) shift 2 ;; esac\nshift\nexec \"$@\"",
    );
    let report = apply(&machine, DockerConfig::default()).await;
    let hung = failure(&report);
    assert_eq!(hung.code, FailureCode::DockerVerifyFailed);
    assert_eq!(
        hung.message,
        "docker is installed but does not answer: its service was still activating after 90 s"
    );
    assert_eq!(
        hung.evidence,
        [
            "ActiveState=activating",
            "Result=exit-code",
            "docker[7]: failed to start daemon"
        ]
    );
    // It was only slow: the next run finds it started, and looks whether it is of use.
    machine.remove("state/hanging");
    machine.write("state/running", "");
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(
        outcome(&report),
        &changed("check that docker runs a container")
    );
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &StepOutcome::Unchanged);
}

#[tokio::test]
async fn start_within_the_installation_is_limited_unless_an_engine_runs() {
    for install_method in [InstallMethod::Apt, InstallMethod::Script] {
        for is_running in [false, true] {
            let machine = Machine::new();
            if is_running {
                machine.install_docker("docker-ce", "29.1.3");
                machine.write("state/running", "");
                machine.write("state/dpkg/docker-ce", "iF ");
            }
            let config = DockerConfig {
                install_method,
                ..DockerConfig::default()
            };
            let report = apply(&machine, config).await;
            assert!(matches!(outcome(&report), StepOutcome::Changed { .. }));
            let calls = machine.calls();
            let limit = "starts docker with TimeoutStartSec=180\n";
            assert_eq!(calls.contains(limit), !is_running, "{calls}");
            // It was for the installation only.
            assert_eq!(
                calls.ends_with("systemctl daemon-reload\n"),
                !is_running,
                "{calls}"
            );
            assert!(!machine.has("run/systemd/system/docker.service.d/stagecraft.conf"));
        }
    }
}

#[tokio::test]
async fn engine_that_does_not_start_with_the_host_is_enabled() {
    let machine = Machine::new();
    machine.install_docker("docker-ce", "29.1.3");
    machine.write("state/packages/docker-compose-plugin", "");
    machine.write("state/running", "");
    machine.write("state/disabled", "");
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &changed("let docker start with the host"));
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &StepOutcome::Unchanged);
}

#[tokio::test]
async fn unsupported_system_is_refused_before_anything_is_touched() {
    let machine = Machine::new();
    machine.release("ubuntu", "20.04", "focal");
    let connections = Connections::to(machine.clone());
    let report = converge(&connections, step(DockerConfig::default()), Mode::Apply).await;
    assert_eq!(failure(&report).code, FailureCode::DockerInstallFailed);
    assert_eq!(
        failure(&report).message,
        "docker cannot be installed on `ubuntu 20.04`"
    );
    assert_eq!(connections.execs(), 1);
}

#[tokio::test]
async fn client_that_does_not_run_is_a_failure_to_detect() {
    let machine = Machine::new();
    machine.program("docker", "exit 126");
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(failure(&report).code, FailureCode::DockerDetectFailed);
}

#[tokio::test]
async fn what_is_switched_off_is_skipped_with_its_reason() {
    for (config, reason) in [
        (
            DockerConfig {
                enabled: false,
                ..DockerConfig::default()
            },
            "docker is not enabled",
        ),
        (
            DockerConfig {
                install_method: InstallMethod::Skip,
                ..DockerConfig::default()
            },
            "install_method is skip",
        ),
    ] {
        let report = apply(&Machine::new(), config).await;
        assert_eq!(
            outcome(&report),
            &StepOutcome::Skipped {
                reason: reason.to_owned()
            }
        );
        assert!(report.is_ok());
    }
}

#[tokio::test]
async fn engine_that_the_file_no_longer_enables_stays_and_is_told() {
    let machine = Machine::new();
    apply(&machine, DockerConfig::default()).await;
    let calls = machine.calls();
    let disabled = DockerConfig {
        enabled: false,
        ..DockerConfig::default()
    };
    let report = apply(&machine, disabled).await;
    let reason =
        "docker is not enabled; the installed engine and its package source stay".to_owned();
    assert_eq!(outcome(&report), &StepOutcome::Skipped { reason });
    assert_eq!(machine.calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn lost_connection_is_never_reported_as_a_failed_installation() {
    use stagecraft_core::ErrorKind;
    for (kind, code) in [
        (ErrorKind::Unavailable, FailureCode::SshFailed),
        (ErrorKind::Timeout, FailureCode::DockerInstallFailed),
        (ErrorKind::Cancelled, FailureCode::Interrupted),
    ] {
        let connections = Connections::to(Machine::new());
        connections.break_execs([None, Some(kind)]);
        connections.is_cut_for_good.store(true, Ordering::SeqCst);
        let report = converge(&connections, step(DockerConfig::default()), Mode::Apply).await;
        assert_eq!(
            report.first_failure().map(|own| own.code),
            Some(code),
            "{report:?}"
        );
    }
}
