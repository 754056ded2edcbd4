//! Changes that a run would make on existing hosts, so that exactly those can be approved.

use serde::{Deserialize, Serialize};

use crate::name::HostId;

/// The changes that a run would make on one existing host, step by step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostChanges {
    /// The host's name within its environment.
    pub host: String,
    /// Its id.
    pub id: HostId,
    /// The steps that would or may change the host, in order. Empty if none does.
    pub steps: Vec<StepChanges>,
}

/// The changes that one step would make on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepChanges {
    /// The step's id.
    pub step: String,
    /// What would be changed, one short phrase each.
    pub changes: Vec<String>,
    /// The earlier step that changes the host before this one decides again. Approving such a
    /// step approves whatever it then does.
    pub after: Option<String>,
}

impl HostChanges {
    /// Returns no changes on a host.
    pub fn none(host: impl Into<String>, id: HostId) -> Self {
        Self {
            host: host.into(),
            id,
            steps: Vec::new(),
        }
    }

    /// Returns the found changes that are missing here, one line each: the step and the change.
    ///
    /// A change that is no longer needed does not count: it is not made.
    pub fn missing(&self, found: &Self) -> Vec<String> {
        let lines = found.steps.iter().flat_map(|found| self.missing_of(found));
        lines.collect()
    }

    fn missing_of(&self, found: &StepChanges) -> Vec<String> {
        let step = &found.step;
        let known = self.steps.iter().find(|own| own.step == *step);
        if known.is_some_and(|known| known.after.is_some()) {
            return Vec::new();
        }
        let known = known.map_or(&[][..], |known| known.changes.as_slice());
        let new = found.changes.iter().filter(|own| !known.contains(own));
        let mut lines: Vec<String> = new.map(|change| format!("{step}: {change}")).collect();
        if let (Some(after), true) = (&found.after, lines.is_empty()) {
            lines.push(format!("{step}: may change the host after `{after}`"));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(steps: &[(&str, &[&str], Option<&str>)]) -> HostChanges {
        let steps = steps.iter().map(|(step, changes, after)| StepChanges {
            step: (*step).to_owned(),
            changes: changes.iter().map(ToString::to_string).collect(),
            after: after.map(str::to_owned),
        });
        HostChanges {
            steps: steps.collect(),
            ..HostChanges::none("app-1", HostId::new("1"))
        }
    }

    #[test]
    fn only_what_was_not_approved_is_missing() {
        let approved = changes(&[
            ("docker", &["install docker", "start docker"], None),
            ("network", &["join"], Some("docker")),
        ]);
        assert!(approved.missing(&approved).is_empty());
        let less = changes(&[("docker", &["start docker"], None)]);
        assert!(approved.missing(&less).is_empty(), "it is not needed now");
        let open = changes(&[("network", &["install the client", "join"], None)]);
        assert!(approved.missing(&open).is_empty(), "it may do anything");
        let more = changes(&[
            ("docker", &["install docker", "remove docker.io"], None),
            ("users", &["create ann"], None),
        ]);
        assert_eq!(
            approved.missing(&more),
            ["docker: remove docker.io", "users: create ann"]
        );
    }

    #[test]
    fn step_that_was_certain_and_is_open_now_is_missing() {
        let approved = changes(&[("docker", &["install docker"], None)]);
        let now = changes(&[("docker", &["install docker"], Some("apt"))]);
        assert_eq!(
            approved.missing(&now),
            ["docker: may change the host after `apt`"]
        );
        let none = HostChanges::none("app-1", HostId::new("1"));
        assert_eq!(none.missing(&approved), ["docker: install docker"]);
    }
}
