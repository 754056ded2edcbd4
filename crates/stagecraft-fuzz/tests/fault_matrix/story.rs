//! Playing a schedule, and judging how it ended.

use std::time::Duration;

use stagecraft_core::{
    Confirmation, ErrorKind, InfraPlan, PlanMode, PlanRequest, Result as RunResult, Run,
};
use stagecraft_engine::{Outcome, UpOptions};
use stagecraft_sandbox::{Fault, RecordedRequest};
use tokio::time::Instant;

use crate::lab::{Lab, Process, declared, environment};
use crate::schedule::{Operation, Schedule, Trouble, Weather, is_interrupt, is_kill};

/// How often the story looks whether a run is to be killed.
const GLANCE: Duration = Duration::from_millis(20);
/// Longer than any run takes, by the story's own clock.
const LONGEST: Duration = Duration::from_hours(3);
/// How often somebody who is locked out tries again.
const TRY_AGAIN: Duration = Duration::from_secs(2);
/// Longer than a lease holds without a beat.
const SUSPENDED: Duration = Duration::from_secs(100);

/// How a run ended.
#[derive(Debug)]
#[expect(dead_code, reason = "the text is for whoever reads a failure")]
enum End {
    /// It said that everything was done. The plan that it made, if it was to make one.
    Done(Option<Box<InfraPlan>>),
    /// It said that something was not.
    Failed(String),
    /// It was dropped.
    Killed,
}

/// What a schedule came to.
#[derive(Debug)]
pub(crate) struct Played {
    /// Whether every strike hit a request.
    pub(crate) all_struck: bool,
    /// Which request of the first run was its first create, counted from 0.
    pub(crate) first_create: Option<u32>,
}

impl Played {
    fn new(all_struck: bool) -> Self {
        Self {
            all_struck,
            first_create: None,
        }
    }
}

/// Plays a schedule on a clock of its own, and tells what is wrong with how it ended.
pub(crate) fn play(schedule: &Schedule) -> Result<Played, String> {
    on_own_clock(schedule, async |lab| story(lab, schedule).await)
}

/// A run is suspended at a request, as by a closed lid, for longer than its lease holds. Another
/// one takes over and ends; then the first goes on.
pub(crate) fn play_suspended(schedule: &Schedule) -> Result<Played, String> {
    on_own_clock(schedule, async |lab| suspended(lab, schedule).await)
}

/// Two runs at once, of which the second begins `later`, and tries again while it is locked out.
pub(crate) fn play_two(schedule: &Schedule, later: Duration) -> Result<Played, String> {
    on_own_clock(schedule, async |lab| {
        Box::pin(two(lab, schedule, later)).await
    })
}

fn on_own_clock(
    schedule: &Schedule,
    story: impl AsyncFnOnce(&Lab) -> Result<Played, String>,
) -> Result<Played, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let lab = Lab::start(schedule.operation, schedule.weather).await;
        let played = tokio::time::timeout(LONGEST, story(&lab)).await;
        let played = played.unwrap_or_else(|_| Err("a run did not end".to_owned()));
        played.map_err(|problem| {
            let requests: Vec<String> = lab
                .control()
                .requests()
                .into_iter()
                .map(|one| {
                    format!(
                        "\n  {:>7} {} {} {:?}",
                        one.at_ms, one.method, one.target, one.status
                    )
                })
                .collect();
            format!("{problem}\n{schedule:?}{}", requests.concat())
        })
    })
}

async fn story(lab: &Lab, schedule: &Schedule) -> Result<Played, String> {
    for strike in &schedule.strikes {
        lab.control().add_fault(strike.fault());
    }
    let first = run(lab, schedule.operation, schedule.weather).await;
    let all_struck = lab.control().faults().is_empty();
    let requests = lab.control().requests();
    let is_create = |one: &RecordedRequest| one.kind == "POST /v2/droplets";
    let first_create = requests.iter().position(is_create);
    let first_create = first_create.and_then(|at| u32::try_from(at).ok());
    lab.control().clear_faults();
    if schedule.operation == Operation::Plan {
        check_only_reads(lab)?;
    }
    let weather = Weather {
        trouble: None,
        ..schedule.weather
    };
    lab.control().set_knobs(weather.knobs(0));
    lab.bury().await;
    lab.check_foreign().await?;
    let is_over = match &first {
        End::Done(_) => !lab.has_lease().await,
        End::Failed(_) | End::Killed => false,
    };
    if is_over {
        judge(lab, schedule.operation, &first)
            .map_err(|problem| format!("{problem}, though the first run called itself done"))?;
    } else {
        lab.control().clear_requests();
        let second = run(lab, schedule.operation, weather).await;
        if !matches!(second, End::Done(_)) {
            return Err(format!(
                "the second run ended as {second:?} after {first:?}"
            ));
        }
        judge(lab, schedule.operation, &second)
            .map_err(|problem| format!("{problem}, after {first:?} and {second:?}"))?;
    }
    lab.check_foreign().await?;
    if lab.has_lease().await {
        return Err("a lease was left".to_owned());
    }
    let pins = lab.loose_pins().await;
    if !pins.is_empty() && may_not_leave_pins(schedule) {
        return Err(format!(
            "tags of host keys were left: {pins:?}, after {first:?}"
        ));
    }
    Ok(Played {
        all_struck,
        first_create,
    })
}

