//! Current activity, as text for the bar.

use std::collections::BTreeMap;

use stagecraft_core::{Event, HostName, seconds};

use crate::render;

/// Most hosts that are named with their activity.
const NAMED: usize = 3;

/// Current activity, from the events so far.
#[derive(Debug)]
pub(super) struct Busy {
    /// The activity while no host is busy.
    now: String,
    hosts: BTreeMap<HostName, String>,
}

const READING: &str = "reading the cloud";

impl Default for Busy {
    fn default() -> Self {
        Self {
            now: READING.to_owned(),
            hosts: BTreeMap::new(),
        }
    }
}

impl Busy {
    /// The cloud has been read. What follows concerns the hosts.
    pub(super) fn at_work(&mut self) {
        "at work on the hosts".clone_into(&mut self.now);
    }

    /// Updates the state from an event.
    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::Waiting {
                host,
                what,
                deadline,
                ..
            } => {
                let limit = seconds(*deadline);
                let end = render::end_at_once(what);
                self.put(
                    host.as_ref(),
                    format!("waiting for {what}, at most {limit}{end}"),
                );
            }
            Event::Retrying { host, what, .. } => {
                self.put(host.as_ref(), format!("{what}, tried again"));
            }
            Event::HostConnected { host, .. } => self.put(Some(host), "being looked at".to_owned()),
            Event::StepStarted { host, step } => self.put(Some(host), step.clone()),
            Event::StepFinished { host, .. } => {
                self.hosts.remove(host);
            }
            Event::HostActive { .. } => self.at_work(),
            Event::HostFailed { host, .. } | Event::HostGone { host, .. } => {
                self.hosts.remove(host);
                self.at_work();
            }
            // The earlier wait is over.
            Event::LeaseTaken { .. } => READING.clone_into(&mut self.now),
            Event::LeaseTakenOver { .. }
            | Event::LeaseLost { .. }
            | Event::LeaseLeft { .. }
            | Event::HostsRequested { .. }
            | Event::HostAccepted { .. }
            | Event::HostDeleteAccepted { .. } => {}
        }
    }

    fn put(&mut self, host: Option<&HostName>, what: String) {
        match host {
            Some(host) => {
                self.hosts.insert(host.clone(), what);
            }
            None => self.now = what,
        }
    }

    pub(super) fn text(&self) -> String {
        if self.hosts.is_empty() {
            return self.now.clone();
        }
        let named = self.hosts.iter().take(NAMED);
        let named: Vec<String> = named
            .map(|(host, what)| format!("{host}: {what}"))
            .collect();
        let named = named.join(", ");
        match self.hosts.len().saturating_sub(NAMED) {
            0 => named,
            1 => format!("{named} and 1 other"),
            others => format!("{named} and {others} others"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stagecraft_core::{EnvironmentName, StepOutcome};

    use super::*;

    fn host(name: &str) -> HostName {
        HostName::new(name).unwrap()
    }

    fn waiting(host: Option<HostName>, what: &str) -> Event {
        Event::Waiting {
            host,
            what: what.to_owned(),
            elapsed: Duration::ZERO,
            deadline: Duration::from_mins(5),
        }
    }

    fn active(name: &str) -> Event {
        Event::HostActive {
            host: host(name),
            id: "7".to_owned(),
            address: "192.0.2.7".to_owned(),
        }
    }

    fn connected(name: &str) -> Event {
        Event::HostConnected {
            host: host(name),
            host_key: "key".to_owned(),
        }
    }

    fn started(name: &str, step: &str) -> Event {
        Event::StepStarted {
            host: host(name),
            step: step.to_owned(),
        }
    }

    fn finished(name: &str, step: &str) -> Event {
        Event::StepFinished {
            host: host(name),
            step: step.to_owned(),
            outcome: StepOutcome::Unchanged,
        }
    }

    #[test]
    fn text_tells_what_is_under_way_and_not_what_has_ended() {
        let mut busy = Busy::default();
        assert_eq!(busy.text(), "reading the cloud");
        let taken = Event::LeaseTaken {
            environment: EnvironmentName::new("staging").unwrap(),
            run: "1".to_owned(),
        };
        for (event, text) in [
            (
                waiting(None, "what the run before has written"),
                "waiting for what the run before has written, at most 5m",
            ),
            (taken, "reading the cloud"),
            (
                waiting(None, "droplets to become active"),
                "waiting for droplets to become active, at most 5m",
            ),
            (active("app-1"), "at work on the hosts"),
            (connected("app-1"), "app-1: being looked at"),
            (started("app-1", "docker"), "app-1: docker"),
            (
                waiting(Some(host("app-1")), "the package lock"),
                "app-1: waiting for the package lock, at most 5m",
            ),
            (finished("app-1", "docker"), "at work on the hosts"),
            (started("app-1", "network"), "app-1: network"),
            (finished("app-1", "network"), "at work on the hosts"),
            (finished("app-1", "system"), "at work on the hosts"),
            (connected("app-2"), "app-2: being looked at"),
            (
                Event::HostFailed {
                    host: host("app-2"),
                    message: "no answer".to_owned(),
                },
                "at work on the hosts",
            ),
        ] {
            busy.take(&event);
            assert_eq!(busy.text(), text, "{event:?}");
        }
    }

    #[test]
    fn only_some_of_many_hosts_are_named() {
        let mut busy = Busy::default();
        for name in ["a", "b", "c"] {
            busy.take(&started(name, "docker"));
        }
        assert_eq!(busy.text(), "a: docker, b: docker, c: docker");
        busy.take(&started("d", "docker"));
        assert_eq!(busy.text(), "a: docker, b: docker, c: docker and 1 other");
        busy.take(&started("e", "docker"));
        assert!(busy.text().ends_with(" and 2 others"), "{}", busy.text());
    }
}
