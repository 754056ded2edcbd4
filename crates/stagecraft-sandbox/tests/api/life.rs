//! Droplets over time.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stagecraft_sandbox::Knobs;

use crate::support::{Cloud, Reply, addresses, order};

#[tokio::test]
async fn a_droplet_is_new_then_active_then_addressed() {
    let knobs = Knobs {
        boot_time: Duration::from_millis(400),
        address_delay: Duration::from_millis(400),
        ..Knobs::instant()
    };
    let cloud = Cloud::new(knobs).await;
    let start = Instant::now();
    let created = cloud.post("/v2/droplets", order("web-1")).await;
    assert_eq!(created.status, 202);
    let (created, links) = (
        created.json()["droplet"].clone(),
        created.json()["links"].clone(),
    );
    assert_eq!(created["status"], "new");
    assert_eq!(created["locked"], true);
    assert_eq!(created["networks"], json!({}));
    assert_eq!(created["next_backup_window"], Value::Null);
    let id = created["id"].as_u64().unwrap();

    let link = &links["actions"][0];
    assert_eq!(link["rel"], "create");
    let action = format!("/v2/actions/{}", link["id"]);
    assert_eq!(link["href"], format!("{}{action}", cloud.sandbox.url()));
    let running = cloud.get(&action).await.json()["action"].clone();
    assert_eq!(running["status"], "in-progress");
    assert_eq!(running["completed_at"], Value::Null);
    assert_eq!(
        (&running["type"], &running["resource_id"]),
        (&json!("create"), &json!(id))
    );

    let active = cloud.until_active(id).await;
    assert!(start.elapsed() >= Duration::from_millis(400));
    assert_eq!(active["locked"], false);
    assert_eq!(addresses(&active, "public"), Vec::<&str>::new());
    assert_eq!(active["networks"]["v4"][0]["gateway"], "<nil>");
    assert!(addresses(&active, "private")[0].starts_with("10."));
    assert_eq!(
        cloud.get(&action).await.json()["action"]["status"],
        "completed"
    );

    let path = format!("/v2/droplets/{id}");
    let addressed = cloud
        .until(&path, |reply| {
            !addresses(&reply.json()["droplet"], "public").is_empty()
        })
        .await
        .json();
    assert!(start.elapsed() >= Duration::from_millis(800));
    let address: Ipv4Addr = addresses(&addressed["droplet"], "public")[0]
        .parse()
        .unwrap();
    assert!(address.is_documentation());
    assert_eq!(addressed["droplet"]["size_slug"], "s-1vcpu-1gb");
    assert_eq!(addressed["droplet"]["image"]["slug"], "ubuntu-24-04-x64");
    assert_eq!(addressed["droplet"]["region"]["slug"], "nyc3");
}

#[tokio::test]
async fn a_new_droplet_is_readable_before_it_is_listed() {
    let lag = Duration::from_millis(700);
    let cloud = Cloud::new(Knobs {
        list_lag: lag,
        ..Knobs::instant()
    })
    .await;
    let start = Instant::now();
    let id = cloud.create("web-1", &["fleet"]).await;
    assert_eq!(cloud.get(&format!("/v2/droplets/{id}")).await.status, 200);
    assert_eq!(cloud.names("?name=web-1").await, Vec::<String>::new());
    assert_eq!(cloud.names("?tag_name=fleet").await, Vec::<String>::new());
    assert!(!cloud.sandbox.control().droplets()[0].listed);
    cloud
        .until("/v2/droplets", |reply| reply.json()["meta"]["total"] == 1)
        .await;
    assert!(start.elapsed() >= lag);
}

#[tokio::test]
async fn a_deleted_droplet_lingers_and_then_is_not_found() {
    let delete_time = Duration::from_millis(700);
    let cloud = Cloud::new(Knobs {
        delete_time,
        ..Knobs::instant()
    })
    .await;
    let id = cloud.create("web-1", &[]).await;
    cloud.until_active(id).await;
    let (path, start) = (format!("/v2/droplets/{id}"), Instant::now());
    let deleted = cloud.delete(&path).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    let lingering = cloud.get(&path).await.json()["droplet"].clone();
    assert_eq!(
        (&lingering["status"], &lingering["locked"]),
        (&json!("active"), &json!(true))
    );
    assert_eq!(cloud.names("").await, ["web-1"]);
    assert_eq!(cloud.delete(&path).await.status, 204);
    cloud.until(&path, |reply| reply.status == 404).await;
    assert!(start.elapsed() >= delete_time);
    assert_eq!(cloud.names("").await, Vec::<String>::new());
    assert_eq!(cloud.delete(&path).await.status, 404);
}

