//! The engine: the providers of a project, and planning with them.

use std::sync::Arc;

use infra_bootstrap::Fleet;
use stagecraft_core::{
    Account, CloudFacts, CloudProvider, EnvironmentName, Error, ErrorKind, Finding, HostKeyCache,
    HostName, InfraPlan, Limits, NetworkProvider, PlanMode, PlanRequest, Result, Run,
};

use crate::planned::{Planned, kept};
use crate::{adopt, selection, unnamed};

/// The providers of one project, ready to work.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) cloud: Arc<dyn CloudProvider>,
    pub(crate) network: Option<Arc<dyn NetworkProvider>>,
    pub(crate) fleet: Option<Arc<Fleet>>,
    pub(crate) host_keys: Option<Arc<dyn HostKeyCache>>,
    limits: Limits,
    expected_account: Option<String>,
}

impl Engine {
    /// Creates an engine that creates and deletes hosts, without bootstrap.
    pub fn new(cloud: Arc<dyn CloudProvider>) -> Self {
        Self {
            cloud,
            network: None,
            fleet: None,
            host_keys: None,
            limits: Limits::default(),
            expected_account: None,
        }
    }

    /// Also bootstraps hosts.
    #[must_use]
    pub fn with_bootstrap(mut self, fleet: Arc<Fleet>) -> Self {
        self.fleet = Some(fleet);
        self
    }

    /// Sets the cache of host keys, which learns the cloud and the deleted hosts.
    #[must_use]
    pub fn with_host_keys(mut self, cache: Arc<dyn HostKeyCache>) -> Self {
        self.host_keys = Some(cache);
        self
    }

    /// Sets the network, from which deleted hosts are removed.
    #[must_use]
    pub fn with_network(mut self, network: Arc<dyn NetworkProvider>) -> Self {
        self.network = Some(network);
        self
    }

    /// Refuses plans that make an environment exceed these limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Restricts the engine to this account: its id, its e-mail address or its team's name.
    #[must_use]
    pub fn with_expected_account(mut self, account: impl Into<String>) -> Self {
        self.expected_account = Some(account.into());
        self
    }

    /// Reads, plans and checks. Changes nothing.
    ///
    /// # Errors
    ///
    /// The provider's, by kind; [`ErrorKind::Config`] if the environment or a selected host or
    /// role is unknown, or the project has no name although the mode needs one;
    /// [`ErrorKind::Guard`] in another account than the expected one.
    pub async fn plan(&self, run: &Run, request: &PlanRequest) -> Result<Planned> {
        let may_have_left = matches!(
            request.mode,
            PlanMode::Destroy | PlanMode::Reap | PlanMode::Unprotect
        );
        if !may_have_left {
            self.cloud.declared(&request.environment)?;
        }
        let facts = self.cloud.observe(run, request).await?;
        self.refuse_other_account(&facts.account)?;
        if let Some(cache) = &self.host_keys {
            cache.begin(&facts.account, &facts.endpoint);
        }
        if facts.hosts.is_empty() {
            // It may no longer be in the file, but then it has hosts; otherwise it was mistyped.
            self.cloud.declared(&request.environment)?;
        }
        let declared = self
            .cloud
            .declared(&request.environment)
            .unwrap_or_default();
        let request = &selection::with_groups(&declared, &facts, request);
        let plan = self.cloud.plan(&facts, request)?;
        if request.mode == PlanMode::Prune && plan.project.is_none() {
            return Err(Error::new(
                ErrorKind::Config,
                "prune needs a project with a name: without it a host that the file does not declare may be somebody else's",
            )
            .with_hint("give project.name in the file; hosts made without it are adopted by `stagecraft infra adopt`"));
        }
        selection::check(&declared, &facts, &plan, request)?;
        let mut findings = self.cloud.preflight(run, &facts, &plan).await?;
        findings.extend(self.exceeded(&facts, &plan)?);
        findings.extend(adopt::findings(&declared, &facts, &plan, request));
        findings.extend(unnamed::finding(&plan));
        Ok(Planned {
            request: request.clone(),
            plan,
            facts,
            findings,
        })
    }

    /// Returns the limits that a plan exceeds. Pure.
    pub(crate) fn exceeded(&self, facts: &CloudFacts, plan: &InfraPlan) -> Result<Vec<Finding>> {
        let adopts = plan.adopted().next().is_some();
        let grows = !plan.create.is_empty() || !plan.resize.is_empty() || adopts;
        if self.limits == Limits::default() || !grows {
            return Ok(Vec::new());
        }
        Ok(self.limits.check(facts, &self.whole(facts, plan)?, plan))
    }

