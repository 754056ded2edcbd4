//! The API's clock and the age of moments.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::time::Instant;

/// The offset from this machine's clock to the API's, in seconds.
///
/// The underlying clock advances while the machine sleeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    offset: i64,
}

impl Clock {
    /// A clock from the API's current time, in seconds since 1970.
    pub(crate) fn new(api: i64) -> Self {
        Self {
            offset: api - Timestamp::now().as_second(),
        }
    }

    /// This machine's own clock, for an API that sends no time.
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

/// A moment on two clocks: the monotonic one stops while a laptop sleeps, and the other one can be
/// set.
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

    /// Whether at most `limit` has passed by both clocks.
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
        // The monotonic clock has not advanced, as after a sleep.
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
