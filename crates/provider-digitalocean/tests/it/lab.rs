//! A sandbox's account, and the provider that works on it.

#![allow(
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    reason = "each test binary uses its own part"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use provider_digitalocean::core::config::{ConfigBlock, Document};
use provider_digitalocean::core::{
    ApplyReport, ApprovedPlan, CloudProvider as _, Confirmation, Error, ErrorKind, Event,
    EventSink, Finding, Host, HostSink, InfraPlan, Lookup, PlanMode, PlanRequest, ResizeMode,
    Result, Run, SecretSource,
};
use provider_digitalocean::{DigitalOcean, DigitalOceanConfig};
use reqwest::Method;
use serde_json::{Value, json};
use stagecraft_sandbox::{DropletState, DropletView, Knobs, Sandbox, SandboxConfig};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIc97hasv1q/warG+Tkpby9YNHI0GJTEPB25bFl2a6wG laptop";

/// A project with the hosts of `hosts`, quick enough for tests.
pub fn config(hosts: &str) -> String {
    format!(
        "token_env: DO_TOKEN\nssh_key_name: laptop\ndefault_region: nyc3\n\
         default_size: s-1vcpu-1gb\n\
         poll: {{ interval: 5ms, deadline: 10s, list_lag: 10ms }}\n\
         hosts:\n  staging:\n{hosts}"
    )
}

pub struct Lab {
    pub sandbox: Sandbox,
    pub provider: DigitalOcean,
    /// What the files of the configuration hold.
    pub files: BTreeMap<String, String>,
    pub events: Arc<Events>,
}

/// Keeps the events, and cancels the run at the first whose text has this in it.
#[derive(Debug, Default)]
pub struct Events {
    pub told: Mutex<Vec<Event>>,
    pub cancel_at: Mutex<Option<(&'static str, Run)>>,
}

impl EventSink for Events {
    fn emit(&self, event: Event) {
        if let Some((text, run)) = &*self.cancel_at.lock().expect("no test panics here")
            && format!("{event:?}").contains(text)
        {
            run.cancellation().cancel();
        }
        self.told.lock().expect("no test panics here").push(event);
    }
}

#[derive(Debug, Default)]
pub struct Ready(pub Mutex<Vec<Host>>);

impl HostSink for Ready {
    fn ready(&self, host: Host) {
        self.0.lock().expect("no test panics here").push(host);
    }
}

#[derive(Debug)]
struct Files {
    variables: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
}

#[async_trait]
impl Lookup for Files {
    fn get(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    async fn read(&self, source: &SecretSource) -> Result<String> {
        let found = match source {
            SecretSource::File(path) => self.files.get(&path.display().to_string()),
            SecretSource::Variable(_) | SecretSource::Command(_) => None,
        };
        let missing = || Error::new(ErrorKind::SecretMissing, format!("no {source}"));
        found.cloned().ok_or_else(missing)
    }
}

/// What an `up` did.
#[derive(Debug)]
pub struct Up {
    pub plan: InfraPlan,
    pub findings: Vec<Finding>,
    pub report: ApplyReport,
    pub ready: Vec<String>,
    /// The roles of the ready ones, in the same order.
    pub roles: Vec<Option<String>>,
}

impl Up {
    pub fn failures(&self) -> Vec<String> {
        let failed = self.report.failed.iter();
        failed.map(|failure| chain(&failure.error)).collect()
    }
}

/// An error with all its causes and hints.
pub fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    match error.hint() {
        Some(hint) => format!("{text} ({hint})"),
        None => text,
    }
}

pub fn provider(config: &str) -> DigitalOcean {
    let document = Arc::new(Document::new("f.yml", config).expect("it is YAML"));
    let config: DigitalOceanConfig = ConfigBlock::new(document, Vec::<String>::new())
        .parse()
        .expect("the configuration is valid");
    let project = "shop".parse().expect("a valid name");
    DigitalOcean::new(config, Some(project)).expect("it can be carried out")
}

impl Lab {
    pub async fn new(hosts: &str) -> Self {
        Self::with(hosts, Knobs::instant()).await
    }

