//! Volumes, snapshots, reserved addresses and images of the account.

use serde_json::{Value, json};
use stagecraft_sandbox::{Knobs, PrivateImage};

use crate::support::{Cloud, addresses, order};

async fn sandbox_post(cloud: &Cloud, path: &str, body: Value) -> Value {
    let reply = cloud.post(path, body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.json()
}

#[tokio::test]
async fn what_a_droplet_leaves_behind_is_shown_before_and_stays_after() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let id = cloud.create("web-1", &[]).await;
    cloud.until_active(id).await;
    let control = format!("/sandbox/droplets/{id}");
    let volume = json!({"name": "data", "size_gigabytes": 50});
    let volume = sandbox_post(&cloud, &format!("{control}/volumes"), volume).await["id"].clone();
    let snapshot = json!({"name": "before"});
    let snapshot =
        sandbox_post(&cloud, &format!("{control}/snapshots"), snapshot).await["id"].clone();
    let ip = sandbox_post(&cloud, &format!("{control}/reserved_ip"), json!({})).await["ip"].clone();

    let path = format!("/v2/droplets/{id}");
    let droplet = cloud.get(&path).await.json()["droplet"].clone();
    assert_eq!(droplet["volume_ids"], json!([volume]));
    assert_eq!(droplet["snapshot_ids"], json!([snapshot]));
    let associated = cloud
        .get(&format!("{path}/destroy_with_associated_resources"))
        .await
        .json();
    let expected = json!({
        "volumes": [{"id": volume, "name": "data", "cost": "5.00"}],
        "snapshots": [{"id": snapshot.to_string(), "name": "before", "cost": "0.04"}],
        "reserved_ips": [{"id": ip, "name": ip, "cost": "5.00"}],
        "floating_ips": [{"id": ip, "name": ip, "cost": "5.00"}],
        "volume_snapshots": [],
    });
    assert_eq!(associated, expected);
    let unseen = ["reserved_ip:read", "image:read", "block_storage:read"];
    let control = cloud.sandbox.control();
    control.update_knobs(|knobs| knobs.missing_scopes = unseen.map(str::to_owned).to_vec());
    let associated = cloud
        .get(&format!("{path}/destroy_with_associated_resources"))
        .await
        .json();
    let kinds = associated.as_object().unwrap().values();
    assert!(kinds.into_iter().all(|kind| *kind == json!([])));
    control.update_knobs(|knobs| knobs.missing_scopes.clear());

    cloud.delete(&path).await;
    cloud.until(&path, |reply| reply.status == 404).await;
    let volumes = cloud.get("/v2/volumes?name=data&region=nyc3").await.json();
    assert_eq!(volumes["volumes"][0]["droplet_ids"], json!([]));
    assert_eq!(volumes["volumes"][0]["size_gigabytes"], 50);
    assert_eq!(
        cloud.get("/v2/volumes?name=other").await.json()["meta"]["total"],
        0
    );
    let snapshots = cloud.get("/v2/snapshots").await.json();
    assert_eq!(snapshots["snapshots"][0]["resource_id"], id.to_string());
    assert_eq!(snapshots["snapshots"][0]["id"], snapshot.to_string());
    let reserved = cloud.get("/v2/reserved_ips").await.json();
    assert_eq!(reserved["reserved_ips"][0]["ip"], ip);
    assert_eq!(reserved["reserved_ips"][0]["droplet"], Value::Null);

    let volume = volume.as_str().unwrap();
    let gone = [
        format!("/v2/volumes/{volume}"),
        format!("/v2/snapshots/{snapshot}"),
        format!("/v2/reserved_ips/{}", ip.as_str().unwrap()),
    ];
    for path in gone {
        assert_eq!(cloud.get(&path).await.status, 200, "{path}");
        assert_eq!(cloud.delete(&path).await.status, 204, "{path}");
        assert_eq!(cloud.get(&path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_reserved_address_is_a_second_public_one_in_either_order() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let id = cloud.create("web-1", &[]).await;
    let before = cloud.until_active(id).await;
    let own = addresses(&before, "public")[0].to_owned();
    let control = cloud.sandbox.control();
    let reserved = control.assign_reserved_address(id).unwrap().to_string();
    assert_eq!(
        control.assign_reserved_address(id).unwrap().to_string(),
        reserved
    );
    let droplet = cloud.until_active(id).await;
    assert_eq!(
        addresses(&droplet, "public"),
        [own.as_str(), reserved.as_str()]
    );
    control.update_knobs(|knobs| knobs.reserved_first = true);
    let droplet = cloud.until_active(id).await;
    assert_eq!(
        addresses(&droplet, "public"),
        [reserved.as_str(), own.as_str()]
    );
    let shown = cloud
        .get(&format!("/v2/reserved_ips/{reserved}"))
        .await
        .json();
    assert_eq!(shown["reserved_ip"]["droplet"]["id"], id);
}

#[tokio::test]
async fn a_volume_is_attached_to_one_droplet_and_outlives_it() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let control = cloud.sandbox.control();
    let first = cloud.create("web-1", &[]).await;
    let volume = control.attach_volume(first, "data", 10).unwrap();
    let mut body = order("web-2");
    body["volumes"] = json!([{"id": volume}]);
    assert_eq!(cloud.post("/v2/droplets", body.clone()).await.status, 422);
    assert_eq!(
        cloud.delete(&format!("/v2/volumes/{volume}")).await.status,
        409
    );
    let path = format!("/v2/droplets/{first}");
    cloud.delete(&path).await;
    cloud.until(&path, |reply| reply.status == 404).await;
    let created = cloud.post("/v2/droplets", body).await;
    assert_eq!(created.json()["droplet"]["volume_ids"], json!([volume]));
}

#[tokio::test]
async fn an_image_of_the_account_must_fit_and_be_there() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let golden = PrivateImage {
        min_disk_size: 50,
        regions: Some(vec!["nyc3".to_owned()]),
        ..PrivateImage::new("golden")
    };
    let id = cloud.sandbox.control().add_image(&golden).unwrap();
    let create = async |size: &str, region: &str| {
        let mut body = order("web-1");
        body["image"] = json!(id);
        body["size"] = json!(size);
        body["region"] = json!(region);
        cloud.post("/v2/droplets", body).await
    };
    let small = create("s-1vcpu-1gb", "nyc3").await;
    assert_eq!(small.status, 422);
    assert!(small.message().contains("larger disk"), "{}", small.text);
    let far = create("s-1vcpu-2gb", "fra1").await;
    assert_eq!(far.status, 422);
    assert!(far.message().contains("region"), "{}", far.text);
    let made = create("s-1vcpu-2gb", "nyc3").await;
    assert_eq!(made.status, 202, "{}", made.text);
    assert_eq!(made.json()["droplet"]["image"]["id"], id);

    let private = cloud.get("/v2/images?private=true").await.json();
    assert_eq!(private["meta"]["total"], 1);
    let image = &private["images"][0];
    assert_eq!(
        (&image["public"], &image["slug"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(
        (&image["min_disk_size"], &image["regions"]),
        (&json!(50), &json!(["nyc3"]))
    );
    let public = cloud.get("/v2/images?type=distribution").await.json();
    assert!(
        public["images"]
            .as_array()
            .unwrap()
            .iter()
            .all(|image| image["public"] == true)
    );
    assert_eq!(cloud.get(&format!("/v2/images/{id}")).await.status, 200);
    assert_eq!(cloud.delete("/v2/images/159651797").await.status, 404);
}

#[tokio::test]
async fn a_snapshot_action_makes_an_image_to_start_from() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let id = cloud.create("web-1", &[]).await;
    cloud.until_active(id).await;
    let body = json!({"type": "snapshot", "name": "before"});
    cloud
        .post(&format!("/v2/droplets/{id}/actions"), body)
        .await;
    let path = format!("/v2/droplets/{id}");
    let taken = cloud
        .until(&path, |reply| {
            reply.json()["droplet"]["snapshot_ids"] != json!([])
        })
        .await;
    let mut body = order("web-2");
    body["image"] = taken.json()["droplet"]["snapshot_ids"][0].clone();
    assert_eq!(cloud.post("/v2/droplets", body).await.status, 202);
}

#[tokio::test]
async fn options_of_a_create_show_among_the_features() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let mut body = order("web-1");
    body["monitoring"] = json!(true);
    body["ipv6"] = json!(true);
    body["backups"] = json!(true);
    body["backup_policy"] = json!({"plan": "daily", "hour": 8});
    body["with_droplet_agent"] = json!(false);
    let created = cloud.post("/v2/droplets", body.clone()).await.json();
    let features = &created["droplet"]["features"];
    assert_eq!(
        *features,
        json!(["backups", "ipv6", "monitoring", "private_networking"])
    );
    let window = created["droplet"]["next_backup_window"]["start"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(window.ends_with("T08:00:00Z"), "{window}");
    let id = created["droplet"]["id"].as_u64().unwrap();
    let policy = cloud
        .get(&format!("/v2/droplets/{id}/backups/policy"))
        .await
        .json();
    assert_eq!(policy["policy"]["backup_policy"]["plan"], "daily");

    body["backup_policy"] = json!({"plan": "daily", "hour": 7});
    assert_eq!(cloud.post("/v2/droplets", body).await.status, 422);
    let plain = cloud.post("/v2/droplets", order("web-2")).await.json();
    assert_eq!(
        plain["droplet"]["features"],
        json!(["droplet_agent", "private_networking"])
    );
    assert_eq!(plain["droplet"]["next_backup_window"], Value::Null);
}

#[tokio::test]
async fn gpus_are_told_and_listed_by_tag_only_if_a_knob_says_so() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let mut body = order("gpu-1");
    body["size"] = json!("gpu-h100x1-80gb");
    body["region"] = json!("tor1");
    body["tags"] = json!(["fleet"]);
    let created = cloud.post("/v2/droplets", body).await.json();
    let expected = json!({
        "count": 1,
        "model": "nvidia_h100",
        "vram": {"amount": 80, "unit": "gib"},
    });
    assert_eq!(created["droplet"]["gpu_info"], expected);
    assert_eq!(created["droplet"]["size"]["gpu_info"], expected);
    assert_eq!(created["droplet"]["disk_info"][1]["type"], "scratch");
    assert_eq!(cloud.names("?tag_name=fleet").await, Vec::<String>::new());
    let control = cloud.sandbox.control();
    control.update_knobs(|knobs| knobs.tag_lists_gpus = true);
    assert_eq!(cloud.names("?tag_name=fleet").await, ["gpu-1"]);
    let plain = cloud.create("web-1", &[]).await;
    let plain = cloud.get(&format!("/v2/droplets/{plain}")).await.json();
    assert_eq!(plain["droplet"].get("gpu_info"), None);
}
