//! Every operation against every fault at every request: after at most one more run exactly the
//! declared hosts exist, or none of ours, and nobody else's things were touched.
//!
//! Each story runs on a clock of its own that stands still while anything is under way, so
//! minutes of waiting cost nothing.

mod fleet;
mod judge;
mod lab;
mod schedule;
mod story;
mod sweep;

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use stagecraft_fuzz::cases;

use crate::lab::Kin;
use crate::schedule::{Mishap, Operation, SCOPES, Schedule, Strike, Trouble, Weather};
use crate::story::{play, play_interrupted, play_suspended, play_two};
use crate::sweep::{Scene, Tally, both, sweep, ways};

fn weather() -> impl Strategy<Value = Weather> {
    let lags = (
        select(&[0_u16, 0, 100][..]),
        select(&[0_u16, 500, 2000, 3500][..]),
        select(&[0_u16, 0, 1000][..]),
        select(&[0_u16, 300, 12_000][..]),
        select(&[0_u16, 500, 2000, 7000][..]),
        select(&[0_u16, 0, 1000][..]),
    );
    let trouble = proptest::option::weighted(
        0.4,
        select(
            &[
                Trouble::ErroredCreates,
                Trouble::DropletLimit,
                Trouble::SoldOut,
                Trouble::BurstLimit,
                Trouble::NoAddress,
                Trouble::Scope("tag:read"),
                Trouble::Scope("droplet:delete"),
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
            tag_lag_ms: lags.5,
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
    sweep(Scene::new(Operation::Plan), &ways(), play);
}

#[test]
fn up_ends_with_exactly_the_declared_hosts_after_any_single_fault() {
    sweep(Scene::new(Operation::Up), &ways(), play);
}

#[test]
fn up_that_goes_on_ends_with_exactly_the_declared_hosts_after_any_single_fault() {
    let scene = Scene {
        share: 8,
        ..Scene::new(Operation::UpTheRest)
    };
    sweep(scene, &ways(), play);
}

#[test]
fn up_makes_anew_what_ended_as_an_error_after_any_single_fault() {
    let scene = Scene {
        weather: Weather {
            trouble: Some(Trouble::ErroredCreates),
            ..Weather::usual()
        },
        share: 16,
        ..Scene::new(Operation::Up)
    };
    sweep(scene, &ways(), play);
}

#[test]
fn down_leaves_no_host_of_ours_after_any_single_fault() {
    sweep(Scene::new(Operation::Down), &ways(), play);
}

#[test]
fn prune_deletes_what_is_not_declared_and_nothing_else_after_any_single_fault() {
    let scene = Scene {
        share: 8,
        ..Scene::new(Operation::Prune)
    };
    sweep(scene, &ways(), play);
}

#[test]
fn resize_leaves_no_host_off_after_any_single_fault() {
    let scene = Scene {
        share: 8,
        ..Scene::new(Operation::Resize)
    };
    sweep(scene, &ways(), play);
}

#[test]
fn up_without_resize_leaves_no_host_off_after_any_single_fault() {
    let scene = Scene {
        share: 8,
        ..Scene::new(Operation::ResizeThenUp)
    };
    sweep(scene, &ways(), play);
}

#[test]
fn hosts_have_the_tags_of_their_roles_after_any_single_fault() {
    let scene = Scene {
        share: 8,
        ..Scene::new(Operation::Retag)
    };
    sweep(scene, &ways(), play);
}

#[test]
fn adoption_takes_nobody_elses_host_after_any_single_fault() {
    let scene = Scene {
        share: 8,
        ..Scene::new(Operation::Adopt)
    };
    sweep(scene, &ways(), play);
}

#[test]
fn suspended_run_writes_nothing_once_another_has_taken_over() {
    let scene = Scene::new(Operation::Up);
    sweep(scene, &both(Mishap::Kill), play_suspended);
}

/// The lists lag for as long as they may: who follows at once trusts that the run before it has
/// waited for them.
#[test]
fn run_that_follows_an_interrupted_one_at_once_makes_no_host_twice() {
    let scene = Scene {
        weather: Weather {
            list_lag_ms: 3900,
            ..Weather::usual()
        },
        share: 1,
        ..Scene::new(Operation::Up)
    };
    sweep(scene, &both(Mishap::Interrupt), play_interrupted);
}

#[test]
fn any_faults_in_any_weather_end_well_after_one_more_run() {
    const ALL: &[Operation] = &Operation::ALL;
    let mut runner = TestRunner::new(cases(1));
    let tally = Tally::new();
    let result = runner.run(&schedules(ALL), |schedule| {
        let played = play(&schedule).map_err(TestCaseError::fail)?;
        tally.add(Ok(played));
        Ok(())
    });
    if let Err(smallest) = result {
        tally.add(Err(smallest.to_string()));
    }
    tally.tell("any faults in any weather");
}

#[test]
fn two_runs_at_once_make_no_host_twice_whatever_goes_wrong() {
    let later = select(&[1_u64, 5, 700, 5000, 11_000][..]);
    let kin = select(&[Kin::Stranger, Kin::Clone, Kin::Child][..]);
    let both = (
        schedules(&[Operation::Up, Operation::UpTheRest]),
        kin,
        later,
    );
    let mut runner = TestRunner::new(cases(2));
    let tally = Tally::new();
    let result = runner.run(&both, |(mut schedule, kin, later)| {
        schedule.weather.trouble = None;
        let later = Duration::from_millis(later);
        let played = play_two(&schedule, kin, later).map_err(TestCaseError::fail)?;
        tally.add(Ok(played));
        Ok(())
    });
    if let Err(smallest) = result {
        tally.add(Err(smallest.to_string()));
    }
    tally.tell("two runs at once");
}

#[test]
fn calm_runs_of_one_program_are_kept_apart() {
    for operation in [Operation::Up, Operation::Down, Operation::Resize] {
        for kin in [Kin::Stranger, Kin::Clone, Kin::Child] {
            let schedule = Schedule {
                operation,
                weather: Weather::usual(),
                strikes: Vec::new(),
            };
            play_two(&schedule, kin, Duration::from_millis(1)).unwrap();
        }
    }
}

#[test]
fn token_that_lacks_a_scope_does_no_harm() {
    let tally = Tally::new();
    for operation in Operation::ALL {
        for scope in SCOPES {
            let schedule = Schedule {
                operation,
                weather: Weather {
                    trouble: Some(Trouble::Scope(scope)),
                    ..Weather::usual()
                },
                strikes: Vec::new(),
            };
            tally.add(play(&schedule));
        }
    }
    tally.tell("scopes");
}

#[test]
fn host_that_never_gets_an_address_is_told_by_each_run_and_never_doubled() {
    for operation in [Operation::Up, Operation::UpTheRest] {
        let schedule = Schedule {
            operation,
            weather: Weather {
                trouble: Some(Trouble::NoAddress),
                ..Weather::usual()
            },
            strikes: Vec::new(),
        };
        play(&schedule).unwrap();
    }
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

fn strike_at_first_create(weather: Weather, mishap: Mishap) {
    let strike = Strike {
        mishap,
        at: first_create(weather),
        is_after: true,
    };
    let schedule = Schedule {
        operation: Operation::Up,
        weather,
        strikes: vec![strike],
    };
    play(&schedule).expect("exactly the declared hosts");
}

#[test]
fn executed_create_that_is_answered_429_is_not_repeated() {
    for list_lag_ms in [0, 2000] {
        for retry_after in [None, Some(1), Some(3600)] {
            let weather = Weather {
                list_lag_ms,
                ..Weather::usual()
            };
            strike_at_first_create(weather, Mishap::Status(429, retry_after));
        }
    }
}

#[test]
fn killed_create_whose_tags_lag_is_not_repeated() {
    for list_lag_ms in [0, 500, 2000] {
        let weather = Weather {
            list_lag_ms,
            tag_lag_ms: 1000,
            ..Weather::usual()
        };
        strike_at_first_create(weather, Mishap::Kill);
    }
}
