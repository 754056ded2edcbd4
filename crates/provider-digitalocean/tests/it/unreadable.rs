//! Elements of lists that cannot be decoded: those of others fail no run, ours are never taken for
//! absent.

use crate::support::{Api, CONFIG, droplet, list};
use provider_digitalocean::core::{
    CloudProvider as _, EnvironmentName, Error, ErrorKind, Holder, PlanMode, PlanRequest, Take,
};
use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, ResponseTemplate};

/// A firewall of somebody else, as the API's description allows it.
const FIREWALLS: &str = include_str!("../fixtures/firewall-null-inbound-rules.json");

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn staging() -> EnvironmentName {
    "staging".parse().expect("a valid name")
}

/// What the filter by the environment's tag gives, beside what the whole list has.
async fn with_tagged(api: &Api, droplets: &[Value]) {
    Mock::given(method("GET"))
        .and(path("/v2/droplets"))
        .and(query_param("tag_name", "stagecraft-env-staging"))
        .respond_with(ok(list("droplets", droplets)))
        .with_priority(2)
        .mount(&api.server)
        .await;
}

async fn observe(api: &Api, mode: PlanMode) -> Result<(), Error> {
    let request = PlanRequest::new(staging(), mode);
    api.provider.observe(&api.run, &request).await.map(drop)
}

/// A droplet of somebody else, with nothing as it should be that is not needed.
fn foreign(id: u64, name: &str) -> Value {
    json!({
        "id": id, "name": name, "status": 7, "size_slug": ["x"], "disk": "25 GB",
        "region": "nyc3", "networks": [], "tags": ["web"], "volume_ids": "none",
    })
}

#[tokio::test]
async fn elements_of_others_that_cannot_be_decoded_fail_no_run() {
    let stranger = [foreign(99, "shop-1"), json!(null)];
    let api = Api::start(stranger.to_vec()).await;
    with_tagged(&api, &[]).await;
    let region = json!({"slug": "nyc3", "available": true});
    let size = json!({"slug": "small", "price_monthly": 6.0, "price_hourly": null,
                      "available": true, "regions": ["nyc3", null], "disk": null});
    let tag = json!({"name": "stagecraft-env-staging"});
    let key = json!({"id": 1, "name": "ops", "fingerprint": "aa:bb"});
    for (at, field, own, other) in [
        ("/v2/regions", "regions", region, json!({"slug": 5})),
        (
            "/v2/sizes",
            "sizes",
            size,
            json!({"slug": "odd", "price_monthly": "free"}),
        ),
        (
            "/v2/tags",
            "tags",
            tag,
            json!({"name": ["x"], "resources": null}),
        ),
        (
            "/v2/account/keys",
            "ssh_keys",
            key,
            json!({"id": "x", "name": "theirs"}),
        ),
    ] {
        let all = [json!(null), other, own, json!("nonsense")];
        api.on("GET", at, ok(list(field, &all)), 1).await;
    }
    let image = json!({"image": {"regions": null, "min_disk_size": null}});
    api.on("GET", "/v2/images/ubuntu-22-04-x64", ok(image), 1)
        .await;
    let findings = api.findings().await;
    assert!(findings.is_empty(), "{findings:?}");
    for mode in [
        PlanMode::Destroy,
        PlanMode::Prune,
        PlanMode::Reap,
        PlanMode::Adopt,
    ] {
        observe(&api, mode).await.unwrap();
    }
    let report = api.down().await;
    assert!(report.is_complete(), "{report:?}");
}

#[tokio::test]
async fn own_droplet_that_cannot_be_decoded_is_named_and_not_created_again() {
    let broken = |field: &str, value: Value| {
        let mut own = droplet(7, "active");
        own[field] = value;
        own
    };
    for own in [
        broken("disk", json!("25 GB")),
        broken("tags", json!("stagecraft-env-staging")),
        broken("networks", json!("none")),
        broken("status", json!(true)),
    ] {
        let api = Api::start(vec![own.clone()]).await;
        for mode in [PlanMode::Reconcile, PlanMode::Destroy, PlanMode::Adopt] {
            let error = observe(&api, mode).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{own}");
            let told = error.to_string();
            assert!(
                told.contains("cannot decode droplet 'staging-db-1' (id 7): "),
                "{told}"
            );
            assert!(error.hint().is_some(), "{own}");
        }
        assert_eq!(api.sent("POST").await + api.sent("DELETE").await, 0);
    }
    // Without a name it may be any.
    let api = Api::start(vec![broken("name", json!(5))]).await;
    let error = observe(&api, PlanMode::Reconcile).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cannot decode droplet '5' (id 7)"),
        "{error}"
    );
}

