//! Retries calls after errors that pass and after rate limit refusals.

use std::future::Future;
use std::time::Duration;

use stagecraft_core::{Event, Retry, Run};
use tokio::time::Instant;

use super::Client;
use crate::error::ApiError;
use crate::retry::{ATTEMPTS, LONGEST_PAUSE};
use crate::window::Turn;

impl Client {
    /// Waits for a permit.
    pub(crate) async fn turn(&self, run: &Run) -> Result<Turn, ApiError> {
        self.window.turn(run, self.lane).await
    }

    /// Waits for a permit to write.
    ///
    /// The lease is ensured first, so that no permit is held during a renewal. If the permit takes
    /// long, the lease is ensured once more with the permit in hand. The rate limiter reserves room
    /// for that renewal, and no more is required: in a small window a renewal may be old when it is
    /// answered.
    ///
    /// # Errors
    ///
    /// As [`Run::before_write`].
    pub(crate) async fn turn_to_write(&self, run: &Run) -> stagecraft_core::Result<Turn> {
        run.before_write().await?;
        let turn = self.turn(run).await;
        let turn = turn.map_err(|error| run.lost().unwrap_or_else(|| error.into_error("wait")))?;
        if !run.may_write() {
            run.before_write().await?;
        }
        Ok(turn)
    }

    /// Patience for one call.
    pub(crate) fn patience(&self) -> Patience<'_> {
        Patience {
            client: self,
            started: Instant::now(),
        }
    }

    pub(super) async fn repeat<T, F: Future<Output = Result<T, ApiError>>>(
        &self,
        run: &Run,
        what: &str,
        call: impl Fn(Turn) -> F,
    ) -> Result<T, ApiError> {
        let patience = self.patience();
        let mut pause = self.first_pause;
        let mut attempt = 1;
        loop {
            if run.check().is_err() {
                return Err(ApiError::Cancelled);
            }
            let error = match call(self.turn(run).await?).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Err(error) = patience.after(run, what, error) else {
                continue;
            };
            let Retry::After(wanted) = error.retry() else {
                return Err(error);
            };
            if attempt == ATTEMPTS || wanted.is_some_and(|wanted| wanted > LONGEST_PAUSE) {
                return Err(error);
            }
            self.pause(run, what, &error, wanted.unwrap_or(pause))
                .await?;
            attempt += 1;
            pause *= 2;
        }
    }

    /// Reports the reason and the length of a pause, and waits.
    pub(crate) async fn pause(
        &self,
        run: &Run,
        what: &str,
        error: &ApiError,
        delay: Duration,
    ) -> Result<(), ApiError> {
        run.emit(Event::Retrying {
            host: None,
            what: what.to_owned(),
            reason: error.to_string(),
            delay,
        });
        run.sleep(delay).await.map_err(|_| ApiError::Cancelled)
    }
}

/// How long one call is retried while the rate limit refuses it.
///
/// A refusal by the minute limit says when to retry, which is followed for as long as the operation
/// may take. A refusal by the hourly limit gives no time, or one too long to wait for: the call
/// fails after a few of them in a row.
#[derive(Debug)]
pub(crate) struct Patience<'c> {
    client: &'c Client,
    started: Instant,
}

impl Patience<'_> {
    /// Handles a rate limit refusal: holds every call of the provider, so that the next permit
    /// comes in time, and reports it in one event.
    ///
    /// # Errors
    ///
    /// `error`, if it is another one; [`ApiError::Limited`] if it is time to give up.
    pub(crate) fn after(&self, run: &Run, what: &str, error: ApiError) -> Result<(), ApiError> {
        let ApiError::Refused {
            status: 429,
            retry_after,
            limit,
            request_id,
            ..
        } = error
        else {
            return Err(error);
        };
        let client = self.client;
        let held = client.window.refused(retry_after, client.first_pause);
        let waited = self.started.elapsed();
        if held.is_hopeless || waited + held.pause > client.patience {
            return Err(ApiError::Limited {
                is_hourly: held.is_hourly,
                limit,
                waited,
                request_id,
            });
        }
        if held.is_news {
            run.emit(Event::Retrying {
                host: None,
                what: what.to_owned(),
                reason: "API rate limit exceeded, retrying...".to_owned(),
                delay: held.pause,
            });
        }
        Ok(())
    }
}
