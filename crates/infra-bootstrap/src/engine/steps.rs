//! The steps of one host, in order: decided, run and reported.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stagecraft_core::{
    Advice, Change, Decision, ErrorKind, Event, FailureCode, HostChanges, HostContext, HostStep,
    Remote, Run, StepFailure, StepOutcome, seconds,
};
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::session::Session;
use super::{Bootstrap, host_key};
use crate::failure;
use crate::lock::LockedRemote;
use crate::report::{self, HostReport};
use crate::steps::SYSTEM_STEPS;

impl Bootstrap {
    /// Reports every step as not reached.
    pub(super) fn skip_steps(
        &self,
        run: &Run,
        context: &HostContext,
        report: &mut HostReport,
    ) -> Result<(), StepFailure> {
        debug!(host = %context.name, "no step is run without a host key of the host's own");
        for step in &self.steps {
            let reason = format!("step `{}` did not succeed", host_key::ID);
            let outcome = StepOutcome::Skipped { reason };
            tell_step(run, report, &**step, outcome, Duration::ZERO);
        }
        if run.cancellation().is_cancelled() {
            return Err(failure::interrupted());
        }
        Ok(())
    }

    /// Returns what each step would do in the last state that was read. Changes nothing.
    pub(super) fn preview(
        &self,
        run: &Run,
        session: &Session,
        context: &HostContext,
    ) -> Vec<(&'static str, StepOutcome)> {
        let mut failed = BTreeSet::new();
        let mut pending = BTreeSet::new();
        let mut outcomes = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let id = step.id();
            let broken = step.after().iter().find(|need| failed.contains(*need));
            let outcome = if let Some(broken) = broken {
                failed.insert(id);
                StepOutcome::Skipped {
                    reason: format!("step `{broken}` did not succeed"),
                }
            } else {
                let outcome = match work(run, session.decide(&**step, context)) {
                    Ok(changes) => StepOutcome::WouldChange {
                        changes: summaries(run, &changes),
                    },
                    Err(outcome) => outcome,
                };
                let first = |ids: &[&'static str]| {
                    let mut ids = ids.iter().copied();
                    ids.find(|id| pending.contains(id))
                };
                match (first(step.after()), first(step.follows())) {
                    (Some(need), _) => report::depending(outcome, need),
                    (None, Some(earlier)) if !step.is_check() => {
                        report::following(outcome, earlier)
                    }
                    _ => outcome,
                }
            };
            match &outcome {
                StepOutcome::Failed(_) => {
                    failed.insert(id);
                }
                StepOutcome::WouldChange { .. } | StepOutcome::MayChange { .. } => {
                    pending.insert(id);
                }
                _ => {}
            }
            if !is_left_out(&**step, &outcome) {
                outcomes.push((id, outcome));
            }
        }
        outcomes
    }

    /// Reports what each step would do, and runs none.
    pub(super) fn read_steps(
        &self,
        run: &Run,
        session: &Session,
        context: &HostContext,
        report: &mut HostReport,
    ) -> Result<(), StepFailure> {
        run.check().map_err(|_| failure::interrupted())?;
        for (step, outcome) in self.preview(run, session, context) {
            let known = self.steps.iter().find(|own| own.id() == step);
            if let Some(known) = known {
                warn(run, session, context, &**known, &outcome, report);
            }
            report.finish_step(run, step, outcome, Duration::ZERO);
        }
        report.fqdn = self.fqdn(context, report);
        Ok(())
    }

    /// Runs the steps. After a lost connection it continues over another one: all steps decide
    /// again from the host's new state, also those that had ended before.
    pub(super) async fn run_steps(
        &self,
        run: &Run,
        context: &HostContext,
        session: &mut Session,
        report: &mut HostReport,
        approved: Option<&HostChanges>,
    ) -> Result<(), StepFailure> {
        let mut cut = None;
        loop {
            let passed = self.pass(run, context, session, report, approved, cut.take());
            let lost = match passed.await {
                Ok(()) => break,
                Err(Stop::Failed(failure)) => return Err(failure),
                Err(Stop::Lost(lost)) => lost,
            };
            let recovered = session.recover(run, lost.since, self.step_deadline).await;
            if let Err(failure) = recovered {
                // The result of the step on the host is unknown.
                if let Some(step) = lost.step {
                    let failed = failure::redacted(run, &step.failure);
                    let took = lost.since.elapsed();
                    report.finish_step(run, step.id, StepOutcome::Failed(failed), took);
                }
                return Err(failure);
            }
            self.check_steps_approved(run, session, context, approved)?;
            cut = Some(lost);
        }
        report.fqdn = self.fqdn(context, report);
        Ok(())
    }

    /// Runs all steps once, from the state that was just read. `cut` is how the previous pass
    /// ended, if any: then only new outcomes are reported.
    async fn pass(
        &self,
        run: &Run,
        context: &HostContext,
        session: &mut Session,
        report: &mut HostReport,
        approved: Option<&HostChanges>,
        cut: Option<Lost>,
    ) -> Result<(), Stop> {
        let mut decisions = self.decide(session, context);
        let is_change =
            |decision: &Result<Decision, _>| matches!(decision, Ok(Decision::Change(_)));
        if decisions.values().any(is_change) {
            let limit = self.policy.lock.deadline;
            let waited = session.unlocked(run, limit).await;
            if waited.map_err(|failure| Stop::of(session, failure))? {
                // The holder of the lock may have done the work meanwhile.
                self.check_steps_approved(run, session, context, approved)?;
                decisions = self.decide(session, context);
            }
        }
        let mut failed = BTreeSet::new();
        let mut changed_ids = BTreeSet::new();
        for step in &self.steps {
            let id = step.id();
            if let Some(StepOutcome::Failed(_)) = report.step(id) {
                failed.insert(id);
                continue;
            }
            let begun = cut.as_ref().and_then(|lost| lost.of_step(id));
            let started = begun.map_or_else(Instant::now, |(since, _)| since);
            let broken = step.after().iter().find(|need| failed.contains(*need));
            let outcome = if let Some(broken) = broken {
                failed.insert(id);
                StepOutcome::Skipped {
                    reason: format!("step `{broken}` did not succeed"),
                }
            } else if run.cancellation().is_cancelled() {
                failed.insert(id);
                StepOutcome::Skipped {
                    reason: "the run was interrupted".to_owned(),
                }
            } else {
                let before = step.after().iter().chain(step.follows());
                if before.into_iter().any(|id| changed_ids.contains(id)) {
                    let looked = session.look(run).await;
                    looked.map_err(|failure| Stop::of(session, failure))?;
                    decisions = self.decide(session, context);
                }
                let decision = decisions
                    .remove(id)
                    .unwrap_or_else(|| session.decide(&**step, context));
                let changes = match &decision {
                    Ok(Decision::Change(changes)) => summaries(run, changes),
                    _ => Vec::new(),
                };
                let left = self.step_deadline.saturating_sub(started.elapsed());
                let carried = self.carry_out(run, session, &**step, context, decision, left);
                match carried.await {
                    StepOutcome::Failed(failure) if session.loss().is_some() => {
                        let before = begun.map(|(_, step)| &*step.changes).unwrap_or_default();
                        return Err(Stop::Lost(Lost {
                            since: started,
                            step: Some(CutStep {
                                id,
                                changes: report::joined(before, changes),
                                failure,
                            }),
                        }));
                    }
                    outcome => outcome,
                }
            };
            match &outcome {
                StepOutcome::Failed(_) => {
                    failed.insert(id);
                }
                StepOutcome::Skipped { .. } if run.cancellation().is_cancelled() => {
                    failed.insert(id);
                }
                StepOutcome::Changed { .. } => {
                    changed_ids.insert(id);
                }
                _ => {}
            }
            let outcome = match begun {
                Some((_, step)) => report::together(&step.changes, outcome),
                None => outcome,
            };
            let outcome = match report.step(id) {
                Some(StepOutcome::Changed { changes }) => report::together(changes, outcome),
                _ => outcome,
            };
            if report.step(id) != Some(&outcome) {
                warn(run, session, context, &**step, &outcome, report);
                tell_step(run, report, &**step, outcome, started.elapsed());
            }
        }
        if run.cancellation().is_cancelled() && !failed.is_empty() {
            return Err(Stop::Failed(failure::interrupted()));
        }
        Ok(())
    }

    fn decide(
        &self,
        session: &Session,
        context: &HostContext,
    ) -> BTreeMap<&'static str, Result<Decision, StepFailure>> {
        self.steps
            .iter()
            .map(|step| (step.id(), session.decide(&**step, context)))
            .collect()
    }

    async fn carry_out(
        &self,
        run: &Run,
        session: &Session,
        step: &dyn HostStep,
        context: &HostContext,
        decision: Result<Decision, StepFailure>,
        limit: Duration,
    ) -> StepOutcome {
        let changes = match work(run, decision) {
            Ok(changes) => changes,
            Err(outcome) => return outcome,
        };
        if !session.is_root() {
            return StepOutcome::Failed(StepFailure::new(
                FailureCode::ConfigInvalid,
                "the login is not root, which changes to a host need",
            ));
        }
        if let Err(error) = run.before_write().await {
            if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Locked) {
                return StepOutcome::Skipped {
                    reason: error.to_string(),
                };
            }
            // Nothing was done, which must not look like a host that is ready.
            let code = failure::common_code(&error).unwrap_or_else(|| late_code(step.id()));
            let failed = failure::of_error(code, &error);
            return StepOutcome::Failed(failure::redacted(run, &failed));
        }
        run.emit(Event::StepStarted {
            host: context.name.clone(),
            step: step.id().to_owned(),
        });
        let locked = LockedRemote::new(
            session.remote(),
            step.id(),
            self.policy.lock.deadline.min(limit),
        );
        let remote: &dyn Remote = &locked;
        let shielded = run.shielded();
        let change = step.change_and_report(&shielded, remote, context, &changes);
        let result = self
            .to_its_end(run, step.id(), context, limit, change)
            .await;
        match result {
            Ok(others) => {
                let mut made = summaries(run, &changes);
                made.extend(others.iter().map(|other| run.redact(other)));
                StepOutcome::Changed { changes: made }
            }
            Err(failure) => StepOutcome::Failed(failure::redacted(run, &failure)),
        }
    }

    /// Awaits a step that has begun, even if the run is cancelled meanwhile.
    async fn to_its_end(
        &self,
        run: &Run,
        step: &'static str,
        context: &HostContext,
        limit: Duration,
        change: impl Future<Output = Result<Vec<String>, StepFailure>>,
    ) -> Result<Vec<String>, StepFailure> {
        let started = Instant::now();
        let work = timeout(limit, change);
        tokio::pin!(work);
        let result = tokio::select! {
            biased;
            result = &mut work => result,
            () = run.cancellation().cancelled() => {
                run.emit(Event::Waiting {
                    host: Some(context.name.clone()),
                    what: format!("step `{step}` to end"),
                    elapsed: started.elapsed(),
                    deadline: limit,
                });
                work.await
            }
        };
        result.unwrap_or_else(|_| {
            Err(StepFailure::new(
                late_code(step),
                format!(
                    "waited {} for step `{step}` to end",
                    seconds(self.step_deadline)
                ),
            ))
        })
    }

    /// Returns the name in the network, if the report proves that the host is a member.
    fn fqdn(&self, context: &HostContext, report: &HostReport) -> Option<String> {
        let joined = matches!(
            report.step(crate::steps::NETWORK_ID)?,
            StepOutcome::Unchanged | StepOutcome::Changed { .. }
        );
        let network = self.network.as_ref().filter(|_| joined)?;
        network.node_fqdn(&context.node).ok()
    }
}