#[tokio::test]
async fn droplet_of_an_own_name_that_cannot_be_decoded_blocks_its_create() {
    for tags in [json!(null), json!(7), json!(["web"])] {
        let mut twin = foreign(99, "staging-db-1");
        twin["tags"] = tags;
        let api = Api::start(vec![twin, foreign(98, "shop-1")]).await;
        with_tagged(&api, &[]).await;
        let request = PlanRequest::new(staging(), PlanMode::Reconcile);
        let facts = api.provider.observe(&api.run, &request).await.unwrap();
        let plan = api.provider.plan(&facts, &request).unwrap();
        let error = api.provider.preflight(&api.run, &facts, &plan).await;
        let told = error.unwrap_err().to_string();
        assert!(
            told.contains("cannot decode droplet 'staging-db-1' (id 99)"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn environments_tag_that_cannot_be_decoded_is_looked_for_all_the_same() {
    let api = Api::start(vec![droplet(7, "active")]).await;
    let tags = list(
        "tags",
        &[json!({"name": {"text": "stagecraft-env-staging"}})],
    );
    api.on("GET", "/v2/tags", ok(tags), 1).await;
    let request = PlanRequest::new(staging(), PlanMode::Reconcile);
    let facts = api.provider.observe(&api.run, &request).await.unwrap();
    assert_eq!(facts.hosts.len(), 1);
}

#[tokio::test]
async fn what_the_configuration_names_is_told_if_it_cannot_be_decoded() {
    let config = CONFIG.replace("{ role: db }", "{ role: db, vpc: inner, project: shop }");
    let size = json!({"slug": "small", "price_monthly": "six", "available": true});
    let odd = |field: &str, name: &str| list(field, &[json!({"id": 5, "name": name})]);
    for (at, answer, told) in [
        (
            "/v2/sizes",
            list("sizes", &[size]),
            "cannot decode size 'small': ",
        ),
        (
            "/v2/vpcs",
            odd("vpcs", "inner"),
            "cannot decode VPC 'inner' (id 5): ",
        ),
        (
            "/v2/account/keys",
            odd("ssh_keys", "ops"),
            "cannot decode SSH key 'ops' (id 5): ",
        ),
    ] {
        let api = Api::with(Vec::new(), &config, "t0ken").await;
        api.on("GET", "/v2/vpcs", ok(list("vpcs", &[])), 9).await;
        api.on("GET", at, ok(answer), 1).await;
        let error = observe(&api, PlanMode::Reconcile).await.unwrap_err();
        assert!(error.to_string().contains(told), "{at}: {error}");
    }
}

#[tokio::test]
async fn lease_is_taken_read_and_removed_beside_a_firewall_with_null_rules() {
    let api = Api::start(Vec::new()).await;
    let own = |rules: Value| {
        json!({"id": "own", "name": "stagecraft-lease.staging", "created_at": null,
               "inbound_rules": rules, "outbound_rules": null, "tags": null, "droplet_ids": null})
    };
    let mut all: Value = serde_json::from_str(FIREWALLS).unwrap();
    let list = all["firewalls"].as_array_mut().unwrap();
    list.extend([
        json!({"id": 5, "name": null}),
        json!(null),
        own(json!(null)),
    ]);
    all["meta"]["total"] = json!(list.len());
    api.on("GET", "/v2/firewalls", ok(all), 1).await;
    let found = json!({"firewall": own(json!([{"sources": null}, {"ports": null}]))});
    api.on("GET", "/v2/firewalls/own", ok(found), 1).await;
    let taken = ResponseTemplate::new(409).set_body_json(json!({"id": "conflict"}));
    api.on("POST", "/v2/firewalls", taken, 1).await;
    api.on("DELETE", "/v2/firewalls/own", ResponseTemplate::new(204), 1)
        .await;
    let lease = api.provider.lease().unwrap();
    let holder = Holder::new("0123456789abcdef", "laptop", 4711, "up");
    let Take::Held(marker) = lease.take(&api.run, &staging(), &holder).await.unwrap() else {
        panic!("nobody holds it");
    };
    assert_eq!((marker.id.as_str(), marker.holder), ("own", None));
    let marker = lease.read(&api.run, &staging()).await.unwrap().unwrap();
    lease.remove(&api.run, &marker).await.unwrap();
}

#[tokio::test]
async fn own_lease_that_cannot_be_decoded_is_named() {
    let api = Api::start(Vec::new()).await;
    let all = [json!({"id": 5, "name": "stagecraft-lease.staging"})];
    api.on("GET", "/v2/firewalls", ok(list("firewalls", &all)), 1)
        .await;
    let lease = api.provider.lease().unwrap();
    let error = lease.read(&api.run, &staging()).await.unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("cannot decode firewall 'stagecraft-lease.staging' (id 5)"),
        "{told}"
    );
}
