//! An account on a mock server whose droplets a test lays out.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test uses its part, and clippy knows test functions only"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use provider_digitalocean::core::config::{ConfigBlock, Document};
use provider_digitalocean::core::{
    ApplyReport, ApprovedPlan, CloudProvider, Confirmation, Error, ErrorKind, Event, EventSink,
    Finding, Host, HostSink, PlanMode, PlanRequest, Run,
};
use provider_digitalocean::{DigitalOcean, DigitalOceanConfig};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

pub const CONFIG: &str = "\
token_env: DO_TOKEN
ssh_key_name: ops
default_region: nyc3
default_size: small
poll: { interval: 2ms, deadline: 20s, list_lag: 8ms }
rate: { window: 1ms }
hosts:
  staging:
    db-1: { role: db }
";

/// Keeps the events, and cancels the run at the first whose text begins so.
#[derive(Debug, Default)]
pub struct Cancel {
    at: Mutex<Option<&'static str>>,
    token: Mutex<Option<CancellationToken>>,
    pub events: Mutex<Vec<Event>>,
}

impl EventSink for Cancel {
    fn emit(&self, event: Event) {
        let at = *self.at.lock().unwrap();
        if at.is_some_and(|at| format!("{event:?}").starts_with(at)) {
            self.token.lock().unwrap().as_ref().unwrap().cancel();
        }
        self.events.lock().unwrap().push(event);
    }
}

#[derive(Debug, Default)]
pub struct Ready(pub Mutex<Vec<Host>>);

impl HostSink for Ready {
    fn ready(&self, host: Host) {
        self.0.lock().unwrap().push(host);
    }
}

/// An account whose droplets a test lays out.
pub struct Api {
    pub server: MockServer,
    pub provider: DigitalOcean,
    pub run: Run,
    pub cancel: Arc<Cancel>,
    pub droplets: Arc<Mutex<Vec<Value>>>,
}

impl Api {
    pub async fn start(droplets: Vec<Value>) -> Self {
        Self::with(droplets, CONFIG, "t0ken").await
    }

    /// For tests of what happens at the deadline.
    pub async fn impatient(droplets: Vec<Value>) -> Self {
        Self::with(droplets, &CONFIG.replace("20s", "60ms"), "t0ken").await
    }

    pub async fn with(droplets: Vec<Value>, config: &str, token: &str) -> Self {
        let server = MockServer::start().await;
        let document = Arc::new(Document::new("f.yml", config).unwrap());
        let config: DigitalOceanConfig = ConfigBlock::new(document, Vec::<String>::new())
            .parse()
            .unwrap();
        let cancel = Arc::new(Cancel::default());
        let variables = BTreeMap::from([
            ("DO_TOKEN".to_owned(), token.to_owned()),
            ("DIGITALOCEAN_API_URL".to_owned(), server.uri()),
        ]);
        let run = Run::new(Arc::clone(&cancel) as _, Arc::new(variables));
        *cancel.token.lock().unwrap() = Some(run.cancellation().clone());
        let droplets = Arc::new(Mutex::new(droplets));
        let shown = Arc::clone(&droplets);
        let api = Self {
            server,
            provider: DigitalOcean::new(config, None).unwrap(),
            run,
            cancel,
            droplets,
        };
        Mock::given(method("GET"))
            .and(path("/v2/droplets"))
            .respond_with(move |_: &wiremock::Request| {
                ResponseTemplate::new(200).set_body_json(list("droplets", &shown.lock().unwrap()))
            })
            .with_priority(9)
            .mount(&api.server)
            .await;
        Mock::given(method("GET"))
            .and(path("/v2/droplets"))
            .and(query_param("type", "gpus"))
            .respond_with(ResponseTemplate::new(200).set_body_json(list("droplets", &[])))
            .with_priority(8)
            .mount(&api.server)
            .await;
        let size = |slug: &str, regions: &[&str], available: bool| json!({"slug": slug, "price_monthly": 6.0, "available": available, "regions": regions});
        for (at, body) in [
            (
                "/v2/account",
                json!({"account": {"uuid": "u", "email": "a@example.com"}}),
            ),
            (
                "/v2/tags",
                list("tags", &[json!({"name": "stagecraft-env-staging"})]),
            ),
            (
                "/v2/regions",
                list("regions", &[json!({"slug": "nyc3", "available": true})]),
            ),
            (
                "/v2/images/ubuntu-22-04-x64",
                json!({"image": {"regions": ["nyc3"], "min_disk_size": 10}}),
            ),
            (
                "/v2/sizes",
                list("sizes", &[size("small", &["nyc3"], true)]),
            ),
            (
                "/v2/account/keys",
                list(
                    "ssh_keys",
                    &[json!({"id": 1, "name": "ops", "fingerprint": "aa:bb"})],
                ),
            ),
        ] {
            api.on("GET", at, ResponseTemplate::new(200).set_body_json(body), 9)
                .await;
        }
        api
    }