/// Why a pass through the steps ended early.
enum Stop {
    /// The connection was lost, which does not end the host's run yet.
    Lost(Lost),
    Failed(StepFailure),
}

/// A lost connection.
struct Lost {
    /// When the step began that was cut off, or when the loss was noticed between two steps.
    since: Instant,
    step: Option<CutStep>,
}

/// A step that was cut off.
struct CutStep {
    id: &'static str,
    /// The changes that it had begun.
    changes: Vec<String>,
    failure: StepFailure,
}

impl Stop {
    /// Classifies a failure between two steps.
    fn of(session: &Session, failure: StepFailure) -> Self {
        match session.loss() {
            Some(_) => Self::Lost(Lost {
                since: Instant::now(),
                step: None,
            }),
            None => Self::Failed(failure),
        }
    }
}

impl From<StepFailure> for Stop {
    fn from(failure: StepFailure) -> Self {
        Self::Failed(failure)
    }
}

impl Lost {
    /// Returns when this step began, and what is known of it, if it was cut off.
    fn of_step(&self, id: &str) -> Option<(Instant, &CutStep)> {
        let step = self.step.as_ref().filter(|step| step.id == id)?;
        Some((self.since, step))
    }
}

/// Returns the changes of a decision, or the step's outcome if there are none.
fn work(run: &Run, decision: Result<Decision, StepFailure>) -> Result<Vec<Change>, StepOutcome> {
    match decision {
        // Nothing was done yet: in its present state the host makes every run fail in the same way.
        Err(failure) => {
            let failure = failure.with_advice(Advice::ChangeFirst);
            Err(StepOutcome::Failed(failure::redacted(run, &failure)))
        }
        Ok(Decision::Skip(reason)) => Err(StepOutcome::Skipped { reason }),
        Ok(Decision::Change(changes)) if !changes.is_empty() => Ok(changes),
        Ok(Decision::Nothing | Decision::Change(_)) => Err(StepOutcome::Unchanged),
    }
}

