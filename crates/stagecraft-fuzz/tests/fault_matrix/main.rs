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

use crate::schedule::{Mishap, Operation, Schedule, Strike, Weather};
use crate::story::play;

/// No run has more requests.
const MOST_REQUESTS: u32 = 200;
const MOST_TOLD: usize = 20;

/// Strikes each request of an operation once in every way.
#[expect(
    clippy::print_stderr,
    reason = "how much was tried belongs to the result"
)]
fn sweep(operation: Operation) {
    let ways: Vec<(Mishap, bool)> = Mishap::ALL
        .into_iter()
        .flat_map(|mishap| [(mishap, false), (mishap, true)])
        .collect();
    let (next, played) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let problems = Mutex::new(Vec::new());
    let work = || {
        while let Some((mishap, is_after)) = ways.get(next.fetch_add(1, Ordering::Relaxed)) {
            for at in 0..MOST_REQUESTS {
                let strike = Strike {
                    mishap: *mishap,
                    at,
                    is_after: *is_after,
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

#[test]
fn plan_never_writes_and_is_right_after_any_single_fault() {
    sweep(Operation::Plan);
}

#[test]
fn up_ends_with_exactly_the_declared_hosts_after_any_single_fault() {
    sweep(Operation::Up);
}

#[test]
fn up_of_the_rest_ends_with_exactly_the_declared_hosts_after_any_single_fault() {
    sweep(Operation::UpTheRest);
}

#[test]
fn down_leaves_no_host_of_ours_after_any_single_fault() {
    sweep(Operation::Down);
}
