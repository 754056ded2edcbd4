//! Hosts that joined the network are looked at there, once all are done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use infra_bootstrap::{Bootstrap, Fleet, HostReport, Mode, NetworkStep};
use stagecraft_core::{
    Connector, ErrorKind, FailureCode, HostStep, Remote, RemoteTarget, Result, Retry, Run,
    StepOutcome,
};

use crate::bootstrap::network::Mesh;
use crate::bootstrap::support::{Connections, Events, Machine, environment, host, policy};

/// A machine for each host.
#[derive(Debug)]
struct Estate(BTreeMap<&'static str, Arc<Connections>>);

impl Estate {
    fn of(names: &[&'static str]) -> Arc<Self> {
        let machines = names
            .iter()
            .map(|name| (*name, Connections::to(Machine::new())));
        Arc::new(Self(machines.collect()))
    }

    /// Makes all machines know the name of a host, and something answer there, or not.
    fn resolve(&self, name: &str, script: &str) {
        for connections in self.0.values() {
            let machine = &connections.machine;
            let known = if machine.has("etc/ahosts") {
                machine.read("etc/ahosts")
            } else {
                String::new()
            };
            let line = format!("staging-{name}.example.ts.net: 100.64.0.1\n");
            machine.write("etc/ahosts", &(known + &line));
            machine.program("bash", script);
        }
    }

    async fn converge(self: &Arc<Self>, run: &Run, mode: Mode) -> Vec<HostReport> {
        let mesh = Arc::new(Mesh::default());
        let step = Arc::new(NetworkStep::new(Arc::clone(&mesh) as _));
        let steps = [step as Arc<dyn HostStep>];
        let bootstrap = Bootstrap::new(Arc::clone(self) as _, steps, policy())
            .unwrap()
            .with_network(mesh)
            .with_look_at_port(22);
        let hosts = self.0.keys().map(|name| host(name));
        Fleet::new(Arc::new(bootstrap))
            .all(run, &environment(), mode, hosts)
            .await
    }

    fn count(&self) -> [usize; 2] {
        let all = self.0.values();
        all.fold([0, 0], |[opened, closed], own| {
            [
                opened + own.connects(),
                closed + own.closes.load(Ordering::SeqCst),
            ]
        })
    }
}

#[async_trait]
impl Connector for Estate {
    async fn connect(&self, run: &Run, target: &RemoteTarget) -> Result<Arc<dyn Remote>> {
        self.0[target.host.as_str()].connect(run, target).await
    }
}

fn reachable(reports: &[HostReport]) -> Vec<Option<&StepOutcome>> {
    reports.iter().map(|own| own.step("reachable")).collect()
}

#[tokio::test]
async fn hosts_that_joined_are_looked_at_from_each_other_over_the_connections_that_are_there() {
    let estate = Estate::of(&["app-1", "app-2", "db-1"]);
    estate.resolve("app-1", "exit 0");
    estate.resolve("app-2", "exit 0");
    let events = Events::default();
    let reports = estate.converge(&events.run(), Mode::Apply).await;
    let [Some(first), Some(second), Some(third)] = reachable(&reports)[..] else {
        panic!("all were looked at: {reports:?}");
    };
    assert_eq!([first, second], [&StepOutcome::Unchanged; 2]);
    let StepOutcome::Skipped { reason } = third else {
        panic!("nobody knows its name: {third:?}");
    };
    assert!(
        reason.starts_with("neither this machine nor host `app-"),
        "{reason}"
    );
    assert!(reports.iter().all(HostReport::is_ok));
    assert_eq!(
        estate.count(),
        [3, 3],
        "one connection per host, and all were ended"
    );
    assert_eq!(events.names().last(), Some(&"step_finished"));

    let again = estate.converge(&Run::default(), Mode::Apply).await;
    assert_eq!(reachable(&again), [None; 3], "they were looked at before");
    assert_eq!(estate.count(), [6, 6]);
}

#[tokio::test(start_paused = true)]
async fn who_is_asked_does_not_depend_on_who_was_done_first() {
    let names = ["app-1", "app-2", "db-1", "db-2"];
    let mut told = BTreeSet::new();
    for late in names {
        let connections = names.map(|name| {
            let refused = (ErrorKind::Unavailable, Retry::After(None));
            let refusals = usize::from(name == late);
            let answers = [refused].into_iter().take(refusals);
            (name, Connections::after(Machine::new(), answers))
        });
        let estate = Arc::new(Estate(connections.into()));
        let reports = estate.converge(&Run::default(), Mode::Apply).await;
        let reasons = reachable(&reports).into_iter().map(|outcome| {
            let Some(StepOutcome::Skipped { reason }) = outcome else {
                panic!("nobody knows the name: {outcome:?}");
            };
            reason.split(" knows").next().map(str::to_owned)
        });
        told.insert(reasons.flatten().collect::<Vec<_>>());
        assert_eq!(estate.count(), [5, 4], "a refusal, and all were ended");
    }
    let asked = ["app-2", "app-1", "app-1", "app-1"];
    let asked = asked.map(|name| format!("neither this machine nor host `{name}`"));
    assert_eq!(told, BTreeSet::from([asked.to_vec()]));
}

#[tokio::test]
async fn host_that_does_not_answer_in_the_network_has_failed() {
    let estate = Estate::of(&["app-1", "app-2"]);
    estate.resolve("app-1", "echo 'connect: No route to host' >&2; exit 1");
    let reports = estate.converge(&Run::default(), Mode::Apply).await;
    let failure = reports[0].first_failure().expect("it does not answer");
    assert_eq!(failure.code, FailureCode::NetworkVerifyFailed);
    assert_eq!(
        failure.message,
        "port 22 of staging-app-1.example.ts.net is not reached from host `app-2`"
    );
    assert!(reports[1].is_ok());
}

#[tokio::test]
async fn host_alone_is_not_asked_about_itself_and_a_dry_run_looks_at_none() {
    let estate = Estate::of(&["app-1"]);
    let dry = estate.converge(&Run::default(), Mode::DryRun).await;
    assert_eq!(reachable(&dry), [None]);
    let alone = estate.converge(&Run::default(), Mode::Apply).await;
    let [Some(StepOutcome::Skipped { reason })] = reachable(&alone)[..] else {
        panic!("nobody could be asked: {alone:?}");
    };
    assert!(reason.ends_with("no other host can be asked"), "{reason}");
}

#[tokio::test]
async fn peer_that_went_away_fails_nobody_else() {
    let estate = Estate::of(&["app-1", "app-2"]);
    // The look, the change, the look after it; then the question about the other one.
    for connections in estate.0.values() {
        let whole = [None; 2].into_iter();
        connections.break_execs(whole.chain([Some(ErrorKind::Unavailable)]));
    }
    let reports = estate.converge(&Run::default(), Mode::Apply).await;
    for outcome in reachable(&reports) {
        let Some(StepOutcome::Skipped { reason }) = outcome else {
            panic!("not skipped: {outcome:?}");
        };
        assert!(
            reason.contains("could not be asked: scripted Unavailable"),
            "{reason}"
        );
    }
}
