//! What became of a host.

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use stagecraft_core::{Event, FailureCode, Host, HostId, HostName, Run, StepFailure, StepOutcome};

/// What became of one host.
///
/// Serialized, it holds no times: the same course gives the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostReport {
    /// The host's name within its environment. For a host whose name in the cloud breaks the
    /// naming rule, a stand-in made of its id.
    pub host: HostName,
    /// Its id in the cloud.
    pub id: HostId,
    /// The address that was connected to.
    pub address: Option<IpAddr>,
    /// Its full name in the private network, once it is known to be a member.
    pub fqdn: Option<String>,
    /// The operating system's own name for itself, once the host was looked at.
    pub system: Option<String>,
    /// What stopped nothing but should be looked at: what failed or was degraded in the host's
    /// first boot, in the first run and in runs that fail; what steps report beside their outcome.
    pub warnings: Vec<String>,
    /// How each step ended, in the order in which they ran. Empty if the host never became
    /// ready for steps.
    pub steps: Vec<StepReport>,
    /// Why the host was given up as a whole: it was not ready, or the run was interrupted.
    /// The failure of a single step is in [`steps`](Self::steps).
    pub failure: Option<StepFailure>,
    /// What had to be tried again or waited for, at most ten causes. A matter of luck, so not
    /// serialized.
    #[serde(skip)]
    pub retries: Vec<Retried>,
    /// The time from the first attempt to connect to the end. Not serialized.
    #[serde(skip)]
    pub duration: Duration,
}

/// Something that had to be tried again, or looked at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// What: `connect`, `the package lock`.
    pub what: String,
    /// How often it was tried again, or looked at without success.
    pub times: u32,
    /// Why, the last time. Never empty.
    pub reason: String,
}

/// How one step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepReport {
    /// The step's id.
    pub step: &'static str,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: StepOutcome,
    /// The time that it took. Not serialized.
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

    /// Gives the host up, and tells it at once. That the run was interrupted is told for all.
    pub(crate) fn fail(&mut self, run: &Run, failure: StepFailure) {
        if failure.code != FailureCode::Interrupted {
            run.emit(Event::HostFailed {
                host: self.host.clone(),
                message: failure.message.clone(),
            });
        }
        self.failure = Some(failure);
    }

    /// Reports how a step ended, also as an event.
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
        // After a lost connection a step may end once more.
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

    /// Whether a dry run found something that would be changed.
    pub fn would_change(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step.outcome, StepOutcome::WouldChange { .. }))
    }

    /// Why the host is not ready: the host's own failure, or that of the first failed step.
    pub fn first_failure(&self) -> Option<&StepFailure> {
        self.failure.as_ref().or_else(|| {
            self.steps.iter().find_map(|step| match &step.outcome {
                StepOutcome::Failed(failure) => Some(failure),
                _ => None,
            })
        })
    }

    /// How a step ended, if it was come to.
    pub fn step(&self, id: &str) -> Option<&StepOutcome> {
        self.steps
            .iter()
            .find(|report| report.step == id)
            .map(|report| &report.outcome)
    }
}

/// How a step ended that had made these changes before a lost connection.
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

/// The changes of both, each once.
pub(crate) fn joined(before: &[String], changes: Vec<String>) -> Vec<String> {
    let mut all = before.to_vec();
    all.extend(changes.into_iter().filter(|own| !before.contains(own)));
    all
}

/// What a dry run can tell of a step that decides anew after an earlier one.
///
/// What the file rules out stays a failure: no step before it changes the file.
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

/// What a dry run can tell of a step that follows an earlier one but does not need it.
///
/// What is missing now is missing then. What is as wanted may not be any more.
pub(crate) fn following(outcome: StepOutcome, after: &str) -> StepOutcome {
    match outcome {
        StepOutcome::Unchanged => StepOutcome::MayChange {
            changes: Vec::new(),
            after: after.to_owned(),
        },
        other => other,
    }
}

/// A valid name for a host that has none.
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
