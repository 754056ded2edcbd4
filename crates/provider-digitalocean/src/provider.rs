//! The provider: binds the configuration and reads secrets at first use.

mod prepare;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use stagecraft_core::config::Location;
use stagecraft_core::{
    Account, ApplyReport, ApprovedPlan, CloudFacts, CloudProvider, EnvironmentName, Error,
    ErrorKind, Finding, Host, HostKeyPins, HostSink, HostSpec, InfraPlan, LeaseProvider, Login,
    Makes, Naming, PlanMode, PlanRequest, Result, Run, SecretSource, plan_hosts, tags,
};
use tokio::time::Instant;

use crate::apply::Apply;
use crate::client::{Client, Http};
use crate::clock::Clock;
use crate::config::{Declared, DigitalOceanConfig, Problem};
use crate::error::{ID, provider_error};
use crate::facts::{Beside, is_gpu};
use crate::findings::grouped;
use crate::lease::own::Own;
use crate::settle::settle;
use crate::user_data::Texts;
use crate::window::{Lane, Window};
use crate::wire::{CloudProject, Vpc};
use crate::{facts, key, preflight};

/// Droplets of one `DigitalOcean` account.
#[derive(Debug)]
pub struct DigitalOcean {
    pub(crate) config: DigitalOceanConfig,
    declared: Declared,
    token: SecretSource,
    pub(crate) naming: Naming,
    pub(crate) own: Own,
    /// Shared by all runs, like the rate limiter.
    http: Http,
    /// Shared by all runs: the limit is per token.
    window: Arc<Window>,
    seen: Mutex<Seen>,
}

/// What `observe` read that a later `apply` of the same provider can reuse.
#[derive(Debug, Default)]
struct Seen {
    /// Each environment's tag as the account spells it.
    tags: BTreeMap<EnvironmentName, String>,
    /// The account snapshot of each environment.
    beside: BTreeMap<EnvironmentName, Beside>,
    /// When the last `observe` of an environment began. An `apply` consumes it.
    since: BTreeMap<EnvironmentName, Instant>,
    /// The API's clock.
    clock: Option<Clock>,
    /// The account's VPCs, if any host declares one.
    vpcs: Option<Vec<Vpc>>,
    /// The account's projects, if any host declares one. An `apply` consumes them.
    projects: Option<Vec<CloudProject>>,
    /// Contents of the files with user data.
    files: Texts<PathBuf>,
}

impl DigitalOcean {
    /// Binds a configuration to a project, with the default name pattern if only its name is given.
    /// Reads and sends nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the configuration cannot be applied.
    pub fn new(config: DigitalOceanConfig, naming: impl Into<Naming>) -> Result<Self> {
        Self::bind(config, naming.into()).map_err(|problems| {
            let list: Vec<String> = problems
                .iter()
                .map(|problem| {
                    let place = problem.inside.map(|Location { line, column }| {
                        format!(" (line {line} column {column} of the text)")
                    });
                    let (path, place) = (problem.path.join("."), place.unwrap_or_default());
                    format!("{path}: {}{place}", problem.message)
                })
                .collect();
            provider_error(
                ErrorKind::Config,
                format!("invalid config: {}", list.join("; ")),
            )
        })
    }

    pub(crate) fn bind(config: DigitalOceanConfig, naming: Naming) -> Result<Self, Vec<Problem>> {
        let declared = config.declared(&naming)?;
        Ok(Self {
            declared,
            token: config.token().expect("it was checked with the rest"),
            window: Window::new(config.rate),
            config,
            naming,
            own: Own::default(),
            http: Http::default(),
            seen: Mutex::default(),
        })
    }

    /// Creates a client. Reads token and endpoint from each run again, so that each run redacts the
    /// token.
    pub(crate) async fn client(&self, run: &Run) -> Result<Client> {
        self.client_in(Lane::Work, run).await
    }

    /// A client whose calls do not wait behind those of [`client`](Self::client).
    pub(crate) async fn lease_client(&self, run: &Run) -> Result<Client> {
        self.client_in(Lane::Lease, run).await
    }

