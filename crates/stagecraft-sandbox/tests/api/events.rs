//! Actions on droplets: power, size, name and features.

use std::time::Duration;

use serde_json::{Value, json};
use stagecraft_sandbox::Knobs;

use crate::support::{Cloud, Reply};

/// A cloud with one active droplet, and that droplet's path.
async fn cloud_with_droplet(knobs: Knobs) -> (Cloud, u64, String) {
    let cloud = Cloud::new(knobs).await;
    let id = cloud.create("web-1", &["fleet"]).await;
    cloud.until_active(id).await;
    (cloud, id, format!("/v2/droplets/{id}"))
}

/// Starts an action, waits for its end, and returns it.
async fn act(cloud: &Cloud, droplet: &str, body: Value) -> Value {
    let started = cloud.post(&format!("{droplet}/actions"), body).await;
    assert_eq!(started.status, 201, "{}", started.text);
    let path = format!("/v2/actions/{}", started.json()["action"]["id"]);
    let ended = |reply: &Reply| reply.json()["action"]["status"] != "in-progress";
    cloud.until(&path, ended).await.json()["action"].clone()
}

async fn refused(cloud: &Cloud, droplet: &str, body: Value) -> String {
    let reply = cloud.post(&format!("{droplet}/actions"), body).await;
    assert_eq!(reply.status, 422, "{}", reply.text);
    reply.message()
}

async fn read(cloud: &Cloud, droplet: &str) -> Value {
    cloud.get(droplet).await.json()["droplet"].clone()
}

#[tokio::test]
async fn an_action_runs_for_its_time_and_locks_the_droplet() {
    let (cloud, id, droplet) = cloud_with_droplet(Knobs {
        action_time: Duration::from_millis(400),
        ..Knobs::instant()
    })
    .await;
    let started = cloud
        .post(&format!("{droplet}/actions"), json!({"type": "power_off"}))
        .await;
    assert_eq!(started.status, 201);
    let action = started.json()["action"].clone();
    assert_eq!(action["status"], "in-progress");
    assert_eq!(action["type"], "power_off");
    assert_eq!(action["resource_id"], id);
    assert_eq!(action["completed_at"], Value::Null);
    assert_eq!(action["region_slug"], "nyc3");
    let during = read(&cloud, &droplet).await;
    assert_eq!(
        (&during["status"], &during["locked"]),
        (&json!("active"), &json!(true))
    );
    assert_eq!(
        refused(&cloud, &droplet, json!({"type": "reboot"})).await,
        "Droplet already has a pending event."
    );

    let off = |reply: &Reply| reply.json()["droplet"]["status"] == "off";
    let off = cloud.until(&droplet, off).await.json()["droplet"].clone();
    assert_eq!(off["locked"], false);
    assert!(cloud.sandbox.control().droplets()[0].powered_off);
    let listed = cloud.get(&format!("{droplet}/actions")).await.json();
    assert_eq!(listed["actions"][0]["status"], "completed");
    assert_eq!(listed["meta"]["total"], 2);
}

#[tokio::test]
async fn power_goes_off_and_on_again_but_not_twice() {
    let (cloud, _, droplet) = cloud_with_droplet(Knobs::instant()).await;
    assert_eq!(
        refused(&cloud, &droplet, json!({"type": "power_on"})).await,
        "Droplet is already powered on"
    );
    act(&cloud, &droplet, json!({"type": "shutdown"})).await;
    let off = refused(&cloud, &droplet, json!({"type": "power_off"})).await;
    assert_eq!(off, "Droplet is already powered off");
    assert_eq!(read(&cloud, &droplet).await["status"], "off");
    act(&cloud, &droplet, json!({"type": "power_on"})).await;
    for kind in ["reboot", "power_cycle", "password_reset"] {
        let action = act(&cloud, &droplet, json!({"type": kind})).await;
        assert_eq!(action["status"], "completed");
        assert_eq!(read(&cloud, &droplet).await["status"], "active");
    }
}

