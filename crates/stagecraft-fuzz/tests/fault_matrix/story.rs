//! Playing a schedule, and judging how it ended.

use std::time::Duration;

use stagecraft_core::{
    Confirmation, ErrorKind, PlanMode, PlanRequest, ResizeMode, Result as RunResult, Run,
};
use stagecraft_engine::{Outcome, PruneOptions, UpOptions};
use stagecraft_sandbox::{Fault, RecordedRequest};
use tokio::time::Instant;

use crate::fleet::environment;
use crate::judge::{End, check_only_reads, is_aftermath, is_good, judge, may_not_leave_tags};
use crate::lab::{Kin, Lab, Process};
use crate::schedule::{Operation, Schedule, Weather, is_interrupt, is_kill};

/// How often the story looks whether a run is to be killed.
const GLANCE: Duration = Duration::from_millis(20);
/// Longer than any run takes, by the story's own clock.
const LONGEST: Duration = Duration::from_hours(3);
/// How often somebody who is locked out tries again.
const TRY_AGAIN: Duration = Duration::from_secs(2);
/// Longer than a lease holds without a beat.
const SUSPENDED: Duration = Duration::from_secs(100);

/// What a schedule came to.
#[derive(Debug)]
pub(crate) struct Played {
    /// Whether every strike hit a request.
    pub(crate) all_struck: bool,
    /// Which request of the first run was its first create, counted from 0.
    pub(crate) first_create: Option<u32>,
    /// How many tags of single hosts and runs were left that nobody bears.
    pub(crate) loose_tags: usize,
}

