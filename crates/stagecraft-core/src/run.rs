//! What every operation carries: events, cancellation, secrets and waiting.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventSink, NoEvents};
use crate::name::HostName;

/// Where names of variables are looked up. Only the CLI reads the environment.
pub trait Lookup: Send + Sync + std::fmt::Debug {
    /// The value of a variable, or `None` if it is not set.
    fn get(&self, name: &str) -> Option<String>;
}

impl Lookup for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<String> {
        Self::get(self, name).cloned()
    }
}

/// How often something is looked at, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollPolicy {
    /// The pause between two looks.
    pub interval: Duration,
    /// The time after which the wait is given up.
    pub deadline: Duration,
}

/// The context of one run of an operation. Clones share it.
#[derive(Debug, Clone)]
pub struct Run {
    shared: Arc<Shared>,
    cancel: CancellationToken,
}

#[derive(Debug)]
struct Shared {
    events: Arc<dyn EventSink>,
    lookup: Arc<dyn Lookup>,
    secrets: Mutex<Vec<SecretString>>,
}

impl Default for Run {
    fn default() -> Self {
        Self::new(Arc::new(NoEvents), Arc::new(BTreeMap::new()))
    }
}

impl Run {
    /// Makes a run that tells its events to `events` and reads variables from `lookup`.
    pub fn new(events: Arc<dyn EventSink>, lookup: Arc<dyn Lookup>) -> Self {
        Self {
            shared: Arc::new(Shared {
                events,
                lookup,
                secrets: Mutex::default(),
            }),
            cancel: CancellationToken::new(),
        }
    }

    /// Tells an event.
    pub fn emit(&self, event: Event) {
        self.shared.events.emit(event);
    }

    /// The token that cancels the run. After it: no new writes.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Fails if the run was cancelled. Called before every write.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancelled`].
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            Err(Error::cancelled())
        } else {
            Ok(())
        }
    }

    /// The same run, sharing events and secrets, which is not cancelled with this one.
    ///
    /// For what is better ended than broken off: a step that has begun on a host.
    #[must_use]
    pub fn shielded(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            cancel: CancellationToken::new(),
        }
    }

    /// The value of a variable, or `None` if it is not set or empty.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.shared
            .lookup
            .get(name)
            .filter(|value| !value.is_empty())
    }

    /// The secret in a variable. From now on the run blots it out of texts.
    ///
    /// White space around it is cut: it comes from files that end in a newline.
    pub fn secret(&self, name: &str) -> Option<SecretString> {
        let value = self.variable(name)?;
        let value = value.trim();
        if value.is_empty() {
            return None;
        }
        let secret = SecretString::from(value);
        let mut secrets = self
            .shared
            .secrets
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !secrets
            .iter()
            .any(|known| known.expose_secret() == secret.expose_secret())
        {
            secrets.push(secret.clone());
        }
        Some(secret)
    }

    /// The text with every secret of this run replaced by `***`.
    pub fn redact(&self, text: &str) -> String {
        let secrets = self
            .shared
            .secrets
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        secrets.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret.expose_secret(), "***")
        })
    }

    /// Sleeps, or fails at once when the run is cancelled.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancelled`].
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that sleeps"
    )]
    pub async fn sleep(&self, duration: Duration) -> Result<()> {
        tokio::select! {
            () = self.cancel.cancelled() => Err(Error::cancelled()),
            () = tokio::time::sleep(duration) => Ok(()),
        }
    }

    /// Looks until `look` gives a value, and tells that it waits.
    ///
    /// The first look is at once. Every [`Event::Waiting`] bears `what`.
    ///
    /// # Errors
    ///
    /// What `look` fails with; [`ErrorKind::Timeout`], which names `what` and the time, when
    /// the deadline has passed; [`ErrorKind::Cancelled`].
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

/// A duration as people read it: `350ms`, `12s`, `3m 5s`.
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
mod tests {
    use super::*;

    fn run_with(name: &str, value: &str) -> Run {
        let lookup = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        Run::new(Arc::new(NoEvents), Arc::new(lookup))
    }

    #[test]
    fn secret_is_trimmed_and_blotted_out_of_texts() {
        let run = run_with("TOKEN", "s3cret\n");
        assert_eq!(run.redact("a s3cret b"), "a s3cret b");
        assert_eq!(run.secret("TOKEN").unwrap().expose_secret(), "s3cret");
        assert_eq!(run.redact("a s3cret b"), "a *** b");
    }

    #[test]
    fn blank_secret_counts_as_missing() {
        assert!(run_with("TOKEN", " \n").secret("TOKEN").is_none());
        assert!(Run::default().secret("TOKEN").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn poll_names_what_it_waited_for_at_the_deadline() {
        let policy = PollPolicy {
            interval: Duration::from_secs(5),
            deadline: Duration::from_secs(65),
        };
        let mut looks = 0;
        let error = Run::default()
            .poll::<(), _, _>(policy, None, "the host to boot", || {
                looks += 1;
                async { Ok(None) }
            })
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.to_string(), "waited 1m 5s for the host to boot");
        assert_eq!(looks, 14);
    }

    #[tokio::test(start_paused = true)]
    async fn poll_stops_at_once_when_cancelled() {
        let run = Run::default();
        run.cancellation().cancel();
        let policy = PollPolicy {
            interval: Duration::from_secs(5),
            deadline: Duration::from_mins(1),
        };
        let error = run
            .poll::<(), _, _>(policy, None, "x", || async { Ok(None) })
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}