#[tokio::test]
async fn a_resize_takes_the_disk_along_only_if_told_so() {
    let (cloud, _, droplet) = cloud_with_droplet(Knobs::instant()).await;
    act(&cloud, &droplet, json!({"type": "power_off"})).await;
    let resize = |size: &str, disk: bool| json!({"type": "resize", "size": size, "disk": disk});
    let figures = |droplet: &Value| {
        ["size_slug", "memory", "vcpus", "disk"].map(|field| droplet[field].clone())
    };

    act(&cloud, &droplet, resize("s-2vcpu-4gb", false)).await;
    let resized = read(&cloud, &droplet).await;
    let expected = [json!("s-2vcpu-4gb"), json!(4096), json!(2), json!(25)];
    assert_eq!(figures(&resized), expected);
    assert_eq!(resized["size"]["disk"], 80);
    assert_eq!(resized["disk_info"][0]["size"]["amount"], 25);

    act(&cloud, &droplet, resize("s-1vcpu-2gb", true)).await;
    let resized = read(&cloud, &droplet).await;
    let expected = [json!("s-1vcpu-2gb"), json!(2048), json!(1), json!(50)];
    assert_eq!(figures(&resized), expected);
    assert_eq!(
        refused(&cloud, &droplet, resize("s-1vcpu-1gb", false)).await,
        "Size can not decrease size of Droplet's disk image"
    );
}

#[tokio::test]
async fn a_resize_needs_a_size_that_is_there_and_a_droplet_that_is_off() {
    let (cloud, _, droplet) = cloud_with_droplet(Knobs {
        sold_out: vec!["s-2vcpu-4gb@nyc3".to_owned()],
        ..Knobs::instant()
    })
    .await;
    let resize = |size: &str| json!({"type": "resize", "size": size, "disk": true});
    let on = refused(&cloud, &droplet, resize("s-1vcpu-2gb")).await;
    assert!(on.contains("must be powered off"), "{on}");
    act(&cloud, &droplet, json!({"type": "power_off"})).await;
    for elsewhere in ["s-2vcpu-4gb", "so-2vcpu-16gb"] {
        let message = refused(&cloud, &droplet, resize(elsewhere)).await;
        assert_eq!(message, "Size is not available in this region.");
    }
    let unknown = refused(&cloud, &droplet, resize("s-3vcpu")).await;
    assert!(unknown.contains("invalid size"), "{unknown}");
}

#[tokio::test]
async fn names_and_features_change() {
    let (cloud, _, droplet) = cloud_with_droplet(Knobs::instant()).await;
    act(
        &cloud,
        &droplet,
        json!({"type": "rename", "name": "db-1.example.com"}),
    )
    .await;
    let bad = refused(&cloud, &droplet, json!({"type": "rename", "name": "db_1"})).await;
    assert!(bad.contains("valid hostname characters"), "{bad}");
    assert_eq!(cloud.names("?name=db-1.example.com").await.len(), 1);

    let has = |droplet: &Value, feature: &str| {
        droplet["features"]
            .as_array()
            .unwrap()
            .contains(&json!(feature))
    };
    let policy = json!({"type": "enable_backups", "backup_policy": {"plan": "daily", "hour": 4}});
    act(&cloud, &droplet, policy).await;
    act(&cloud, &droplet, json!({"type": "enable_ipv6"})).await;
    let changed = read(&cloud, &droplet).await;
    assert!(
        has(&changed, "backups") && has(&changed, "ipv6"),
        "{changed}"
    );
    assert_eq!(changed["networks"]["v6"][0]["netmask"], 64);
    act(&cloud, &droplet, json!({"type": "disable_backups"})).await;
    assert!(!has(&read(&cloud, &droplet).await, "backups"));
}

