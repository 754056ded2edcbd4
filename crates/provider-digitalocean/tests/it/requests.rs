//! What is sent to the API, and what is made of its answers.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows test functions only, not their helpers"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use provider_digitalocean::core::config::{ConfigBlock, Document};
use provider_digitalocean::core::{
    ApplyReport, ApprovedPlan, CloudFacts, CloudProvider, Error, ErrorKind, Event, EventSink,
    Fingerprint, Host, HostSink, PlanMode, PlanRequest, Retry, Run,
};
use provider_digitalocean::{DigitalOcean, DigitalOceanConfig};
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const CONFIG: &str = "\
token_env: DO_TOKEN
ssh_key_name: ops
default_region: nyc3
default_size: small
poll: { interval: 5ms, deadline: 2s, list_lag: 20ms }
rate: { window: 1ms }
hosts:
  staging:
    app: { role: app, count: 12 }
    db-1: { role: db }
";

#[derive(Debug, Default)]
struct Events(Mutex<Vec<Event>>);

impl EventSink for Events {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

#[derive(Debug, Default)]
struct Ready(Mutex<Vec<Host>>);

impl HostSink for Ready {
    fn ready(&self, host: Host) {
        self.0.lock().unwrap().push(host);
    }
}

struct Api {
    server: MockServer,
    provider: DigitalOcean,
    run: Run,
    events: Arc<Events>,
}

impl Api {
    async fn start() -> Self {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .and(path("/v2/droplets"))
            .and(query_param("type", "gpus"))
            .respond_with(ResponseTemplate::new(200).set_body_json(list("droplets", &[])))
            .with_priority(1)
            .mount(&server)
            .await;
        let document = Arc::new(Document::new("f.yml", CONFIG).unwrap());
        let config: DigitalOceanConfig = ConfigBlock::new(document, Vec::<String>::new())
            .parse()
            .unwrap();
        let events = Arc::new(Events::default());
        let variables = BTreeMap::from([
            ("DO_TOKEN".to_owned(), "t0ken".to_owned()),
            ("DIGITALOCEAN_API_URL".to_owned(), server.uri()),
        ]);
        Self {
            server,
            provider: DigitalOcean::new(config, None).unwrap(),
            run: Run::new(Arc::clone(&events) as _, Arc::new(variables)),
            events,
        }
    }

    /// Answers all reads that a plan rests on, for an account without droplets.
    async fn with_empty_account() -> Self {
        let api = Self::start().await;
        api.answer(
            "/v2/account",
            json!({"account": {"uuid": "u", "email": "a@example.com"}}),
        )
        .await;
        api.answer(
            "/v2/tags",
            list("tags", &[json!({"name": "stagecraft-env-staging"})]),
        )
        .await;
        api.answer(
            "/v2/sizes",
            list("sizes", &[json!({"slug": "small", "price_monthly": 6.0, "available": true, "regions": ["nyc3"]})]),
        )
        .await;
        api.answer(
            "/v2/account/keys",
            list(
                "ssh_keys",
                &[json!({"id": 1, "name": "ops", "fingerprint": "aa:bb"})],
            ),
        )
        .await;
        api
    }

    async fn answer(&self, at: &str, body: Value) {
        Mock::given(method("GET"))
            .and(path(at))
            .and(header("authorization", "Bearer t0ken"))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .with_priority(9)
            .mount(&self.server)
            .await;
    }

    /// One page of droplets, answered `times` times before later mocks come into force.
    async fn page(
        &self,
        page: u32,
        total: u64,
        ids: std::ops::Range<u64>,
        next: Option<&str>,
        times: u64,
    ) {
        let droplets: Vec<Value> = ids.map(|id| droplet(id, "active")).collect();
        let pages = next.map_or(json!({}), |next| json!({"pages": {"next": next}}));
        let body = json!({"droplets": droplets, "links": pages, "meta": {"total": total}});
        Mock::given(method("GET"))
            .and(path("/v2/droplets"))
            .and(query_param("page", page.to_string()))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .up_to_n_times(times)
            .mount(&self.server)
            .await;
    }

    async fn hosts(&self) -> Result<Vec<Host>, Error> {
        self.provider
            .hosts(&self.run, &"staging".parse().unwrap())
            .await
    }

    async fn observe(&self) -> Result<CloudFacts, Error> {
        let request = PlanRequest::new("staging".parse().unwrap(), PlanMode::Reconcile);
        self.provider.observe(&self.run, &request).await
    }

    async fn up(&self) -> (ApplyReport, Vec<Host>) {
        let request = PlanRequest::new("staging".parse().unwrap(), PlanMode::Reconcile);
        let facts = self.provider.observe(&self.run, &request).await.unwrap();
        let plan = self.provider.plan(&facts, &request).unwrap();
        let approved = ApprovedPlan::reconcile(plan, &facts.account, &facts.endpoint).unwrap();
        let ready = Ready::default();
        let report = self.provider.apply(&self.run, &approved, &ready).await;
        (report, ready.0.into_inner().unwrap())
    }

