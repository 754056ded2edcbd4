//! The whole crate over real SSH, against hosts that are processes of this machine.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use infra_bootstrap::{
    Bootstrap, DockerConfig, DockerStep, Fleet, HostReport, InstallMethod, Mode, ReadinessPolicy,
    TimezoneStep, UpgradesStep, UserConfig, UsersStep,
};
use stagecraft_core::{
    EnvironmentName, FailureCode, Host, HostKey, HostStep, PollPolicy, Run, StepOutcome,
};
use stagecraft_sandbox::HostDriver as _;

use crate::process_host::Estate;

/// Hosts of the sandbox.
struct Lab {
    estate: Estate,
}

impl Lab {
    async fn new(first_boot: Duration) -> Self {
        Self {
            estate: Estate::new(first_boot).await,
        }
    }

    async fn boot(&self, id: u64, name: &str) -> Host {
        let host_key = HostKey::generate().unwrap();
        self.estate.boot(id, name, &host_key).await
    }

    async fn converge(&self, config: DockerConfig, mode: Mode, hosts: &[Host]) -> Vec<HostReport> {
        let step: Arc<dyn HostStep> = Arc::new(DockerStep::new(config));
        self.run(&[step], mode, hosts).await
    }

    async fn run(
        &self,
        steps: &[Arc<dyn HostStep>],
        mode: Mode,
        hosts: &[Host],
    ) -> Vec<HostReport> {
        let policy = ReadinessPolicy::every(PollPolicy {
            interval: Duration::from_millis(50),
            deadline: Duration::from_mins(1),
        });
        let steps = steps.iter().cloned();
        let bootstrap = Bootstrap::new(Arc::new(self.estate.connector()), steps, policy).unwrap();
        Fleet::new(Arc::new(bootstrap))
            .with_parallel(NonZeroUsize::new(4).unwrap())
            .all(
                &Run::default(),
                &EnvironmentName::new("staging").unwrap(),
                mode,
                hosts.to_vec(),
            )
            .await
    }
}

fn pinned(version: &str) -> DockerConfig {
    DockerConfig {
        version: version.parse().unwrap(),
        ..DockerConfig::default()
    }
}

