//! What deleting leaves: protected hosts, things that cost money, and no tags of single hosts.

use crate::lab::{Lab, chain};
use provider_digitalocean::core::{MicroUsd, PlanMode, tags};
use stagecraft_sandbox::Fault;

const ASKED: &str = "GET /v2/droplets/{id}/destroy_with_associated_resources";

#[tokio::test]
async fn host_that_was_protected_since_the_plan_is_not_deleted() {
    let lab = Lab::new("    db: { role: db, count: 2 }\n").await;
    assert!(lab.up().await.report.is_complete());
    let plan = lab.plan(&Lab::request(PlanMode::Destroy)).await;
    let droplet = lab.droplet("staging-db-1");
    let mut own = droplet.tags.clone();
    own.push("Stagecraft-Protect".to_owned());
    let control = lab.sandbox.control();
    control
        .set_tags(droplet.id, &own)
        .expect("the droplet is there");
    let report = lab.carry_out(plan).await;
    assert_eq!(report.deleted.len(), 1, "{report:?}");
    let failure = chain(&report.failed[0].error);
    assert!(
        failure.contains("it was protected since the plan was made"),
        "{failure}"
    );
    assert!(failure.contains("stagecraft infra unprotect"), "{failure}");
    assert_eq!(lab.droplet("staging-db-1").id, droplet.id);
}

#[tokio::test]
async fn what_costs_money_is_told_with_its_price_and_only_asked_where_it_shows() {
    let lab = Lab::new("    db: { role: db, count: 3 }\n").await;
    assert!(lab.up().await.report.is_complete());
    let control = lab.sandbox.control();
    let id = lab.droplet("staging-db-2").id;
    let volume = control.attach_volume(id, "data", 100).expect("a volume");
    let snapshot = control.take_snapshot(id, "before").expect("a snapshot");
    let address = control.assign_reserved_address(id).expect("an address");
    control.clear_requests();
    let plan = lab.plan(&Lab::request(PlanMode::Destroy)).await;
    let report = lab.carry_out(plan).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(lab.count(ASKED), 1);
    let told: Vec<_> = report
        .leftovers
        .iter()
        .map(|own| {
            (
                own.host.as_str(),
                own.kind,
                own.id.clone(),
                own.name.clone(),
                own.monthly,
            )
        })
        .collect();
    let dollars = |dollars| Some(MicroUsd::from_dollars(dollars));
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(
        told,
        [
            ("db-2", "volume", volume, name("data"), dollars(10.0)),
            (
                "db-2",
                "snapshot",
                snapshot.to_string(),
                name("before"),
                dollars(0.04)
            ),
            (
                "db-2",
                "reserved_ip",
                address.to_string(),
                name(&address.to_string()),
                dollars(5.0)
            ),
        ]
    );
}

#[tokio::test]
async fn host_goes_although_what_it_leaves_cannot_be_read() {
    let lab = Lab::new("    db-1: { role: db }\n").await;
    assert!(lab.up().await.report.is_complete());
    let id = lab.droplet("staging-db-1").id;
    let control = lab.sandbox.control();
    control.attach_volume(id, "data", 100).expect("a volume");
    let path = "/v2/droplets/*/destroy_with_associated_resources";
    control.add_fault(Fault::status("GET", path, 403));
    let plan = lab.plan(&Lab::request(PlanMode::Destroy)).await;
    let report = lab.carry_out(plan).await;
    assert!(
        report.is_complete() && report.leftovers.is_empty(),
        "{report:?}"
    );
    assert_eq!(report.deleted.len(), 1);
}

#[tokio::test]
async fn tags_of_hosts_runs_and_times_go_with_the_last_host_that_bears_them() {
    let lab = Lab::new("    db: { role: db, count: 3, ttl: 1h, tags: [web] }\n").await;
    assert!(lab.up().await.report.is_complete());
    let mut request = Lab::request(PlanMode::Destroy);
    request.hosts.insert("db-1".parse().expect("a valid name"));
    let plan = lab.plan(&request).await;
    assert!(lab.carry_out(plan).await.is_complete());
    assert_eq!(lab.count("DELETE /v2/tags/{tag}"), 0, "others bear them");
    let plan = lab.plan(&Lab::request(PlanMode::Destroy)).await;
    assert!(lab.carry_out(plan).await.is_complete());
    assert_eq!(lab.count("DELETE /v2/tags/{tag}"), 3);
    let left = lab.account_tags().await;
    assert!(!left.iter().any(|tag| tags::is_passing(tag)), "{left:?}");
    assert!(left.contains(&"web".to_owned()), "{left:?}");
}

#[tokio::test]
async fn hundred_hosts_with_everything_go_with_few_requests() {
    let lab = Lab::new("    db: { role: db, count: 100, ttl: 1h }\n").await;
    assert!(lab.up().await.report.is_complete());
    lab.sandbox.control().clear_requests();
    let plan = lab.plan(&Lab::request(PlanMode::Destroy)).await;
    assert!(lab.carry_out(plan).await.is_complete());
    let requests = lab.sandbox.control().requests().len();
    assert!(requests <= 135, "{requests}");
    let left = lab.account_tags().await;
    assert!(!left.iter().any(|tag| tags::is_passing(tag)), "{left:?}");
}
