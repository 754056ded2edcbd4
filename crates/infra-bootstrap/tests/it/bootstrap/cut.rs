//! Connections that are lost in the middle, which is not the end of a host's run.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use infra_bootstrap::{Bootstrap, HostReport, Mode};
use stagecraft_core::{ErrorKind, Event, FailureCode, HostStep, StepOutcome};

use crate::bootstrap::support::{
    Connections, Events, FileStep, Machine, environment, host, policy,
};

const STEP_DEADLINE: Duration = Duration::from_mins(3);

fn probe(id: &str) -> &'static str {
    format!("if [ -e /run/{id} ]; then echo present; else echo absent; fi").leak()
}

/// `first`, `second` after it, `third`.
fn three() -> Vec<Arc<dyn HostStep>> {
    [("first", &[][..]), ("second", &["first"]), ("third", &[])]
        .map(|(id, after)| Arc::new(FileStep::new(id, probe(id), after)) as _)
        .to_vec()
}

/// A check, and a step that changes the host after it.
fn check_and_step() -> Vec<Arc<dyn HostStep>> {
    let probe = "if [ -e /run/broken ]; then echo broken; else echo present; fi";
    let check = FileStep {
        is_check: true,
        ..FileStep::new("check", probe, &[])
    };
    let step = FileStep::new("step", self::probe("step"), &["check"]);
    vec![Arc::new(check) as _, Arc::new(step) as _]
}

async fn converge(
    connections: &Arc<Connections>,
    steps: Vec<Arc<dyn HostStep>>,
    events: &Events,
) -> HostReport {
    Bootstrap::new(Arc::clone(connections) as _, steps, policy())
        .unwrap()
        .with_step_deadline(STEP_DEADLINE)
        .host(&events.run(), &environment(), &host("app-1"), Mode::Apply)
        .await
}

fn made() -> StepOutcome {
    StepOutcome::Changed {
        changes: vec!["make the file".to_owned()],
    }
}

fn is_made(report: &HostReport, ids: &[&str]) {
    assert!(report.is_ok(), "{report:?}");
    let order: Vec<_> = report.steps.iter().map(|own| own.step).collect();
    assert_eq!(order, ids);
    assert!(report.steps.iter().all(|own| own.outcome == made()));
}