async fn suspended(lab: &Lab, schedule: &Schedule) -> Result<Played, String> {
    for strike in &schedule.strikes {
        lab.control().add_fault(strike.fault());
    }
    let process = lab.process();
    let mut first = Box::pin(operate(&process, schedule.operation));
    tokio::select! {
        _ = &mut first => return Ok(Played::new(false)),
        () = struck(lab, is_kill) => {}
    }
    lab.control().clear_faults();
    // Nobody polls the first run meanwhile.
    tokio::time::advance(SUSPENDED).await;
    lab.bury().await;
    let second = run(lab, schedule.operation, schedule.weather).await;
    if !matches!(second, End::Done(_)) {
        return Err(format!("the second run ended as {second:?}"));
    }
    let first = first.await;
    judge(lab, schedule.operation, &second)
        .map_err(|problem| format!("{problem}, after the first went on to {first:?}"))?;
    lab.check_foreign().await?;
    if lab.has_lease().await {
        return Err("a lease was left".to_owned());
    }
    Ok(Played::new(true))
}

async fn two(lab: &Lab, schedule: &Schedule, later: Duration) -> Result<Played, String> {
    for strike in &schedule.strikes {
        lab.control().add_fault(strike.fault());
    }
    let second = async {
        let mut tries = tokio::time::interval_at(Instant::now() + later, TRY_AGAIN);
        for _ in 0..1000 {
            tries.tick().await;
            let process = lab.process();
            match operate(&process, schedule.operation).await {
                Err(error) if error.kind() == ErrorKind::Locked => {}
                other => return format!("{other:?}"),
            }
        }
        "locked out".to_owned()
    };
    let both = async {
        let first = run(lab, schedule.operation, schedule.weather);
        tokio::join!(first, second)
    };
    // A power cut hits both.
    let ends = tokio::select! {
        ends = both => format!("{ends:?}"),
        () = struck(lab, is_kill) => "both were killed".to_owned(),
    };
    let all_struck = lab.control().faults().is_empty();
    lab.control().clear_faults();
    let names: Vec<String> = lab.own().into_iter().map(|droplet| droplet.name).collect();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(format!("hosts twice: {names:?}, after {ends}"));
    }
    lab.bury().await;
    let last = run(lab, schedule.operation, schedule.weather).await;
    if !matches!(last, End::Done(_)) {
        return Err(format!("the last run ended as {last:?}, after {ends}"));
    }
    judge(lab, schedule.operation, &last).map_err(|problem| format!("{problem}, after {ends}"))?;
    lab.check_foreign().await?;
    Ok(Played::new(all_struck))
}

/// A run that comes to its end by itself leaves no tag behind. One that is stopped may.
fn may_not_leave_pins(schedule: &Schedule) -> bool {
    schedule.strikes.is_empty() && schedule.weather.trouble != Some(Trouble::ErroredCreates)
}

/// Runs one operation as the program does, in a process of its own, until it ends or is killed.
async fn run(lab: &Lab, operation: Operation, weather: Weather) -> End {
    let process = lab.process();
    let token = process.run.cancellation().clone();
    tokio::select! {
        result = operate(&process, operation) => match result {
            Ok(end) => end,
            Err(error) => End::Failed(error.chain().join(": ")),
        },
        () = struck(lab, is_kill) => End::Killed,
        () = async {
            struck(lab, is_interrupt).await;
            token.cancel();
            std::future::pending::<()>().await;
        } => unreachable!("it goes on until the run ends"),
        () = stir(lab, weather) => unreachable!("it goes on until the run ends"),
    }
}

