//! Steps on one host: order, outcomes, events.

use std::sync::Arc;

use infra_bootstrap::{Bootstrap, Mode};
use stagecraft_core::{FailureCode, HostStep, StepOutcome};

use crate::bootstrap::support::{
    Connections, Events, FileStep, Machine, converge, environment, host, policy,
};

const FIRST: &str = "if [ -e /run/first ]; then echo present; else echo absent; fi";
const SECOND: &str = "if [ -e /run/second ]; then echo present; else echo absent; fi";
const THIRD: &str = "if [ -e /run/third ]; then echo present; else echo absent; fi";

fn steps(steps: &[FileStep]) -> Vec<Arc<dyn HostStep>> {
    steps
        .iter()
        .map(|step| Arc::new(step.clone()) as Arc<dyn HostStep>)
        .collect()
}

fn three() -> Vec<Arc<dyn HostStep>> {
    steps(&[
        FileStep::new("third", THIRD, &[]),
        FileStep::new("second", SECOND, &["first"]),
        FileStep::new("first", FIRST, &[]),
    ])
}

fn made() -> StepOutcome {
    StepOutcome::Changed {
        changes: vec!["make the file".to_owned()],
    }
}

#[tokio::test]
async fn steps_run_in_order_and_a_second_run_changes_nothing() {
    let machine = Machine::new();
    let connections = Connections::to(machine.clone());
    let report = converge(&connections, three(), Mode::Apply).await;
    assert!(report.is_ok() && report.is_changed());
    let order: Vec<_> = report.steps.iter().map(|step| step.step).collect();
    assert_eq!(order, ["first", "second", "third"]);
    assert!(report.steps.iter().all(|step| step.outcome == made()));

    let connections = Connections::to(machine);
    let report = converge(&connections, three(), Mode::Apply).await;
    assert!(report.is_ok() && !report.is_changed());
    assert_eq!((connections.connects(), connections.execs()), (1, 1));
}

#[tokio::test]
async fn step_decides_anew_after_a_step_that_it_needs_has_changed() {
    let probe = "if [ -e /run/first ]; then echo present; else echo absent; fi";
    let connections = Connections::to(Machine::new());
    let report = converge(
        &connections,
        steps(&[
            FileStep::new("first", FIRST, &[]),
            FileStep::new("second", probe, &["first"]),
        ]),
        Mode::Apply,
    )
    .await;
    assert_eq!(report.step("first"), Some(&made()));
    assert_eq!(report.step("second"), Some(&StepOutcome::Unchanged));
}

#[tokio::test]
async fn failed_step_takes_only_those_along_that_need_it() {
    let machine = Machine::new();
    machine.write("run/refuse-first", "");
    let events = Events::default();
    let run = events.run();
    let secret = stagecraft_core::SecretSource::Variable("SECRET".to_owned());
    assert!(run.secret(&secret).await.unwrap().is_some());
    let report = Bootstrap::new(Connections::to(machine.clone()), three(), policy())
        .unwrap()
        .host(&run, &environment(), &host("app-1"), Mode::Apply)
        .await;
    assert!(!report.is_ok());
    assert_eq!(report.failure, None);
    let failure = report.first_failure().unwrap();
    assert_eq!(failure.evidence, ["the password is ***"]);
    assert_eq!(
        report.step("second"),
        Some(&StepOutcome::Skipped {
            reason: "step `first` did not succeed".to_owned()
        })
    );
    assert_eq!(report.step("third"), Some(&made()));
    assert_eq!(
        events.names(),
        [
            "host_connected",
            "step_started",
            "step_finished",
            "step_finished",
            "step_started",
            "step_finished",
        ]
    );
    // The cause gone, a second run finishes the rest.
    machine.remove("run/refuse-first");
    let report = converge(&Connections::to(machine), three(), Mode::Apply).await;
    assert_eq!(report.step("second"), Some(&made()));
    assert_eq!(report.step("third"), Some(&StepOutcome::Unchanged));
}

#[tokio::test]
async fn state_that_cannot_be_decided_on_is_that_steps_failure() {
    let connections = Connections::to(Machine::new());
    let report = converge(
        &connections,
        steps(&[
            FileStep::new("first", "echo nonsense", &[]),
            FileStep::new("third", THIRD, &[]),
            FileStep::new("unwanted", "echo unwanted", &[]),
            FileStep::new("zeroth", THIRD, &["unwanted"]),
        ]),
        Mode::DryRun,
    )
    .await;
    assert_eq!(
        report.first_failure().unwrap().code,
        FailureCode::ConfigInvalid
    );
    let would = StepOutcome::WouldChange {
        changes: vec!["make the file".to_owned()],
    };
    assert_eq!(report.step("third"), Some(&would));
    assert_eq!(
        report.step("unwanted"),
        Some(&StepOutcome::Skipped {
            reason: "not wanted here".to_owned()
        })
    );
    // Skipped on purpose is no obstacle to those that come after.
    assert_eq!(report.step("zeroth"), Some(&would));
    assert_eq!(connections.execs(), 1);
}

