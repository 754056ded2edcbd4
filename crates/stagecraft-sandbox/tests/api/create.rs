//! Creating droplets and being refused.

use serde_json::{Value, json};
use stagecraft_sandbox::Knobs;

use crate::support::{Cloud, KEY_FINGERPRINT, order};

async fn refusal(cloud: &Cloud, changes: Value) -> String {
    let mut body = order("web-1");
    body.as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    let reply = cloud.post("/v2/droplets", body).await;
    assert_eq!(reply.status, 422, "{}", reply.text);
    let error = reply.json();
    assert_eq!(error["id"], "unprocessable_entity");
    assert_eq!(error["request_id"], reply.header("x-request-id"));
    assert_eq!(
        cloud.sandbox.control().droplets(),
        [],
        "nothing may have been created"
    );
    reply.message()
}

#[tokio::test]
async fn ten_at_once_have_one_action_each_in_order() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let names: Vec<String> = (1..=10).map(|number| format!("web-{number}")).collect();
    let mut body = order("");
    body.as_object_mut().unwrap().remove("name");
    body["names"] = json!(names);
    let reply = cloud.post("/v2/droplets", body).await;
    assert_eq!(reply.status, 202);
    let reply = reply.json();
    assert!(reply.get("droplet").is_none());
    for (at, name) in names.iter().enumerate() {
        let droplet = &reply["droplets"][at];
        assert_eq!(droplet["name"], json!(name));
        let action = reply["links"]["actions"][at]["id"].as_u64().unwrap();
        let action = cloud.get(&format!("/v2/actions/{action}")).await.json();
        assert_eq!(action["action"]["resource_id"], droplet["id"]);
    }
}

#[tokio::test]
async fn a_list_of_one_name_is_answered_as_a_list() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let mut body = order("");
    body["names"] = json!(["only"]);
    let reply = cloud.post("/v2/droplets", body).await.json();
    assert_eq!(reply["droplets"][0]["name"], "only");
}

#[tokio::test]
async fn nulls_and_other_peoples_spellings_are_taken() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let body = json!({
        "name": "web-1", "names": null, "size": "s-1vcpu-1gb", "image": 159_651_797,
        "region": "", "ssh_keys": null, "tags": null, "user_data": "", "backups": false,
        "ipv6": false, "private_networking": false, "monitoring": true, "volumes": null,
        "vpc_uuid": "", "with_droplet_agent": null, "unheard_of": 1,
    });
    let reply = cloud.post("/v2/droplets", body).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    let droplet = &reply.json()["droplet"];
    assert_eq!(droplet["image"]["slug"], "debian-12-x64");
    assert_eq!(droplet["tags"], json!([]));
    assert!(
        droplet["features"]
            .as_array()
            .unwrap()
            .contains(&json!("monitoring"))
    );
}

#[tokio::test]
async fn a_region_may_be_a_prefix_or_absent() {
    let cloud = Cloud::new(Knobs::instant()).await;
    for (region, prefix) in [(json!("sfo"), "sfo"), (json!(null), "")] {
        let mut body = order("web-1");
        body["region"] = region;
        let reply = cloud.post("/v2/droplets", body).await.json();
        let slug = reply["droplet"]["region"]["slug"].as_str().unwrap();
        assert!(slug.starts_with(prefix), "{slug}");
    }
}

#[tokio::test]
async fn keys_are_named_by_id_and_by_fingerprint() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let key = cloud
        .get(&format!("/v2/account/keys/{KEY_FINGERPRINT}"))
        .await
        .json();
    let mut body = order("web-1");
    body["ssh_keys"] = json!([key["ssh_key"]["id"], KEY_FINGERPRINT]);
    assert_eq!(cloud.post("/v2/droplets", body).await.status, 202);
}

#[tokio::test]
async fn bad_names_are_refused_as_a_whole() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let rule = "Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)";
    assert_eq!(refusal(&cloud, json!({"name": "bad_name"})).await, rule);
    assert_eq!(
        refusal(&cloud, json!({"names": ["good", "bad_name"]})).await,
        rule
    );
}

