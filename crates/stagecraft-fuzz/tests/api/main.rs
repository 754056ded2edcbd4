//! Hostile answers of a cloud's API: an error or a sane value, after a bounded number of requests
//! and within bounds of memory.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows test functions only, not their helpers"
)]

mod endless;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use provider_digitalocean::DigitalOcean;
use serde_json::{Value, json};
use stagecraft_core::config::{ConfigBlock, Document};
use stagecraft_core::{
    ApprovedPlan, CloudProvider as _, Confirmation, Error, Host, HostSink, NoEvents, PlanMode,
    PlanRequest, Run, shorten,
};
use stagecraft_fuzz::{MEBIBYTE, cases, changed_json, damaged, hostile_json, measured_async};
use tokio::runtime::Runtime;
use wiremock::matchers::any as any_request;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

const CONFIG: &str = "\
token_env: DO_TOKEN
ssh_key_name: ops
default_region: nyc3
default_size: small
poll: { interval: 1ms, deadline: 20ms, list_lag: 2ms }
rate: { window: 1ms }
hosts:
  staging:
    app: { role: app, count: 2 }
    db-1: { role: db }
";
/// More than any sensible conversation about three hosts takes.
const MOST_REQUESTS: usize = 3000;
/// Longer than any conversation takes, also on a busy machine.
const LONGEST: Duration = Duration::from_mins(1);

/// The keys that the provider reads.
const KEYS: &[&str] = &[
    "account",
    "uuid",
    "email",
    "droplet_limit",
    "team",
    "name",
    "links",
    "pages",
    "next",
    "actions",
    "meta",
    "total",
    "droplets",
    "droplet",
    "sizes",
    "slug",
    "price_monthly",
    "available",
    "regions",
    "ssh_keys",
    "id",
    "fingerprint",
    "tags",
    "tag",
    "resources",
    "count",
    "status",
    "size_slug",
    "region",
    "networks",
    "v4",
    "ip_address",
    "type",
    "vpc_uuid",
    "locked",
    "volume_ids",
    "snapshot_ids",
    "action",
    "resource_id",
    "message",
    "error",
    "request_id",
];

const TEXTS: &[&str] = &[
    "{\"droplets\":[{\"id\":1,\"name\":\"staging-app-1\",\"status\":\"active\",\"networks\":{},\"tags\":[]}],\"links\":{},\"meta\":{\"total\":1}}",
    "{\"id\":\"unprocessable_entity\",\"message\":\"no\",\"request_id\":\"r\"}",
    "<html><body>502 Bad Gateway</body></html>",
    "",
];

#[derive(Clone)]
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(f, "{} {:?}", self.status, shorten(&body, 1000))
    }
}

/// What is answered, by endpoint. An endpoint without an answer gets 404.
type Answers = BTreeMap<&'static str, Answer>;

#[derive(Debug, Default)]
struct Script {
    answers: Mutex<Answers>,
    requests: AtomicUsize,
}

impl Script {
    fn answer(&self, request: &Request) -> ResponseTemplate {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let endpoint = endpoint(request);
        match self.answers.lock().unwrap().get(endpoint) {
            Some(answer) => ResponseTemplate::new(answer.status)
                .set_body_raw(answer.body.clone(), "application/json"),
            None => ResponseTemplate::new(404),
        }
    }
}

struct Responder(Arc<Script>);

impl Respond for Responder {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.0.answer(request)
    }
}

fn endpoint(request: &Request) -> &'static str {
    let path = request.url.path();
    match request.method.as_str() {
        "POST" => "create",
        "DELETE" => "delete",
        _ if path == "/v2/account" => "account",
        _ if path == "/v2/account/keys" => "keys",
        _ if path == "/v2/tags" => "tags",
        _ if path == "/v2/sizes" => "sizes",
        _ if path == "/v2/droplets" => "droplets",
        _ if path.starts_with("/v2/droplets/") => "droplet",
        _ if path.starts_with("/v2/actions/") => "action",
        _ => "tag",
    }
}

fn droplet(id: u64, name: &str) -> Value {
    json!({
        "id": id,
        "name": name,
        "status": "active",
        "size_slug": "small",
        "region": {"slug": "nyc3", "features": []},
        "networks": {"v4": [
            {"ip_address": "10.0.0.2", "type": "private", "gateway": "<nil>"},
            {"ip_address": "203.0.113.7", "type": "public"},
        ], "v6": []},
        "tags": ["stagecraft", "stagecraft-env-staging", "stagecraft-role-app"],
    })
}

fn list(key: &str, items: &[Value]) -> Value {
    json!({ key: items, "links": {"pages": {"next": null}}, "meta": {"total": items.len()} })
}

