//! Replacement of one host: the old one is deleted only if a new one can be created.

use std::time::Duration;

use stagecraft_core::{
    Confirmation, EnvironmentName, Error, ErrorKind, Host, HostName, HostRef, InfraPlan, Makes,
    PlanMode, PlanRequest, PollPolicy, Result, Run, StepOutcome,
};

use crate::down::DownReport;
use crate::engine::Engine;
use crate::outcome::Outcome;
use crate::planned::{Planned, refuse_doubles, refuse_findings};
use crate::selection;
use crate::unnamed;
use crate::up::{UpOptions, UpReport};

/// How long a list may show a host that is proven to be deleted.
const LIST_LAG: Duration = Duration::from_mins(1);
const INTERVAL: Duration = Duration::from_secs(1);

/// The plans to replace a host.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// Both halves as one plan, for display, with all findings.
    pub shown: Planned,
    delete: Planned,
    create: Planned,
}

/// Result of `replace`.
#[derive(Debug)]
pub struct ReplaceReport {
    /// Both halves as one plan.
    pub plan: InfraPlan,
    /// The result for the old host; `None` if there was none.
    pub down: Option<DownReport>,
    /// The result for the new one; `None` if it was not started.
    pub up: Option<UpReport>,
    /// Why the new one was not started although the old one is deleted.
    pub error: Option<Error>,
}

impl Replacement {
    /// Refuses a replacement that cannot succeed. Pure.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if the host is protected, has a duplicate or exceeds a limit;
    /// [`ErrorKind::Rejected`] if the new host could not be created.
    pub fn check(&self) -> Result<()> {
        self.delete.plan.check_protection()?;
        refuse_doubles(&self.shown.plan)?;
        refuse_findings(&self.shown)
    }
}

impl Engine {
    /// Plans to replace one declared host. The create is checked as if the old host were deleted.
    /// Changes nothing.
    ///
    /// # Errors
    ///
    /// Those of [`plan`](Self::plan); [`ErrorKind::Config`] if the host is not declared.
    pub async fn plan_replace(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        host: &HostName,
    ) -> Result<Replacement> {
        let declared = self.cloud.declared(environment)?;
        selection::check_declared(&declared, environment, host)?;
        let request = |mode| {
            let mut request = PlanRequest::new(environment.clone(), mode);
            request.hosts.insert(host.clone());
            request
        };
        let mut create = request(PlanMode::Reconcile);
        create.makes = Makes::Anew;
        let facts = self.cloud.observe(run, &create).await?;
        self.refuse_other_account(&facts.account)?;
        let now = self.cloud.plan(&facts, &create)?;
        let delete = request(PlanMode::Destroy);
        let old = self.cloud.plan(&facts, &delete)?;
        let mut gone = facts.clone();
        gone.hosts
            .retain(|host| !old.delete.iter().any(|own| own.id == host.id));
        let new = self.cloud.plan(&gone, &create)?;
        let mut shown = new.clone();
        shown.delete.clone_from(&old.delete);
        shown.protected.clone_from(&old.protected);
        if !old.protected.is_empty() {
            // It stays, and is shown once.
            shown.unchanged.clear();
            shown.differ.clear();
            shown.retag.clear();
        }
        shown.duplicates = now.duplicates;
        shown.cost.monthly_before = old.cost.monthly_before;
        shown.cost.hourly_before = old.cost.hourly_before;
        let mut findings = self.cloud.preflight(run, &gone, &new).await?;
        findings.extend(self.exceeded(&facts, &shown)?);
        findings.extend(unnamed::finding(&new));
        let planned = |request: PlanRequest, plan, facts| Planned {
            request,
            plan,
            facts,
            findings: Vec::new(),
        };
        Ok(Replacement {
            shown: Planned {
                findings,
                ..planned(create.clone(), shown, facts.clone())
            },
            delete: planned(delete, old, facts),
            create: planned(create, new, gone),
        })
    }

    /// Deletes a host by its id, waits until it is gone, and creates and bootstraps its declared
    /// successor.
    ///
    /// Safe to repeat and to kill: once the old host is deleted, the next `replace` or `up` creates
    /// the new one.
    ///
    /// # Errors
    ///
    /// Those of [`Replacement::check`]; [`ErrorKind::Guard`] if another environment was confirmed,
    /// [`ErrorKind::SecretMissing`], [`ErrorKind::Locked`] if the lease is gone. In all these cases
    /// nothing was written.
    pub async fn replace(
        &self,
        run: &Run,
        replacement: Replacement,
        confirmation: &Confirmation,
    ) -> Result<ReplaceReport> {
        replacement.check()?;
        self.check_secrets(run, &replacement.create).await?;
        let Replacement {
            shown,
            delete,
            create,
        } = replacement;
        let mut report = ReplaceReport {
            plan: shown.plan,
            down: None,
            up: None,
            error: None,
        };
        if !delete.plan.is_empty() {
            let down = self.down(run, delete, confirmation).await?;
            let is_gone = down.outcome() == Outcome::Done;
            report.down = Some(down);
            if !is_gone {
                return Ok(report);
            }
        }
        let made = async {
            let planned = self
                .after_delete(run, &create.request, &report.plan)
                .await?;
            self.up(run, planned, UpOptions::default()).await
        };
        match made.await {
            Ok(up) => {
                report.name_is_taken_over(&up);
                report.up = Some(up);
            }
            Err(error) if report.down.is_none() => return Err(error),
            Err(error) => report.error = Some(error),
        }
        Ok(report)
    }

