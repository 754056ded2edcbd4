//! Reports of hosts.

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use stagecraft_core::{Event, FailureCode, Host, HostId, HostName, Run, StepFailure, StepOutcome};

/// The report of one host.
///
/// It is serialized without times, so equal runs yield equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostReport {
    /// The host's name within its environment. If its name in the cloud breaks the naming rule, a
    /// stand-in derived from its id.
    pub host: HostName,
    /// Its id in the cloud.
    pub id: HostId,
    /// The address of the connection.
    pub address: Option<IpAddr>,
    /// Its full name in the private network, once it is known to be a member.
    pub fqdn: Option<String>,
    /// The name that the operating system reports, once the host was read.
    pub system: Option<String>,
    /// Warnings, which stopped nothing: failures and degradations of the host's first boot, in
    /// the first run and in runs that fail, and what steps report besides their outcome.
    pub warnings: Vec<String>,
    /// The outcome of each step, in running order. Empty if the host never became ready for
    /// steps.
    pub steps: Vec<StepReport>,
    /// Why the host failed as a whole: it was not ready, or the run was interrupted.
    /// The failure of a single step is in [`steps`](Self::steps).
    pub failure: Option<StepFailure>,
    /// Retries and waits, at most ten causes. They vary between runs, so they are not
    /// serialized.
    #[serde(skip)]
    pub retries: Vec<Retried>,
    /// The time from the first attempt to connect to the end. Not serialized.
    #[serde(skip)]
    pub duration: Duration,
}

/// An operation that was retried or polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// The operation: `connect`, `the package lock`.
    pub what: String,
    /// The number of retries or unsuccessful polls.
    pub times: u32,
    /// The last reason. Never empty.
    pub reason: String,
}

/// The outcome of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepReport {
    /// The step's id.
    pub step: &'static str,
    /// The outcome.
    #[serde(flatten)]
    pub outcome: StepOutcome,
    /// Its duration. Not serialized.
    #[serde(skip)]
    pub duration: Duration,
}

impl HostReport {
    pub(crate) fn new(host: &Host) -> Self {
        Self {
            host: host.name.clone().unwrap_or_else(|| stand_in(&host.id)),
            id: host.id.clone(),
            address: host.public_ipv4.map(IpAddr::V4),
            fqdn: None,
            system: None,
            warnings: Vec::new(),
            steps: Vec::new(),
            failure: None,
            retries: Vec::new(),
            duration: Duration::ZERO,
        }
    }

    /// Fails the host, with an event at once. Interruption is reported for the whole run.
    pub(crate) fn fail(&mut self, run: &Run, failure: StepFailure) {
        if failure.code != FailureCode::Interrupted {
            run.emit(Event::HostFailed {
                host: self.host.clone(),
                message: failure.message.clone(),
            });
        }
        self.failure = Some(failure);
    }

    /// Records the outcome of a step, and emits it as an event.
    pub(crate) fn finish_step(
        &mut self,
        run: &Run,
        step: &'static str,
        outcome: StepOutcome,
        duration: Duration,
    ) {
        run.emit(Event::StepFinished {
            host: self.host.clone(),
            step: step.to_owned(),
            outcome: outcome.clone(),
        });
        let finished = StepReport {
            step,
            outcome,
            duration,
        };
        // After a lost connection a step may end again.
        match self.steps.iter_mut().find(|own| own.step == step) {
            Some(own) => *own = finished,
            None => self.steps.push(finished),
        }
    }

    /// Whether nothing failed.
    pub fn is_ok(&self) -> bool {
        self.first_failure().is_none()
    }

    /// Whether any step changed the host.
    pub fn is_changed(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step.outcome, StepOutcome::Changed { .. }))
    }

    /// Whether a dry run found changes.
    pub fn would_change(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step.outcome, StepOutcome::WouldChange { .. }))
    }

    /// Returns why the host is not ready: its own failure, or that of the first failed step.
    pub fn first_failure(&self) -> Option<&StepFailure> {
        self.failure.as_ref().or_else(|| {
            self.steps.iter().find_map(|step| match &step.outcome {
                StepOutcome::Failed(failure) => Some(failure),
                _ => None,
            })
        })
    }

    /// Returns the outcome of a step, if it was reached.
    pub fn step(&self, id: &str) -> Option<&StepOutcome> {
        self.steps
            .iter()
            .find(|report| report.step == id)
            .map(|report| &report.outcome)
    }
}

