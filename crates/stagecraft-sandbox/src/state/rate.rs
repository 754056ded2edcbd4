//! The account's rate limits.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::knobs::Knobs;

const HOUR: Duration = Duration::from_hours(1);
/// The value of the headers while the hourly limit is switched off.
const USUAL_HOURLY_LIMIT: u32 = 5000;

/// Counts requests in sliding windows.
///
/// The vendor does not say whether its burst window slides or whether refused requests count. Here
/// it slides, and they do not.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    requests: VecDeque<Instant>,
    key_lists: VecDeque<Instant>,
}

/// Whether a request is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is.
    Granted,
    /// Too many in the burst window; retry after this many seconds.
    Burst { retry_after: u64 },
    /// Too many in the hour.
    Hourly,
}

/// The values of the `ratelimit-*` headers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// The time until the oldest request leaves the hour.
    pub(crate) reset_in: Duration,
}

impl Rate {
    /// Admits or refuses a request, and counts it if it is admitted.
    pub(crate) fn admit(&mut self, knobs: &Knobs, now: Instant, is_key_list: bool) -> Admission {
        let keep = if knobs.hourly_limit.is_some() {
            HOUR
        } else {
            knobs.burst_window
        };
        forget(&mut self.requests, now, keep.max(knobs.burst_window));
        forget(&mut self.key_lists, now, knobs.burst_window);
        if let Some(limit) = knobs.hourly_limit
            && self.requests.len() >= limit as usize
        {
            return Admission::Hourly;
        }
        let burst = knobs
            .burst_limit
            .and_then(|limit| wait_for(&self.requests, limit, now, knobs.burst_window));
        let keys = knobs
            .keys_limit
            .filter(|_| is_key_list)
            .and_then(|limit| wait_for(&self.key_lists, limit, now, knobs.burst_window));
        if let Some(wait) = burst.max(keys) {
            return Admission::Burst {
                // Rounded up, so that a retry at that time is admitted.
                retry_after: wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
            };
        }
        self.requests.push_back(now);
        if is_key_list {
            self.key_lists.push_back(now);
        }
        Admission::Granted
    }

    /// The account's usage of its hourly limit.
    pub(crate) fn standing(&self, knobs: &Knobs, now: Instant) -> Standing {
        let oldest = self.requests.front().map_or(now, |oldest| *oldest);
        let reset_in = (oldest + HOUR).saturating_duration_since(now);
        let used = u32::try_from(self.requests.len()).unwrap_or(u32::MAX);
        match knobs.hourly_limit {
            Some(limit) => Standing {
                limit,
                remaining: limit.saturating_sub(used),
                reset_in,
            },
            None => Standing {
                limit: USUAL_HOURLY_LIMIT,
                remaining: USUAL_HOURLY_LIMIT - 1,
                reset_in,
            },
        }
    }
}

fn forget(requests: &mut VecDeque<Instant>, now: Instant, window: Duration) {
    while requests
        .front()
        .is_some_and(|at| now.duration_since(*at) >= window)
    {
        requests.pop_front();
    }
}

/// The time until fewer than `limit` requests are in the window.
fn wait_for(
    requests: &VecDeque<Instant>,
    limit: u32,
    now: Instant,
    window: Duration,
) -> Option<Duration> {
    let nth = requests.len().checked_sub(limit as usize)?;
    match requests.get(nth) {
        Some(blocking) => {
            let wait = (*blocking + window).saturating_duration_since(now);
            (!wait.is_zero()).then_some(wait)
        }
        // A limit of zero admits nothing.
        None => Some(window),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knobs(burst: u32) -> Knobs {
        Knobs {
            burst_limit: Some(burst),
            ..Knobs::default()
        }
    }

    #[test]
    fn the_burst_window_slides() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(rate.admit(&knobs(2), at(0), false), Admission::Granted);
        assert_eq!(rate.admit(&knobs(2), at(30), false), Admission::Granted);
        let refused = rate.admit(&knobs(2), at(31), false);
        assert_eq!(refused, Admission::Burst { retry_after: 29 });
        assert_eq!(rate.admit(&knobs(2), at(60), false), Admission::Granted);
        let refused = rate.admit(&knobs(2), at(61), false);
        assert_eq!(refused, Admission::Burst { retry_after: 29 });
    }

    #[test]
    fn lists_of_keys_have_their_own_limit() {
        let (mut rate, now) = (Rate::default(), Instant::now());
        let knobs = Knobs {
            keys_limit: Some(1),
            ..Knobs::default()
        };
        assert_eq!(rate.admit(&knobs, now, true), Admission::Granted);
        assert_eq!(
            rate.admit(&knobs, now, true),
            Admission::Burst { retry_after: 60 }
        );
        assert_eq!(rate.admit(&knobs, now, false), Admission::Granted);
    }

    #[test]
    fn the_hourly_limit_has_no_retry_after_and_rolls() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        let knobs = Knobs {
            hourly_limit: Some(1),
            ..Knobs::default()
        };
        assert_eq!(rate.admit(&knobs, start, false), Admission::Granted);
        let later = start + Duration::from_mins(30);
        assert_eq!(rate.admit(&knobs, later, false), Admission::Hourly);
        let standing = rate.standing(&knobs, later);
        assert_eq!(
            (standing.remaining, standing.reset_in),
            (0, Duration::from_mins(30))
        );
        assert_eq!(rate.admit(&knobs, start + HOUR, false), Admission::Granted);
    }

    #[test]
    fn switched_off_limits_refuse_nothing() {
        let (mut rate, now) = (Rate::default(), Instant::now());
        let knobs = Knobs::instant();
        assert!((0..6000).all(|_| rate.admit(&knobs, now, true) == Admission::Granted));
        assert!(rate.standing(&knobs, now).remaining > 0);
    }
}
