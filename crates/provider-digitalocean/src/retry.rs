//! Number and delay of retries.

use std::time::Duration;

/// Most attempts of a call that may be repeated.
pub(crate) const ATTEMPTS: u32 = 5;
/// Longest pause that an answer's `Retry-After` may cause, so that no run hangs for an hour without
/// a message.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_mins(1);
