//! What is told before the first write.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::support::{Api, CONFIG, droplet, list, only_failure, refused};
use async_trait::async_trait;
use provider_digitalocean::core::{
    CloudProvider as _, ErrorKind, Finding, LoginKey, Lookup, Makes, NoEvents, PlanMode,
    PlanRequest, Run,
};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn texts(findings: &[Finding]) -> Vec<(&str, &str)> {
    let texts = findings.iter();
    texts
        .map(|finding| {
            (
                finding.message.as_str(),
                finding.hint.as_deref().unwrap_or_default(),
            )
        })
        .collect()
}

async fn with_regions(api: &Api, regions: &[(&str, bool)]) {
    let regions: Vec<Value> = regions
        .iter()
        .map(|(slug, available)| json!({"slug": slug, "available": available}))
        .collect();
    api.on("GET", "/v2/regions", ok(list("regions", &regions)), 1)
        .await;
}

async fn with_sizes(api: &Api, regions: &[&str]) {
    let size = json!({"slug": "small", "price_monthly": 6.0, "disk": 25, "available": true, "regions": regions});
    api.on("GET", "/v2/sizes", ok(list("sizes", &[size])), 1)
        .await;
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_in_one_list() {
    let config = CONFIG.replace(
        "db-1: { role: db }",
        "db-1: { role: db }\n    app: { role: app, count: 7 }",
    );
    let api = Api::with(Vec::new(), &config, "t0ken").await;
    let account = json!({"uuid": "u", "email": "a@example.com", "droplet_limit": 3, "status": "locked", "status_message": "unpaid"});
    api.on("GET", "/v2/account", ok(json!({"account": account})), 1)
        .await;
    with_sizes(&api, &["ams3", "fra1"]).await;
    with_regions(&api, &[("ams3", true), ("fra1", false), ("nyc3", false)]).await;
    let image = json!({"image": {"regions": ["ams3"], "min_disk_size": 50}});
    api.on("GET", "/v2/images/ubuntu-22-04-x64", ok(image), 1)
        .await;
    let findings = api.findings().await;
    let names = "(app-1, app-2, app-3, app-4, app-5, 3 more)";
    assert_eq!(
        texts(&findings),
        [
            ("the account is locked", "unpaid"),
            (
                format!("region `nyc3` takes no new droplets at the moment {names}").as_str(),
                "size `small`: it is available in ams3"
            ),
            (
                format!(
                    "image `ubuntu-22-04-x64` needs a disk of 50 GB, size `small` has 25 GB {names}"
                )
                .as_str(),
                ""
            ),
            (
                format!("image `ubuntu-22-04-x64` is not available in region `nyc3` {names}")
                    .as_str(),
                "it is available in ams3"
            ),
            (
                "the account may have 3 droplets; it has 0 and the plan adds 8",
                "ask DigitalOcean for a higher limit"
            ),
        ]
    );
}

#[tokio::test]
async fn regions_and_images_that_do_not_exist_are_told() {
    for (image, requests) in [("no-such-image", 9), ("../account", 8)] {
        let config = CONFIG
            .replace("default_region: nyc3", "default_region: nyc9")
            .replace("role: db", &format!("role: db, image: {image}"));
        let api = Api::with(Vec::new(), &config, "t0ken").await;
        let found = api.findings().await;
        assert_eq!(
            texts(&found),
            [
                (
                    "region `nyc9` does not exist",
                    "the regions that take new droplets: nyc3"
                ),
                (
                    format!("image `{image}` does not exist").as_str(),
                    "give the slug of a public image, or the id of your own"
                ),
            ]
        );
        assert_eq!(api.sent("GET").await, requests, "{image}");
    }
}

#[tokio::test]
async fn scopes_that_a_create_needs_are_told_with_the_rest() {
    let api = Api::start(Vec::new()).await;
    for at in ["/v2/regions", "/v2/images/ubuntu-22-04-x64"] {
        api.on("GET", at, refused(403), 1).await;
    }
    let findings = api.findings().await;
    let told: Vec<&str> = texts(&findings).into_iter().map(|(_, hint)| hint).collect();
    assert_eq!(
        told,
        [
            "give the token the scope image:read",
            "give the token the scope regions:read"
        ]
    );
}

#[tokio::test]
async fn fleet_that_was_never_made_is_planned_with_eight_requests_and_a_whole_one_with_five() {
    let api = Api::start(Vec::new()).await;
    api.on("GET", "/v2/tags", ok(list("tags", &[])), 1).await;
    assert_eq!(api.findings().await, []);
    assert_eq!(api.sent("GET").await, 8);

    let api = Api::start(vec![crate::support::droplet(1, "active")]).await;
    assert_eq!(api.findings().await, []);
    assert_eq!(api.sent("GET").await, 5);
}

#[tokio::test]
async fn create_that_finds_the_stock_run_out_tells_where_the_size_is_now() {
    for words in [
        "Size is not available in this region.",
        "Region is not available",
    ] {
        let api = Api::start(Vec::new()).await;
        let plan = api
            .approve(provider_digitalocean::core::PlanMode::Reconcile)
            .await;
        with_sizes(&api, &["ams3", "fra1", "nyc3"]).await;
        with_regions(&api, &[("ams3", true), ("fra1", false), ("nyc3", true)]).await;
        let answer = ResponseTemplate::new(422).set_body_json(json!({"message": words}));
        api.on("POST", "/v2/droplets", answer, 1).await;
        let (report, _) = api.apply(&plan).await;
        let (kind, told) = only_failure(&report);
        assert_eq!(kind, ErrorKind::Rejected);
        assert!(told.contains(words), "{told}");
        assert_eq!(
            report.failed[0].error.hint(),
            Some("size `small` in region `nyc3`: it is available in ams3")
        );
        assert_eq!(api.sent("POST").await, 1);
    }
}

/// An operator with one key.
#[derive(Debug)]
struct OneKey(BTreeMap<String, String>);

#[async_trait]
impl Lookup for OneKey {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    async fn login_keys(&self) -> Option<Vec<LoginKey>> {
        let key = LoginKey {
            wire: b"abc".to_vec(),
            place: "~/.ssh/id_ed25519".to_owned(),
        };
        Some(vec![key])
    }
}

const OWN: &str = "90:01:50:98:3c:d2:4f:b0:d6:96:3f:7d:28:e1:7f:72";

async fn with_one_key() -> Api {
    let mut api = Api::start(Vec::new()).await;
    let variables = BTreeMap::from([
        ("DO_TOKEN".to_owned(), "t0ken".to_owned()),
        ("DIGITALOCEAN_API_URL".to_owned(), api.server.uri()),
    ]);
    api.run = Run::new(Arc::new(NoEvents), Arc::new(OneKey(variables)));
    api
}

#[tokio::test]
async fn key_is_found_by_its_fingerprint_without_the_list() {
    let api = with_one_key().await;
    let key = json!({"ssh_key": {"id": 1, "name": "ops", "fingerprint": OWN}});
    api.on("GET", &format!("/v2/account/keys/{OWN}"), ok(key), 1)
        .await;
    api.on("GET", "/v2/account/keys", refused(500), 1).await;
    assert_eq!(api.findings().await, []);
}

#[tokio::test]
async fn hosts_that_would_not_let_the_operator_in_are_not_made() {
    let api = with_one_key().await;
    // It is in the account by another name, or not at all.
    let other = json!({"ssh_key": {"id": 1, "name": "old", "fingerprint": OWN}});
    api.on("GET", &format!("/v2/account/keys/{OWN}"), ok(other), 1)
        .await;
    let findings = api.findings().await;
    let [finding] = findings.as_slice() else {
        panic!("{findings:?}")
    };
    for part in ["'ops'", "aa:bb", OWN, "~/.ssh/id_ed25519"] {
        assert!(finding.message.contains(part), "{}", finding.message);
    }
}

#[tokio::test]
async fn key_is_read_for_hosts_to_be_made_only() {
    let there = vec![droplet(1, "active")];
    for (droplets, makes, reads) in [
        (Vec::new(), Makes::Missing, 1),
        (Vec::new(), Makes::Nothing, 0),
        (there.clone(), Makes::Missing, 0),
        (there.clone(), Makes::Nothing, 0),
        (there, Makes::Anew, 1),
    ] {
        let what = format!("{} hosts, {makes:?}", droplets.len());
        let api = Api::start(droplets).await;
        let mut request = PlanRequest::new("staging".parse().expect("a name"), PlanMode::Reconcile);
        request.makes = makes;
        let facts = api.provider.observe(&api.run, &request).await;
        let key = facts.expect("facts").operator_key;
        assert_eq!(key.is_some(), reads == 1, "{what}");
        let requests = api.server.received_requests().await.expect("a record");
        let keys = requests.iter();
        let keys = keys.filter(|one| one.url.path().starts_with("/v2/account/keys"));
        assert_eq!(keys.count(), reads, "{what}");
    }
}
