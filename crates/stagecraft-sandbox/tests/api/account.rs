//! Whose account it is, how it stands, and what its token may do.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use stagecraft_sandbox::{AccountStatus, Fault, Knobs, Team};

use crate::support::{Cloud, order};

fn without(scopes: &[&str]) -> Knobs {
    Knobs {
        missing_scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..Knobs::instant()
    }
}

#[tokio::test]
async fn the_account_is_whose_the_knobs_say() {
    let cloud = Cloud::new(Knobs {
        account_uuid: "11111111-2222".to_owned(),
        account_email: "ops@example.com".to_owned(),
        account_status: AccountStatus::Warning,
        account_status_message: "payment failed".to_owned(),
        team: Some(Team {
            uuid: "33333333-4444".to_owned(),
            name: "Ops".to_owned(),
        }),
        ..Knobs::instant()
    })
    .await;
    let account = cloud.get("/v2/account").await.json()["account"].clone();
    assert_eq!(account["uuid"], "11111111-2222");
    assert_eq!(account["email"], "ops@example.com");
    assert_eq!(account["status"], "warning");
    assert_eq!(account["status_message"], "payment failed");
    assert_eq!(
        account["team"],
        json!({"uuid": "33333333-4444", "name": "Ops"})
    );
    assert_eq!(account["droplet_limit"], 1000);

    let alone = cloud.sandbox.control().merge_knobs(&json!({"team": null}));
    assert_eq!(alone.unwrap().team, None);
    let account = cloud.get("/v2/account").await.json()["account"].clone();
    assert_eq!(account.get("team"), None);
    let project = cloud.get("/v2/projects/default").await.json();
    assert_eq!(project["project"]["owner_uuid"], "11111111-2222");
}

#[tokio::test]
async fn a_locked_account_reads_and_deletes_but_creates_nothing() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let id = cloud.create("web-1", &[]).await;
    let control = cloud.sandbox.control();
    control.update_knobs(|knobs| knobs.account_status = AccountStatus::Locked);
    assert_eq!(
        cloud.get("/v2/account").await.json()["account"]["status"],
        "locked"
    );
    assert_eq!(cloud.post("/v2/droplets", order("web-2")).await.status, 403);
    assert_eq!(
        cloud.delete(&format!("/v2/droplets/{id}")).await.status,
        204
    );
}

#[tokio::test]
async fn what_needs_a_missing_scope_is_forbidden() {
    let cases = [
        ("account:read", Method::GET, "/v2/account", None),
        ("ssh_key:read", Method::GET, "/v2/account/keys", None),
        ("droplet:read", Method::GET, "/v2/droplets", None),
        ("tag:read", Method::GET, "/v2/droplets?tag_name=fleet", None),
        (
            "tag:read",
            Method::DELETE,
            "/v2/droplets?tag_name=fleet",
            None,
        ),
        ("droplet:delete", Method::DELETE, "/v2/droplets/1", None),
        (
            "droplet:create",
            Method::POST,
            "/v2/droplets",
            Some(order("a")),
        ),
        ("image:read", Method::GET, "/v2/images", None),
        (
            "tag:create",
            Method::POST,
            "/v2/tags",
            Some(json!({"name": "a"})),
        ),
        (
            "firewall:create",
            Method::POST,
            "/v2/firewalls",
            Some(json!({"name": "a"})),
        ),
        (
            "project:assign_resource",
            Method::POST,
            "/v2/projects/default/resources",
            Some(json!({"resources": []})),
        ),
    ];
    let cloud = Cloud::new(Knobs::instant()).await;
    for (scope, method, path, body) in cases {
        let control = cloud.sandbox.control();
        control.set_knobs(without(&[scope]));
        let reply = cloud
            .try_send(method.clone(), path, body.clone())
            .await
            .unwrap();
        assert_eq!(reply.status, 403, "{scope} {path}");
        assert_eq!(reply.json()["id"], "forbidden");
        assert_eq!(
            reply.message(),
            "You are not authorized to perform this operation"
        );
        control.set_knobs(Knobs::instant());
        let reply = cloud.try_send(method, path, body).await.unwrap();
        assert_ne!(reply.status, 403, "{scope} {path}");
    }
}