#[tokio::test]
async fn none_and_more_than_ten_names_are_refused() {
    let cloud = Cloud::new(Knobs::instant()).await;
    for names in [vec![], vec!["web"; 11]] {
        let message = refusal(&cloud, json!({"names": names})).await;
        assert!(message.contains("1 to 10"), "{message}");
    }
    let message = refusal(&cloud, json!({"name": null})).await;
    assert!(message.contains("name"), "{message}");
}

#[tokio::test]
async fn unknown_images_sizes_and_regions_are_refused() {
    let cloud = Cloud::new(Knobs::instant()).await;
    for field in ["image", "size", "region"] {
        let message = refusal(&cloud, json!({field: "no-such"})).await;
        assert_eq!(
            message,
            format!("You specified an invalid {field} for Droplet creation.")
        );
    }
}

#[tokio::test]
async fn a_size_must_be_offered_in_the_region() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let expected = "Size is not available in this region.";
    let changes = json!({"size": "m-2vcpu-16gb", "region": "blr1"});
    assert_eq!(refusal(&cloud, changes).await, expected);
    let sold_out = vec!["s-1vcpu-1gb@nyc3".to_owned()];
    cloud
        .sandbox
        .control()
        .update_knobs(|knobs| knobs.sold_out = sold_out);
    assert_eq!(refusal(&cloud, json!({})).await, expected);
}

#[tokio::test]
async fn a_closed_region_takes_nothing() {
    let closed_regions = vec!["nyc3".to_owned()];
    let cloud = Cloud::new(Knobs {
        closed_regions,
        ..Knobs::instant()
    })
    .await;
    assert_eq!(refusal(&cloud, json!({})).await, "Region is not available");
}

#[tokio::test]
async fn unknown_keys_are_named() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let message = refusal(&cloud, json!({"ssh_keys": [KEY_FINGERPRINT, "aa:bb", 7]})).await;
    assert_eq!(
        message,
        "aa:bb, 7 are invalid key identifiers for Droplet creation."
    );
}

#[tokio::test]
async fn user_data_ends_at_64_kib() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let message = refusal(&cloud, json!({"user_data": "x".repeat(65_537)})).await;
    assert!(message.contains("64 KiB"), "{message}");
    let mut body = order("web-1");
    body["user_data"] = json!("x".repeat(65_536));
    assert_eq!(cloud.post("/v2/droplets", body).await.status, 202);
}

#[tokio::test]
async fn the_droplet_limit_counts_the_whole_request() {
    let cloud = Cloud::new(Knobs {
        droplet_limit: 2,
        ..Knobs::instant()
    })
    .await;
    let expected = "creating this/these droplet(s) will exceed your droplet limit";
    assert_eq!(
        refusal(&cloud, json!({"names": ["a", "b", "c"]})).await,
        expected
    );
    let id = cloud.create("a", &[]).await;
    cloud.create("b", &[]).await;
    assert_eq!(
        cloud.post("/v2/droplets", order("c")).await.message(),
        expected
    );
    let path = format!("/v2/droplets/{id}");
    cloud.delete(&path).await;
    cloud.until(&path, |reply| reply.status == 404).await;
    cloud.create("c", &[]).await;
}

#[tokio::test]
async fn bad_tags_and_contradictory_networks_are_refused() {
    let cloud = Cloud::new(Knobs::instant()).await;
    assert!(
        refusal(&cloud, json!({"tags": ["a=b"]}))
            .await
            .contains("a=b")
    );
    refusal(&cloud, json!({"public_networking": false, "ipv6": true})).await;
    refusal(
        &cloud,
        json!({"volumes": ["506f78a4-e098-11e5-ad9f-000f53306ae1"]}),
    )
    .await;
}

#[tokio::test]
async fn a_body_that_is_no_json_is_a_bad_request() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let url = format!("{}/v2/droplets", cloud.sandbox.url());
    let request = cloud
        .client
        .post(url)
        .bearer_auth(cloud.sandbox.token())
        .body("{");
    let response = request.send().await.unwrap();
    assert_eq!(response.status().as_u16(), 400);
    let error: Value = response.json().await.unwrap();
    assert_eq!(error["id"], "bad_request");
}
