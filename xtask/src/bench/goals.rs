//! Goals for the figures, and whether they are met.

use std::time::Duration;

use super::step::{Measured, Step};

/// An upper limit for a measured figure.
#[derive(Debug)]
pub(super) struct Goal {
    pub(super) text: String,
    pub(super) is_met: bool,
}

/// The goals of one command in one fleet's life.
pub(super) fn goals(measured: &Measured, hosts: u32, is_limited: bool) -> Vec<Goal> {
    let mut goals = Vec::new();
    let requests = |most: usize| Goal {
        text: format!("at most {most} requests"),
        is_met: measured.total() <= most,
    };
    let wall = |most_ms: u64| {
        let most = Duration::from_millis(most_ms);
        Goal {
            text: format!("at most {} s", most.as_secs_f64()),
            is_met: measured.wall <= most,
        }
    };
    match (measured.step, hosts, is_limited) {
        (Step::Up, 100, false) => goals.extend([requests(30), wall(17_000)]),
        (Step::PlanAgain, 100, false) => goals.extend([requests(6), wall(500)]),
        (Step::Down, 100, false) => goals.extend([
            requests(135),
            Goal {
                text: "proven gone within 8 s of the last delete".to_owned(),
                is_met: measured
                    .proof
                    .is_some_and(|proof| proof <= Duration::from_secs(8)),
            },
        ]),
        (Step::Plan | Step::PlanAgain, 300, true) => goals.push(requests(8)),
        _ => {}
    }
    if is_limited && hosts == 300 {
        goals.push(Goal {
            text: "no 429".to_owned(),
            is_met: measured.refused == 0,
        });
    }
    if hosts == 1000 {
        goals.push(Goal {
            text: "less than 40 MiB".to_owned(),
            is_met: measured.peak_kib < 40 * 1024,
        });
    }
    goals
}
