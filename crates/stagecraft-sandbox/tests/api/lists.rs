//! Lists: paging, filters and the catalogue.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stagecraft_sandbox::Knobs;

use crate::support::{Cloud, KEY, KEY_FINGERPRINT, order};

async fn fleet(count: usize) -> Cloud {
    let cloud = Cloud::new(Knobs::instant()).await;
    let names: Vec<String> = (1..=count).map(|number| format!("web-{number}")).collect();
    for names in names.chunks(10) {
        let mut body = order("ignored");
        body["name"] = Value::Null;
        body["names"] = json!(names);
        body["tags"] = json!(["fleet"]);
        assert_eq!(cloud.post("/v2/droplets", body).await.status, 202);
    }
    cloud
}

#[tokio::test]
async fn the_default_page_has_twenty_and_links_to_the_next() {
    let cloud = fleet(25).await;
    let first = cloud.get("/v2/droplets?tag_name=fleet").await.json();
    assert_eq!(first["droplets"].as_array().unwrap().len(), 20);
    assert_eq!(first["meta"], json!({"total": 25}));
    let url = cloud.sandbox.url();
    let second = format!("{url}/v2/droplets?page=2&tag_name=fleet");
    assert_eq!(
        first["links"],
        json!({"pages": {"next": second, "last": second}})
    );

    let second = cloud.get(second.strip_prefix(&url).unwrap()).await.json();
    assert_eq!(second["droplets"].as_array().unwrap().len(), 5);
    let back = format!("{url}/v2/droplets?page=1&tag_name=fleet");
    assert_eq!(
        second["links"],
        json!({"pages": {"first": back, "prev": back}})
    );
}

#[tokio::test]
async fn all_fit_on_one_page_of_200() {
    let cloud = fleet(25).await;
    let all = cloud.get("/v2/droplets?per_page=200").await.json();
    let ids: BTreeSet<u64> = all["droplets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["id"].as_u64().unwrap())
        .collect();
    assert_eq!((ids.len(), &all["links"]), (25, &json!({})));
}

#[tokio::test]
async fn a_page_beyond_the_last_is_empty() {
    let cloud = fleet(1).await;
    let beyond = cloud.get("/v2/droplets?page=9").await.json();
    assert_eq!(
        (&beyond["droplets"], &beyond["meta"]["total"]),
        (&json!([]), &json!(1))
    );
}

#[tokio::test]
async fn links_can_be_made_to_lead_elsewhere() {
    let cloud = fleet(2).await;
    let base = Some("https://elsewhere.example".to_owned());
    cloud
        .sandbox
        .control()
        .update_knobs(|knobs| knobs.links_base = base);
    let page = cloud.get("/v2/droplets?per_page=1").await.json();
    let next = page["links"]["pages"]["next"].as_str().unwrap();
    assert_eq!(
        next,
        "https://elsewhere.example/v2/droplets?page=2&per_page=1"
    );
}

#[tokio::test]
async fn names_are_found_exactly_but_without_case() {
    let cloud = fleet(12).await;
    assert_eq!(cloud.names("?name=WEB-1").await, ["web-1"]);
}

#[tokio::test]
async fn filters_that_exclude_each_other_are_a_bad_request() {
    let cloud = Cloud::new(Knobs::instant()).await;
    for query in ["tag_name=a&name=b", "tag_name=a&type=gpus", "type=cats"] {
        let reply = cloud.get(&format!("/v2/droplets?{query}")).await;
        assert_eq!(
            (reply.status, &reply.json()["id"]),
            (400, &json!("bad_request")),
            "{query}"
        );
    }
}

#[tokio::test]
async fn gpu_droplets_are_listed_only_when_asked_for() {
    let cloud = fleet(1).await;
    let mut body = order("gpu-1");
    body["size"] = json!("gpu-h100x1-80gb");
    body["region"] = json!("tor1");
    assert_eq!(cloud.post("/v2/droplets", body).await.status, 202);
    assert_eq!(cloud.names("").await, ["web-1"]);
    assert_eq!(cloud.names("?type=droplets").await, ["web-1"]);
    assert_eq!(cloud.names("?type=gpus").await, ["gpu-1"]);
}

#[tokio::test]
async fn the_catalogue_agrees_with_itself() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let sizes = cloud.get("/v2/sizes?per_page=200").await.json();
    let slugs: Vec<&str> = sizes["sizes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["slug"].as_str().unwrap())
        .collect();
    for slug in [
        "s-1vcpu-1gb",
        "s-2vcpu-2gb",
        "s-2vcpu-4gb",
        "s-4vcpu-8gb",
        "s-8vcpu-16gb",
    ] {
        assert!(slugs.contains(&slug), "{slug}");
    }
    let size = sizes["sizes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["slug"] == "s-2vcpu-4gb");
    let size = size.unwrap();
    assert_eq!(size["price_monthly"], json!(24.0));
    assert!((size["price_hourly"].as_f64().unwrap() - 0.03571).abs() < 1e-6);

    let regions = cloud.get("/v2/regions").await.json();
    assert_eq!(regions["meta"]["total"], 12);
    assert_eq!(size["regions"].as_array().unwrap().len(), 12);
    for region in regions["regions"].as_array().unwrap() {
        assert!(
            region["sizes"]
                .as_array()
                .unwrap()
                .contains(&json!("s-2vcpu-4gb"))
        );
    }
    let image = cloud.get("/v2/images/debian-12-x64").await.json();
    assert_eq!(image["image"]["distribution"], "Debian");
    let by_id = cloud
        .get(&format!("/v2/images/{}", image["image"]["id"]))
        .await
        .json();
    assert_eq!(by_id, image);
    assert_eq!(cloud.get("/v2/images/windows-95").await.status, 404);
}

#[tokio::test]
async fn keys_are_listed_found_added_and_removed() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let listed = cloud.get("/v2/account/keys").await.json();
    let key = listed["ssh_keys"][0].clone();
    assert_eq!(
        (&key["name"], &key["fingerprint"]),
        (&json!("laptop"), &json!(KEY_FINGERPRINT))
    );
    let by_fingerprint = format!("/v2/account/keys/{KEY_FINGERPRINT}");
    assert_eq!(cloud.get(&by_fingerprint).await.json()["ssh_key"], key);
    let by_id = format!("/v2/account/keys/{}", key["id"]);
    assert_eq!(cloud.get(&by_id).await.json()["ssh_key"], key);

    let again = json!({"name": "other", "public_key": KEY});
    let refused = cloud.post("/v2/account/keys", again.clone()).await;
    assert_eq!(refused.status, 422);
    assert_eq!(
        refused.message(),
        "SSH Key is already in use on your account"
    );
    assert_eq!(cloud.delete(&by_fingerprint).await.status, 204);
    assert_eq!(cloud.get(&by_id).await.status, 404);
    let added = cloud.post("/v2/account/keys", again).await;
    assert_eq!(
        (added.status, &added.json()["ssh_key"]["name"]),
        (201, &json!("other"))
    );
}
