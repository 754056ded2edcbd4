//! The API's clock, and how long ago something was.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::time::Instant;

/// What must be added to this machine's clock to have the API's, in seconds.
///
/// The clock is the one that goes on while the machine sleeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    offset: i64,
}

impl Clock {
    /// By the API's time of just now, in seconds since 1970.
    pub(crate) fn new(api: i64) -> Self {
        Self {
            offset: api - Timestamp::now().as_second(),
        }
    }

    /// This machine's own, for an API that tells no time.
    pub(crate) fn own() -> Self {
        Self { offset: 0 }
    }

    /// Seconds since 1970, now.
    pub(crate) fn now(self) -> i64 {
        self.now_at(Timestamp::now())
    }

    fn now_at(self, own: Timestamp) -> i64 {
        own.as_second().saturating_add(self.offset)
    }
}

/// A moment by two clocks: the steady one stands still while a laptop sleeps, the other one may
/// be set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    steady: Instant,
    wall: SystemTime,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self {
            steady: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// Whether no more than `limit` has passed by both clocks.
    pub(crate) fn is_within(&self, limit: Duration) -> bool {
        let wall = self.wall.elapsed();
        self.steady.elapsed() <= limit && wall.is_ok_and(|elapsed| elapsed <= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_the_machine_slept_counts() {
        let clock = Clock::new(Timestamp::now().as_second() + 100);
        let before = clock.now();
        // The steady clock has not moved, which is what a sleep does to it.
        let awake = Timestamp::now() + Duration::from_hours(8);
        let slept = clock.now_at(awake) - before;
        assert!((28_800..28_810).contains(&slept), "{slept}");
    }

    #[test]
    fn moment_is_old_if_either_clock_says_so() {
        let limit = Duration::from_secs(2);
        let now = Moment::now();
        assert!(now.is_within(limit));
        let asleep = Moment {
            wall: now.wall - Duration::from_hours(1),
            ..now
        };
        assert!(!asleep.is_within(limit), "the machine slept");
        let set_back = Moment {
            wall: now.wall + Duration::from_hours(1),
            ..now
        };
        assert!(!set_back.is_within(limit), "the clock was set back");
    }
}