#[tokio::test]
async fn dry_run_says_will_may_or_nothing() {
    let machine = Machine::new();
    machine.write("run/third", "");
    let dry_run = async || {
        let steps = steps(&[
            FileStep::new("first", FIRST, &[]),
            FileStep::new("second", SECOND, &["first"]),
            FileStep::new("third", THIRD, &[]),
            FileStep::new("zeroth", THIRD, &["second"]),
            FileStep::new("zeroth-bad", "echo nonsense", &["zeroth"]),
        ]);
        converge(&Connections::to(machine.clone()), steps, Mode::DryRun).await
    };
    let changes = vec!["make the file".to_owned()];
    let may = |changes: &[String], after: &str| StepOutcome::MayChange {
        changes: changes.to_vec(),
        after: after.to_owned(),
    };
    let report = dry_run().await;
    let will = StepOutcome::WouldChange {
        changes: changes.clone(),
    };
    assert_eq!(report.step("first"), Some(&will));
    assert_eq!(report.step("second"), Some(&may(&changes, "first")));
    assert_eq!(report.step("third"), Some(&StepOutcome::Unchanged));
    // Also what is as wanted now may be changed after what may be changed.
    assert_eq!(report.step("zeroth"), Some(&may(&[], "second")));
    let bad = report.step("zeroth-bad");
    assert!(matches!(bad, Some(StepOutcome::Failed(_))), "{bad:?}");
    assert!(report.would_change() && !machine.has("run/first"));

    machine.write("run/first", "");
    let report = dry_run().await;
    assert_eq!(report.step("first"), Some(&StepOutcome::Unchanged));
    assert_eq!(report.step("second"), Some(&will));
}

#[tokio::test]
async fn dry_run_says_of_steps_that_follow_what_they_will_and_may_but_of_checks_only_what_is() {
    let machine = Machine::new();
    machine.write("run/third", "");
    let follower = |id, probe, is_check| FileStep {
        follows: &["first"],
        is_check,
        ..FileStep::new(id, probe, &[])
    };
    let steps = steps(&[
        FileStep::new("first", FIRST, &[]),
        follower("missing", SECOND, false),
        follower("present", THIRD, false),
        follower("check", THIRD, true),
    ]);
    let report = converge(&Connections::to(machine), steps, Mode::DryRun).await;
    let will = StepOutcome::WouldChange {
        changes: vec!["make the file".to_owned()],
    };
    assert_eq!(report.step("missing"), Some(&will));
    let may = StepOutcome::MayChange {
        changes: Vec::new(),
        after: "first".to_owned(),
    };
    assert_eq!(report.step("present"), Some(&may));
    assert_eq!(report.step("check"), Some(&StepOutcome::Unchanged));
}

#[tokio::test]
async fn interrupted_run_ends_the_running_step_and_begins_no_further_one() {
    let machine = Machine::new();
    let events = Events::default();
    let run = events.run();
    let mut first = FileStep::new("first", FIRST, &[]);
    first.cancel = Some(run.cancellation().clone());
    let report = Bootstrap::new(
        Connections::to(machine.clone()),
        steps(&[first, FileStep::new("third", THIRD, &[])]),
        policy(),
    )
    .unwrap()
    .host(&run, &environment(), &host("app-1"), Mode::Apply)
    .await;
    assert_eq!(report.failure.unwrap().code, FailureCode::Interrupted);
    assert_eq!(report.steps[0].outcome, made());
    assert!(events.names().contains(&"waiting"));
    assert!(matches!(
        &report.steps[1].outcome,
        StepOutcome::Skipped { reason } if reason == "the run was interrupted"
    ));
    assert!(!machine.has("run/third"));
}

#[tokio::test]
async fn login_that_is_not_root_may_look_but_not_change() {
    let machine = Machine::new();
    machine.write("state/uid", "1000\n");
    let connections = Connections::to(machine.clone());
    let report = converge(&connections, three(), Mode::Apply).await;
    assert_eq!(
        report.first_failure().unwrap().message,
        "the login is not root, which changes to a host need"
    );
    let report = converge(&connections, three(), Mode::DryRun).await;
    assert!(report.is_ok());
    assert!(!machine.has("run/first"));
}