    pub async fn with(hosts: &str, knobs: Knobs) -> Self {
        let sandbox = Sandbox::start(SandboxConfig {
            ssh_keys: vec![("laptop".to_owned(), KEY.to_owned())],
            knobs,
            ..SandboxConfig::default()
        })
        .await
        .expect("a sandbox starts");
        Self {
            sandbox,
            provider: provider(&config(hosts)),
            files: BTreeMap::new(),
            events: Arc::default(),
        }
    }

    /// Takes another configuration, as a later run would.
    pub fn declare(&mut self, hosts: &str) {
        self.provider = provider(&config(hosts));
    }

    pub fn run(&self) -> Run {
        let variables = BTreeMap::from([
            ("DO_TOKEN".to_owned(), self.sandbox.token().to_owned()),
            ("DIGITALOCEAN_API_URL".to_owned(), self.sandbox.url()),
        ]);
        let lookup = Files {
            variables,
            files: self.files.clone(),
        };
        Run::new(Arc::clone(&self.events) as _, Arc::new(lookup))
    }

    pub fn request(mode: PlanMode) -> PlanRequest {
        PlanRequest::new("staging".parse().expect("a valid name"), mode)
    }

    /// Observes and plans.
    pub async fn plan(&self, request: &PlanRequest) -> InfraPlan {
        self.try_plan(request).await.expect("it can be planned")
    }

    pub async fn try_plan(&self, request: &PlanRequest) -> Result<InfraPlan> {
        let facts = self.provider.observe(&self.run(), request).await?;
        self.provider.plan(&facts, request)
    }

    pub async fn up(&self) -> Up {
        self.up_with(&self.run(), ResizeMode::Never).await
    }

    /// Observes, plans, checks and, if nothing speaks against it, applies.
    pub async fn up_with(&self, run: &Run, resize: ResizeMode) -> Up {
        let mut request = Self::request(PlanMode::Reconcile);
        request.resize = resize;
        let facts = self.provider.observe(run, &request).await;
        let facts = facts.expect("it can be observed");
        let plan = self.provider.plan(&facts, &request).expect("a plan");
        let findings = self.provider.preflight(run, &facts, &plan).await;
        let findings = findings.expect("it can be looked at");
        let ready = Ready::default();
        let mut report = ApplyReport::default();
        if findings.is_empty() {
            let approved = ApprovedPlan::reconcile(plan.clone(), &facts.account, &facts.endpoint);
            let approved = approved.expect("it may be carried out");
            report = self.provider.apply(run, &approved, &ready).await;
        }
        let ready = ready.0.into_inner().expect("no test panics here");
        Up {
            plan,
            findings,
            report,
            ready: ready.iter().map(Host::shown_name).collect(),
            roles: ready
                .iter()
                .map(|host| host.role.as_ref().map(ToString::to_string))
                .collect(),
        }
    }

    /// Carries out a reconcile plan that was made before.
    pub async fn apply(&self, plan: InfraPlan) -> ApplyReport {
        let (account, endpoint) = (plan.account.clone(), plan.endpoint.clone());
        let approved = ApprovedPlan::reconcile(plan, &account, &endpoint);
        let approved = approved.expect("it may be carried out");
        let ready = Ready::default();
        self.provider.apply(&self.run(), &approved, &ready).await
    }