/// Whichever command the connection is lost at, in whichever half of it.
#[tokio::test(start_paused = true)]
async fn lost_connection_is_opened_again_and_the_run_goes_on_from_what_the_host_says() {
    let whole = Connections::to(Machine::new());
    let report = converge(&whole, three(), &Events::default()).await;
    is_made(&report, &["first", "second", "third"]);
    for number in 1..=whole.execs() {
        let connections = Connections::to(Machine::new());
        connections.cut(number, |_| ());
        let report = converge(&connections, three(), &Events::default()).await;
        is_made(&report, &["first", "second", "third"]);
        assert_eq!(connections.connects(), 2, "answer {number}");

        let connections = Connections::to(Machine::new());
        let before = std::iter::repeat_n(None, number - 1);
        connections.break_execs(before.chain([Some(ErrorKind::Unavailable)]));
        let report = converge(&connections, three(), &Events::default()).await;
        is_made(&report, &["first", "second", "third"]);
        assert_eq!(connections.connects(), 2, "command {number}");
        assert_eq!(connections.closes.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn change_that_ended_on_the_host_while_nobody_heard_is_not_made_again() {
    let connections = Connections::to(Machine::new());
    // After the look.
    connections.cut(2, |machine| machine.write("run/refuse-first", ""));
    let events = Events::default();
    let report = converge(&connections, three(), &events).await;
    is_made(&report, &["first", "second", "third"]);
    let retried: Vec<_> = report
        .retries
        .iter()
        .map(|own| (&*own.what, own.times))
        .collect();
    assert_eq!(retried, [("connection", 1)]);
    let ended =
        |event: &Event| matches!(event, Event::StepFinished { step, .. } if step == "first");
    assert_eq!(events.all().iter().filter(|own| ended(own)).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn check_that_ran_before_the_cut_is_not_reported_as_passed_after_it() {
    let connections = Connections::to(Machine::new());
    connections.cut(2, |machine| machine.write("run/broken", ""));
    let report = converge(&connections, check_and_step(), &Events::default()).await;
    let failure = report.first_failure().unwrap();
    assert_eq!(failure.message, "broken");
    assert!(matches!(report.step("check"), Some(StepOutcome::Failed(_))));
    let order: Vec<_> = report.steps.iter().map(|own| own.step).collect();
    assert_eq!(order, ["check", "step"], "each step is reported once");
    assert_eq!(
        report.step("step"),
        Some(&StepOutcome::Skipped {
            reason: "step `check` did not succeed".to_owned()
        })
    );

    let connections = Connections::to(Machine::new());
    connections.cut(2, |_| ());
    let report = converge(&connections, check_and_step(), &Events::default()).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(report.step("check"), Some(&StepOutcome::Unchanged));
    assert_eq!(report.step("step"), Some(&made()));
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_step_had_made_and_the_host_lost_is_made_again() {
    let connections = Connections::to(Machine::new());
    // The answer of `third`, the last one.
    connections.cut(5, |machine| machine.remove("run/first"));
    let report = converge(&connections, three(), &Events::default()).await;
    is_made(&report, &["first", "second", "third"]);
    assert!(connections.machine.has("run/first"));
}

#[tokio::test(start_paused = true)]
async fn host_that_stays_away_ends_within_the_deadline_with_the_cause_of_the_loss() {
    let connections = Connections::to(Machine::new());
    connections.is_cut_for_good.store(true, Ordering::SeqCst);
    connections.cut(2, |_| ());
    let started = tokio::time::Instant::now();
    let report = converge(&connections, three(), &Events::default()).await;
    assert!(
        started.elapsed() <= STEP_DEADLINE,
        "{:?}",
        started.elapsed()
    );
    let failure = report.failure.as_ref().unwrap();
    assert_eq!(failure.code, FailureCode::SshFailed);
    let evidence = failure.evidence.join("\n");
    assert!(evidence.contains("no route to host"), "{evidence}");
    assert!(
        evidence.contains("the connection was lost before: connection reset"),
        "{evidence}"
    );
    assert!(matches!(report.step("first"), Some(StepOutcome::Failed(_))));
    assert_eq!(
        report.steps.len(),
        1,
        "no other step was come to: {report:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn host_that_cuts_every_connection_is_called_with_pauses_until_the_deadline() {
    let connections = Connections::to(Machine::new());
    let changes = [None, Some(ErrorKind::Unavailable)];
    connections.break_execs(changes.into_iter().cycle().take(10_000));
    let started = tokio::time::Instant::now();
    let report = converge(&connections, three(), &Events::default()).await;
    assert_eq!(report.first_failure().unwrap().code, FailureCode::SshFailed);
    assert!(started.elapsed() <= STEP_DEADLINE + Duration::from_secs(10));
    let most = STEP_DEADLINE.as_secs() / 2 + 2;
    assert!(
        connections.connects() as u64 <= most,
        "{}",
        connections.connects()
    );
}

/// A host that restarts meanwhile runs its first boot again.
#[tokio::test(start_paused = true)]
async fn boot_after_the_loss_is_awaited_no_longer_than_the_step_may_take() {
    let connections = Connections::to(Machine::new());
    connections.cut(2, |machine| {
        machine.write("run/cloud-init/status.json", "{}");
    });
    let started = tokio::time::Instant::now();
    let limit = Duration::from_secs(20);
    let report = Bootstrap::new(Arc::clone(&connections) as _, three(), policy())
        .unwrap()
        .with_step_deadline(limit)
        .host(
            &Events::default().run(),
            &environment(),
            &host("app-1"),
            Mode::Apply,
        )
        .await;
    let failure = report.failure.unwrap();
    assert_eq!(failure.code, FailureCode::HostNotReady);
    assert!(failure.message.contains("first boot"), "{failure:?}");
    let elapsed = started.elapsed();
    assert!(elapsed <= limit + Duration::from_secs(2), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn interrupted_while_the_connection_is_lost_the_run_ends() {
    let connections = Connections::to(Machine::new());
    connections.is_cut_for_good.store(true, Ordering::SeqCst);
    connections.cut(2, |_| ());
    let events = Events::default();
    let run = events.run();
    let interrupted = run.clone();
    tokio::spawn(async move {
        interrupted.sleep(Duration::from_secs(20)).await.unwrap();
        interrupted.cancellation().cancel();
    });
    let report = Bootstrap::new(Arc::clone(&connections) as _, three(), policy())
        .unwrap()
        .host(&run, &environment(), &host("app-1"), Mode::Apply)
        .await;
    assert_eq!(report.failure.unwrap().code, FailureCode::Interrupted);
    assert!(
        matches!(&report.steps[0].outcome, StepOutcome::Failed(failure) if failure.code == FailureCode::SshFailed)
    );
}
