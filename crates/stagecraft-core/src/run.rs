//! The context of every operation: events, cancellation, secrets and waiting.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventSink, NoEvents};
use crate::name::HostName;
use crate::secret::SecretSource;
use crate::write_guard::WriteGuard;

/// Look-up of variables and secrets. Only the CLI reads the environment.
#[async_trait]
pub trait Lookup: Send + Sync + std::fmt::Debug {
    /// Returns the value of a variable, or `None` if it is not set.
    fn get(&self, name: &str) -> Option<String>;

    /// Reads a file, or the output of a command. Never called for a variable.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::SecretMissing`] if it cannot be read. Default: [`ErrorKind::Unsupported`].
    async fn read(&self, source: &SecretSource) -> Result<String> {
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("this program does not read secrets from {source}"),
        ))
    }

    /// Returns all keys that the operator will log in with, or `None` if uncertain: there is no
    /// login, or a key cannot be read. Default: `None`.
    async fn login_keys(&self) -> Option<Vec<LoginKey>> {
        None
    }
}

#[async_trait]
impl Lookup for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<String> {
        Self::get(self, name).cloned()
    }
}

/// The public half of a key for the operator's login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginKey {
    /// The key in SSH's wire form (RFC 4253, section 6.6).
    pub wire: Vec<u8>,
    /// Its origin, for people: a file or an agent.
    pub place: String,
}

/// The interval and deadline of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollPolicy {
    /// The pause between two polls.
    pub interval: Duration,
    /// The time after which the wait ends.
    pub deadline: Duration,
}

/// The shortest text, in bytes, that [`Run::conceal`] redacts.
const SHORTEST_CONCEALED: usize = 16;

/// The context of one run of an operation. Clones share it.
#[derive(Debug, Clone)]
pub struct Run {
    shared: Arc<Shared>,
    cancel: CancellationToken,
    guard: Option<Arc<dyn WriteGuard>>,
    observer: Option<Arc<dyn EventSink>>,
}

#[derive(Debug)]
struct Shared {
    id: OnceLock<String>,
    events: Arc<dyn EventSink>,
    lookup: Arc<dyn Lookup>,
    /// The secrets in use, to be redacted.
    secrets: Mutex<BTreeMap<SecretSource, SecretString>>,
    /// The output of files and commands. Locked while one is read.
    read: tokio::sync::Mutex<BTreeMap<SecretSource, SecretString>>,
}

impl Default for Run {
    fn default() -> Self {
        Self::new(Arc::new(NoEvents), Arc::new(BTreeMap::new()))
    }
}

impl Run {
    /// Creates a run that emits its events to `events` and reads variables from `lookup`.
    pub fn new(events: Arc<dyn EventSink>, lookup: Arc<dyn Lookup>) -> Self {
        Self {
            shared: Arc::new(Shared {
                id: OnceLock::new(),
                events,
                lookup,
                secrets: Mutex::default(),
                read: tokio::sync::Mutex::default(),
            }),
            cancel: CancellationToken::new(),
            guard: None,
            observer: None,
        }
    }

    /// Returns the run's random id, 16 hexadecimal digits: that of its lease, if it has one,
    /// otherwise one that all clones share.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the system has no randomness.
    pub fn id(&self) -> Result<&str> {
        if let Some(guard) = &self.guard {
            return Ok(guard.run_id());
        }
        if let Some(id) = self.shared.id.get() {
            return Ok(id);
        }
        let id = Self::new_id()?;
        Ok(self.shared.id.get_or_init(|| id))
    }