/// Returns the outcome of a step that had made these changes before a lost connection.
pub(crate) fn together(before: &[String], outcome: StepOutcome) -> StepOutcome {
    match outcome {
        StepOutcome::Unchanged if !before.is_empty() => StepOutcome::Changed {
            changes: before.to_vec(),
        },
        StepOutcome::Changed { changes } => StepOutcome::Changed {
            changes: joined(before, changes),
        },
        other => other,
    }
}

/// Returns the changes of both, each once.
pub(crate) fn joined(before: &[String], changes: Vec<String>) -> Vec<String> {
    let mut all = before.to_vec();
    all.extend(changes.into_iter().filter(|own| !before.contains(own)));
    all
}

/// Returns the dry-run outcome of a step that decides again after an earlier one.
///
/// A failure by the configuration stays a failure: no earlier step changes the file.
pub(crate) fn depending(outcome: StepOutcome, after: &str) -> StepOutcome {
    let changes = match outcome {
        StepOutcome::WouldChange { changes } => changes,
        StepOutcome::Failed(failure) if failure.code == FailureCode::ConfigInvalid => {
            return StepOutcome::Failed(failure);
        }
        _ => Vec::new(),
    };
    StepOutcome::MayChange {
        changes,
        after: after.to_owned(),
    }
}

/// Returns the dry-run outcome of a step that runs after an earlier one without requiring it.
///
/// A change that is needed now is needed then. A wanted state may no longer hold.
pub(crate) fn following(outcome: StepOutcome, after: &str) -> StepOutcome {
    match outcome {
        StepOutcome::Unchanged => StepOutcome::MayChange {
            changes: Vec::new(),
            after: after.to_owned(),
        },
        other => other,
    }
}

/// Returns a valid name for a host that has none.
fn stand_in(id: &HostId) -> HostName {
    let label: String = id
        .as_str()
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(50)
        .collect();
    HostName::new(format!("host-{}", label.trim_matches('-')))
        .or_else(|_| HostName::new("host"))
        .expect("`host` is a valid name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_is_serialized_flat_and_without_its_duration() {
        let report = StepReport {
            step: "docker",
            outcome: StepOutcome::Failed(StepFailure::new(FailureCode::DockerInstallFailed, "no")),
            duration: Duration::from_secs(3),
        };
        assert_eq!(
            serde_json::to_value(&report).unwrap(),
            serde_json::json!({
                "step": "docker",
                "status": "failed",
                "code": "docker_install_failed",
                "message": "no",
                "evidence": [],
            })
        );
    }

    #[test]
    fn step_after_a_change_may_do_anything_but_what_the_file_rules_out() {
        let may = |changes: &[&str]| StepOutcome::MayChange {
            changes: changes.iter().map(ToString::to_string).collect(),
            after: "docker".to_owned(),
        };
        let changes = vec!["join".to_owned()];
        let would = StepOutcome::WouldChange { changes };
        assert_eq!(depending(would, "docker"), may(&["join"]));
        assert_eq!(depending(StepOutcome::Unchanged, "docker"), may(&[]));
        let failed = |code| StepOutcome::Failed(StepFailure::new(code, "no"));
        let unread = failed(FailureCode::DockerDetectFailed);
        assert_eq!(depending(unread, "docker"), may(&[]));
        let invalid = failed(FailureCode::ConfigInvalid);
        assert_eq!(depending(invalid.clone(), "docker"), invalid);
    }

    #[test]
    fn stand_in_names_are_valid_whatever_the_id() {
        for (id, name) in [
            ("123", "host-123"),
            ("a/B_", "host-a-b"),
            ("", "host"),
            ("--", "host"),
        ] {
            assert_eq!(stand_in(&HostId::new(id)).as_str(), name);
        }
    }
}
