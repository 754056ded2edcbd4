//! Reading existing hosts before the prompt.

use std::sync::Arc;

use stagecraft_core::{
    EnvironmentName, FailureCode, Fingerprint, Host, HostChanges, HostContext, Run, StepChanges,
    StepFailure, StepOutcome,
};
use tokio::time::Instant;

use super::climb::{Climb, offer};
use super::session::Session;
use super::{Bootstrap, host_key};
use crate::failure;
use crate::mode::Mode;
use crate::peers::Peers;
use crate::report::HostReport;
use crate::watch::Watch;

/// A host that was only read.
pub(crate) struct Looked {
    /// What would be done on it, as in a dry run.
    pub(crate) report: HostReport,
    /// The key that it has proven.
    host_key: Option<Fingerprint>,
    /// Its connection, if it has changes.
    pub(crate) session: Option<Box<Session>>,
}

/// The state from which work on a host continues.
#[derive(Default)]
pub(crate) struct Begun {
    /// The host as it was read before.
    pub(crate) looked: Option<Looked>,
    /// The changes that may be made; `None` for any.
    pub(crate) approved: Option<HostChanges>,
}

impl Looked {
    /// Returns a host whose reading ended in a panic.
    pub(crate) fn given_up(report: HostReport) -> Self {
        Self {
            report,
            host_key: None,
            session: None,
        }
    }

    /// Closes its connection, and returns what was read.
    pub(crate) async fn close(self) -> HostReport {
        if let Some(session) = self.session {
            session.close().await;
        }
        self.report
    }

    /// Whether the host would or may change. A host that could not be read is left alone.
    pub(crate) fn has_work(&self) -> bool {
        self.report.failure.is_none() && !self.report.changes().steps.is_empty()
    }
}

impl Bootstrap {
    /// Reads a host through a connection that can do nothing else, and reports what each step
    /// would do.
    ///
    /// The connection stays open if there are changes. Otherwise the host is finished, and its
    /// connection goes to `peers` if it is a member of the network.
    pub(crate) async fn look(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        host: &Host,
        peers: Option<&Peers>,
    ) -> Looked {
        let mut report = HostReport::new(host);
        let started = Instant::now();
        let watch = Arc::new(Watch::default());
        let run = &run.observed(Arc::clone(&watch) as _);
        let mut climb = Climb {
            host,
            mode: Mode::DryRun,
            former: None,
            approved: None,
            report: &mut report,
            stale: Vec::new(),
        };
        let climbed = self.climb(run, environment, &mut climb).await;
        report.duration = started.elapsed();
        report.retries = watch.retries();
        let mut looked = Looked {
            report,
            host_key: None,
            session: None,
        };
        match climbed {
            Ok(session) => {
                looked.host_key = Some(session.host_key());
                if looked.has_work() {
                    looked.session = Some(Box::new(session));
                } else {
                    offer(peers, &looked.report, session.into_open()).await;
                }
            }
            Err(failure) => {
                let failure = failure::redacted(run, &failure);
                looked.report.fail(run, failure);
            }
        }
        looked
    }

    /// Returns the report of a host that had no changes when it was read.
    pub(super) fn finished(&self, looked: Looked) -> HostReport {
        if let (Some(cache), Some(key)) = (&self.cache, looked.host_key) {
            cache.proven(&looked.report.id, key);
        }
        looked.report
    }

    /// Refuses changes that were not approved, by the last state that was read.
    ///
    /// # Errors
    ///
    /// `not_approved`, with each further change as evidence.
    pub(super) fn check_approved(
        &self,
        run: &Run,
        session: &Session,
        context: &HostContext,
        host: &Host,
        approved: Option<&HostChanges>,
    ) -> Result<(), StepFailure> {
        let mut found = Vec::new();
        if self.pins.is_some() {
            let pinned = host.host_keys();
            let work = host_key::decide(&session.facts(host_key::ID), session.host_key(), &pinned);
            let outcome = host_key::outcome(&work, Mode::DryRun);
            let outcome = outcome.as_ref();
            found.extend(outcome.and_then(|own| changes_of(host_key::ID, own)));
        }
        self.check_found(run, session, context, found, approved)
    }

    /// Like [`check_approved`](Self::check_approved), for a host whose key is settled.
    pub(super) fn check_steps_approved(
        &self,
        run: &Run,
        session: &Session,
        context: &HostContext,
        approved: Option<&HostChanges>,
    ) -> Result<(), StepFailure> {
        self.check_found(run, session, context, Vec::new(), approved)
    }

    /// Refuses the found changes, and those of the steps, unless they were approved.
    fn check_found(
        &self,
        run: &Run,
        session: &Session,
        context: &HostContext,
        found: Vec<StepChanges>,
        approved: Option<&HostChanges>,
    ) -> Result<(), StepFailure> {
        let Some(approved) = approved else {
            return Ok(());
        };
        let mut found = HostChanges {
            steps: found,
            ..HostChanges::none(context.name.as_str(), approved.id.clone())
        };
        for (step, outcome) in self.preview(run, session, context) {
            found.steps.extend(changes_of(step, &outcome));
        }
        let missing = approved.missing(&found);
        if missing.is_empty() {
            return Ok(());
        }
        let message = if approved.steps.is_empty() {
            "changing the host was not confirmed"
        } else {
            "the host needs other changes than those that were confirmed"
        };
        Err(StepFailure::new(FailureCode::NotApproved, message).with_evidence(missing))
    }
}

/// Returns the changes of a step that was only read.
fn changes_of(step: &str, outcome: &StepOutcome) -> Option<StepChanges> {
    let (changes, after) = match outcome {
        StepOutcome::WouldChange { changes } => (changes, None),
        StepOutcome::MayChange { changes, after } => (changes, Some(after.clone())),
        _ => return None,
    };
    Some(StepChanges {
        step: step.to_owned(),
        changes: changes.clone(),
        after,
    })
}

impl HostReport {
    /// Returns the changes that a dry run found: those that would be made, and possible ones.
    pub fn changes(&self) -> HostChanges {
        let steps = self.steps.iter();
        let steps = steps.filter_map(|own| changes_of(own.step, &own.outcome));
        HostChanges {
            steps: steps.collect(),
            ..HostChanges::none(self.host.as_str(), self.id.clone())
        }
    }
}
