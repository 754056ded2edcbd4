//! Droplets that the usual list leaves out.

use crate::support::{Api, CONFIG, droplet, list};
use provider_digitalocean::core::PlanMode;
use serde_json::{Value, json};
use wiremock::matchers::{method, path, path_regex, query_param};
use wiremock::{Mock, Request, ResponseTemplate};

fn gpu(id: u64) -> Value {
    let mut gpu = droplet(id, "active");
    gpu["size_slug"] = json!("gpu-h100x1-80gb");
    gpu
}

/// How many lists of GPU droplets were read.
async fn gpu_lists(api: &Api) -> usize {
    let requests = api.server.received_requests().await.expect("recording");
    let is_gpus = |request: &&Request| request.url.query().is_some_and(|q| q.contains("type=gpus"));
    requests.iter().filter(is_gpus).count()
}

/// Shows GPU droplets on their own list only, until they are deleted.
async fn with_gpus(api: &Api, gpus: Vec<Value>) {
    let gpus = std::sync::Arc::new(std::sync::Mutex::new(gpus));
    let shown = std::sync::Arc::clone(&gpus);
    Mock::given(method("GET"))
        .and(path("/v2/droplets"))
        .and(query_param("type", "gpus"))
        .respond_with(move |_: &Request| {
            let shown = shown.lock().expect("no panic");
            ResponseTemplate::new(200).set_body_json(list("droplets", &shown))
        })
        .with_priority(1)
        .mount(&api.server)
        .await;
    Mock::given(method("DELETE"))
        .and(path_regex("^/v2/droplets/"))
        .respond_with(move |request: &Request| {
            let id = request
                .url
                .path()
                .rsplit('/')
                .next()
                .expect("an id")
                .to_owned();
            let id: u64 = id.parse().expect("a number");
            let is_other = |gpu: &Value| gpu["id"] != id;
            gpus.lock().expect("no panic").retain(is_other);
            ResponseTemplate::new(204)
        })
        .with_priority(1)
        .mount(&api.server)
        .await;
}

#[tokio::test]
async fn gpu_droplets_with_our_tags_in_any_case_are_ours_and_none_is_told_twice() {
    let mut shouted = gpu(2);
    shouted["tags"] = json!(["STAGECRAFT", "Stagecraft-Env-Staging", "stagecraft-role-db"]);
    let mut foreign = gpu(3);
    foreign["tags"] = json!(["stagecraft-env-prod"]);
    // The list by tag may show some of them too.
    let api = Api::start(vec![droplet(1, "active"), gpu(4)]).await;
    with_gpus(&api, vec![shouted, foreign, gpu(4)]).await;
    let hosts = api.hosts().await.expect("a list");
    let ids: Vec<&str> = hosts.iter().map(|host| host.id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "4"]);
}

#[tokio::test]
async fn gpu_droplet_is_deleted_and_proven_gone_by_its_own_list() {
    let api = Api::start(Vec::new()).await;
    with_gpus(&api, vec![gpu(7)]).await;
    let report = api.down().await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.deleted.len(), 1);
    assert_eq!(api.sent("DELETE").await, 1);
}

#[tokio::test]
async fn list_of_gpus_is_polled_only_while_one_is_awaited() {
    let api = Api::start(Vec::new()).await;
    api.create_shows(Some(droplet(7, "active"))).await;
    assert!(api.up().await.0.is_complete());
    assert_eq!(gpu_lists(&api).await, 1, "the plan's");

    let config = CONFIG
        .replace("role: db", "role: db, size: gpu-h100x1-80gb")
        .replace("list_lag: 8ms", "list_lag: 1s");
    let api = Api::with(Vec::new(), &config, "t0ken").await;
    let plan = api.approve(PlanMode::Reconcile).await;
    let created = json!({"droplets": [gpu(7)]});
    let created = ResponseTemplate::new(202).set_body_json(created);
    api.on("POST", "/v2/droplets", created, 1).await;
    // Empty until the create was sent: the plan, and the look right before it.
    let lists = std::sync::atomic::AtomicUsize::new(0);
    Mock::given(method("GET"))
        .and(path("/v2/droplets"))
        .and(query_param("type", "gpus"))
        .respond_with(move |_: &Request| {
            let number = lists.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let shown = if number < 3 { vec![] } else { vec![gpu(7)] };
            ResponseTemplate::new(200).set_body_json(list("droplets", &shown))
        })
        .with_priority(1)
        .mount(&api.server)
        .await;
    let (report, ready) = api.apply(&plan).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(ready.len(), 1);
}