    async fn client_in(&self, lane: Lane, run: &Run) -> Result<Client> {
        let window = Arc::clone(&self.window);
        Client::new(run, &self.token, &self.config, &self.http, window, lane).await
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn declared_specs(&self, environment: &EnvironmentName) -> Result<Vec<HostSpec>> {
        self.declared.get(environment).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.declared.keys().map(EnvironmentName::as_str).collect();
            provider_error(
                ErrorKind::Config,
                format!(
                    "environment `{environment}` is not declared, known: {}",
                    known.join(", ")
                ),
            )
        })
    }

    /// Sizes of declared hosts, if they matter.
    fn sizes_to_know(&self, request: &PlanRequest) -> BTreeSet<String> {
        let declared = if request.mode == PlanMode::Reconcile {
            self.declared_specs(&request.environment)
                .unwrap_or_default()
        } else {
            Vec::new()
        };
        declared.into_iter().map(|spec| spec.size).collect()
    }

    /// Whether the plan creates hosts, which requires the operator's key. The list of keys may be
    /// read only ten times a minute.
    fn makes_hosts(&self, facts: &CloudFacts, request: &PlanRequest) -> bool {
        let is_any_missing = || {
            let plan = self.plan(facts, request);
            plan.is_ok_and(|plan| !plan.create.is_empty())
        };
        request.mode == PlanMode::Reconcile
            && match request.makes {
                Makes::Missing => is_any_missing(),
                Makes::Anew => true,
                Makes::Nothing => false,
            }
    }

    async fn tag(
        &self,
        client: &Client,
        run: &Run,
        environment: &EnvironmentName,
    ) -> Result<String> {
        if let Some(tag) = self.seen().tags.get(environment) {
            return Ok(tag.clone());
        }
        let tag = facts::spelled_tag(client, run, environment).await?;
        let tag = tag.unwrap_or_else(|| tags::environment_tag(environment));
        self.seen().tags.insert(environment.clone(), tag.clone());
        Ok(tag)
    }
}