    /// Generates a random id, 16 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the system has no randomness.
    pub fn new_id() -> Result<String> {
        let mut bytes = [0_u8; 8];
        getrandom::fill(&mut bytes).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the system gives no random bytes")
                .with_source(error.to_string())
        })?;
        Ok(data_encoding::HEXLOWER.encode(&bytes))
    }

    /// Emits an event.
    pub fn emit(&self, event: Event) {
        if let Some(observer) = &self.observer {
            observer.emit(event.clone());
        }
        self.shared.events.emit(event);
    }

    /// Returns the token that cancels the run. Once cancelled, it sends no new writes.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Fails if the run was cancelled, or has lost its lease. Sends no request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancelled`], [`ErrorKind::Locked`].
    pub fn check(&self) -> Result<()> {
        match self.lost() {
            Some(error) => Err(error),
            None if self.cancel.is_cancelled() => Err(Error::cancelled()),
            None => Ok(()),
        }
    }

    /// Fails if the next write must not be sent. Called before every batch of writes. It queries
    /// the cloud only if the lease might be lost, for example after the machine was suspended.
    /// Ends at once on cancellation.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check), and those of the run's guard.
    pub async fn before_write(&self) -> Result<()> {
        self.check()?;
        let Some(guard) = &self.guard else {
            return Ok(());
        };
        tokio::select! {
            checked = guard.check() => checked,
            () = self.cancel.cancelled() => Err(self.lost().unwrap_or_else(Error::cancelled)),
        }
    }

    /// Whether the next write may be sent without a query. A wait after
    /// [`before_write`](Self::before_write) may have taken too long.
    pub fn may_write(&self) -> bool {
        let is_fresh = self.guard.as_ref().is_none_or(|guard| guard.is_fresh());
        is_fresh && self.check().is_ok()
    }

    /// Returns why the run may no longer write, if another one has taken over its lease.
    pub fn lost(&self) -> Option<Error> {
        self.guard.as_ref().and_then(|guard| guard.lost())
    }

    /// Whether all writes of earlier runs are visible in lists by now.
    ///
    /// With a lease they are: it is released, and taken over, only once they are. Without one,
    /// missing entries may still appear.
    pub fn follows_cleanly(&self) -> bool {
        self.guard.is_some()
    }

    /// Returns the same run with its own cancellation: cancelling this one cancels both.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            cancel: self.cancel.child_token(),
            ..self.clone()
        }
    }

    /// Returns the same run, cancelled together with this one, with a guard before its writes.
    #[must_use]
    pub fn guarded(&self, guard: Arc<dyn WriteGuard>) -> Self {
        Self {
            guard: Some(guard),
            ..self.clone()
        }
    }

    /// Returns the same run with an observer, which receives its events first. That covers events
    /// of this run, its clones and runs derived from it. A new observer replaces the first.
    #[must_use]
    pub fn observed(&self, observer: Arc<dyn EventSink>) -> Self {
        Self {
            observer: Some(observer),
            ..self.clone()
        }
    }

    /// Returns the same run, sharing events and secrets, that is not cancelled with this one.
    ///
    /// For work that should end rather than be interrupted: a step that has begun on a host.
    #[must_use]
    pub fn shielded(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            cancel: CancellationToken::new(),
            guard: self.guard.clone(),
            observer: self.observer.clone(),
        }
    }

    /// Returns the value of a variable, or `None` if it is not set or empty.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.shared
            .lookup
            .get(name)
            .filter(|value| !value.is_empty())
    }

    /// Returns all keys that the operator will log in with, or `None` if uncertain. A provider
    /// can check with them whether a host would accept the operator.
    pub async fn login_keys(&self) -> Option<Vec<LoginKey>> {
        tokio::select! {
            keys = self.shared.lookup.login_keys() => keys.filter(|keys| !keys.is_empty()),
            () = self.cancel.cancelled() => None,
        }
    }

    /// Returns the secret of a source, or `None` for a variable that is not set or empty.
    ///
    /// From now on the run redacts it from texts. A file or command is read once in a run.
    /// White space around a secret is trimmed: files often end in a newline.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::SecretMissing`] if the file or command yields none, [`ErrorKind::Cancelled`]
    /// if the run is cancelled while it is read.
    pub async fn secret(&self, source: &SecretSource) -> Result<Option<SecretString>> {
        let value = match source {
            // A variable is looked up each time: that costs nothing.
            SecretSource::Variable(name) => self.variable(name).unwrap_or_default(),
            SecretSource::File(_) | SecretSource::Command(_) => {
                // Hosts are processed concurrently: the second reader waits for the first.
                let mut read = tokio::select! {
                    read = self.shared.read.lock() => read,
                    () = self.cancel.cancelled() => return Err(Error::cancelled()),
                };
                if let Some(known) = read.get(source) {
                    known.expose_secret().to_owned()
                } else {
                    let value = tokio::select! {
                        value = self.shared.lookup.read(source) => value?,
                        () = self.cancel.cancelled() => return Err(Error::cancelled()),
                    };
                    read.insert(source.clone(), SecretString::from(value.as_str()));
                    value
                }
            }
        };
        let value = value.trim();
        if value.is_empty() {
            return Ok(None);
        }
        let secret = SecretString::from(value);
        self.secrets().insert(source.clone(), secret.clone());
        Ok(Some(secret))
    }

    /// Redacts this text too from now on. A text that is too short for a secret, and may well
    /// occur in other texts, is ignored. `what` names it; the same name replaces it.
    pub fn conceal(&self, what: &str, text: &str) {
        let text = text.trim();
        if text.len() >= SHORTEST_CONCEALED {
            // No source of a configuration is a command of this form.
            let source = SecretSource::Command(vec![String::new(), what.to_owned()]);
            self.secrets().insert(source, SecretString::from(text));
        }
    }

    /// Replaces every secret of this run in a text by `***`.
    pub fn redact(&self, text: &str) -> String {
        let secrets = self.secrets();
        let mut secrets: Vec<&str> = secrets.values().map(ExposeSecret::expose_secret).collect();
        // One may be a part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.iter().fold(text.to_owned(), |text, secret| {
            let text = text.replace(secret, "***");
            // Its form within JSON.
            match serde_json::to_string(secret) {
                Ok(quoted) if quoted.len() > secret.len() + 2 => {
                    text.replace(&quoted[1..quoted.len() - 1], "***")
                }
                _ => text,
            }
        })
    }

    fn secrets(&self) -> MutexGuard<'_, BTreeMap<SecretSource, SecretString>> {
        self.shared
            .secrets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps, or fails at once on cancellation.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancelled`], [`ErrorKind::Locked`].
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that sleeps"
    )]
    pub async fn sleep(&self, duration: Duration) -> Result<()> {
        tokio::select! {
            () = self.cancel.cancelled() => Err(self.lost().unwrap_or_else(Error::cancelled)),
            () = tokio::time::sleep(duration) => Ok(()),
        }
    }

    /// Polls until `look` returns a value, and emits events while it waits.
    ///
    /// The first poll is immediate. Every [`Event::Waiting`] carries `what`.
    ///
    /// # Errors
    ///
    /// Those of `look`; [`ErrorKind::Timeout`], which names `what` and the time, at the deadline;
    /// [`ErrorKind::Cancelled`].
    pub async fn poll<T, F, Fut>(
        &self,
        policy: PollPolicy,
        host: Option<&HostName>,
        what: &str,
        mut look: F,
    ) -> Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<Option<T>>>,
    {
        let started = tokio::time::Instant::now();
        loop {
            self.check()?;
            if let Some(value) = look().await? {
                return Ok(value);
            }
            let elapsed = started.elapsed();
            if elapsed >= policy.deadline {
                return Err(Error::new(
                    ErrorKind::Timeout,
                    format!("waited {} for {what}", seconds(elapsed)),
                ));
            }
            self.emit(Event::Waiting {
                host: host.cloned(),
                what: what.to_owned(),
                elapsed,
                deadline: policy.deadline,
            });
            self.sleep(policy.interval.min(policy.deadline.saturating_sub(elapsed)))
                .await?;
        }
    }
}

/// Formats a duration for people: `350ms`, `12s`, `3m 5s`.
pub fn seconds(duration: Duration) -> String {
    let total = duration.as_secs();
    if total == 0 {
        format!("{}ms", duration.as_millis())
    } else if total < 60 {
        format!("{total}s")
    } else if total.is_multiple_of(60) {
        format!("{}m", total / 60)
    } else {
        format!("{}m {}s", total / 60, total % 60)
    }
}

#[cfg(test)]
mod tests;
