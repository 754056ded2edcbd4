//! Limits the logins at one address, so that its SSH server does not ban us.
//!
//! OpenSSH's server penalizes an address for connections without a login, since 9.8 by default
//! (`PerSourcePenalties` of `sshd_config(5)`): 5 s for each connection that tried a login in vain,
//! 1 s for each that tried none. The sum decreases by a second each second. Above 15 s the server
//! ignores the address until the sum is zero.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stagecraft_core::{ConnectPhase, Error, Result, Run, seconds};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Most connections to one address that have not logged in yet. OpenSSH's server begins to drop
/// some at 10 (`MaxStartups` of `sshd_config(5)`).
const LIMIT: usize = 8;
/// Cost of a login that was refused or broke off. More than the server's penalty, so that the
/// penalties of earlier runs decrease as well.
const LOGIN_COST: Duration = Duration::from_secs(7);
/// Cost of a connection that tried no login, likewise.
const SILENT_COST: Duration = Duration::from_millis(1400);
/// Largest sum of costs. It keeps the server's sum below 15 s, even in consecutive runs.
const BUDGET: Duration = Duration::from_secs(12);

/// Limits the logins at each address, and paces them once some have failed.
#[derive(Debug, Default)]
pub(crate) struct Gates(Mutex<BTreeMap<String, Arc<Gate>>>);

#[derive(Debug)]
struct Gate {
    permits: Arc<Semaphore>,
    /// Held by the only connection that tries, unless the last login was accepted.
    first: Arc<tokio::sync::Mutex<()>>,
    record: Mutex<Record>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(LIMIT)),
            first: Arc::default(),
            record: Mutex::default(),
        }
    }
}

/// Our logins at one address.
#[derive(Debug, Default)]
struct Record {
    /// When the sum of costs is zero again.
    clear: Option<Instant>,
    /// Whether the last login was accepted.
    is_trusted: bool,
    /// Connections without a login since the last successful one.
    failures: u32,
}

impl Record {
    fn owed(&self, now: Instant) -> Duration {
        let owed = self.clear.map(|clear| clear.saturating_duration_since(now));
        owed.unwrap_or_default()
    }

    /// The time until a further login may fail.
    fn wait(&self, now: Instant) -> Duration {
        (self.owed(now) + LOGIN_COST).saturating_sub(BUDGET)
    }

    fn charge(&mut self, cost: Duration, now: Instant) {
        self.clear = Some(now + self.owed(now) + cost);
        self.is_trusted = false;
        self.failures += 1;
    }
}

/// Progress of a connection, which decides its cost when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No answer yet.
    Dialling,
    /// The server has answered.
    Connected,
    /// A login was tried.
    LoggingIn,
    /// The login was accepted.
    LoggedIn,
}

/// A permit to try one login. Records the connection's cost when it is dropped.
#[derive(Debug)]
pub(crate) struct LoginPermit {
    gate: Arc<Gate>,
    stage: Stage,
    _permit: OwnedSemaphorePermit,
    _first: Option<OwnedMutexGuard<()>>,
}

impl Gates {
    /// Waits for the permit to log in.
    ///
    /// While the last login at the address was not accepted, one connection tries at a time, and
    /// none that could make the server ban the address.
    pub(crate) async fn enter(
        &self,
        run: &Run,
        place: &str,
        phase: &ConnectPhase,
    ) -> Result<LoginPermit> {
        let gate = {
            let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(gates.entry(place.to_owned()).or_default())
        };
        tokio::select! {
            biased;
            () = run.cancellation().cancelled() => Err(Error::cancelled()),
            permit = gate.admit(run, place, phase) => permit,
        }
    }

    /// The time until a further login may fail at the address.
    pub(crate) fn wait(&self, place: &str) -> Duration {
        let gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        gates
            .get(place)
            .map(|gate| gate.record().wait(now))
            .unwrap_or_default()
    }

    /// Connections to the address without a login since the last successful one.
    pub(crate) fn failures(&self, place: &str) -> u32 {
        let gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gates
            .get(place)
            .map(|gate| gate.record().failures)
            .unwrap_or_default()
    }
}

