//! Firewalls.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use stagecraft_sandbox::{Fault, Knobs};

use crate::support::Cloud;

fn firewall(name: &str) -> Value {
    json!({
        "name": name,
        "inbound_rules": [{"protocol": "tcp", "ports": "1", "sources": {"addresses": ["2001:db8::1"]}}],
    })
}

#[tokio::test]
async fn of_many_creates_of_one_name_at_the_same_moment_one_is_accepted() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let body = firewall("lock.staging");
    let one = || cloud.post("/v2/firewalls", body.clone());
    let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
    let mut statuses = [a.status, b.status, c.status, d.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409, 409, 409]);
    let refused = cloud.post("/v2/firewalls", body).await;
    assert_eq!(refused.message(), "duplicate name");
    assert_eq!(refused.json()["id"], "conflict");
}

#[tokio::test]
async fn firewall_is_read_replaced_and_deleted_by_its_id() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let made = cloud.post("/v2/firewalls", firewall("a1")).await.json();
    let made = &made["firewall"];
    assert_eq!(made["pending_changes"], json!([]));
    // The published description allows it for lists that were not set.
    assert_eq!(made["droplet_ids"], json!(null));
    let path = format!("/v2/firewalls/{}", made["id"].as_str().unwrap());
    assert_eq!(&cloud.get(&path).await.json()["firewall"], made);

    let mut other = firewall("a1");
    other["inbound_rules"][0]["sources"]["addresses"] = json!(["2001:db8::2/128", "10.0.0.0/8"]);
    let replaced = cloud.try_send(Method::PUT, &path, Some(other)).await;
    let replaced = replaced.unwrap();
    assert_eq!(replaced.status, 200);
    let shown = &cloud.get(&path).await.json()["firewall"];
    assert_eq!(shown, &replaced.json()["firewall"]);
    assert_eq!(shown["created_at"], made["created_at"]);
    assert_ne!(shown["inbound_rules"], made["inbound_rules"]);

    assert_eq!(cloud.delete(&path).await.status, 204);
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let gone = cloud.try_send(method, &path, Some(firewall("a1"))).await;
        assert_eq!(gone.unwrap().status, 404);
    }
    let again = cloud.post("/v2/firewalls", firewall("a1")).await.json();
    assert_ne!(
        again["firewall"]["id"], made["id"],
        "ids are never used twice"
    );
}

#[tokio::test]
async fn what_the_vendor_refuses_is_refused() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let mut cases = vec![
        firewall(""),
        firewall("a_b"),
        firewall("-a"),
        json!({"name": "ab"}),
    ];
    for (pointer, value) in [
        ("/inbound_rules/0/protocol", json!("sctp")),
        ("/inbound_rules/0/ports", json!("")),
        ("/inbound_rules/0/sources/addresses", json!(["nonsense"])),
        ("/inbound_rules/0/sources/addresses", json!(["10.0.0.0/33"])),
        (
            "/inbound_rules/0/sources/addresses",
            json!(vec!["10.0.0.1"; 1001]),
        ),
        ("/inbound_rules/0/sources", json!({"tags": ["unknown"]})),
    ] {
        let mut body = firewall("ab");
        *body.pointer_mut(pointer).unwrap() = value;
        cases.push(body);
    }
    for body in cases {
        let reply = cloud.post("/v2/firewalls", body.clone()).await;
        assert_eq!(reply.status, 422, "{body}: {}", reply.text);
    }
    assert_eq!(cloud.get("/v2/firewalls").await.json()["meta"]["total"], 0);
}

#[tokio::test]
async fn lists_have_pages_and_requests_are_counted_and_fail_as_told() {
    let cloud = Cloud::new(Knobs::instant()).await;
    for number in 0..5 {
        let body = firewall(&format!("fw-{number}"));
        assert_eq!(cloud.post("/v2/firewalls", body).await.status, 202);
    }
    let mut names = BTreeSet::new();
    for page in 1..=3 {
        let list = cloud
            .get(&format!("/v2/firewalls?per_page=2&page={page}"))
            .await
            .json();
        assert_eq!(list["meta"]["total"], 5);
        assert_eq!(list["links"]["pages"]["next"].is_string(), page < 3);
        for firewall in list["firewalls"].as_array().unwrap() {
            names.insert(firewall["name"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(names.len(), 5);
    let fault = Fault::status("GET", "/v2/firewalls", 500);
    cloud.sandbox.control().add_fault(fault);
    assert_eq!(cloud.get("/v2/firewalls").await.status, 500);
    let counters = cloud.sandbox.control().counters();
    assert_eq!(counters["POST /v2/firewalls"], 5);
    assert_eq!(counters["GET /v2/firewalls"], 4);
}