/// What a well-behaved API answers.
fn real() -> BTreeMap<&'static str, Value> {
    let hosts = [
        droplet(1, "staging-app-1"),
        droplet(2, "staging-old"),
        droplet(3, "web"),
    ];
    BTreeMap::from([
        (
            "account",
            json!({"account": {"uuid": "u", "email": "a@example.com", "droplet_limit": 25, "team": {"uuid": "t", "name": "Team"}}}),
        ),
        (
            "keys",
            list(
                "ssh_keys",
                &[json!({"id": 1, "name": "ops", "fingerprint": "aa:bb"})],
            ),
        ),
        (
            "tags",
            list("tags", &[json!({"name": "stagecraft-env-staging"})]),
        ),
        (
            "sizes",
            list(
                "sizes",
                &[
                    json!({"slug": "small", "price_monthly": 6.0, "available": true, "regions": ["nyc3"]}),
                ],
            ),
        ),
        ("droplets", list("droplets", &hosts)),
        ("droplet", json!({"droplet": droplet(1, "staging-app-1")})),
        (
            "create",
            json!({"droplets": [droplet(4, "staging-app-2"), droplet(5, "staging-db-1")], "links": {"actions": [{"id": 7, "rel": "create"}]}}),
        ),
        (
            "action",
            json!({"action": {"id": 7, "status": "errored", "resource_id": 4}}),
        ),
        (
            "tag",
            json!({"tag": {"name": "x", "resources": {"count": 0}}}),
        ),
        ("delete", Value::Null),
    ])
}

fn answer(real: Value) -> impl Strategy<Value = Answer> {
    let status = prop_oneof![
        30 => Just(200u16),
        1 => select(&[201u16, 202, 204, 301, 400, 401, 403, 404, 408, 409, 422, 429, 500, 503, 599][..]),
    ];
    let body = prop_oneof![
        12 => changed_json(real).prop_map(|value| value.to_string().into_bytes()),
        1 => hostile_json(KEYS).prop_map(|value| value.to_string().into_bytes()),
        1 => damaged(TEXTS),
    ];
    (status, body).prop_map(|(status, body)| Answer { status, body })
}

fn answers() -> impl Strategy<Value = Answers> {
    let all: Vec<_> = real()
        .into_iter()
        .map(|(endpoint, value)| {
            let plain = Answer {
                status: 200,
                body: value.to_string().into_bytes(),
            };
            // Most answers are real ones, or no conversation would come far.
            prop_oneof![2 => Just(plain), 1 => answer(value)]
                .prop_map(move |answer| (endpoint, answer))
        })
        .collect();
    all.prop_map(|answers| answers.into_iter().collect())
}

#[derive(Debug)]
struct Drop;

impl HostSink for Drop {
    fn ready(&self, _: Host) {}
}

struct Lab {
    runtime: Runtime,
    script: Arc<Script>,
    server: MockServer,
}

impl Lab {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let script = Arc::new(Script::default());
        let responder = Responder(Arc::clone(&script));
        let server = runtime.block_on(async {
            let server = MockServer::builder()
                .disable_request_recording()
                .start()
                .await;
            Mock::given(any_request())
                .respond_with(responder)
                .mount(&server)
                .await;
            server
        });
        Self {
            runtime,
            script,
            server,
        }
    }
}

fn provider() -> DigitalOcean {
    let document = Arc::new(Document::new("f.yml", CONFIG).unwrap());
    let config = ConfigBlock::new(document, Vec::<String>::new())
        .parse()
        .unwrap();
    DigitalOcean::new(config, None).unwrap()
}

fn run(url: &str) -> Run {
    let variables = BTreeMap::from([
        ("DO_TOKEN".to_owned(), "t0ken".to_owned()),
        ("DIGITALOCEAN_API_URL".to_owned(), url.to_owned()),
    ]);
    Run::new(Arc::new(NoEvents), Arc::new(variables))
}

