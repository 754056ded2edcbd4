//! What the API's rules allow at best.
//!
//! The floor is a client without any safety: it reads only the hosts, and sends everything that
//! it may send at once.

use std::time::Duration;

use super::step::Step;
use super::{BOOT_MS, BURST_LIMIT, DELETE_MS, LATENCY_MS};

/// The maximum number of names in one create.
const BATCH: u32 = 10;
/// The maximum number of hosts on one page of a list.
const PAGE: u32 = 200;

/// The fewest requests and the shortest time of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Floor {
    pub(super) requests: u32,
    pub(super) time: Duration,
}

impl Floor {
    pub(super) fn of(step: Step, hosts: u32, is_limited: bool) -> Self {
        let pages = hosts.div_ceil(PAGE).max(1);
        let latency = Duration::from_millis(LATENCY_MS);
        let (requests, time) = match step {
            Step::Plan => (1, latency),
            Step::PlanAgain => (pages, latency),
            Step::Up => (
                1 + hosts.div_ceil(BATCH) + pages,
                latency * 3 + Duration::from_millis(BOOT_MS),
            ),
            Step::Down => (
                pages + hosts + 1,
                latency * 3 + Duration::from_millis(DELETE_MS),
            ),
        };
        let waits = if is_limited {
            (requests - 1) / BURST_LIMIT
        } else {
            0
        };
        Self {
            requests,
            time: time + Duration::from_mins(1) * waits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_follow_the_rules_of_the_page() {
        let floor = |step, hosts, is_limited| {
            let Floor { requests, time } = Floor::of(step, hosts, is_limited);
            (requests, time.as_millis())
        };
        assert_eq!(floor(Step::Plan, 100, false), (1, 100));
        assert_eq!(floor(Step::Up, 100, false), (12, 10_300));
        assert_eq!(floor(Step::PlanAgain, 300, true), (2, 100));
        assert_eq!(floor(Step::Down, 300, false), (303, 2_300));
        assert_eq!(floor(Step::Down, 300, true), (303, 62_300));
        assert_eq!(floor(Step::Down, 1000, true), (1006, 242_300));
    }
}
