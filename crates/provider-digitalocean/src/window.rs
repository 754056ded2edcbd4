//! Rate limiter for all requests of one provider.
//!
//! The API accepts 250 requests in a minute and 5000 in an hour from one token, and does not say
//! whether its minute slides. So no minute, wherever it begins, has more than 240 of ours: a token
//! bucket would allow twice its size around a full minute. Other programs may use the same token,
//! which shows only in a refusal (429).
//!
//! Source: "Rate limit" in the description of the public API, version 2.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stagecraft_core::config::ConfigDuration;
use stagecraft_core::{Event, Run, seconds};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::error::ApiError;
use crate::retry::{ATTEMPTS, LONGEST_PAUSE};

/// Most requests in a window. The API's own limit is 250.
pub(crate) const MOST_REQUESTS: u32 = 240;
/// Fewest requests in a window: one for ordinary work, one for the lease.
pub(crate) const FEWEST_REQUESTS: u32 = 2;
/// Waits shorter than this fraction of the window are not reported.
const UNTOLD: u32 = 40;

/// How many requests are sent in a time. Durations have a unit: `500ms`, `60s`.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RateConfig {
    /// The most requests in a window, 2 to 240. Less leaves more to other programs that use the
    /// same token. One of 24, and at least one, is kept for the lease. Default: 240.
    pub requests: u32,
    /// The length of the window. Default: 60 s.
    pub window: ConfigDuration,
}

impl Default for RateConfig {
    fn default() -> Self {
        Self {
            requests: MOST_REQUESTS,
            window: Duration::from_mins(1).into(),
        }
    }
}

/// The priority of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Ordinary work, in the order of the requests.
    Work,
    /// The lease, which must not wait behind the work that it protects. A part of the window is
    /// reserved for it, and it gets at most half of the window.
    Lease,
}

/// Rate limiter that all calls of one provider share.
///
/// A request counts from when it is sent until one window after its answer arrived: the API counts
/// it somewhere in between.
#[derive(Debug)]
pub(crate) struct Window {
    length: Duration,
    requests: usize,
    /// The part of `requests` reserved for the lease.
    reserve: usize,
    state: Mutex<State>,
    /// Held by the next request of ordinary work.
    queue: tokio::sync::Mutex<()>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    /// Those of them that belong to the lease.
    leases_in_flight: usize,
    /// When the answers of the window arrived, oldest first, with their priorities.
    ended: VecDeque<(Instant, Lane)>,
    /// No request is sent before this time, set by a refusal.
    held_until: Option<Instant>,
    /// Most requests in flight after a refusal: one, and one more for each answer.
    ramp: usize,
    /// Consecutive refusals by the hourly limit.
    refusals: u32,
    /// Remaining requests of the hour, as the API sent it.
    remaining: Option<usize>,
    /// How many requests wait.
    waiting: usize,
    /// The end of the last reported wait.
    told_until: Option<Instant>,
}