    async fn bodies(&self, verb: &str) -> Vec<Value> {
        let requests = self.server.received_requests().await.unwrap();
        requests
            .iter()
            .filter(|request| request.method.as_str() == verb)
            .map(|request| request.body_json().unwrap())
            .collect()
    }
}

fn list(key: &str, items: &[Value]) -> Value {
    json!({ key: items, "links": {}, "meta": {"total": items.len()} })
}

fn droplet(id: u64, status: &str) -> Value {
    json!({
        "id": id,
        "name": format!("staging-app-{id}"),
        "status": status,
        "size_slug": "small",
        "region": {"slug": "nyc3"},
        "networks": {"v4": [
            {"ip_address": "10.0.0.2", "type": "private", "gateway": "<nil>"},
            {"ip_address": "203.0.113.7", "type": "public"},
        ]},
        "tags": ["stagecraft", "stagecraft-env-staging"],
    })
}

#[tokio::test]
async fn list_is_read_to_its_end_and_links_to_elsewhere_are_not_followed() {
    let api = Api::start().await;
    api.answer(
        "/v2/tags",
        list("tags", &[json!({"name": "stagecraft-env-staging"})]),
    )
    .await;
    api.page(
        1,
        3,
        1..3,
        Some("https://elsewhere.example/v2/droplets?page=2&per_page=200"),
        2,
    )
    .await;
    api.page(2, 3, 3..4, None, 1).await;
    let hosts = api.hosts().await.unwrap();
    let ids: Vec<&str> = hosts.iter().map(|host| host.id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    assert_eq!(hosts[0].public_ipv4.unwrap().to_string(), "203.0.113.7");
}

#[tokio::test]
async fn list_that_shifts_between_its_pages_is_read_again() {
    let api = Api::start().await;
    api.answer(
        "/v2/tags",
        list("tags", &[json!({"name": "stagecraft-env-staging"})]),
    )
    .await;
    // One droplet of the first page goes, so the second page begins one too late.
    api.page(1, 4, 1..3, Some("http://x/?page=2"), 1).await;
    api.page(2, 3, 4..5, None, 1).await;
    api.page(1, 3, 2..4, Some("http://x/?page=2"), 2).await;
    api.page(2, 3, 4..5, None, 1).await;
    let hosts = api.hosts().await.unwrap();
    let ids: Vec<&str> = hosts.iter().map(|host| host.id.as_str()).collect();
    assert_eq!(ids, ["2", "3", "4"]);
}

#[tokio::test]
async fn list_that_never_holds_still_and_broken_link_are_errors() {
    let api = Api::start().await;
    api.answer(
        "/v2/tags",
        list("tags", &[json!({"name": "stagecraft-env-staging"})]),
    )
    .await;
    api.page(1, 9, 1..3, None, 99).await;
    let error = api.hosts().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "digitalocean provider: API error: a list changes faster than it can be read"
    );

    for next in ["http://x/?page=1", "http://x/?page=7", "junk"] {
        let api = Api::start().await;
        api.answer(
            "/v2/tags",
            list("tags", &[json!({"name": "stagecraft-env-staging"})]),
        )
        .await;
        api.page(1, 9, 1..3, Some(next), 1).await;
        let error = api.hosts().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{next}");
    }
}

#[tokio::test]
async fn tags_that_are_left_out_mean_a_token_that_may_not_read_them() {
    let api = Api::start().await;
    api.answer(
        "/v2/tags",
        list("tags", &[json!({"name": "stagecraft-env-staging"})]),
    )
    .await;
    let mut blind = droplet(1, "active");
    blind.as_object_mut().unwrap().remove("tags");
    api.answer("/v2/droplets", list("droplets", &[blind])).await;
    let error = api.hosts().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert_eq!(error.hint(), Some("give the token the scope tag:read"));
}

#[tokio::test]
async fn two_keys_of_one_name_are_an_error_with_both_fingerprints() {
    let api = Api::with_empty_account().await;
    api.answer("/v2/droplets", list("droplets", &[])).await;
    let keys = [
        json!({"id": 2, "name": "ops", "fingerprint": "cc:dd"}),
        json!({"id": 1, "name": "ops", "fingerprint": "aa:bb"}),
    ];
    Mock::given(path("/v2/account/keys"))
        .respond_with(ResponseTemplate::new(200).set_body_json(list("ssh_keys", &keys)))
        .mount(&api.server)
        .await;
    let error = api.observe().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "digitalocean provider: 2 SSH keys are named 'ops' in DigitalOcean account: aa:bb, cc:dd"
    );
}