/// Everything that a provider is ever asked, one after the other. Gives every message.
async fn converse(run: &Run) -> Vec<String> {
    let provider = provider();
    let mut told = Vec::new();
    let mut note = |error: &Error| told.extend(error.chain());
    let environment = "staging".parse().unwrap();
    if let Err(error) = provider.hosts(run, &environment).await {
        note(&error);
    }
    for mode in [PlanMode::Reconcile, PlanMode::Prune, PlanMode::Destroy] {
        let request = PlanRequest::new(environment.clone(), mode);
        let facts = match provider.observe(run, &request).await {
            Ok(facts) => facts,
            Err(error) => {
                note(&error);
                continue;
            }
        };
        let plan = match provider.plan(&facts, &request) {
            Ok(plan) => plan,
            Err(error) => {
                note(&error);
                continue;
            }
        };
        serde_json::to_string(&plan).unwrap();
        if let Err(error) = provider.preflight(run, &facts, &plan).await {
            note(&error);
        }
        let approved = match mode {
            PlanMode::Reconcile => ApprovedPlan::reconcile(plan, &facts.account, &facts.endpoint),
            PlanMode::Prune | PlanMode::Destroy | PlanMode::Reap => {
                let confirmation = Confirmation::typed("staging", &environment).unwrap();
                ApprovedPlan::destroy(plan, &facts.account, &facts.endpoint, &confirmation)
            }
            PlanMode::Adopt | PlanMode::Unprotect => {
                let confirmation = Confirmation::typed("staging", &environment).unwrap();
                ApprovedPlan::retag(plan, &facts.account, &facts.endpoint, &confirmation)
            }
        };
        match approved {
            Ok(approved) => {
                let report = provider.apply(run, &approved, &Drop).await;
                for failure in &report.failed {
                    note(&failure.error);
                }
            }
            Err(error) => note(&error),
        }
    }
    told
}

#[test]
fn changed_answers_lead_to_errors_and_sane_values_after_a_bounded_number_of_requests() {
    let lab = Lab::new();
    let run = run(&lab.server.uri());
    let mut runner = TestRunner::new(cases(4));
    let result = runner.run(&answers(), |answers| {
        let size: usize = answers.values().map(|answer| answer.body.len()).sum();
        *lab.script.answers.lock().unwrap() = answers;
        lab.script.requests.store(0, Ordering::Relaxed);
        let measured = lab.runtime.block_on(async {
            tokio::time::timeout(LONGEST, measured_async(converse(&run))).await
        });
        let told = measured
            .map_err(|_| TestCaseError::fail("the conversation did not end"))?
            .within(16 * MEBIBYTE + 200 * size);
        let requests = lab.script.requests.load(Ordering::Relaxed);
        prop_assert!(requests <= MOST_REQUESTS, "{} requests", requests);
        for message in told {
            prop_assert!(
                message.chars().count() <= 1500,
                "{}",
                shorten(&message, 300)
            );
            prop_assert!(!message.contains("t0ken"), "{}", shorten(&message, 300));
        }
        Ok(())
    });
    result.unwrap();
}

/// A responder that makes up a page for each number, from `page`.
struct Pages(Arc<Script>, fn(u64) -> Value);

impl Respond for Pages {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        let mut query = request.url.query_pairs();
        let page = query
            .find(|(key, _)| key == "page")
            .unwrap()
            .1
            .parse()
            .unwrap();
        ResponseTemplate::new(200).set_body_json((self.1)(page))
    }
}

/// Reads the tags of an account whose pages are made up. Gives the error and the requests.
fn read_pages(page: fn(u64) -> Value) -> (String, usize) {
    let lab = Lab::new();
    let pages = Pages(Arc::clone(&lab.script), page);
    lab.runtime.block_on(async {
        let mock = Mock::given(any_request())
            .respond_with(pages)
            .with_priority(1);
        mock.mount(&lab.server).await;
        let environment = "staging".parse().unwrap();
        let (provider, run) = (provider(), run(&lab.server.uri()));
        let read = measured_async(provider.hosts(&run, &environment));
        let read = tokio::time::timeout(LONGEST, read).await.unwrap();
        let error = read.within(256 * MEBIBYTE).unwrap_err();
        (
            error.to_string(),
            lab.script.requests.load(Ordering::Relaxed),
        )
    })
}

fn page(tags: &Value, next: u64, total: u64) -> Value {
    let next = format!("https://api.example/v2/tags?page={next}");
    json!({"tags": tags, "links": {"pages": {"next": next}}, "meta": {"total": total}})
}

#[test]
fn pages_without_end_are_given_up() {
    for (pages, most, expected) in [
        (
            (|number| page(&json!([{"name": "x"}]), number + 1, u64::MAX)) as fn(u64) -> Value,
            1000,
            "broken link",
        ),
        (|number| page(&json!([]), number + 1, 5), 1, "broken link"),
        (
            |number| page(&json!([{"name": "x"}]), number, 5),
            1,
            "broken link",
        ),
        (
            |number| page(&json!([{"name": "x"}]), number + 1, number),
            10,
            "changes faster",
        ),
        (
            |number| page(&json!([{"name": "x".repeat(4 * MEBIBYTE)}]), number + 1, 5),
            17,
            "longer than any account's",
        ),
    ] {
        let (error, requests) = read_pages(pages);
        assert!(error.contains(expected), "{error}");
        assert!(requests <= most, "{requests} requests: {error}");
    }
}
