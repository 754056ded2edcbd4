//! One host anew: the old one is deleted only if another can be made.

use std::time::Duration;

use stagecraft_core::{
    Confirmation, EnvironmentName, Error, ErrorKind, Host, HostName, InfraPlan, PlanMode,
    PlanRequest, Result, Run, seconds,
};

use crate::down::DownReport;
use crate::engine::{Engine, Planned};
use crate::outcome::Outcome;
use crate::selection;
use crate::up::{UpOptions, UpReport, refuse_doubles, refuse_findings};

/// How long a list may show a host that is proven gone.
const LIST_LAG: Duration = Duration::from_mins(1);
const INTERVAL: Duration = Duration::from_secs(1);

/// What it takes to replace a host.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// Both halves as one plan, to be shown, with all that is known to be wrong.
    pub shown: Planned,
    delete: Planned,
    create: Planned,
}

/// What `replace` did.
#[derive(Debug)]
pub struct ReplaceReport {
    /// Both halves as one plan.
    pub plan: InfraPlan,
    /// What became of the old host; `None` if there was none.
    pub down: Option<DownReport>,
    /// What became of the new one; `None` if it was not begun.
    pub up: Option<UpReport>,
    /// Why the new one was not begun although the old one is gone.
    pub error: Option<Error>,
}

impl Replacement {
    /// Refuses what cannot end well. Pure.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if the host is protected, has a double or exceeds a limit;
    /// [`ErrorKind::Rejected`] if the new host could not be made.
    pub fn check(&self) -> Result<()> {
        self.delete.plan.check_protection()?;
        refuse_doubles(&self.shown.plan)?;
        refuse_findings(&self.shown)
    }
}

impl Engine {
    /// Plans to replace one declared host. The create is checked as if the old host were gone.
    /// Changes nothing.
    ///
    /// # Errors
    ///
    /// As [`plan`](Self::plan); [`ErrorKind::Config`] if the host is not declared.
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
        let create = request(PlanMode::Reconcile);
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
            // It stays, and is told once.
            shown.unchanged.clear();
            shown.differ.clear();
            shown.retag.clear();
        }
        shown.duplicates = now.duplicates;
        shown.cost.monthly_before = old.cost.monthly_before;
        shown.cost.hourly_before = old.cost.hourly_before;
        let mut findings = self.cloud.preflight(run, &gone, &new).await?;
        findings.extend(self.exceeded(&facts, &shown)?);
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

    /// Deletes a host by its id, waits until it is gone, and makes and bootstraps the one that
    /// is declared in its place.
    ///
    /// Safe to repeat and to kill: once the old host is gone, the next `replace` or `up` makes
    /// the new one.
    ///
    /// # Errors
    ///
    /// As [`Replacement::check`]; [`ErrorKind::Guard`] if another environment was confirmed,
    /// [`ErrorKind::SecretMissing`], [`ErrorKind::Locked`] if the lease is gone. In all of them
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
            Ok(up) => report.up = Some(up),
            Err(error) if report.down.is_none() => return Err(error),
            Err(error) => report.error = Some(error),
        }
        Ok(report)
    }

    /// Looks anew: the old host must be out of the list, or it would count as the new one.
    async fn after_delete(
        &self,
        run: &Run,
        request: &PlanRequest,
        plan: &InfraPlan,
    ) -> Result<Planned> {
        let mut waited = Duration::ZERO;
        let facts = loop {
            let facts = self.cloud.observe(run, request).await?;
            let is_old = |host: &Host| plan.delete.iter().any(|old| old.id == host.id);
            if !facts.hosts.iter().any(is_old) {
                break facts;
            }
            if waited >= LIST_LAG {
                return Err(Error::new(
                    ErrorKind::Timeout,
                    format!(
                        "the old host is gone, but is still listed after {}",
                        seconds(waited)
                    ),
                )
                .with_hint("make the new one by `stagecraft infra up`"));
            }
            run.sleep(INTERVAL).await?;
            waited += INTERVAL;
        };
        Ok(Planned {
            plan: self.cloud.plan(&facts, request)?,
            request: request.clone(),
            facts,
            // It was checked before the old one was deleted.
            findings: Vec::new(),
        })
    }
}

impl ReplaceReport {
    /// How it ended as a whole.
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
