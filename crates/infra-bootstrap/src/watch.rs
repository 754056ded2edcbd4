//! Retries and waits on one host.

use std::sync::{Mutex, PoisonError};

use stagecraft_core::{Event, EventSink, seconds, shorten};

use crate::report::Retried;

/// The most causes of one host that are kept.
const LIMIT: usize = 10;
/// The longest reason, in characters.
const REASON_LIMIT: usize = 300;

/// Counts retries and waits in the events of one host.
#[derive(Debug, Default)]
pub(crate) struct Watch(Mutex<Vec<Retried>>);

impl Watch {
    /// Returns the counted retries, in the order in which they began.
    pub(crate) fn retries(&self) -> Vec<Retried> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn count(&self, what: &str, reason: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = match reason.trim() {
            "" => "no reason was given".to_owned(),
            reason => shorten(reason, REASON_LIMIT),
        };
        if let Some(known) = all.iter_mut().find(|own| own.what == what) {
            known.times += 1;
            known.reason = reason;
        } else if all.len() < LIMIT {
            all.push(Retried {
                what: what.to_owned(),
                times: 1,
                reason,
            });
        }
    }
}

impl EventSink for Watch {
    fn emit(&self, event: Event) {
        match event {
            Event::Retrying { what, reason, .. } => self.count(&what, &reason),
            // The end of a step is awaited once, after an interruption.
            Event::Waiting { what, elapsed, .. } if !what.starts_with("step `") => {
                match what.split_once(" (") {
                    Some((what, reason)) => {
                        self.count(what, reason.strip_suffix(')').unwrap_or(reason));
                    }
                    None => self.count(&what, &format!("not yet after {}", seconds(elapsed))),
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn retrying(what: &str, reason: &str) -> Event {
        Event::Retrying {
            host: None,
            what: what.to_owned(),
            reason: reason.to_owned(),
            delay: Duration::ZERO,
        }
    }

    #[test]
    fn causes_are_counted_with_their_last_reason_which_is_never_empty() {
        let watch = Watch::default();
        watch.emit(retrying("connect", "connection refused"));
        watch.emit(retrying("connect", "connection reset"));
        let what = "the package lock (/var/lib/dpkg/lock is held by process 7 (apt))";
        watch.emit(Event::Waiting {
            host: None,
            what: what.to_owned(),
            elapsed: Duration::ZERO,
            deadline: Duration::ZERO,
        });
        watch.emit(Event::Waiting {
            host: None,
            what: "web-1 to connect".to_owned(),
            elapsed: Duration::from_secs(2),
            deadline: Duration::ZERO,
        });
        watch.emit(retrying("call", " "));
        let told: Vec<_> = watch
            .retries()
            .into_iter()
            .map(|own| (own.what, own.times, own.reason))
            .collect();
        let lock = "/var/lib/dpkg/lock is held by process 7 (apt)";
        assert_eq!(
            told,
            [
                ("connect".to_owned(), 2, "connection reset".to_owned()),
                ("the package lock".to_owned(), 1, lock.to_owned()),
                (
                    "web-1 to connect".to_owned(),
                    1,
                    "not yet after 2s".to_owned()
                ),
                ("call".to_owned(), 1, "no reason was given".to_owned()),
            ]
        );
    }

    #[test]
    fn list_is_bounded_whatever_a_host_does() {
        let watch = Watch::default();
        for number in 0..1_000 {
            watch.emit(retrying(&format!("call {number}"), &"x".repeat(100_000)));
        }
        let retries = watch.retries();
        assert_eq!(retries.len(), LIMIT);
        assert!(
            retries
                .iter()
                .all(|own| own.reason.chars().count() <= REASON_LIMIT)
        );
    }
}
