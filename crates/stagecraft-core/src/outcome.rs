//! Outcomes of steps and changes.

use serde::Serialize;

use crate::advice::Advice;
use crate::failure_code::FailureCode;

/// Outcome of one step. A step that did nothing never reports success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum StepOutcome {
    /// The host was as wanted; nothing was changed.
    Unchanged,
    /// These changes were made and verified.
    Changed {
        /// What was changed, one short phrase each.
        changes: Vec<String>,
    },
    /// These changes would be made (dry runs only).
    WouldChange {
        /// What would be changed, one short phrase each.
        changes: Vec<String>,
    },
    /// What this step has to do is known only once an earlier one has changed the host (dry runs
    /// only).
    MayChange {
        /// What would be changed in the host's present state, one short phrase each.
        changes: Vec<String>,
        /// The earlier step, which would or may change the host.
        after: String,
    },
    /// The step was left out on purpose.
    Skipped {
        /// Why.
        reason: String,
    },
    /// The step failed.
    Failed(StepFailure),
}

/// Why a step failed on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepFailure {
    /// The code, from a closed set.
    pub code: FailureCode,
    /// What happened, in one line.
    pub message: String,
    /// The last lines of output, or what was awaited and for how long.
    pub evidence: Vec<String>,
    /// What to do next. Not serialized: it follows from the cause.
    #[serde(skip)]
    pub advice: Advice,
}

impl StepFailure {
    /// Creates a failure without evidence, with the [advice](Advice::of_code) of its code.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            evidence: Vec::new(),
            advice: Advice::of_code(code),
        }
    }

    /// Sets the advice, if more is known of the cause than its code.
    #[must_use]
    pub fn with_advice(mut self, advice: Advice) -> Self {
        self.advice = advice;
        self
    }

    /// Adds lines of evidence.
    #[must_use]
    pub fn with_evidence(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(lines);
        self
    }
}
