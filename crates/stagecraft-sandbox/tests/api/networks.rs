//! Private networks and projects.

use serde_json::{Value, json};
use stagecraft_sandbox::Knobs;

use crate::support::{Cloud, addresses, order};

async fn vpc(cloud: &Cloud, body: Value) -> Value {
    let reply = cloud.post("/v2/vpcs", body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.json()["vpc"].clone()
}

#[tokio::test]
async fn every_region_has_a_default_network_that_stays() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let vpcs = cloud.get("/v2/vpcs").await.json();
    let vpcs = vpcs["vpcs"].as_array().unwrap();
    let regions = cloud.get("/v2/regions").await.json();
    assert_eq!(vpcs.len(), regions["regions"].as_array().unwrap().len());
    assert!(vpcs.iter().all(|vpc| vpc["default"] == true));
    let nyc3 = vpcs.iter().find(|vpc| vpc["region"] == "nyc3").unwrap();

    let id = cloud.create("web-1", &[]).await;
    let droplet = cloud.until_active(id).await;
    assert_eq!(droplet["vpc_uuid"], nyc3["id"]);
    let path = format!("/v2/vpcs/{}", nyc3["id"].as_str().unwrap());
    assert_eq!(cloud.delete(&path).await.status, 403);
    let members = cloud.get(&format!("{path}/members")).await.json();
    assert_eq!(members["members"][0]["urn"], format!("do:droplet:{id}"));
}

#[tokio::test]
async fn a_droplet_has_its_private_address_in_the_chosen_network() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let body = json!({"name": "fleet", "region": "nyc3", "ip_range": "192.168.32.0/24"});
    let vpc = vpc(&cloud, body).await;
    assert_eq!(
        vpc["urn"],
        format!("do:vpc:{}", vpc["id"].as_str().unwrap())
    );
    let mut body = order("web-1");
    body["vpc_uuid"] = vpc["id"].clone();
    // A prefix leaves no choice: the network is in one region.
    body["region"] = json!("nyc");
    let created = cloud.post("/v2/droplets", body).await;
    assert_eq!(created.status, 202, "{}", created.text);
    let id = created.json()["droplet"]["id"].as_u64().unwrap();
    let droplet = cloud.until_active(id).await;
    assert_eq!(droplet["vpc_uuid"], vpc["id"]);
    let private = addresses(&droplet, "private");
    assert!(private[0].starts_with("192.168.32."), "{private:?}");
    assert_eq!(droplet["networks"]["v4"][0]["netmask"], "255.255.255.0");

    let path = format!("/v2/vpcs/{}", vpc["id"].as_str().unwrap());
    let refused = cloud.delete(&path).await;
    assert_eq!(
        (refused.status, refused.message()),
        (409, "Can not delete VPC with members".to_owned())
    );
    cloud.delete(&format!("/v2/droplets/{id}")).await;
    cloud
        .until(&format!("/v2/droplets/{id}"), |reply| reply.status == 404)
        .await;
    assert_eq!(cloud.delete(&path).await.status, 204);
    assert_eq!(cloud.get(&path).await.status, 404);
}

#[tokio::test]
async fn a_network_that_is_unknown_or_elsewhere_is_refused() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let elsewhere = vpc(&cloud, json!({"name": "far", "region": "fra1"})).await;
    for id in [
        elsewhere["id"].clone(),
        json!("7d1a1a4e-0000-0000-0000-000000000000"),
    ] {
        let mut body = order("web-1");
        body["vpc_uuid"] = id;
        assert_eq!(cloud.post("/v2/droplets", body).await.status, 422);
    }
}

#[tokio::test]
async fn networks_share_neither_names_nor_addresses() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let first = vpc(&cloud, json!({"name": "a", "region": "nyc3"})).await;
    let range = first["ip_range"].clone();
    let cases = [
        (json!({"name": "a", "region": "fra1"}), 409),
        (
            json!({"name": "b", "region": "fra1", "ip_range": range}),
            422,
        ),
        (
            json!({"name": "b", "region": "fra1", "ip_range": "8.8.8.0/24"}),
            422,
        ),
        (json!({"name": "b", "region": "mars1"}), 422),
        (json!({"name": "b_c", "region": "fra1"}), 422),
    ];
    for (body, status) in cases {
        let reply = cloud.post("/v2/vpcs", body.clone()).await;
        assert_eq!(reply.status, status, "{body}");
    }
    let path = format!("/v2/vpcs/{}", first["id"].as_str().unwrap());
    let renamed = json!({"name": "z", "description": "new"});
    let renamed = cloud
        .try_send(reqwest::Method::PATCH, &path, Some(renamed))
        .await;
    assert_eq!(renamed.unwrap().json()["vpc"]["name"], "z");
    assert_eq!(cloud.get(&path).await.json()["vpc"]["description"], "new");
}

#[tokio::test]
async fn new_droplets_are_in_the_default_project_until_they_are_moved() {
    let cloud = Cloud::new(Knobs {
        unassignable: vec!["web-3".to_owned()],
        ..Knobs::instant()
    })
    .await;
    let mut urns = Vec::new();
    for name in ["web-1", "web-2", "web-3"] {
        urns.push(format!("do:droplet:{}", cloud.create(name, &[]).await));
    }
    let default = cloud.get("/v2/projects/default").await.json()["project"].clone();
    assert_eq!(default["is_default"], true);
    let listed = cloud.get("/v2/projects/default/resources").await.json();
    assert_eq!(listed["meta"]["total"], 3);
    assert_eq!(listed["resources"][0]["status"], "ok");

    let wanted = json!({"name": "fleet", "purpose": "Web Application", "environment": "Staging"});
    let created = cloud.post("/v2/projects", wanted.clone()).await;
    assert_eq!(created.status, 201);
    assert_eq!(cloud.post("/v2/projects", wanted).await.status, 409);
    let path = format!(
        "/v2/projects/{}",
        created.json()["project"]["id"].as_str().unwrap()
    );
    let resources = format!("{path}/resources");
    let first = cloud
        .post(&resources, json!({"resources": [urns[0]]}))
        .await;
    assert_eq!(first.status, 200);
    urns.push("do:droplet:1".to_owned());
    let again = cloud
        .post(&resources, json!({"resources": urns}))
        .await
        .json();
    let statuses: Vec<&str> = again["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|resource| resource["status"].as_str().unwrap())
        .collect();
    assert_eq!(
        statuses,
        ["already_assigned", "assigned", "service_down", "not_found"]
    );
    assert_eq!(cloud.get(&resources).await.json()["meta"]["total"], 2);
    let left = cloud.get("/v2/projects/default/resources").await.json();
    assert_eq!(left["resources"][0]["urn"], urns[2]);
    assert_eq!(cloud.delete(&path).await.status, 412);
    assert_eq!(cloud.get("/v2/projects").await.json()["meta"]["total"], 2);
}