#[tokio::test]
async fn rate_limit_is_waited_for_as_told_and_given_up_if_that_is_too_long() {
    let api = Api::start().await;
    api.answer(
        "/v2/tags",
        list("tags", &[json!({"name": "stagecraft-env-staging"})]),
    )
    .await;
    api.answer("/v2/droplets", list("droplets", &[])).await;
    let limited = |seconds: &str| ResponseTemplate::new(429).insert_header("retry-after", seconds);
    Mock::given(path("/v2/droplets"))
        .respond_with(limited("0"))
        .up_to_n_times(2)
        .mount(&api.server)
        .await;
    assert!(api.hosts().await.unwrap().is_empty());
    let retries = api.events.0.lock().unwrap().clone();
    assert_eq!(retries.len(), 2);
    for event in retries {
        let Event::Retrying { reason, delay, .. } = event else {
            panic!("{event:?}")
        };
        assert_eq!(reason, "API rate limit exceeded, retrying...");
        assert_eq!(delay, Duration::ZERO);
    }

    Mock::given(path("/v2/droplets"))
        .respond_with(limited("86400"))
        .expect(1)
        .with_priority(1)
        .mount(&api.server)
        .await;
    let error = api.hosts().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "digitalocean provider: API rate limit exceeded"
    );
    assert_eq!(error.retry(), Retry::Exhausted);
}

#[tokio::test]
async fn creates_are_batched_and_each_request_bears_the_pin_of_its_own_key() {
    let api = Api::with_empty_account().await;
    let sequence = Mutex::new((0_u64, Vec::<Value>::new()));
    let created = Arc::new(sequence);
    let made = Arc::clone(&created);
    Mock::given(method("POST"))
        .and(path("/v2/droplets"))
        .respond_with(move |request: &wiremock::Request| {
            let body: Value = request.body_json().unwrap();
            let mut made = made.lock().unwrap();
            let mut droplets = Vec::new();
            for name in body["names"].as_array().unwrap() {
                made.0 += 1;
                let mut droplet = droplet(made.0, "active");
                droplet["name"] = name.clone();
                droplet["tags"] = body["tags"].clone();
                made.1.push(droplet.clone());
                droplets.push(droplet);
            }
            ResponseTemplate::new(202)
                .set_body_json(json!({"droplets": droplets, "links": {"actions": []}}))
        })
        .mount(&api.server)
        .await;
    Mock::given(method("GET"))
        .and(path("/v2/droplets"))
        .respond_with(move |_: &wiremock::Request| {
            ResponseTemplate::new(200).set_body_json(list("droplets", &created.lock().unwrap().1))
        })
        .mount(&api.server)
        .await;

    let (report, ready) = api.up().await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!((report.created.len(), ready.len()), (13, 13));

    let bodies = api.bodies("POST").await;
    let mut counts: Vec<usize> = bodies
        .iter()
        .map(|body| body["names"].as_array().unwrap().len())
        .collect();
    counts.sort_unstable();
    assert_eq!(
        counts,
        [1, 2, 10],
        "ten names at most, and one group for each role"
    );
    let mut pins = Vec::new();
    for body in &bodies {
        assert_eq!(body["ssh_keys"], json!(["aa:bb"]));
        assert_eq!(body["region"], "nyc3");
        assert_eq!(body["image"], "ubuntu-22-04-x64");
        let tags: Vec<&str> = body["tags"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert!(
            tags.contains(&"stagecraft") && tags.contains(&"stagecraft-env-staging"),
            "{tags:?}"
        );
        let pin = tags
            .iter()
            .find_map(|tag| Fingerprint::from_tag(tag))
            .unwrap();
        let user_data = body["user_data"].as_str().unwrap();
        let public = user_data
            .lines()
            .find_map(|line| line.strip_prefix("  ed25519_public: "))
            .unwrap();
        let wire = public.split(' ').nth(1).unwrap();
        let wire =
            base64::Engine::decode(&base64::engine::general_purpose::STANDARD, wire).unwrap();
        assert_eq!(
            Fingerprint::of_wire(&wire),
            pin,
            "the tag pins the key of the user data"
        );
        pins.push(pin);
    }
    pins.sort();
    pins.dedup();
    assert_eq!(pins.len(), 3, "one fresh key for each request");
    for host in &ready {
        assert_eq!(host.host_keys().len(), 1);
    }
}

#[tokio::test]
async fn accepted_create_with_an_unreadable_answer_is_never_sent_again() {
    let api = Api::with_empty_account().await;
    api.answer("/v2/droplets", list("droplets", &[])).await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(202).set_body_string("{\"droplets\": ["))
        .expect(3)
        .mount(&api.server)
        .await;
    let (report, _) = api.up().await;
    assert_eq!(report.failed.len(), 13);
    let error = &report.failed[0].error;
    assert_eq!(
        error.to_string(),
        "digitalocean provider: droplet 'staging-app-1' creation failed"
    );
    assert!(
        error.chain()[1].contains("the answer (202) is not the JSON"),
        "{:?}",
        error.chain()
    );
}
