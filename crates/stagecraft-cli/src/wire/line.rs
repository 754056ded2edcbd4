//! One line, with the stamp that every line bears.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::VERSION;
use super::event::Event;

/// One line of standard output.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Line {
    /// The version of this contract.
    #[schemars(extend("const" = VERSION))]
    v: u32,
    /// The number of the line, from 0, without gaps.
    seq: u64,
    /// When the line was printed, in UTC with milliseconds. Never before an earlier line's.
    #[schemars(extend("format" = "date-time"))]
    at: String,
    #[serde(flatten)]
    event: Event,
}

/// Stamps the lines of one process, in the order in which they are printed.
#[derive(Debug)]
pub(crate) struct Lines {
    next: u64,
    last: Timestamp,
}

impl Lines {
    /// Begins at line 0.
    pub(crate) const fn new() -> Self {
        Self {
            next: 0,
            last: Timestamp::MIN,
        }
    }

    /// Stamps the next line. A clock that was set back counts as standing still.
    pub(crate) fn stamp(&mut self, now: Timestamp, event: Event) -> Line {
        self.last = self.last.max(now);
        let seq = self.next;
        self.next += 1;
        Line {
            v: VERSION,
            seq,
            at: format!("{:.3}", self.last),
            event,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_time_never_goes_back() {
        let mut lines = Lines::new();
        let stamps: Vec<(u64, String)> = [1_000, 2_500, 500]
            .into_iter()
            .map(|at| {
                let event = Event::HostsRequested { hosts: Vec::new() };
                let line = lines.stamp(Timestamp::from_millisecond(at).unwrap(), event);
                (line.seq, line.at)
            })
            .collect();
        assert_eq!(
            stamps,
            [
                (0, "1970-01-01T00:00:01.000Z".to_owned()),
                (1, "1970-01-01T00:00:02.500Z".to_owned()),
                (2, "1970-01-01T00:00:02.500Z".to_owned()),
            ]
        );
    }

    #[test]
    fn stamp_comes_before_the_event_on_the_line() {
        let event = Event::HostsRequested {
            hosts: vec!["app-1".to_owned()],
        };
        let line = Lines::new().stamp(Timestamp::UNIX_EPOCH, event);
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            r#"{"v":1,"seq":0,"at":"1970-01-01T00:00:00.000Z","event":"hosts_requested","hosts":["app-1"]}"#
        );
    }
}