    /// Computes the same plan for all hosts of the environment. Pure.
    pub(crate) fn whole(&self, facts: &CloudFacts, plan: &InfraPlan) -> Result<InfraPlan> {
        let request = PlanRequest::new(plan.environment.clone(), plan.mode);
        self.cloud.plan(facts, &request)
    }

    /// Refuses to work in another account than the expected one, which it reads from the cloud.
    pub(crate) async fn check_account(
        &self,
        run: &Run,
        environment: &EnvironmentName,
    ) -> Result<()> {
        if self.expected_account.is_none() {
            return Ok(());
        }
        let account = self.cloud.account(run, environment).await?;
        self.refuse_other_account(&account)
    }

    pub(crate) fn refuse_other_account(&self, account: &Account) -> Result<()> {
        let expected = self.expected_account.as_ref();
        let Some(expected) = expected.filter(|expected| !account.is_named(expected)) else {
            return Ok(());
        };
        let team = account.team.as_ref();
        let team = team
            .map(|team| format!(", team {team}"))
            .unwrap_or_default();
        Err(Error::new(
            ErrorKind::Guard,
            format!(
                "account {} (id {}{team}) is not the expected one, {expected}",
                account.name, account.id
            ),
        )
        .with_hint("take the token of the other account, or correct cloud.expect_account"))
    }

    /// Refuses, before any write, a plan that cannot succeed: hosts could not join the network, or
    /// no login to them would work. May prompt for the passphrase of a key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::SecretMissing`], [`ErrorKind::Config`], [`ErrorKind::Cancelled`].
    pub async fn check_secrets(&self, run: &Run, planned: &Planned) -> Result<()> {
        if planned.plan.create.is_empty() {
            return self.check_login(run, planned).await;
        }
        self.check_join_secrets(
            run,
            "new hosts could not join the network, so none was created",
        )
        .await?;
        let Some(fleet) = &self.fleet else {
            return Ok(());
        };
        let plan = &planned.plan;
        let new = plan.create.iter();
        let new = new.map(|entry| (&entry.spec.name, entry.node.to_string()));
        let prepared = fleet.prepare_login(run, new).await;
        prepared.map_err(|error| with_more_hint(error, "no host was created"))
    }

    /// Checks that existing declared hosts can be logged in to, as far as that depends on this
    /// machine alone: keys, passphrases, configuration files. Sends nothing. May prompt for the
    /// passphrase of a key.
    ///
    /// A problem of only some hosts becomes their own failure in the bootstrap. Without a
    /// bootstrap or a host there is nothing to check.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] or [`ErrorKind::SecretMissing`] if the problem affects each of the
    /// hosts, [`ErrorKind::Cancelled`].
    pub async fn check_login(&self, run: &Run, planned: &Planned) -> Result<()> {
        let Some(fleet) = &self.fleet else {
            return Ok(());
        };
        let plan = &planned.plan;
        let mut first = None;
        for kept in kept(plan) {
            let Ok(host) = HostName::new(&kept.name) else {
                continue;
            };
            let node = kept.node(&plan.environment).to_ascii_lowercase();
            match fleet.prepare_login(run, [(&host, node)]).await {
                Err(error) if error.kind() != ErrorKind::Cancelled => {
                    first.get_or_insert(error);
                }
                done => return done,
            }
        }
        match first {
            Some(error) => Err(with_more_hint(error, "no host was changed")),
            None => Ok(()),
        }
    }

    /// Fails if a host could not join the network. `hint` says what was left undone.
    pub(crate) async fn check_join_secrets(&self, run: &Run, hint: &str) -> Result<()> {
        let Some(network) = self.network.as_ref().filter(|_| self.fleet.is_some()) else {
            return Ok(());
        };
        let mut missing = Vec::new();
        let mut cause = None;
        for source in network.join_secrets() {
            match run.secret(&source).await {
                Ok(Some(_)) => {}
                Ok(None) => missing.push(source.to_string()),
                Err(error) => {
                    missing.push(source.to_string());
                    cause = Some(error);
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let error = Error::new(
            ErrorKind::SecretMissing,
            format!(
                "{} provider: auth key missing from {}",
                network.id(),
                missing.join(", ")
            ),
        )
        .with_hint(hint);
        Err(match cause {
            Some(cause) => error.with_source(cause),
            None => error,
        })
    }
}

/// Appends to the hint of an error.
fn with_more_hint(error: Error, more: &str) -> Error {
    if error.kind() == ErrorKind::Cancelled {
        return error;
    }
    let hint = error.hint().map(|hint| format!("{hint}; "));
    let hint = hint.unwrap_or_default() + more;
    error.with_hint(hint)
}
