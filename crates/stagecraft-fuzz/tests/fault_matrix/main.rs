//! Every operation against every fault at every request: after at most one more run exactly the
//! declared hosts exist, or none of ours, and nobody else's things were touched.
//!
//! Each story runs on a clock of its own that stands still while anything is under way, so
//! minutes of waiting cost nothing.

mod lab;
mod schedule;
mod story;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use stagecraft_fuzz::{cases, is_long};

use crate::schedule::{Mishap, Operation, Schedule, Strike, Trouble, Weather};
use crate::story::{Played, play, play_suspended, play_two};

/// No run has more requests.
const MOST_REQUESTS: u32 = 200;
const MOST_TOLD: usize = 20;
/// Of how many ways to go wrong a short run tries one at each request, besides being killed.
const SHARE: usize = 4;

/// Every way in which a request can go wrong.
fn ways() -> Vec<(Mishap, bool)> {
    let all = Mishap::ALL.into_iter();
    all.flat_map(|mishap| [(mishap, false), (mishap, true)])
        // 429 says that a request was not let in, and is taken at its word.
        .filter(|(mishap, is_after)| !(matches!(mishap, Mishap::Status(429, _)) && *is_after))
        .collect()
}

/// Strikes each request of an operation once in each of these ways.
///
/// A short run leaves some out, so that each request still meets several ways, and each way
/// several requests.
#[expect(
    clippy::print_stderr,
    reason = "how much was tried belongs to the result"
)]
fn sweep(
    operation: Operation,
    ways: &[(Mishap, bool)],
    play: fn(&Schedule) -> Result<Played, String>,
) {
    let (next, played) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let problems = Mutex::new(Vec::new());
    let share = if is_long() { 1 } else { SHARE };
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some((mishap, is_after)) = ways.get(number).copied() else {
                return;
            };
            for at in 0..MOST_REQUESTS {
                if mishap != Mishap::Kill && !(number + at as usize).is_multiple_of(share) {
                    continue;
                }
                let strike = Strike {
                    mishap,
                    at,
                    is_after,
                };
                let schedule = Schedule {
                    operation,
                    weather: Weather {
                        capitals: at % 2 == 1,
                        ..Weather::usual()
                    },
                    strikes: vec![strike],
                };
                played.fetch_add(1, Ordering::Relaxed);
                match play(&schedule) {
                    Ok(played) if played.all_struck => {}
                    Ok(_) => break,
                    Err(problem) => problems.lock().expect("no panic").push(problem),
                }
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let problems = problems.into_inner().expect("no panic");
    let count = played.into_inner();
    eprintln!("fault matrix: {operation:?}: {count} schedules");
    assert!(
        problems.is_empty(),
        "{} of {count} schedules went wrong:\n{}",
        problems.len(),
        problems[..problems.len().min(MOST_TOLD)].join("\n\n")
    );
}

fn weather() -> impl Strategy<Value = Weather> {
    let lags = (
        select(&[0_u16, 0, 100][..]),
        select(&[0_u16, 500, 2000, 3500][..]),
        select(&[0_u16, 0, 1000][..]),
        select(&[0_u16, 300, 12_000][..]),
        select(&[0_u16, 500, 2000, 7000][..]),
    );
    let trouble = proptest::option::weighted(
        0.4,
        select(
            &[
                Trouble::ErroredCreates,
                Trouble::DropletLimit,
                Trouble::SoldOut,
                Trouble::BurstLimit,
            ][..],
        ),
    );
    let quirks = (any::<bool>(), any::<bool>(), any::<bool>());
    (lags, quirks, proptest::bool::weighted(0.1), trouble).prop_map(
        |(lags, quirks, crowd, trouble)| Weather {
            latency_ms: if crowd { 100 } else { lags.0 },
            list_lag_ms: lags.1,
            read_lag_ms: lags.2,
            address_delay_ms: lags.3,
            tag_lag_ms: 0,
            delete_ms: lags.4,
            capitals: quirks.0,
            filter_ignores_case: quirks.1,
            refuse_delete_while_new: quirks.2,
            crowd,
            trouble,
        },
    )
}

fn strikes() -> impl Strategy<Value = Vec<Strike>> {
    let strike = (select(ways()), 0..45_u32).prop_map(|((mishap, is_after), at)| Strike {
        mishap,
        at,
        is_after,
    });
    proptest::collection::vec(strike, 0..5)
}

fn schedules(operations: &'static [Operation]) -> impl Strategy<Value = Schedule> {
    (select(operations), weather(), strikes()).prop_map(|(operation, weather, strikes)| Schedule {
        operation,
        weather,
        strikes,
    })
}

#[test]
fn plan_never_writes_and_is_right_after_any_single_fault() {
    sweep(Operation::Plan, &ways(), play);
}

#[test]
fn up_ends_with_exactly_the_declared_hosts_after_any_single_fault() {
    sweep(Operation::Up, &ways(), play);
}

#[test]
fn down_leaves_no_host_of_ours_after_any_single_fault() {
    sweep(Operation::Down, &ways(), play);
}

#[test]
fn suspended_run_writes_nothing_once_another_has_taken_over() {
    let ways = [(Mishap::Kill, false), (Mishap::Kill, true)];
    sweep(Operation::Up, &ways, play_suspended);
}

#[test]
fn any_faults_in_any_weather_end_well_after_one_more_run() {
    const ALL: &[Operation] = &[
        Operation::Plan,
        Operation::Up,
        Operation::Up,
        Operation::UpTheRest,
        Operation::Down,
        Operation::Down,
    ];
    let mut runner = TestRunner::new(cases(2));
    let result = runner.run(&schedules(ALL), |schedule| {
        play(&schedule).map(drop).map_err(TestCaseError::fail)
    });
    result.unwrap();
}

#[test]
fn two_runs_at_once_make_no_host_twice_whatever_goes_wrong() {
    let later = select(&[1_u64, 5, 700, 5000, 11_000][..]);
    let both = (schedules(&[Operation::Up, Operation::UpTheRest]), later);
    let mut runner = TestRunner::new(cases(4));
    let result = runner.run(&both, |(mut schedule, later)| {
        schedule.weather.trouble = None;
        let later = Duration::from_millis(later);
        let played = play_two(&schedule, later);
        played.map(drop).map_err(TestCaseError::fail)
    });
    result.unwrap();
}

/// Which request of an up is its first create.
fn first_create(weather: Weather) -> u32 {
    let played = play(&Schedule {
        operation: Operation::Up,
        weather,
        strikes: Vec::new(),
    });
    let first = played.expect("a calm run").first_create;
    first.expect("a create")
}

/// The one fault that makes doubles: 429 says that a request was not let in. The run does not
/// call that a success, and the next one writes nothing.
#[test]
fn executed_create_that_is_answered_429_is_told_and_stops_the_next_run() {
    let schedule = Schedule {
        operation: Operation::Up,
        weather: Weather::usual(),
        strikes: vec![Strike {
            mishap: Mishap::Status(429, None),
            at: first_create(Weather::usual()),
            is_after: true,
        }],
    };
    let problem = play(&schedule).unwrap_err();
    for told in [
        "another run created it",
        "more than one host has the same name",
    ] {
        assert!(problem.contains(told), "{problem}");
    }
}

#[test]
fn killed_create_whose_tags_lag_is_not_repeated() {
    for list_lag_ms in [500, 2000] {
        let weather = Weather {
            list_lag_ms,
            tag_lag_ms: 1000,
            ..Weather::usual()
        };
        let schedule = Schedule {
            operation: Operation::Up,
            weather,
            strikes: vec![Strike {
                mishap: Mishap::Kill,
                at: first_create(weather),
                is_after: true,
            }],
        };
        play(&schedule).unwrap();
    }
}