impl Played {
    fn new(all_struck: bool) -> Self {
        Self {
            all_struck,
            first_create: None,
            loose_tags: 0,
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
pub(crate) fn play_two(schedule: &Schedule, kin: Kin, later: Duration) -> Result<Played, String> {
    on_own_clock(schedule, async |lab| {
        Box::pin(two(lab, schedule, kin, later)).await
    })
}

/// A run is interrupted, gives its lease back, and is followed at once by another one.
pub(crate) fn play_interrupted(schedule: &Schedule) -> Result<Played, String> {
    on_own_clock(schedule, async |lab| {
        let first = first(lab, schedule).await;
        if lab.has_lease().await {
            return Err(format!("the lease was left after {:?}", first.0));
        }
        rest(lab, schedule, first).await
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
    let first = first(lab, schedule).await;
    rest(lab, schedule, first).await
}

/// The run that meets the faults.
async fn first(lab: &Lab, schedule: &Schedule) -> (End, Played) {
    for strike in &schedule.strikes {
        lab.control().add_fault(strike.fault(schedule.operation));
    }
    let process = lab.process();
    let end = run(lab, &process, schedule, false).await;
    let mut played = Played::new(lab.control().faults().is_empty());
    let requests = lab.control().requests();
    let is_create = |one: &RecordedRequest| one.kind == "POST /v2/droplets";
    let first_create = requests.iter().position(is_create);
    played.first_create = first_create.and_then(|at| u32::try_from(at).ok());
    lab.control().clear_faults();
    lab.control().set_knobs(after(schedule).weather.knobs(0));
    (end, played)
}

/// How the cloud behaves once the trouble is over.
fn after(schedule: &Schedule) -> Schedule {
    Schedule {
        weather: Weather {
            trouble: None,
            ..schedule.weather
        },
        ..schedule.clone()
    }
}

/// The run after it, if there must be one, and what is wrong in the end.
async fn rest(
    lab: &Lab,
    schedule: &Schedule,
    (first, mut played): (End, Played),
) -> Result<Played, String> {
    if schedule.operation == Operation::Plan {
        check_only_reads(lab)?;
    }
    lab.bury().await;
    lab.check_untouched().await?;
    let is_over = match &first {
        End::Done(_) => !lab.has_lease().await,
        End::Failed(_) | End::Killed => false,
    };
    if is_over {
        judge(lab, schedule, &first, false)
            .map_err(|problem| format!("{problem}, though the first run called itself done"))?;
    } else {
        lab.control().clear_requests();
        let process = lab.process();
        let mut second = run(lab, &process, &after(schedule), true).await;
        if is_aftermath(schedule, &second) {
            second = run(lab, &lab.process(), &after(schedule), true).await;
        }
        if !is_good(schedule, &second) {
            return Err(format!(
                "the second run ended as {second:?} after {first:?}"
            ));
        }
        judge(lab, schedule, &second, true)
            .map_err(|problem| format!("{problem}, after {first:?} and {second:?}"))?;
    }
    lab.check_untouched().await?;
    if lab.has_lease().await {
        return Err("a lease was left".to_owned());
    }
    let loose = lab.loose_tags().await;
    if !loose.is_empty() && may_not_leave_tags(schedule) {
        return Err(format!("tags were left: {loose:?}, after {first:?}"));
    }
    played.loose_tags = loose.len();
    Ok(played)
}

async fn suspended(lab: &Lab, schedule: &Schedule) -> Result<Played, String> {
    for strike in &schedule.strikes {
        lab.control().add_fault(strike.fault(schedule.operation));
    }
    let process = lab.process();
    let mut first = Box::pin(operate(&process, schedule.operation, false));
    tokio::select! {
        _ = &mut first => return Ok(Played::new(false)),
        () = struck(lab, is_kill) => {}
    }
    lab.control().clear_faults();
    // Nobody polls the first run meanwhile.
    tokio::time::advance(SUSPENDED).await;
    lab.bury().await;
    let second = run(lab, &lab.process(), schedule, true).await;
    if !matches!(second, End::Done(_)) {
        return Err(format!("the second run ended as {second:?}"));
    }
    let first = first.await;
    judge(lab, schedule, &second, true)
        .map_err(|problem| format!("{problem}, after the first went on to {first:?}"))?;
    lab.check_untouched().await?;
    if lab.has_lease().await {
        return Err("a lease was left".to_owned());
    }
    Ok(Played::new(true))
}

async fn two(lab: &Lab, schedule: &Schedule, kin: Kin, later: Duration) -> Result<Played, String> {
    for strike in &schedule.strikes {
        lab.control().add_fault(strike.fault(schedule.operation));
    }
    let process = lab.process();
    let second = async {
        let mut tries = tokio::time::interval_at(Instant::now() + later, TRY_AGAIN);
        for _ in 0..1000 {
            tries.tick().await;
            let other = lab.other(&process, kin);
            match operate(&other, schedule.operation, false).await {
                Err(error) if error.kind() == ErrorKind::Locked => {}
                other => return format!("{other:?}"),
            }
        }
        "locked out".to_owned()
    };
    let both = async {
        let first = run(lab, &process, schedule, false);
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
    let last = run(lab, &lab.process(), schedule, true).await;
    if !matches!(last, End::Done(_)) {
        return Err(format!("the last run ended as {last:?}, after {ends}"));
    }
    judge(lab, schedule, &last, true).map_err(|problem| format!("{problem}, after {ends}"))?;
    lab.check_untouched().await?;
    Ok(Played::new(all_struck))
}

/// Runs one operation as the program does, in a process of its own, until it ends or is killed.
async fn run(lab: &Lab, process: &Process, schedule: &Schedule, is_again: bool) -> End {
    let token = process.run.cancellation().clone();
    tokio::select! {
        result = operate(process, schedule.operation, is_again) => match result {
            Ok(end) => end,
            Err(error) => End::Failed(error.chain().join(": ")),
        },
        () = struck(lab, is_kill) => End::Killed,
        () = async {
            struck(lab, is_interrupt).await;
            token.cancel();
            std::future::pending::<()>().await;
        } => unreachable!("it goes on until the run ends"),
        () = stir(lab, schedule.weather) => unreachable!("it goes on until the run ends"),
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

/// What the program does for `infra plan`, `infra up` and so on.
async fn operate(process: &Process, operation: Operation, is_again: bool) -> RunResult<End> {
    let Process { engine, run } = process;
    let mode = match operation {
        Operation::Down => PlanMode::Destroy,
        Operation::Prune => PlanMode::Prune,
        Operation::Adopt => PlanMode::Adopt,
        _ => PlanMode::Reconcile,
    };
    let mut request = PlanRequest::new(environment(), mode);
    let is_left = operation == Operation::ResizeThenUp && is_again;
    if operation == Operation::Resize || (operation == Operation::ResizeThenUp && !is_again) {
        request.resize = ResizeMode::KeepDisk;
    }
    if operation == Operation::Plan {
        let planned = engine.plan(run, &request).await?;
        return Ok(End::Done(Some(Box::new(planned))));
    }
    let work = async |run: Run| -> RunResult<End> {
        let planned = engine.plan(&run, &request).await?;
        if mode == PlanMode::Reconcile {
            let options = UpOptions {
                allow_differ: is_left,
            };
            let report = engine.up(&run, planned, options).await?;
            return Ok(ended(report.outcome(), &report.apply.failed));
        }
        if mode == PlanMode::Adopt {
            planned.check_adoption()?;
        }
        if planned.plan.is_empty() {
            return Ok(End::Done(None));
        }
        let confirmation = Confirmation::typed("staging", &environment())?;
        if mode == PlanMode::Adopt {
            let report = engine.retag(&run, planned, &confirmation).await?;
            return Ok(ended(report.outcome(), &report.apply.failed));
        }
        let options = PruneOptions::default();
        let report = engine.prune(&run, planned, &confirmation, options).await?;
        Ok(ended(report.outcome(), &report.apply.failed))
    };
    engine.with_lease(run, &environment(), "up", work).await
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