    /// Sends what the account's owner may send by hand.
    async fn by_hand(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        // The provider does the same, but may not have been asked yet.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let url = format!("{}{path}", self.sandbox.url());
        // The provider does so too, but may not have been used yet.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let request = reqwest::Client::new().request(method, url);
        let request = request.bearer_auth(self.sandbox.token());
        let answer = request.json(&body).send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// Starts an action on a droplet, and gives the answer's status.
    pub async fn act(&self, id: u64, kind: &str) -> u16 {
        let path = format!("/v2/droplets/{id}/actions");
        let (status, _) = self
            .by_hand(Method::POST, &path, json!({"type": kind}))
            .await;
        status
    }

    /// Makes a VPC, and gives its id.
    pub async fn create_vpc(&self, name: &str, region: &str) -> String {
        let body = json!({"name": name, "region": region});
        let (_, answer) = self.by_hand(Method::POST, "/v2/vpcs", body).await;
        answer["vpc"]["id"].as_str().expect("an id").to_owned()
    }

    /// Makes a project, and gives its id.
    pub async fn create_project(&self, name: &str) -> String {
        let body = json!({"name": name, "purpose": "x"});
        let (_, answer) = self.by_hand(Method::POST, "/v2/projects", body).await;
        answer["project"]["id"].as_str().expect("an id").to_owned()
    }

    /// The account's tags.
    pub async fn account_tags(&self) -> Vec<String> {
        let path = "/v2/tags?per_page=200";
        let (_, answer) = self.by_hand(Method::GET, path, Value::Null).await;
        let tags = answer["tags"].as_array().cloned().unwrap_or_default();
        let names = tags.iter().filter_map(|tag| tag["name"].as_str());
        names.map(str::to_owned).collect()
    }

    /// The URNs of what is in a project.
    pub async fn project(&self, id: &str) -> Vec<String> {
        let path = format!("/v2/projects/{id}/resources");
        let (_, answer) = self.by_hand(Method::GET, &path, Value::Null).await;
        let resources = answer["resources"].as_array().cloned().unwrap_or_default();
        let urns = resources.iter().filter_map(|own| own["urn"].as_str());
        urns.map(str::to_owned).collect()
    }

    /// Carries out a plan of another mode than reconcile.
    pub async fn carry_out(&self, plan: InfraPlan) -> ApplyReport {
        let (account, endpoint) = (plan.account.clone(), plan.endpoint.clone());
        let environment = plan.environment.clone();
        let confirmed = Confirmation::typed(environment.as_str(), &environment);
        let confirmed = confirmed.expect("it is the name");
        let approved = if plan.mode.deletes() {
            ApprovedPlan::destroy(plan, &account, &endpoint, &confirmed)
        } else {
            ApprovedPlan::retag(plan, &account, &endpoint, &confirmed)
        };
        let approved = approved.expect("it may be carried out");
        let ready = Ready::default();
        self.provider.apply(&self.run(), &approved, &ready).await
    }

    /// The droplet of this name that is there.
    pub fn droplet(&self, name: &str) -> DropletView {
        let mut droplets = self.sandbox.control().droplets().into_iter();
        let is_here = |state| matches!(state, DropletState::Active | DropletState::Booting);
        let found = droplets.find(|droplet| droplet.name == name && is_here(droplet.state));
        found.unwrap_or_else(|| panic!("no droplet {name}"))
    }

    pub fn tags(&self, name: &str) -> Vec<String> {
        self.droplet(name).tags
    }

    /// The tags of a droplet that are not those of one create.
    pub fn lasting_tags(&self, name: &str) -> Vec<String> {
        let mut tags = self.tags(name);
        tags.retain(|tag| {
            !tag.starts_with("stagecraft-hostkey-") && !tag.starts_with("stagecraft-run-")
        });
        tags.sort();
        tags
    }

    /// The bodies of the requests of this kind, for example `POST /v2/droplets`.
    pub fn bodies(&self, kind: &str) -> Vec<Value> {
        let requests = self.sandbox.control().requests().into_iter();
        let requests = requests.filter(|request| request.kind == kind);
        let bodies = requests.map(|request| request.body.unwrap_or_default());
        bodies
            .map(|body| serde_json::from_str(&body).expect("a body is JSON"))
            .collect()
    }

    pub fn count(&self, kind: &str) -> usize {
        let requests = self.sandbox.control().requests().into_iter();
        requests.filter(|request| request.kind == kind).count()
    }

    /// The kinds of all requests that write, in their order.
    pub fn writes(&self) -> Vec<String> {
        let requests = self.sandbox.control().requests().into_iter();
        let writes = requests.filter(|request| request.method != "GET");
        writes.map(|request| request.kind).collect()
    }

    /// Waits until this many requests have come.
    pub async fn requests_reach(&self, count: usize) {
        let mut interval = tokio::time::interval(Duration::from_millis(1));
        while self.sandbox.control().requests().len() < count {
            interval.tick().await;
        }
    }
}