impl Gate {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn admit(
        self: Arc<Self>,
        run: &Run,
        place: &str,
        phase: &ConnectPhase,
    ) -> Result<LoginPermit> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| Error::cancelled())?;
        let mut first = None;
        if !self.record().is_trusted {
            first = Some(Arc::clone(&self.first).lock_owned().await);
            if self.record().is_trusted {
                first = None;
            }
        }
        let wait = self.record().wait(Instant::now());
        if !wait.is_zero() {
            let time = seconds(wait);
            phase.begin(format!(
                "waiting {time} before a further login at {place}, so that its sshd does not turn this address away"
            ));
            run.sleep(wait).await?;
        }
        Ok(LoginPermit {
            gate: self,
            stage: Stage::Dialling,
            _permit: permit,
            _first: first,
        })
    }
}

impl LoginPermit {
    pub(crate) fn reach(&mut self, stage: Stage) {
        self.stage = stage;
    }
}

impl Drop for LoginPermit {
    fn drop(&mut self) {
        let cost = match self.stage {
            Stage::Dialling => return,
            Stage::Connected => SILENT_COST,
            Stage::LoggingIn => LOGIN_COST,
            Stage::LoggedIn => {
                let mut record = self.gate.record();
                record.is_trusted = true;
                record.failures = 0;
                return;
            }
        };
        self.gate.record().charge(cost, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_that_fail_never_add_up_to_a_penalty_in_runs_that_follow_each_other() {
        // Ours, and the server's.
        let seconds = Duration::from_secs;
        let costs = [(LOGIN_COST, seconds(5)), (SILENT_COST, seconds(1))];
        let patterns = [
            ([0, 0, 0], 10, 6),
            ([0, 0, 0], 1, 60),
            ([1, 1, 1], 1, 60),
            ([0, 1, 1], 1, 60),
            ([1, 0, 0], 1, 60),
        ];
        for (pattern, runs, logins) in patterns {
            let (mut counted, mut highest) = (Duration::ZERO, Duration::ZERO);
            for _ in 0..runs {
                let mut record = Record::default();
                let mut now = Instant::now();
                for choice in pattern.into_iter().cycle().take(logins) {
                    let (ours, theirs) = costs[choice];
                    let wait = record.wait(now);
                    now += wait;
                    counted = counted.saturating_sub(wait) + theirs;
                    highest = highest.max(counted);
                    record.charge(ours, now);
                }
                assert_eq!(record.failures as usize, logins);
            }
            assert!(highest <= seconds(14), "{pattern:?}: {highest:?}");
        }
    }

    #[tokio::test]
    async fn logins_that_are_accepted_and_calls_that_nothing_answers_are_not_paced() {
        let (run, phase) = (Run::default(), ConnectPhase::default());
        let gates = Gates::default();
        let stages = [Stage::Dialling, Stage::LoggedIn];
        for stage in stages.into_iter().cycle().take(100) {
            let mut permit = gates.enter(&run, "here", &phase).await.unwrap();
            permit.reach(stage);
            drop(permit);
            assert_eq!(gates.wait("here"), Duration::ZERO);
        }
        assert!(phase.now().is_none());
    }

    #[tokio::test]
    async fn one_connection_tries_until_a_login_was_accepted_and_eight_from_then_on() {
        let (run, phase) = (Run::default(), ConnectPhase::default());
        let gates = Gates::default();
        let is_let_in = async || {
            tokio::select! {
                biased;
                permit = gates.enter(&run, "here", &phase) => Some(permit.unwrap()),
                () = tokio::task::yield_now() => None,
            }
        };
        let mut first = is_let_in().await.expect("a permit");
        assert!(is_let_in().await.is_none());
        first.reach(Stage::LoggedIn);
        drop(first);
        let mut permits = Vec::new();
        for _ in 0..LIMIT {
            permits.push(is_let_in().await.expect("a permit"));
        }
        assert!(is_let_in().await.is_none());
    }
}