#[tokio::test]
async fn a_create_needs_the_scopes_of_what_it_names() {
    let cloud = Cloud::new(without(&["tag:create", "ssh_key:read", "vpc:read"])).await;
    let fields = [
        ("tags", json!(["fleet"])),
        ("ssh_keys", json!([1])),
        ("vpc_uuid", json!("5a4981aa-9653-4bd1-bef5-d6bff5204202")),
    ];
    for (field, value) in fields {
        let mut body = order("web-1");
        body[field] = value;
        assert_eq!(
            cloud.post("/v2/droplets", body).await.status,
            403,
            "{field}"
        );
    }
    assert_eq!(cloud.post("/v2/droplets", order("web-1")).await.status, 202);
}

#[tokio::test]
async fn fields_that_the_token_may_not_see_are_left_out() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let id = cloud.create("web-1", &["fleet"]).await;
    let path = format!("/v2/droplets/{id}");
    let full = cloud.get(&path).await.json()["droplet"].clone();
    let control = cloud.sandbox.control();
    let missing = ["tag:read", "vpc:read", "image:read", "block_storage:read"];
    control.set_knobs(without(&missing));
    let narrow = cloud.get(&path).await.json()["droplet"].clone();
    let gone: Vec<&String> = full
        .as_object()
        .unwrap()
        .keys()
        .filter(|field| narrow.get(field.as_str()).is_none())
        .collect();
    let hidden = [
        "backup_ids",
        "image",
        "snapshot_ids",
        "tags",
        "volume_ids",
        "vpc_uuid",
    ];
    assert_eq!(gone, hidden);
    let listed = cloud.get("/v2/droplets").await.json();
    assert_eq!(listed["droplets"][0].get("tags"), None);

    control.set_knobs(without(&["droplet:read"]));
    let account = cloud.get("/v2/account").await.json()["account"].clone();
    assert_eq!(account.get("droplet_limit"), None);
    assert_eq!(account["status"], "active");
}

#[tokio::test]
async fn a_tag_comes_back_as_the_account_saw_it_first() {
    let seen = [("fleet".to_owned(), "Fleet".to_owned())];
    let cloud = Cloud::new(Knobs {
        tag_case: BTreeMap::from(seen),
        ..Knobs::instant()
    })
    .await;
    let id = cloud.create("web-1", &["fleet", "other"]).await;
    let droplet = cloud.get(&format!("/v2/droplets/{id}")).await.json();
    assert_eq!(droplet["droplet"]["tags"], json!(["Fleet", "other"]));
    assert_eq!(cloud.names("?tag_name=fleet").await, Vec::<String>::new());
    assert_eq!(cloud.names("?tag_name=Fleet").await, ["web-1"]);
    assert_eq!(
        cloud.delete("/v2/droplets?tag_name=fleet").await.status,
        404
    );
}

#[tokio::test]
async fn refusals_of_every_kind_say_where_the_hour_stands_too() {
    let cloud = Cloud::new(Knobs {
        missing_scopes: vec!["image:read".to_owned()],
        burst_limit: Some(7),
        ..Knobs::instant()
    })
    .await;
    let control = cloud.sandbox.control();
    control.add_fault(Fault::status("GET", "/v2/sizes", 503));
    let large = json!({"name": "x".repeat(3 << 20)});
    let replies = [
        (cloud.get("/v2/nothing").await, 404),
        (cloud.get("/v2/images").await, 403),
        (cloud.get("/v2/sizes").await, 503),
        (cloud.post("/v2/droplets", json!({})).await, 422),
        (cloud.post("/v2/tags", Value::Null).await, 400),
        (cloud.post("/v2/tags", large).await, 400),
        (cloud.delete("/v2/droplets/1").await, 404),
        (cloud.get("/v2/account").await, 200),
        (cloud.get("/v2/account").await, 200),
        (cloud.get("/v2/account").await, 429),
    ];
    for (reply, status) in replies {
        assert_eq!(reply.status, status, "{}", reply.text);
        for name in ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"] {
            reply.header(name).parse::<u64>().unwrap();
        }
        assert_eq!(reply.headers.contains_key("retry-after"), status == 429);
    }
}
