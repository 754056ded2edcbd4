//! Creates that fail, get lost or are not to be: no host is doubled or half-known.

use serde_json::Value;
use stagecraft_sandbox::{Fault, FaultKind};

use super::{UP, assert_next_run_finishes, first_line};
use crate::support::{DECLARED, Lab, quick};

/// What a create may meet. In each case the faulty run itself recovers.
#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_to_a_create_never_double_or_lose_a_host() {
    let faults = [
        ("500 before", Fault::status("POST", "/v2/droplets", 500)),
        (
            "500 after",
            Fault::status("POST", "/v2/droplets", 500).after(),
        ),
        (
            "502 html before",
            Fault::new("POST", "/v2/droplets", FaultKind::Html { code: 502 }),
        ),
        (
            "502 html after",
            Fault::new("POST", "/v2/droplets", FaultKind::Html { code: 502 }).after(),
        ),
        (
            "200 html after",
            Fault::new("POST", "/v2/droplets", FaultKind::Html { code: 200 }).after(),
        ),
        (
            "reset before",
            Fault::new("POST", "/v2/droplets", FaultKind::Reset),
        ),
        (
            "reset after",
            Fault::new("POST", "/v2/droplets", FaultKind::Reset).after(),
        ),
        (
            "truncated",
            Fault::new("POST", "/v2/droplets", FaultKind::Truncated).after(),
        ),
        ("429", Fault::status("POST", "/v2/droplets", 429)),
    ];
    for (name, fault) in faults {
        let lab = Lab::api_only(quick()).await;
        lab.control().add_fault(fault);
        let up = lab.run(&UP).await;
        assert_eq!(up.code, Some(0), "{name}: {up:?}");
        assert_eq!(lab.names(), DECLARED, "{name}");
        assert_next_run_finishes(&lab).await;
        lab.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_create_of_one_group_leaves_the_other_and_exits_10() {
    let lab = Lab::api_only(quick()).await;
    let refused = Fault::status("POST", "/v2/droplets", 422).with_body("staging-db-1");
    lab.control().add_fault(refused);
    let mut up = UP.to_vec();
    up.extend(["-o", "json"]);
    let partial = lab.run(&up).await;
    let result = partial.expect_code(10).result();
    assert_eq!(result["outcome"], "partial");
    let failed = result["failed"].as_array().unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["host"], "db-1");
    assert_eq!(
        failed[0]["error"]["message"],
        "digitalocean provider: droplet 'staging-db-1' creation failed"
    );
    assert!(
        failed[0]["error"]["causes"][0]
            .as_str()
            .unwrap()
            .contains("API error: 422")
    );
    assert_eq!(names(&result["created"]), ["app-1", "app-2"]);
    assert_next_run_finishes(&lab).await;
    lab.shutdown().await;
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array()
        .expect("a list")
        .iter()
        .map(|host| host["name"].as_str().expect("a name"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn create_that_ends_errored_is_told_long_before_the_deadline() {
    let mut knobs = quick();
    knobs.errored_creates = vec!["staging-db-1".into()];
    let lab = Lab::api_only(knobs).await;
    let started = std::time::Instant::now();
    let partial = lab.run(&UP).await;
    partial.expect_code(10);
    // The deadline is 20 s.
    assert!(started.elapsed().as_secs() < 15, "{:?}", started.elapsed());
    assert!(
        partial
            .stdout
            .contains("droplet 'staging-db-1' creation failed"),
        "{}",
        partial.stdout
    );
    assert!(
        partial
            .stdout
            .contains("the create action ended as errored"),
        "{}",
        partial.stdout
    );
    lab.control()
        .update_knobs(|knobs| knobs.errored_creates.clear());
    assert_next_run_finishes(&lab).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_without_public_address_times_out_by_name() {
    let mut knobs = quick();
    knobs.no_address = vec!["staging-app-2".into()];
    let lab = Lab::api_only(knobs).await;
    lab.edit("deadline: 20s", "deadline: 2s");
    let partial = lab.run(&UP).await;
    partial.expect_code(10);
    assert!(
        partial.stdout.contains("digitalocean provider: droplet operation timeout: after 2s, it is active but has no public address"),
        "{}",
        partial.stdout
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_listed_before_the_first_write() {
    let mut knobs = quick();
    knobs.sold_out = vec!["s-4vcpu-8gb@nyc3".into()];
    knobs.droplet_limit = 2;
    let lab = Lab::api_only(knobs).await;
    let refused = lab.run(&UP).await;
    let text = &refused.expect_code(2).stderr;
    assert!(
        text.contains("size `s-4vcpu-8gb` is not available in region `nyc3`"),
        "{text}"
    );
    assert!(text.contains("the account may have 2 droplets"), "{text}");
    assert!(
        lab.control()
            .requests()
            .iter()
            .all(|request| request.method == "GET" || request.target.contains("/firewalls"))
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_of_another_size_is_refused_by_a_guard_and_left_alone_on_request() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    lab.edit("size: s-4vcpu-8gb", "size: s-8vcpu-16gb");
    let refused = lab.run(&UP).await;
    assert_eq!(
        first_line(refused.expect_code(7)),
        "error: hosts are not as declared: db-1"
    );
    assert!(
        refused
            .stdout
            .contains("size: is s-4vcpu-8gb, declared s-8vcpu-16gb (needs a resize)")
    );
    let mut allowed = UP.to_vec();
    allowed.push("--allow-differ");
    lab.run(&allowed).await.expect_code(0);
    assert_eq!(lab.names(), DECLARED);
    lab.shutdown().await;
}
