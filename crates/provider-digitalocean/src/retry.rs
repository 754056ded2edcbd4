//! How often and how late calls that failed are sent again.

use std::time::Duration;

/// How often a call that may be repeated is sent in all.
pub(crate) const ATTEMPTS: u32 = 5;
/// The longest pause that is made because an answer's `Retry-After` asks for it: nobody wants to
/// wait for an hour without knowing.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_mins(1);
