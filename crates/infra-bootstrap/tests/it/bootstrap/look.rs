//! Hosts are read before anybody is asked about them: what that costs, and what holds later.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use infra_bootstrap::{Approval, Bootstrap, Fleet, HostReport, Look, Mode};
use stagecraft_core::{ErrorKind, FailureCode, HostChanges, HostId, Run, StepOutcome};

use crate::bootstrap::support::{Connections, FILE, FileStep, Machine, environment, host, policy};

fn fleet(connections: &Arc<Connections>) -> Fleet {
    let step = Arc::new(FileStep::new("file", FILE, &[]));
    let bootstrap = Bootstrap::new(Arc::clone(connections) as _, [step as _], policy());
    Fleet::new(Arc::new(bootstrap.unwrap()))
}

fn ready() -> Arc<Connections> {
    let machine = Machine::new();
    machine.write("run/file", "");
    Connections::to(machine)
}

async fn look(fleet: &Fleet, names: &[&str]) -> Look {
    let hosts = names.iter().map(|name| host(name));
    fleet.look(&Run::default(), &environment(), hosts).await
}

async fn go_on(fleet: &Fleet, look: Look, approval: Approval, names: &[&str]) -> Vec<HostReport> {
    let hosts = Fleet::handed_over(names.iter().map(|name| host(name)));
    let run = Run::default();
    fleet
        .run_looked(&run, &environment(), look, approval, hosts)
        .await
}

/// The changes that a look found, as they were shown to somebody who agreed.
fn shown(look: &Look) -> Approval {
    Approval::only(look.reports().into_iter().map(HostReport::changes))
}

fn counts(connections: &Connections) -> (usize, usize, usize) {
    let closes = connections.closes.load(Ordering::SeqCst);
    (connections.connects(), connections.execs(), closes)
}

#[tokio::test]
async fn host_with_nothing_to_do_costs_one_connection_and_one_command_as_without_a_look() {
    let names: Vec<String> = (1..=30).map(|number| format!("app-{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();

    let before = ready();
    let hosts = names.iter().map(|name| host(name));
    let (run, environment) = (Run::default(), environment());
    let at_once = fleet(&before);
    let at_once = at_once.all(&run, &environment, Mode::Apply, hosts).await;
    assert_eq!(counts(&before), (30, 30, 30));

    let connections = ready();
    let fleet = fleet(&connections);
    let look = look(&fleet, &names).await;
    assert!(
        look.reports()
            .iter()
            .all(|own| own.changes().steps.is_empty())
    );
    let approval = shown(&look);
    let reports = go_on(&fleet, look, approval, &names).await;
    assert_eq!(counts(&connections), (30, 30, 30));
    let results = |reports: &[HostReport]| {
        let all = reports.iter().map(|own| serde_json::to_value(own).unwrap());
        all.collect::<Vec<_>>()
    };
    assert_eq!(results(&reports), results(&at_once));
}

#[tokio::test]
async fn host_with_changes_is_read_again_over_the_same_connection_before_it_is_changed() {
    let connections = Connections::to(Machine::new());
    let fleet = fleet(&connections);
    let look = look(&fleet, &["app-1"]).await;
    let changes = look.reports()[0].changes();
    assert_eq!(changes.steps[0].changes, ["make the file"]);
    assert_eq!(counts(&connections), (1, 1, 0), "it stays open");
    assert!(!connections.machine.has("run/file"));
    let approval = shown(&look);
    let reports = go_on(&fleet, look, approval, &["app-1"]).await;
    let outcome = reports[0].step("file");
    assert!(matches!(outcome, Some(StepOutcome::Changed { .. })));
    // The second reading, and the change.
    assert_eq!(counts(&connections), (1, 3, 1));
}

#[tokio::test]
async fn work_that_somebody_did_meanwhile_is_not_done_again() {
    let connections = Connections::to(Machine::new());
    let fleet = fleet(&connections);
    let look = look(&fleet, &["app-1"]).await;
    connections.machine.write("run/file", "");
    let approval = shown(&look);
    let reports = go_on(&fleet, look, approval, &["app-1"]).await;
    assert_eq!(reports[0].step("file"), Some(&StepOutcome::Unchanged));
    assert_eq!(counts(&connections), (1, 2, 1));
}

#[tokio::test]
async fn connection_that_was_lost_at_the_question_is_opened_again() {
    let connections = Connections::to(Machine::new());
    let fleet = fleet(&connections);
    let look = look(&fleet, &["app-1"]).await;
    connections.break_execs([Some(ErrorKind::Unavailable)]);
    let approval = shown(&look);
    let reports = go_on(&fleet, look, approval, &["app-1"]).await;
    assert!(reports[0].is_changed(), "{reports:?}");
    let (connects, _, closes) = counts(&connections);
    assert_eq!((connects, closes), (2, 2));
}

#[tokio::test]
async fn change_that_was_not_approved_is_refused_before_anything_is_written() {
    let connections = ready();
    let fleet = fleet(&connections);
    let look = look(&fleet, &["app-1"]).await;
    drop(look);
    connections.machine.remove("run/file");
    // As a saved plan has it: nothing was to be done when the host was read.
    let id = HostId::new("id-app-1");
    let approval = Approval::only([HostChanges::none("app-1", id)]);
    let reports = go_on(&fleet, Look::default(), approval, &["app-1"]).await;
    let failure = reports[0].failure.as_ref().unwrap();
    assert_eq!(failure.code, FailureCode::NotApproved);
    assert_eq!(failure.evidence, ["file: make the file"]);
    assert!(!connections.machine.has("run/file"));
}

#[tokio::test]
async fn host_that_could_not_be_read_is_left_alone() {
    let connections = Connections::to(Machine::new());
    connections.break_execs([Some(ErrorKind::CommandFailed)]);
    let fleet = fleet(&connections);
    let look = look(&fleet, &["app-1"]).await;
    let approval = shown(&look);
    let reports = go_on(&fleet, look, approval, &["app-1"]).await;
    assert!(reports[0].failure.is_some());
    assert_eq!(counts(&connections), (1, 1, 1));
}

#[tokio::test]
async fn closed_look_leaves_no_connection_open() {
    let connections = Connections::to(Machine::new());
    let fleet = fleet(&connections);
    let reports = look(&fleet, &["app-1", "app-2"]).await.close().await;
    assert!(reports.iter().all(HostReport::would_change));
    assert_eq!(counts(&connections), (2, 2, 2));
}
