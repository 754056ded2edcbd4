//! Renews a lease, and guards the writes of the run that holds it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use stagecraft_core::{
    CloudProvider, EnvironmentName, Error, ErrorKind, Event, LeaseProvider, Marker, Result, Run,
    WriteGuard,
};
use tokio::time::Instant;

use super::Taken;

#[derive(Debug)]
pub(super) struct Keeper {
    cloud: Arc<dyn CloudProvider>,
    environment: EnvironmentName,
    taken: Taken,
    /// The run that is cancelled when the lease is lost.
    stop: Run,
    last: Mutex<Beat>,
    lost: Mutex<Option<Error>>,
    /// Locked during a renewal: a task that waited for one need not send another.
    beating: tokio::sync::Mutex<()>,
}

/// When the marker was last known to be ours, by two clocks.
///
/// The steady clock stands still while a laptop sleeps, the other one may be set.
#[derive(Debug, Clone, Copy)]
struct Beat {
    steady: Instant,
    wall: SystemTime,
}

impl Beat {
    fn now() -> Self {
        Self {
            steady: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// Whether less than `limit` has passed by both clocks.
    fn is_younger_than(&self, limit: Duration) -> bool {
        let wall = self.wall.elapsed();
        self.steady.elapsed() < limit && wall.is_ok_and(|elapsed| elapsed < limit)
    }
}

impl Keeper {
    pub(super) fn new(
        cloud: Arc<dyn CloudProvider>,
        environment: &EnvironmentName,
        taken: Taken,
        stop: Run,
    ) -> Self {
        Self {
            cloud,
            environment: environment.clone(),
            taken,
            stop,
            last: Mutex::new(Beat::now()),
            lost: Mutex::default(),
            beating: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn marker(&self) -> &Marker {
        &self.taken.marker
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost_slot().is_some()
    }

    fn lost_slot(&self) -> MutexGuard<'_, Option<Error>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn beat_within(&self, interval: Duration) -> bool {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_younger_than(interval)
    }

    /// Renews the lease once per interval, until it is dropped. Renewal continues while an
    /// interrupted run ends.
    pub(super) async fn beat_forever(&self, interval: Duration) {
        let run = self.stop.shielded();
        // So that a check before a write usually finds a fresh renewal, and sends no request.
        let pause = interval / 2;
        loop {
            // A shielded run's sleep is not interrupted.
            if run.sleep(pause).await.is_err() || self.is_lost() {
                return std::future::pending().await;
            }
            if self.beat_within(pause) {
                continue;
            }
            // Errors may be temporary: the next renewal follows, and each write checks for itself.
            drop(self.beat(pause).await);
        }
    }

    /// Renews the lease, unless another renewal has just ended.
    async fn beat(&self, interval: Duration) -> Result<()> {
        let Some(provider) = self.cloud.lease() else {
            return Ok(());
        };
        let _beating = self.beating.lock().await;
        if let Some(error) = self.lost() {
            return Err(error);
        }
        if self.beat_within(interval) {
            return Ok(());
        }
        let run = self.stop.shielded();
        // Taken before the request is sent: the renewal is no older than that.
        let now = Beat::now();
        match provider.beat(&run, &self.environment, self.marker()).await {
            Ok(()) => {
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = now;
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Locked => Err(self.lose(error)),
            Err(error) => Err(error),
        }
    }

    fn lose(&self, cause: Error) -> Error {
        let error = Error::new(
            ErrorKind::Locked,
            format!(
                "another run has taken over or broken the lease of environment '{}'",
                self.environment
            ),
        )
        .with_operation("beat_lease")
        .with_hint("this run did not beat for too long; run the command again to go on")
        .with_source(cause);
        *self.lost_slot() = Some(error.duplicate());
        self.stop.cancellation().cancel();
        error
    }

    /// Reports the new holder of the lease. Called after the work, when nothing more is written.
    pub(super) async fn tell_loss(&self, provider: &dyn LeaseProvider) {
        let run = self.stop.shielded();
        let new = provider.read(&run, &self.environment).await;
        self.stop.emit(Event::LeaseLost {
            environment: self.environment.clone(),
            holder: new.ok().flatten().map(|marker| marker.to_string()),
        });
    }
}

#[async_trait]
impl WriteGuard for Keeper {
    async fn check(&self) -> Result<()> {
        if let Some(error) = self.lost() {
            return Err(error);
        }
        let Some(provider) = self.cloud.lease() else {
            return Ok(());
        };
        let interval = provider.timing().interval;
        if self.beat_within(interval) {
            return Ok(());
        }
        self.beat(interval).await
    }

    fn is_fresh(&self) -> bool {
        let provider = self.cloud.lease();
        provider.is_none_or(|provider| self.beat_within(provider.timing().interval))
    }

    fn lost(&self) -> Option<Error> {
        self.lost_slot().as_ref().map(Error::duplicate)
    }

    fn run_id(&self) -> &str {
        &self.taken.run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beat_is_old_if_either_clock_says_so() {
        let limit = Duration::from_secs(20);
        let now = Beat::now();
        assert!(now.is_younger_than(limit));
        let asleep = Beat {
            wall: now.wall - Duration::from_hours(1),
            ..now
        };
        assert!(!asleep.is_younger_than(limit), "the machine slept");
        let set_back = Beat {
            wall: now.wall + Duration::from_hours(1),
            ..now
        };
        assert!(!set_back.is_younger_than(limit), "the clock was set back");
        let suspended = Beat {
            steady: now.steady.checked_sub(Duration::from_mins(1)).unwrap(),
            ..now
        };
        assert!(!suspended.is_younger_than(limit));
    }
}
