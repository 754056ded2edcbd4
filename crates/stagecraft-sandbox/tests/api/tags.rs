//! Tags.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use stagecraft_sandbox::Knobs;

use crate::support::Cloud;

fn resources(ids: &[u64]) -> Value {
    let resource = |id: &u64| json!({"resource_id": id.to_string(), "resource_type": "droplet"});
    json!({"resources": ids.iter().map(resource).collect::<Vec<_>>()})
}

#[tokio::test]
async fn the_first_capitalisation_in_the_account_wins() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let first = cloud.create("web-1", &["MY-Tag"]).await;
    cloud.delete(&format!("/v2/droplets/{first}")).await;
    let second = cloud.create("web-2", &["my-tag"]).await;
    let droplet = cloud.get(&format!("/v2/droplets/{second}")).await.json();
    assert_eq!(droplet["droplet"]["tags"], json!(["MY-Tag"]));

    assert_eq!(cloud.names("?tag_name=my-tag").await, Vec::<String>::new());
    cloud
        .until("/v2/droplets?tag_name=MY-Tag", |reply| {
            reply.json()["meta"]["total"] == 1
        })
        .await;
    assert_eq!(cloud.get("/v2/tags/my-tag").await.status, 404);
    assert_eq!(cloud.get("/v2/tags/MY-Tag").await.status, 200);
    cloud
        .sandbox
        .control()
        .update_knobs(|knobs| knobs.tag_filter_ignores_case = true);
    assert_eq!(cloud.names("?tag_name=my-tag").await, ["web-2"]);
}

#[tokio::test]
async fn making_a_tag_again_is_no_error() {
    let cloud = Cloud::new(Knobs::instant()).await;
    for name in ["Prod", "PROD"] {
        let reply = cloud.post("/v2/tags", json!({"name": name})).await;
        assert_eq!(
            (reply.status, &reply.json()["tag"]["name"]),
            (201, &json!("Prod"))
        );
    }
    let tags = cloud.get("/v2/tags").await.json();
    assert_eq!(tags["meta"]["total"], 1);
    assert_eq!(tags["tags"][0]["resources"]["count"], 0);
}

#[tokio::test]
async fn a_bad_tag_has_the_odd_error_shape() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let reply = cloud.post("/v2/tags", json!({"name": "a b"})).await;
    assert_eq!(reply.status, 400);
    let error = reply.json();
    assert_eq!(
        (&error["messages"], &error["root_causes"][0]),
        (&Value::Null, &error["error"])
    );
    assert!(error["error"].is_string());
}

#[tokio::test]
async fn many_droplets_are_tagged_and_untagged_in_one_call() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let ids = [
        cloud.create("web-1", &[]).await,
        cloud.create("web-2", &[]).await,
    ];
    let path = "/v2/tags/fleet/resources";
    assert_eq!(
        cloud.post(path, resources(&ids)).await.status,
        404,
        "the tag must exist first"
    );
    cloud.post("/v2/tags", json!({"name": "fleet"})).await;
    assert_eq!(cloud.post(path, resources(&ids)).await.status, 204);
    assert_eq!(cloud.names("?tag_name=fleet").await, ["web-1", "web-2"]);
    let tag = cloud.get("/v2/tags/fleet").await.json()["tag"].clone();
    assert_eq!(tag["resources"]["droplets"]["count"], 2);
    let last = tag["resources"]["last_tagged_uri"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        last.ends_with(&format!("/v2/droplets/{}", ids[1])),
        "{last}"
    );

    let untag = cloud
        .try_send(Method::DELETE, path, Some(resources(&ids[..1])))
        .await
        .unwrap();
    assert_eq!(untag.status, 204);
    assert_eq!(cloud.names("?tag_name=fleet").await, ["web-2"]);
}

#[tokio::test]
async fn an_unknown_droplet_leaves_all_untagged() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let id = cloud.create("web-1", &[]).await;
    cloud.post("/v2/tags", json!({"name": "fleet"})).await;
    let reply = cloud
        .post("/v2/tags/fleet/resources", resources(&[id, 1]))
        .await;
    assert_eq!(reply.status, 404);
    assert_eq!(cloud.names("?tag_name=fleet").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_deleted_tag_leaves_its_droplets() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let id = cloud.create("web-1", &["fleet", "other"]).await;
    assert_eq!(cloud.delete("/v2/tags/fleet").await.status, 204);
    assert_eq!(cloud.delete("/v2/tags/fleet").await.status, 404);
    let droplet = cloud.get(&format!("/v2/droplets/{id}")).await.json();
    assert_eq!(droplet["droplet"]["tags"], json!(["other"]));
}

#[tokio::test]
async fn deleting_by_tag_takes_all_of_the_tag_and_nothing_else() {
    let lag = Duration::from_mins(1);
    let cloud = Cloud::new(Knobs {
        list_lag: lag,
        ..Knobs::instant()
    })
    .await;
    let gone = cloud.create("web-1", &["fleet"]).await;
    let stays = cloud.create("web-2", &["fleet-2"]).await;
    assert_eq!(
        cloud.delete("/v2/droplets?tag_name=unknown").await.status,
        404
    );
    assert_eq!(cloud.delete("/v2/droplets").await.status, 404);
    assert_eq!(
        cloud.delete("/v2/droplets?tag_name=fleet").await.status,
        204
    );
    cloud
        .until(&format!("/v2/droplets/{gone}"), |reply| reply.status == 404)
        .await;
    assert_eq!(
        cloud.get(&format!("/v2/droplets/{stays}")).await.status,
        200
    );
    assert_eq!(
        cloud.get("/v2/tags/fleet").await.status,
        200,
        "tags survive"
    );
    assert_eq!(
        cloud.delete("/v2/droplets?tag_name=fleet").await.status,
        204
    );
}

#[tokio::test]
async fn tags_can_lag() {
    let tag_lag = Duration::from_millis(700);
    let cloud = Cloud::new(Knobs {
        tag_lag,
        ..Knobs::instant()
    })
    .await;
    let id = cloud.create("web-1", &["fleet"]).await;
    let path = format!("/v2/droplets/{id}");
    assert_eq!(cloud.get(&path).await.json()["droplet"]["tags"], json!([]));
    assert_eq!(cloud.names("?tag_name=fleet").await, Vec::<String>::new());
    assert_eq!(cloud.sandbox.control().droplets()[0].tags, ["fleet"]);
    cloud
        .until(&path, |reply| {
            reply.json()["droplet"]["tags"] == json!(["fleet"])
        })
        .await;
    assert_eq!(cloud.names("?tag_name=fleet").await, ["web-1"]);
}