fn summaries(run: &Run, changes: &[Change]) -> Vec<String> {
    let summaries = changes.iter().map(|change| run.redact(&change.summary));
    summaries.collect()
}

/// Adds the warnings of a step that did not fail.
fn warn(
    run: &Run,
    session: &Session,
    context: &HostContext,
    step: &dyn HostStep,
    outcome: &StepOutcome,
    report: &mut HostReport,
) {
    if !matches!(outcome, StepOutcome::Failed(_)) {
        let warnings = step.warnings(&session.facts(step.id()), context);
        for warning in warnings.iter().map(|warning| run.redact(warning)) {
            // A step that decides again after a lost connection repeats it.
            if !report.warnings.contains(&warning) {
                report.warnings.push(warning);
            }
        }
    }
}

/// Whether the outcome of a step is left out of reports: the file does not name it, and it has
/// nothing to remove.
fn is_left_out(step: &dyn HostStep, outcome: &StepOutcome) -> bool {
    let is_idle = match outcome {
        StepOutcome::Unchanged | StepOutcome::Skipped { .. } => true,
        StepOutcome::MayChange { changes, .. } => changes.is_empty(),
        _ => false,
    };
    is_idle && step.is_undeclared()
}

/// Reports the outcome of a step, unless it [is left out](is_left_out).
fn tell_step(
    run: &Run,
    report: &mut HostReport,
    step: &dyn HostStep,
    outcome: StepOutcome,
    duration: Duration,
) {
    if !is_left_out(step, &outcome) {
        report.finish_step(run, step.id(), outcome, duration);
    }
}

/// Returns the code of a step that did not end, by its most likely activity.
fn late_code(step: &str) -> FailureCode {
    match step {
        "docker" => FailureCode::DockerInstallFailed,
        "network" => FailureCode::NetworkJoinFailed,
        id if SYSTEM_STEPS.contains(&id) => FailureCode::SystemChangeFailed,
        _ => FailureCode::HostNotReady,
    }
}
