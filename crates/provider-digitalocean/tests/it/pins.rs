//! Pins of host keys: which requests they cost, and what they never take from others.

use crate::lab::Lab;
use provider_digitalocean::core::{
    CloudProvider as _, ErrorKind, Fingerprint, HostId, HostKeyPins,
};
use stagecraft_sandbox::Fault;

const POST: &str = "POST /v2/tags/{tag}/resources";
const DELETE: &str = "DELETE /v2/tags/{tag}/resources";

fn pins(lab: &Lab) -> &dyn HostKeyPins {
    lab.provider.pins().expect("the ability")
}

fn id(lab: &Lab, name: &str) -> HostId {
    HostId::new(lab.droplet(name).id.to_string())
}

fn keys(lab: &Lab, name: &str) -> Vec<Fingerprint> {
    let tags = lab.tags(name);
    let keys = tags.iter().filter_map(|tag| Fingerprint::from_tag(tag));
    keys.collect()
}

/// Three hosts of one create request, which share the key of their user data.
async fn fleet() -> (Lab, Fingerprint, Vec<(HostId, Fingerprint)>) {
    let lab = Lab::new("    db: { role: db, count: 3 }\n").await;
    assert!(lab.up().await.report.is_complete());
    let first = keys(&lab, "staging-db-1")[0];
    let names = ["staging-db-1", "staging-db-2", "staging-db-3"];
    let shared = names.map(|name| (id(&lab, name), first)).to_vec();
    lab.sandbox.control().clear_requests();
    (lab, first, shared)
}

#[tokio::test]
async fn pin_costs_two_calls_and_one_more_of_it_changes_nothing() {
    let (lab, first, _) = fleet().await;
    let own = Fingerprint::of_wire(b"own");
    let host = id(&lab, "staging-db-1");
    let run = lab.run();
    pins(&lab).pin(&run, &host, own).await.expect("a pin");
    assert_eq!((lab.count("POST /v2/tags"), lab.count(POST)), (1, 1));
    assert_eq!(lab.writes().len(), 2, "{:?}", lab.writes());
    pins(&lab).pin(&run, &host, own).await.expect("a pin");
    let mut expected = [first, own];
    expected.sort();
    let mut found = keys(&lab, "staging-db-1");
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(keys(&lab, "staging-db-2"), [first]);
}

#[tokio::test]
async fn shared_pin_goes_from_all_its_hosts_with_three_calls() {
    let (lab, first, shared) = fleet().await;
    pins(&lab).unpin(&lab.run(), &shared).await.expect("no pin");
    assert!(keys(&lab, "staging-db-3").is_empty());
    assert_eq!(lab.count(DELETE), 1);
    assert_eq!(lab.sandbox.control().requests().len(), 3);
    assert!(!lab.account_tags().await.contains(&first.tag()));
    // What is gone counts as done.
    pins(&lab).unpin(&lab.run(), &shared).await.expect("no pin");
}

#[tokio::test]
async fn tag_that_another_host_bears_stays() {
    let (lab, first, shared) = fleet().await;
    pins(&lab)
        .unpin(&lab.run(), &shared[..2])
        .await
        .expect("no pin");
    assert!(keys(&lab, "staging-db-1").is_empty() && keys(&lab, "staging-db-2").is_empty());
    assert_eq!(keys(&lab, "staging-db-3"), [first]);
    assert!(lab.account_tags().await.contains(&first.tag()));
}

#[tokio::test]
async fn host_that_is_gone_keeps_no_other_from_losing_its_pin() {
    let (lab, first, mut shared) = fleet().await;
    shared[1].0 = HostId::new("999999999");
    pins(&lab).unpin(&lab.run(), &shared).await.expect("no pin");
    assert!(keys(&lab, "staging-db-1").is_empty() && keys(&lab, "staging-db-3").is_empty());
    assert_eq!(keys(&lab, "staging-db-2"), [first]);
}

#[tokio::test]
async fn refusal_is_told_and_lost_answers_are_asked_for_again() {
    let (lab, _, _) = fleet().await;
    let control = lab.sandbox.control();
    let host = id(&lab, "staging-db-1");
    let own = Fingerprint::of_wire(b"own");
    let path = format!("/v2/tags/{}/resources", own.tag());
    control.add_fault(Fault::status("POST", &path, 503).times(1));
    pins(&lab)
        .pin(&lab.run(), &host, own)
        .await
        .expect("a pin after all");
    control.add_fault(Fault::status("POST", "/v2/tags", 403));
    let other = Fingerprint::of_wire(b"other");
    let error = pins(&lab).pin(&lab.run(), &host, other).await;
    let error = error.expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert!(!keys(&lab, "staging-db-1").contains(&other));
}