impl Window {
    pub(crate) fn new(config: RateConfig) -> Arc<Self> {
        let requests = config.requests.max(FEWEST_REQUESTS) as usize;
        Arc::new(Self {
            length: config.window.get(),
            requests,
            // Without a reserve, ordinary work would hold all permits while it waits for a renewal.
            reserve: (requests / 24).max(1),
            state: Mutex::new(State {
                in_flight: 0,
                leases_in_flight: 0,
                ended: VecDeque::new(),
                held_until: None,
                ramp: usize::MAX,
                refusals: 0,
                remaining: None,
                waiting: 0,
                told_until: None,
            }),
            queue: tokio::sync::Mutex::default(),
            changed: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a permit, and reports the wait once for all waiting requests.
    ///
    /// # Errors
    ///
    /// [`ApiError::Cancelled`] as soon as the run is cancelled.
    pub(crate) async fn turn(self: &Arc<Self>, run: &Run, lane: Lane) -> Result<Turn, ApiError> {
        let _waiting = Waiting::new(self);
        let _first = match lane {
            Lane::Lease => None,
            Lane::Work => tokio::select! {
                first = self.queue.lock() => Some(first),
                () = run.cancellation().cancelled() => return Err(ApiError::Cancelled),
            },
        };
        loop {
            // Subscribed before the check, so that no change is missed.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let wait = match self.look(lane) {
                Look::Free => {
                    return Ok(Turn {
                        window: Arc::clone(self),
                        lane,
                        is_used: false,
                    });
                }
                Look::Wait { pause, told } => {
                    if let Some(event) = told {
                        run.emit(event);
                    }
                    pause
                }
            };
            let sleep = async {
                match wait {
                    Some(pause) => run.sleep(pause).await,
                    // Waiting for answers is bounded.
                    None => run.sleep(self.length).await,
                }
            };
            tokio::select! {
                slept = sleep => slept.map_err(|_| ApiError::Cancelled)?,
                () = changed => {}
            }
        }
    }

    fn look(&self, lane: Lane) -> Look {
        let now = Instant::now();
        let mut state = self.lock();
        while state
            .ended
            .front()
            .is_some_and(|(end, _)| *end + self.length <= now)
        {
            state.ended.pop_front();
        }
        let held = state.held_until.filter(|until| *until > now);
        // Neither priority may starve the other, however small the window is.
        let (limit, in_flight) = match lane {
            Lane::Work => (
                self.requests - self.reserve,
                state.in_flight - state.leases_in_flight,
            ),
            Lane::Lease => (self.requests / 2, state.leases_in_flight),
        };
        let all: Vec<Instant> = state.ended.iter().map(|(end, _)| *end).collect();
        let own = state.ended.iter().filter(|(_, own)| *own == lane);
        let own: Vec<Instant> = own.map(|(end, _)| *end).collect();
        let counted = [
            (self.requests, state.in_flight, all),
            (limit, in_flight, own),
        ];
        let rooms = counted
            .iter()
            .map(|(limit, in_flight, ended)| limit.saturating_sub(in_flight + ended.len()));
        let room = rooms.min().unwrap_or_default();
        let is_alone = lane == Lane::Work && {
            let most = state.ramp.min(state.remaining.unwrap_or(usize::MAX)).max(1);
            state.in_flight >= most
        };
        if held.is_none() && room > 0 && !is_alone {
            state.in_flight += 1;
            state.leases_in_flight += usize::from(lane == Lane::Lease);
            return Look::Free;
        }
        // When this many more fit, not counting requests in flight.
        let freed = |more: usize| {
            let freed = counted.iter().filter_map(|(limit, in_flight, ended)| {
                let over = (in_flight + ended.len() + 1).checked_sub(*limit);
                let over = over.filter(|over| *over > 0)?;
                let number = if more == 0 {
                    over
                } else {
                    (over + more).min(ended.len())
                };
                Some(*ended.get(number.checked_sub(1)?)? + self.length)
            });
            freed.max()
        };
        let until = held.max(freed(0));
        // Waiting requests get their permits in order: the last one ends the wait.
        let last = held.max(freed(state.waiting.saturating_sub(1)));
        let told = last.or(until).and_then(|end| {
            let lasts = end.saturating_duration_since(now);
            let is_told = state.told_until.is_some_and(|told| told > now);
            if is_told || room > 0 || lasts < self.length / UNTOLD {
                return None;
            }
            state.told_until = Some(end);
            Some(Event::Waiting {
                host: None,
                what: format!(
                    "the API's rate limit, at most {limit} requests in {}",
                    seconds(self.length)
                ),
                elapsed: Duration::ZERO,
                deadline: lasts,
            })
        });
        Look::Wait {
            pause: until.map(|until| until.saturating_duration_since(now)),
            told,
        }
    }

    /// Holds all requests after a rate limit refusal: for the `wanted` time, or for increasing
    /// times if the API gives none, as for the hourly limit.
    ///
    /// Waiting requests do not all start at once afterwards, nor together with other programs: a
    /// random delay is added, then one request goes first.
    pub(crate) fn refused(&self, wanted: Option<Duration>, first_pause: Duration) -> Held {
        let is_hourly = wanted.is_none_or(|wanted| wanted > LONGEST_PAUSE);
        let now = Instant::now();
        let mut state = self.lock();
        // Requests that were in flight together are refused together; only the first counts.
        let is_first = state.held_until.is_none_or(|until| until <= now);
        if is_hourly && is_first {
            state.refusals += 1;
        }
        let pause = wanted.unwrap_or_else(|| {
            let doubled = state.refusals.saturating_sub(1).min(16);
            first_pause * 2_u32.pow(doubled)
        });
        let pause = pause.min(LONGEST_PAUSE);
        let chance = RandomState::new().hash_one(()) % 100;
        let chance = u32::try_from(chance).unwrap_or_default();
        let until = now + pause + pause * chance / 1000;
        state.held_until = state.held_until.max(Some(until));
        state.ramp = 1;
        let is_news = state.told_until.is_none_or(|told| told <= now);
        if is_news {
            state.told_until = Some(until);
        }
        let is_hopeless = is_hourly && state.refusals >= ATTEMPTS;
        drop(state);
        self.changed.notify_waiters();
        Held {
            pause,
            is_hourly,
            is_hopeless,
            is_news,
        }
    }

    /// Records an answer that is not a rate limit refusal, with the remaining requests of the hour
    /// that it reported.
    pub(crate) fn answered(&self, remaining: Option<u64>) {
        let mut state = self.lock();
        state.ramp = state.ramp.saturating_add(1);
        state.refusals = 0;
        let remaining = remaining.map(|left| usize::try_from(left).unwrap_or(usize::MAX));
        state.remaining = remaining;
    }
}

/// The consequence of a refusal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) pause: Duration,
    pub(crate) is_hourly: bool,
    /// Whether the hourly limit has refused for some time.
    pub(crate) is_hopeless: bool,
    /// Whether no reported wait is in progress.
    pub(crate) is_news: bool,
}

enum Look {
    /// One request may be sent, and is counted already.
    Free,
    /// Check again after the pause, or when an answer arrived.
    Wait {
        pause: Option<Duration>,
        told: Option<Event>,
    },
}

/// Counts itself among the waiting requests.
struct Waiting<'w>(&'w Window);

impl<'w> Waiting<'w> {
    fn new(window: &'w Window) -> Self {
        window.lock().waiting += 1;
        Self(window)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}

/// A permit to send one request. Returned if it is dropped before.
#[derive(Debug)]
pub(crate) struct Turn {
    window: Arc<Window>,
    lane: Lane,
    is_used: bool,
}

impl Turn {
    /// Marks the request as sent. Drop the permit once its answer has arrived.
    pub(crate) fn begin(&mut self) {
        self.is_used = true;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.window.lock();
        state.in_flight -= 1;
        state.leases_in_flight -= usize::from(self.lane == Lane::Lease);
        if self.is_used {
            state.ended.push_back((Instant::now(), self.lane));
        }
        drop(state);
        self.window.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
