//! Waits until the API lists what it has accepted.

use std::time::Duration;

use stagecraft_core::{Event, Result, Run};

use crate::config::PollConfig;

/// Waits until the list shows what was accepted before, and emits an event.
pub(crate) async fn settle(run: &Run, poll: &PollConfig, remaining: Duration) -> Result<()> {
    if remaining.is_zero() {
        return Ok(());
    }
    let lag = poll.list_lag.get();
    run.emit(Event::Waiting {
        host: None,
        what: "what was created to show in the list".to_owned(),
        elapsed: lag.saturating_sub(remaining),
        deadline: lag,
    });
    run.sleep(remaining).await
}