    pub async fn on(&self, verb: &str, at: &str, answer: ResponseTemplate, priority: u8) {
        Mock::given(method(verb))
            .and(path(at))
            .respond_with(answer)
            .with_priority(priority)
            .mount(&self.server)
            .await;
    }

    /// Accepts every create, as the droplet 7, and then shows what is told.
    pub async fn create_shows(&self, shown: impl IntoIterator<Item = Value>) {
        let droplets = Arc::clone(&self.droplets);
        let shown: Vec<Value> = shown.into_iter().collect();
        Mock::given(method("POST"))
            .and(path("/v2/droplets"))
            .respond_with(move |_: &wiremock::Request| {
                droplets.lock().unwrap().extend(shown.clone());
                ResponseTemplate::new(202).set_body_json(
                    json!({"droplets": [droplet(7, "new")], "links": {"actions": [{"id": 70}]}}),
                )
            })
            .mount(&self.server)
            .await;
    }

    pub fn cancel_at(&self, event: &'static str) {
        *self.cancel.at.lock().unwrap() = Some(event);
    }

    pub async fn hosts(&self) -> Result<Vec<Host>, Error> {
        self.provider
            .hosts(&self.run, &"staging".parse().unwrap())
            .await
    }

    pub async fn findings(&self) -> Vec<Finding> {
        let request = PlanRequest::new("staging".parse().unwrap(), PlanMode::Reconcile);
        let facts = self.provider.observe(&self.run, &request).await.unwrap();
        let plan = self.provider.plan(&facts, &request).unwrap();
        let findings = self.provider.preflight(&self.run, &facts, &plan).await;
        findings.unwrap()
    }

    pub async fn approve(&self, mode: PlanMode) -> ApprovedPlan {
        let environment = "staging".parse().unwrap();
        let confirmed = Confirmation::typed("staging", &environment).unwrap();
        let request = PlanRequest::new(environment, mode);
        let facts = self.provider.observe(&self.run, &request).await.unwrap();
        let plan = self.provider.plan(&facts, &request).unwrap();
        let (account, endpoint) = (&facts.account, &facts.endpoint);
        match mode {
            PlanMode::Reconcile => ApprovedPlan::reconcile(plan, account, endpoint),
            _ => ApprovedPlan::destroy(plan, account, endpoint, &confirmed),
        }
        .unwrap()
    }

    pub async fn apply(&self, plan: &ApprovedPlan) -> (ApplyReport, Vec<Host>) {
        let ready = Ready::default();
        let report = self.provider.apply(&self.run, plan, &ready).await;
        (report, ready.0.into_inner().unwrap())
    }

    pub async fn up(&self) -> (ApplyReport, Vec<Host>) {
        let plan = self.approve(PlanMode::Reconcile).await;
        self.apply(&plan).await
    }

    pub async fn down(&self) -> ApplyReport {
        let plan = self.approve(PlanMode::Destroy).await;
        self.apply(&plan).await.0
    }

    pub async fn sent(&self, verb: &str) -> usize {
        let requests = self.server.received_requests().await.unwrap();
        let sent = requests.iter().filter(|one| one.method.as_str() == verb);
        sent.count()
    }
}

pub fn list(key: &str, items: &[Value]) -> Value {
    json!({ key: items, "links": {}, "meta": {"total": items.len()} })
}

pub fn droplet(id: u64, status: &str) -> Value {
    json!({
        "id": id,
        "name": "staging-db-1",
        "status": status,
        "size_slug": "small",
        "region": {"slug": "nyc3"},
        "networks": {"v4": [{"ip_address": "203.0.113.7", "type": "public"}]},
        "tags": ["stagecraft", "stagecraft-env-staging", "stagecraft-role-db"],
    })
}

pub fn refused(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status)
        .set_body_json(json!({"id": "x", "message": "words", "request_id": "r-1"}))
}

/// The kind of the only failure, and all that it says.
pub fn only_failure(report: &ApplyReport) -> (ErrorKind, String) {
    let [failure] = report.failed.as_slice() else {
        panic!("{report:?}")
    };
    (failure.error.kind(), failure.error.chain().join(": "))
}