    /// Reads again: the old host must be out of the list, or it would count as the new one.
    async fn after_delete(
        &self,
        run: &Run,
        request: &PlanRequest,
        plan: &InfraPlan,
    ) -> Result<Planned> {
        let policy = PollPolicy {
            interval: INTERVAL,
            deadline: LIST_LAG,
        };
        let hosts = || self.cloud.hosts(run, &request.environment);
        let old = plan.delete.as_slice();
        until_unlisted(run, policy, old, hosts).await?;
        let facts = self.cloud.observe(run, request).await?;
        if is_listed(old, &facts.hosts) {
            return Err(still_listed("the old host is gone, but listed again"));
        }
        Ok(Planned {
            plan: self.cloud.plan(&facts, request)?,
            request: request.clone(),
            facts,
            // It was checked before the old one was deleted.
            findings: Vec::new(),
        })
    }
}

/// Waits until a list of the environment's hosts contains none of these hosts.
async fn until_unlisted<Fut>(
    run: &Run,
    policy: PollPolicy,
    old: &[HostRef],
    hosts: impl Fn() -> Fut,
) -> Result<()>
where
    Fut: Future<Output = Result<Vec<Host>>>,
{
    let look = || async { Ok((!is_listed(old, &hosts().await?)).then_some(())) };
    let host = old.first();
    let host = host.and_then(|old| HostName::new(old.name.clone()).ok());
    let what = "the old host, which is gone, to leave the list";
    let waited = run.poll(policy, host.as_ref(), what, look).await;
    waited.map_err(|error| match error.kind() {
        ErrorKind::Timeout => still_listed(error.to_string()),
        _ => error,
    })
}

fn is_listed(old: &[HostRef], hosts: &[Host]) -> bool {
    hosts
        .iter()
        .any(|host| old.iter().any(|old| old.id == host.id))
}

fn still_listed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Timeout, message).with_hint("make the new one by `stagecraft infra up`")
}

impl ReplaceReport {
    /// Keeps the network's entry of the old host if the new host joined under its name: removing
    /// that name would remove the new host.
    fn name_is_taken_over(&mut self, up: &UpReport) {
        let forgotten = self.down.iter_mut().flat_map(|down| &mut down.forgotten);
        for entry in forgotten {
            let mut hosts = up.hosts.iter();
            let new = hosts.find(|own| own.host == entry.host);
            if let (Some(name), StepOutcome::Skipped { reason }) =
                (new.and_then(|own| own.fqdn.as_ref()), &mut entry.outcome)
            {
                *reason = format!("nothing to remove: the new host is {name}");
            }
        }
    }

    /// Returns the outcome of the whole operation.
    pub fn outcome(&self) -> Outcome {
        if let Some(error) = &self.error {
            return match error.kind() {
                ErrorKind::Cancelled => Outcome::Interrupted,
                ErrorKind::Locked => Outcome::Locked,
                _ => Outcome::CloudFailed,
            };
        }
        let up = self.up.as_ref().map(UpReport::outcome);
        let down = self.down.as_ref().map(DownReport::outcome);
        up.or(down).unwrap_or(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use stagecraft_core::{Event, EventSink};

    use super::*;
    use crate::up::tests::{host, plan};

    #[derive(Debug, Default)]
    struct Told(Mutex<Vec<String>>);

    impl EventSink for Told {
        fn emit(&self, event: Event) {
            if let Event::Waiting { host, what, .. } = event {
                let host = host.map(|host| host.to_string()).unwrap_or_default();
                self.0.lock().unwrap().push(format!("{host}: {what}"));
            }
        }
    }

    /// Waits for a host that the first lists still have. Returns the result, the emitted events,
    /// and the number of lists read.
    async fn wait(listed: usize, deadline: Duration) -> (Result<()>, Vec<String>, usize) {
        let told = Arc::new(Told::default());
        let lookup = Arc::new(BTreeMap::<String, String>::new());
        let run = Run::new(Arc::clone(&told) as _, lookup);
        let policy = PollPolicy {
            interval: Duration::from_millis(1),
            deadline,
        };
        let looks = AtomicUsize::new(0);
        let hosts = || {
            let is_there = looks.fetch_add(1, Ordering::Relaxed) < listed;
            let there = if is_there { "old" } else { "other" };
            std::future::ready(Ok(vec![host(there)]))
        };
        let old = plan(&["old"]).unchanged;
        let ended = until_unlisted(&run, policy, &old, hosts).await;
        let told = told.0.lock().unwrap().clone();
        (ended, told, looks.into_inner())
    }

    #[tokio::test]
    async fn wait_for_the_old_host_to_leave_the_list_is_told() {
        let (ended, told, looks) = wait(2, LIST_LAG).await;
        assert!(ended.is_ok(), "{ended:?}");
        let what = "old: the old host, which is gone, to leave the list";
        assert_eq!(told, [what, what]);
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    async fn host_that_does_not_leave_the_list_is_given_up_by_the_clock() {
        let (ended, _, looks) = wait(usize::MAX, Duration::ZERO).await;
        let error = ended.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.hint().is_some_and(|hint| hint.contains("infra up")));
        assert_eq!(looks, 1);
    }
}