#[tokio::test]
async fn a_doomed_action_ends_errored_and_changes_nothing() {
    let (cloud, _, droplet) = cloud_with_droplet(Knobs {
        errored_actions: vec!["web-1:power_off".to_owned(), "db-1".to_owned()],
        ..Knobs::instant()
    })
    .await;
    let action = act(&cloud, &droplet, json!({"type": "power_off"})).await;
    assert_eq!(action["status"], "errored");
    assert_eq!(read(&cloud, &droplet).await["status"], "active");
    let action = act(&cloud, &droplet, json!({"type": "shutdown"})).await;
    assert_eq!(action["status"], "completed");
}

#[tokio::test]
async fn a_deletion_ends_the_action_under_way_or_is_refused_for_it() {
    let (cloud, _, droplet) = cloud_with_droplet(Knobs {
        action_time: Duration::from_mins(10),
        refuse_delete_while_new: true,
        ..Knobs::instant()
    })
    .await;
    let reboot = json!({"type": "reboot"});
    let started = cloud.post(&format!("{droplet}/actions"), reboot).await;
    let refused = cloud.delete(&droplet).await;
    assert_eq!(refused.message(), "Droplet already has a pending event.");
    let control = cloud.sandbox.control();
    control.update_knobs(|knobs| knobs.refuse_delete_while_new = false);
    assert_eq!(cloud.delete(&droplet).await.status, 204);
    cloud.until(&droplet, |reply| reply.status == 404).await;
    let action = format!("/v2/actions/{}", started.json()["action"]["id"]);
    assert_eq!(
        cloud.get(&action).await.json()["action"]["status"],
        "errored"
    );
}

#[tokio::test]
async fn what_cannot_be_done_is_refused() {
    let (cloud, _, droplet) = cloud_with_droplet(Knobs {
        boot_time: Duration::ZERO,
        ..Knobs::instant()
    })
    .await;
    for body in [json!({"type": "explode"}), json!({"type": null}), json!({})] {
        refused(&cloud, &droplet, body).await;
    }
    let reboot = json!({"type": "reboot"});
    let gone = cloud.post("/v2/droplets/1/actions", reboot.clone()).await;
    assert_eq!(gone.status, 404);
    cloud
        .sandbox
        .control()
        .update_knobs(|knobs| knobs.boot_time = Duration::from_mins(10));
    let booting = cloud.create("web-2", &[]).await;
    let message = refused(&cloud, &format!("/v2/droplets/{booting}"), reboot).await;
    assert_eq!(message, "Droplet already has a pending event.");
}

#[tokio::test]
async fn a_tag_stands_for_all_its_droplets() {
    let (cloud, _, first) = cloud_with_droplet(Knobs::instant()).await;
    let second = cloud.create("web-2", &["fleet"]).await;
    cloud.until_active(second).await;
    cloud.create("other", &[]).await;
    let bulk = "/v2/droplets/actions?tag_name=fleet";
    let started = cloud.post(bulk, json!({"type": "power_off"})).await;
    assert_eq!(started.status, 201, "{}", started.text);
    let actions = started.json()["actions"].as_array().unwrap().clone();
    assert_eq!(actions.len(), 2);
    assert!(actions.iter().all(|action| action["type"] == "power_off"));
    for droplet in [first, format!("/v2/droplets/{second}")] {
        let off = |reply: &Reply| reply.json()["droplet"]["status"] == "off";
        cloud.until(&droplet, off).await;
    }
    assert_eq!(cloud.get("/v2/droplets").await.json()["meta"]["total"], 3);

    let rename = json!({"type": "rename", "name": "x"});
    assert_eq!(cloud.post(bulk, rename).await.status, 422);
    let unknown = "/v2/droplets/actions?tag_name=nobody";
    let power_on = json!({"type": "power_on"});
    assert_eq!(cloud.post(unknown, power_on.clone()).await.status, 404);
    cloud
        .sandbox
        .control()
        .update_knobs(|knobs| knobs.action_time = Duration::from_mins(10));
    assert_eq!(cloud.post(bulk, power_on.clone()).await.status, 201);
    let blocked = cloud.post(bulk, power_on).await;
    assert_eq!(blocked.status, 422);
    assert!(blocked.message().contains("blocking events"));
}