#[async_trait]
impl CloudProvider for DigitalOcean {
    fn id(&self) -> &'static str {
        ID
    }

    fn environments(&self) -> Vec<EnvironmentName> {
        self.declared.keys().cloned().collect()
    }

    fn declared(&self, environment: &EnvironmentName) -> Result<Vec<HostSpec>> {
        self.declared_specs(environment)
    }

    /// Reads the files with user data and checks them.
    async fn check_files(&self, run: &Run, environment: &EnvironmentName) -> Result<Vec<Finding>> {
        self.read_files(run, environment).await?;
        let declared = self.declared_with_files(environment)?;
        let declared = declared.iter().map(|spec| (&spec.name, &spec.options));
        Ok(grouped(self.check_user_data(environment, declared)))
    }

    async fn observe(&self, run: &Run, request: &PlanRequest) -> Result<CloudFacts> {
        let client = self.client(run).await?;
        let environment = &request.environment;
        {
            let mut seen = self.seen();
            seen.tags.remove(environment);
            seen.since.insert(environment.clone(), Instant::now());
        }
        if request.mode.deletes() && !run.follows_cleanly() {
            // A delete must not miss a create that was in flight a moment ago.
            settle(run, &self.config.poll, self.config.poll.list_lag.get()).await?;
        }
        if request.mode == PlanMode::Reconcile {
            self.read_files(run, environment).await?;
        }
        let key = &self.config.ssh_key_name;
        let sizes = self.sizes_to_know(request);
        let (mut facts, beside) =
            facts::observe(&client, run, request, &self.naming, key, &sizes).await?;
        if self.makes_hosts(&facts, request) {
            facts.operator_key = Some(key::find(&client, run, key).await?);
        }
        let own = || tags::environment_tag(environment);
        let tag = beside.tag.clone().unwrap_or_else(own);
        {
            let mut seen = self.seen();
            seen.clock = Some(beside.time.map_or_else(Clock::own, Clock::new));
            seen.tags.insert(environment.clone(), tag.clone());
            seen.beside.insert(environment.clone(), beside);
        }
        match request.mode {
            PlanMode::Reconcile => {
                self.spell_vpcs(&client, run, environment, &mut facts)
                    .await?;
                self.spell_projects(&client, run, environment, &mut facts)
                    .await?;
            }
            PlanMode::Adopt => {
                let declared = self.declared_specs(environment)?;
                facts.hosts.retain(|host| {
                    let name = host.name.as_ref();
                    let is_meant = name.is_some_and(|name| {
                        request.hosts.contains(name)
                            || declared.iter().any(|spec| spec.name == *name)
                    });
                    is_meant || host.has_tag(&tag)
                });
            }
            PlanMode::Destroy | PlanMode::Prune | PlanMode::Reap | PlanMode::Unprotect => {}
        }
        Ok(facts)
    }

    /// In [`PlanMode::Destroy`] the environment may be missing from the file.
    fn plan(&self, facts: &CloudFacts, request: &PlanRequest) -> Result<InfraPlan> {
        let declared = match (self.declared_with_files(&request.environment), request.mode) {
            (Ok(declared), _) => declared,
            (Err(_), PlanMode::Destroy | PlanMode::Reap | PlanMode::Unprotect) => Vec::new(),
            (Err(error), _) => return Err(error),
        };
        plan_hosts(ID, &self.naming, &declared, facts, request)
    }

    async fn preflight(
        &self,
        run: &Run,
        facts: &CloudFacts,
        plan: &InfraPlan,
    ) -> Result<Vec<Finding>> {
        let client = self.client(run).await?;
        let mut findings = Vec::new();
        if !plan.create.is_empty() {
            let beside = self.seen().beside.get(&plan.environment).cloned();
            let poll = &self.config.poll;
            findings =
                preflight::check(&client, run, facts, plan, &self.naming, beside, poll).await?;
        }
        if plan.mode == PlanMode::Reconcile {
            findings.extend(preflight::check_existing(&client, run, facts, plan).await?);
        }
        findings.extend(self.check_options(&client, run, facts, plan).await?);
        Ok(grouped(findings))
    }

    async fn apply(&self, run: &Run, plan: &ApprovedPlan, ready: &dyn HostSink) -> ApplyReport {
        let plan = plan.plan();
        let environment = &plan.environment;
        let prepared = async {
            let client = self.client(run).await?;
            let tag = self.tag(&client, run, environment).await?;
            let making = self.prepare(&client, run, plan).await?;
            Ok::<_, Error>((client, tag, making))
        };
        let (client, tag, making) = match prepared.await {
            Ok(prepared) => prepared,
            Err(error) => return Apply::nothing_done(run, plan, &error),
        };
        let since = self.seen().since.remove(environment);
        let last_create = Mutex::default();
        let declared = self.declared_specs(environment).unwrap_or_default();
        let protected = declared.into_iter().filter(|spec| spec.options.protect);
        let protected_by_file = protected.map(|spec| spec.name).collect();
        let apply = Apply {
            client: &client,
            run,
            poll: &self.config.poll,
            project: self.naming.project(),
            naming: &self.naming,
            environment,
            tag: &tag,
            has_gpus: has_gpus(plan),
            making: &making,
            mode: plan.mode,
            protected_by_file: &protected_by_file,
            since: since.unwrap_or_else(Instant::now),
            last_create: &last_create,
        };
        let mut report = ApplyReport::default();
        match plan.mode {
            PlanMode::Reconcile => apply.reconcile(plan, ready, &mut report).await,
            PlanMode::Adopt | PlanMode::Unprotect => apply.retag(plan, &mut report).await,
            PlanMode::Destroy | PlanMode::Prune | PlanMode::Reap => {
                apply.delete(&plan.delete, &mut report).await;
            }
        }
        if !report.is_complete() {
            apply.let_show().await;
        }
        report
    }

    async fn hosts(&self, run: &Run, environment: &EnvironmentName) -> Result<Vec<Host>> {
        let client = self.client(run).await?;
        let tag = facts::spelled_tag(&client, run, environment).await?;
        let tag = tag.unwrap_or_else(|| tags::environment_tag(environment));
        let scope = facts::Scope {
            environment,
            naming: &self.naming,
        };
        let mut hosts = facts::list_hosts(&client, run, scope, &tag, true).await?;
        hosts.retain(|host| tags::is_owned(host, self.naming.project(), environment));
        hosts.sort_by(|a, b| a.node.cmp(&b.node).then_with(|| a.id.cmp(&b.id)));
        Ok(hosts)
    }

    async fn account(&self, run: &Run, _: &EnvironmentName) -> Result<Account> {
        facts::account(&self.client(run).await?, run).await
    }

    fn operator_key_name(&self) -> Option<&str> {
        Some(&self.config.ssh_key_name)
    }

    async fn is_operator_key(&self, run: &Run, login: &Login) -> Result<bool> {
        let client = self.client(run).await?;
        key::is_named(&client, run, &login.wire(), &self.config.ssh_key_name).await
    }

    fn lease(&self) -> Option<&dyn LeaseProvider> {
        Some(self)
    }

    fn pins(&self) -> Option<&dyn HostKeyPins> {
        Some(self)
    }
}

/// Whether a plan concerns a GPU droplet.
fn has_gpus(plan: &InfraPlan) -> bool {
    let differing = plan.differ.iter().map(|entry| &entry.host);
    let retagged = plan.retag.iter().map(|entry| &entry.host);
    let existing = plan.unchanged.iter().chain(differing).chain(retagged);
    let mut existing = existing.chain(&plan.delete);
    plan.create.iter().any(|entry| is_gpu(&entry.spec.size))
        || existing.any(|host| is_gpu(&host.size))
}