fn outcome(report: &HostReport) -> &StepOutcome {
    assert_eq!(report.failure, None);
    report.step("docker").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn fresh_hosts_get_docker_and_a_second_run_changes_nothing() {
    let lab = Lab::new(Duration::from_millis(500)).await;
    let hosts = [lab.boot(2, "db").await, lab.boot(1, "app").await];
    for report in lab.converge(pinned("27.5.1"), Mode::DryRun, &hosts).await {
        assert!(matches!(
            outcome(&report),
            StepOutcome::WouldChange { changes } if changes == &["install docker 27.5.1"]
        ));
    }
    let reports = lab.converge(pinned("27.5.1"), Mode::Apply, &hosts).await;
    let names: Vec<_> = reports.iter().map(|report| report.host.as_str()).collect();
    assert_eq!(names, ["app", "db"]);
    for report in &reports {
        assert!(
            matches!(
                outcome(report),
                StepOutcome::Changed { changes } if changes == &["install docker 27.5.1"]
            ),
            "{report:?}"
        );
    }
    let log =
        "cat /var/log/sandbox/apt-get.log /var/log/sandbox/systemctl.log | grep -v is-enabled";
    let before = lab.estate.hosts.run(1, log).await.unwrap();
    assert!(before.contains("enable --now docker"), "{before}");
    for report in lab.converge(pinned("27.5.1"), Mode::Apply, &hosts).await {
        assert_eq!(outcome(&report), &StepOutcome::Unchanged);
    }
    assert_eq!(lab.estate.hosts.run(1, log).await.unwrap(), before);
    lab.estate.hosts.destroy_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_of_the_system_work_on_these_hosts_and_a_second_run_changes_nothing() {
    let lab = Lab::new(Duration::ZERO).await;
    let hosts = [lab.boot(1, "app").await];
    let ada = UserConfig {
        authorized_keys: vec![HostKey::generate().unwrap().public().parse().unwrap()],
        groups: vec!["docker".parse().unwrap(), "sudo".parse().unwrap()],
        sudo: Some(true),
        shell: Some("/bin/sh".parse().unwrap()),
        revoked: false,
    };
    let users = [("ada".parse().unwrap(), ada)].into_iter().collect();
    let steps: [Arc<dyn HostStep>; 4] = [
        Arc::new(DockerStep::new(DockerConfig::default())),
        Arc::new(UsersStep::new(users)),
        Arc::new(TimezoneStep::new("Etc/UTC".parse().unwrap())),
        Arc::new(UpgradesStep::new(true)),
    ];
    for is_first in [true, false] {
        let reports = lab.run(&steps, Mode::Apply, &hosts).await;
        assert!(reports[0].is_ok(), "{:?}", reports[0]);
        for step in &reports[0].steps {
            let is_changed = matches!(step.outcome, StepOutcome::Changed { .. });
            assert_eq!(is_changed, is_first, "{step:?}");
        }
    }
    let as_ada = "runuser -u ada -- sudo -n cat /home/ada/.ssh/authorized_keys";
    let keys = lab.estate.hosts.run(1, as_ada).await.unwrap();
    assert!(keys.contains("# stagecraft: begin\nssh-ed25519 "), "{keys}");
    lab.estate.hosts.destroy_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_host_fails_with_its_evidence_and_recovers_in_a_second_run() {
    let lab = Lab::new(Duration::ZERO).await;
    let hosts = [lab.boot(1, "app").await, lab.boot(2, "db").await];
    lab.estate
        .hosts
        .run(
            2,
            "printf 'always\\nE: mirror is on fire\\n' >/run/sandbox/fail/apt-get",
        )
        .await
        .unwrap();
    let reports = lab
        .converge(DockerConfig::default(), Mode::Apply, &hosts)
        .await;
    assert!(reports[0].is_ok(), "{:?}", reports[0]);
    let failure = reports[1].first_failure().unwrap();
    assert_eq!(failure.code, FailureCode::DockerInstallFailed);
    assert!(
        failure
            .evidence
            .contains(&"E: mirror is on fire".to_owned()),
        "{failure:?}"
    );
    lab.estate
        .hosts
        .run(2, "rm /run/sandbox/fail/apt-get")
        .await
        .unwrap();
    let reports = lab
        .converge(DockerConfig::default(), Mode::Apply, &hosts)
        .await;
    assert_eq!(outcome(&reports[0]), &StepOutcome::Unchanged);
    assert!(
        reports[1].is_ok() && reports[1].is_changed(),
        "{:?}",
        reports[1]
    );
    lab.estate.hosts.destroy_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vendor_script_installs_too_and_a_second_run_changes_nothing() {
    let lab = Lab::new(Duration::ZERO).await;
    let hosts = [lab.boot(1, "app").await];
    let config = DockerConfig {
        install_method: InstallMethod::Script,
        ..DockerConfig::default()
    };
    let reports = lab.converge(config.clone(), Mode::Apply, &hosts).await;
    assert!(reports[0].is_ok() && reports[0].is_changed(), "{reports:?}");
    let reports = lab.converge(config, Mode::Apply, &hosts).await;
    assert_eq!(outcome(&reports[0]), &StepOutcome::Unchanged);
    lab.estate.hosts.destroy_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn impostor_is_refused_and_nothing_runs_on_it() {
    let lab = Lab::new(Duration::ZERO).await;
    let mut host = lab.boot(1, "app").await;
    host.tags = vec![HostKey::generate().unwrap().fingerprint().tag()];
    let reports = lab
        .converge(DockerConfig::default(), Mode::Apply, &[host])
        .await;
    let failure = reports[0].failure.as_ref().unwrap();
    assert_eq!(failure.code, FailureCode::HostKeyMismatch, "{failure:?}");
    lab.estate.hosts.destroy_all().await;
}