/// Ends once a fault of this kind has struck; never, if there is none.
async fn struck(lab: &Lab, is_kind: fn(&Fault) -> bool) {
    let is_armed = || lab.control().faults().iter().any(is_kind);
    if !is_armed() {
        return std::future::pending().await;
    }
    let mut glances = tokio::time::interval(GLANCE);
    while is_armed() {
        glances.tick().await;
    }
    // What the request does before its answer is done by now.
    glances.tick().await;
}

async fn stir(lab: &Lab, weather: Weather) {
    if weather.crowd {
        let mut glances = tokio::time::interval(GLANCE * 2);
        for round in 0..100 {
            glances.tick().await;
            lab.stir(round);
        }
    }
    std::future::pending::<()>().await;
}

/// What the program does for `infra plan`, `infra up` and `infra down`.
async fn operate(process: &Process, operation: Operation) -> RunResult<End> {
    let Process { engine, run } = process;
    let mode = match operation {
        Operation::Plan | Operation::Up | Operation::UpTheRest => PlanMode::Reconcile,
        Operation::Down => PlanMode::Destroy,
    };
    let request = PlanRequest::new(environment(), mode);
    match operation {
        Operation::Plan => {
            let planned = engine.plan(run, &request).await?;
            Ok(End::Done(Some(Box::new(planned.plan))))
        }
        Operation::Up | Operation::UpTheRest => {
            let work = async |run: Run| -> RunResult<End> {
                let planned = engine.plan(&run, &request).await?;
                let report = engine.up(&run, planned, UpOptions::default()).await?;
                Ok(ended(report.outcome(), &report.apply.failed))
            };
            engine.with_lease(run, &environment(), "up", work).await
        }
        Operation::Down => {
            let work = async |run: Run| -> RunResult<End> {
                let planned = engine.plan(&run, &request).await?;
                if planned.plan.is_empty() {
                    return Ok(End::Done(None));
                }
                let confirmation = Confirmation::typed("staging", &environment())?;
                let report = engine.down(&run, planned, &confirmation).await?;
                Ok(ended(report.outcome(), &report.apply.failed))
            };
            engine.with_lease(run, &environment(), "down", work).await
        }
    }
}

fn ended(outcome: Outcome, failed: &[stagecraft_core::HostFailure]) -> End {
    if outcome == Outcome::Done {
        return End::Done(None);
    }
    let why = failed
        .first()
        .map(|failure| failure.error.chain().join(": "));
    End::Failed(format!("{outcome:?}, {} failed: {why:?}", failed.len()))
}

fn check_only_reads(lab: &Lab) -> Result<(), String> {
    match lab
        .control()
        .requests()
        .iter()
        .find(|one| one.method != "GET")
    {
        Some(write) => Err(format!("a plan wrote: {} {}", write.method, write.target)),
        None => Ok(()),
    }
}

/// Whether a run that called itself done has done it.
fn judge(lab: &Lab, operation: Operation, end: &End) -> Result<(), String> {
    let own = lab.own();
    let names: Vec<&str> = own.iter().map(|droplet| droplet.name.as_str()).collect();
    match operation {
        Operation::Plan => {
            let End::Done(Some(plan)) = end else {
                return Err("no plan".to_owned());
            };
            let counts = (
                plan.create.len(),
                plan.unchanged.len(),
                plan.duplicates.len(),
            );
            if counts == (10, 5, 0) {
                Ok(())
            } else {
                Err(format!("a wrong plan: {counts:?}"))
            }
        }
        Operation::Up | Operation::UpTheRest => {
            if names != declared() {
                return Err(format!("not the declared hosts: {names:?}"));
            }
            let wanted = [
                "stagecraft",
                "stagecraft-env-staging",
                "stagecraft-project-shop",
            ];
            let bare = own.iter().find(|droplet| {
                let bears =
                    |tag: &str| droplet.tags.iter().any(|own| own.eq_ignore_ascii_case(tag));
                !wanted.into_iter().all(bears) || droplet.address.is_none()
            });
            match bare {
                Some(bare) => Err(format!("a host lacks a tag or its address: {bare:?}")),
                None => Ok(()),
            }
        }
        Operation::Down if names.is_empty() => Ok(()),
        Operation::Down => Err(format!("hosts are left: {names:?}")),
    }
}