#[tokio::test]
async fn an_errored_creation_ends_its_action_and_the_droplet() {
    let errored_creates = vec!["bad-1".to_owned()];
    let cloud = Cloud::new(Knobs {
        errored_creates,
        ..Knobs::instant()
    })
    .await;
    let created = cloud.post("/v2/droplets", order("bad-1")).await.json();
    let action = format!("/v2/actions/{}", created["links"]["actions"][0]["id"]);
    let done = cloud
        .until(&action, |reply| {
            reply.json()["action"]["status"] == "errored"
        })
        .await;
    assert_ne!(done.json()["action"]["completed_at"], Value::Null);
    let path = format!("/v2/droplets/{}", created["droplet"]["id"]);
    assert_eq!(cloud.get(&path).await.status, 404);
    assert_eq!(cloud.names("").await, Vec::<String>::new());
}

#[tokio::test]
async fn user_data_beyond_the_bmp_fails_after_it_was_accepted() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let mut body = order("web-1");
    body["user_data"] = json!("#!/bin/sh\necho \u{1f600}\n");
    let created = cloud.post("/v2/droplets", body).await;
    assert_eq!(created.status, 202);
    let path = format!("/v2/droplets/{}", created.json()["droplet"]["id"]);
    cloud.until(&path, |reply| reply.status == 404).await;
}

#[tokio::test]
async fn a_delete_while_new_can_be_refused() {
    let knobs = Knobs {
        boot_time: Duration::from_mins(1),
        refuse_delete_while_new: true,
        ..Knobs::instant()
    };
    let cloud = Cloud::new(knobs).await;
    let path = format!("/v2/droplets/{}", cloud.create("web-1", &[]).await);
    let refused = cloud.delete(&path).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.message(), "Droplet already has a pending event.");
    cloud
        .sandbox
        .control()
        .update_knobs(|knobs| knobs.refuse_delete_while_new = false);
    assert_eq!(cloud.delete(&path).await.status, 204);
    cloud.until(&path, |reply| reply.status == 404).await;
    cloud.sandbox.shutdown().await;
}

#[tokio::test]
async fn actions_of_a_droplet_are_listed_until_it_is_gone() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let id = cloud.create("web-1", &[]).await;
    cloud.until_active(id).await;
    let path = format!("/v2/droplets/{id}/actions");
    let listed = cloud.get(&path).await.json();
    assert_eq!(listed["meta"]["total"], 1);
    let action = listed["actions"][0]["id"].as_u64().unwrap();
    let one = cloud.get(&format!("{path}/{action}")).await.json();
    assert_eq!(one["action"]["status"], "completed");
    assert_eq!(cloud.get(&format!("{path}/1")).await.status, 404);
    cloud.delete(&format!("/v2/droplets/{id}")).await;
    cloud.until(&path, |reply| reply.status == 404).await;
    assert_eq!(
        cloud.get(&format!("/v2/actions/{action}")).await.status,
        200
    );
}

#[tokio::test]
async fn a_new_droplet_and_its_action_can_be_not_found_at_first() {
    let read_lag = Duration::from_millis(700);
    let cloud = Cloud::new(Knobs {
        read_lag,
        ..Knobs::instant()
    })
    .await;
    let start = Instant::now();
    let created = cloud.post("/v2/droplets", order("web-1")).await.json();
    let path = format!("/v2/droplets/{}", created["droplet"]["id"]);
    let action = format!("/v2/actions/{}", created["links"]["actions"][0]["id"]);
    assert_eq!(cloud.get(&path).await.status, 404);
    assert_eq!(cloud.get(&action).await.status, 404);
    assert_eq!(cloud.names("").await, ["web-1"]);
    cloud.until(&path, |reply| reply.status == 200).await;
    assert!(start.elapsed() >= read_lag);
    assert_eq!(cloud.get(&action).await.status, 200);
}

#[tokio::test]
async fn a_hundred_droplets_come_and_go() {
    let cloud = Cloud::new(Knobs::instant()).await;
    for chunk in 0..10 {
        let names: Vec<String> = (0..10)
            .map(|at| format!("web-{}", chunk * 10 + at))
            .collect();
        let mut body = order("");
        body["names"] = json!(names);
        body["tags"] = json!(["fleet"]);
        assert_eq!(cloud.post("/v2/droplets", body).await.status, 202);
    }
    let list = "/v2/droplets?tag_name=fleet&per_page=200";
    let all_active = |reply: &Reply| {
        let droplets = reply.json()["droplets"].clone();
        let droplets = droplets.as_array().unwrap().clone();
        droplets.len() == 100 && droplets.iter().all(|droplet| droplet["status"] == "active")
    };
    cloud.until(list, all_active).await;
    let addresses: BTreeSet<_> = cloud
        .sandbox
        .control()
        .droplets()
        .into_iter()
        .filter_map(|view| view.address)
        .collect();
    assert_eq!(addresses.len(), 100);
    assert_eq!(
        cloud.delete("/v2/droplets?tag_name=fleet").await.status,
        204
    );
    cloud
        .until(list, |reply| reply.json()["meta"]["total"] == 0)
        .await;
}
