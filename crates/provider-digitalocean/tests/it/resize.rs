//! Resizing hosts in place, and that none stays switched off.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::lab::Lab;
use provider_digitalocean::core::{HostName, PlanMode, ResizeMode};
use stagecraft_sandbox::{Fault, FaultKind, Knobs};

const SMALL: &str = "    db-1: { role: db }\n    db-2: { role: db }\n";
const LARGE: &str =
    "    db-1: { role: db, size: s-2vcpu-4gb }\n    db-2: { role: db, size: s-2vcpu-4gb }\n";

/// Actions take a time that is longer than the pause between two looks.
fn knobs() -> Knobs {
    Knobs {
        action_time: Duration::from_millis(12),
        ..Knobs::instant()
    }
}

/// Two small hosts that are declared to be large.
async fn small_hosts(knobs: Knobs) -> Lab {
    let mut lab = Lab::with(SMALL, knobs).await;
    let up = lab.up().await;
    assert!(up.report.is_complete(), "{up:?}");
    lab.declare(LARGE);
    lab.sandbox.control().clear_requests();
    lab
}

fn is_well(lab: &Lab, name: &str) -> bool {
    let droplet = lab.droplet(name);
    let is_resizing = droplet.tags.iter().any(|tag| tag == "stagecraft-resizing");
    !droplet.powered_off && !is_resizing
}

#[tokio::test]
async fn hosts_are_resized_one_after_the_other_and_handed_over() {
    let lab = small_hosts(knobs()).await;
    let up = lab.up_with(&lab.run(), ResizeMode::KeepDisk).await;
    assert!(up.report.is_complete(), "{:?}", up.failures());
    let resized: Vec<&str> = up
        .report
        .resized
        .iter()
        .map(|host| host.name.as_str())
        .collect();
    assert_eq!(resized, ["db-1", "db-2"]);
    assert_eq!(up.ready, ["db-1", "db-2"]);
    let actions: Vec<String> = lab
        .bodies("POST /v2/droplets/{id}/actions")
        .iter()
        .map(|body| {
            format!(
                "{} {}",
                body["type"].as_str().unwrap_or_default(),
                body["disk"]
            )
        })
        .collect();
    let one = ["shutdown null", "resize false", "power_on null"];
    assert_eq!(actions, [one, one].concat());
    for name in ["staging-db-1", "staging-db-2"] {
        assert_eq!(lab.droplet(name).size, "s-2vcpu-4gb");
        assert!(is_well(&lab, name));
    }
    let again = lab.up_with(&lab.run(), ResizeMode::KeepDisk).await;
    assert!(again.plan.is_empty(), "{:?}", again.plan);
}

#[tokio::test]
async fn host_is_marked_before_it_is_switched_off() {
    let lab = small_hosts(knobs()).await;
    lab.up_with(&lab.run(), ResizeMode::GrowDisk).await;
    let writes = lab.writes();
    assert_eq!(
        writes[..6],
        [
            "POST /v2/tags",
            "POST /v2/tags/{tag}/resources",
            "POST /v2/droplets/{id}/actions",
            "POST /v2/droplets/{id}/actions",
            "POST /v2/droplets/{id}/actions",
            "DELETE /v2/tags/{tag}/resources",
        ]
    );
    assert_eq!(
        lab.bodies("POST /v2/droplets/{id}/actions")[1]["disk"],
        true
    );
}

#[tokio::test]
async fn host_that_does_not_shut_down_loses_its_power() {
    let lab = small_hosts(knobs()).await;
    lab.sandbox
        .control()
        .update_knobs(|knobs| knobs.errored_actions = vec!["staging-db-1:shutdown".to_owned()]);
    let up = lab.up_with(&lab.run(), ResizeMode::KeepDisk).await;
    assert!(up.report.is_complete(), "{:?}", up.failures());
    let actions = lab.bodies("POST /v2/droplets/{id}/actions");
    assert_eq!(actions[1]["type"], "power_off");
    assert!(is_well(&lab, "staging-db-1"));
}

#[tokio::test]
async fn failed_resize_powers_the_host_on_again_and_leaves_the_others_alone() {
    let lab = small_hosts(knobs()).await;
    lab.sandbox
        .control()
        .update_knobs(|knobs| knobs.errored_actions = vec!["staging-db-1:resize".to_owned()]);
    let up = lab.up_with(&lab.run(), ResizeMode::KeepDisk).await;
    assert_eq!(
        up.failures(),
        [
            "digitalocean provider: droplet 'staging-db-1' resize failed: digitalocean provider: API error: the resize action ended as errored"
        ]
    );
    let not_tried: Vec<&str> = up.report.not_tried.iter().map(HostName::as_str).collect();
    assert_eq!(not_tried, ["db-2"]);
    assert_eq!(lab.droplet("staging-db-1").size, "s-1vcpu-1gb");
    assert!(is_well(&lab, "staging-db-1") && is_well(&lab, "staging-db-2"));
}

#[tokio::test]
async fn refusal_is_told_in_the_apis_words_with_what_to_do() {
    let lab = small_hosts(knobs()).await;
    let body = r#"{"id":"unprocessable_entity","message":"Size is too large to fit on your droplet's server"}"#;
    let refused = FaultKind::Status {
        code: 422,
        body: Some(body.to_owned()),
        headers: BTreeMap::default(),
    };
    // The second action of the host is the resize.
    let fault = Fault::new("POST", "/v2/droplets/*/actions", refused).skip(1);
    lab.sandbox.control().add_fault(fault);
    let up = lab.up_with(&lab.run(), ResizeMode::KeepDisk).await;
    let failures = up.failures();
    assert!(
        failures[0].contains("422 Size is too large to fit on your droplet's server"),
        "{failures:?}"
    );
    assert!(failures[0].contains("replace the host"), "{failures:?}");
    assert!(is_well(&lab, "staging-db-1"));
}

#[tokio::test]
async fn what_the_api_would_refuse_is_found_before_a_host_is_switched_off() {
    let mut lab = Lab::new("    db-1: { role: db, size: s-2vcpu-4gb }\n").await;
    assert!(lab.up().await.report.is_complete());
    for (hosts, wanted, hint) in [
        (
            "    db-1: { role: db }\n",
            "size `s-1vcpu-1gb` has a disk of 25 GB, the host one of 80 GB; Size can not decrease size of Droplet's disk image",
            "replace the host",
        ),
        (
            "    db-1: { role: db, size: s-9 }\n",
            "size `s-9` does not exist",
            "",
        ),
        (
            "    db-1: { role: db, size: gpu-h100x1-80gb }\n",
            "size `s-2vcpu-4gb` cannot become `gpu-h100x1-80gb`: GPU droplets are not resized",
            "",
        ),
    ] {
        lab.declare(hosts);
        let up = lab.up_with(&lab.run(), ResizeMode::KeepDisk).await;
        assert_eq!(up.findings.len(), 1, "{:?}", up.findings);
        assert_eq!(up.findings[0].message, wanted);
        let told = up.findings[0].hint.clone().unwrap_or_default();
        assert!(told.contains(hint), "{told}");
    }
    let sold_out = vec!["s-4vcpu-8gb@nyc3".to_owned()];
    lab.sandbox
        .control()
        .update_knobs(|knobs| knobs.sold_out = sold_out);
    lab.declare("    db-1: { role: db, size: s-4vcpu-8gb }\n");
    let up = lab.up_with(&lab.run(), ResizeMode::KeepDisk).await;
    assert_eq!(
        up.findings[0].message,
        "size `s-4vcpu-8gb` is not available in region `nyc3`"
    );
    assert!(
        up.findings[0]
            .hint
            .as_ref()
            .is_some_and(|hint| hint.contains("ams3"))
    );
    assert_eq!(lab.count("POST /v2/droplets/{id}/actions"), 0);
}

#[tokio::test]
async fn cancelled_run_powers_the_host_on_before_it_ends() {
    for at in ["to be shut down", "to be of size"] {
        let lab = small_hosts(knobs()).await;
        let run = lab.run();
        *lab.events.cancel_at.lock().expect("no test panics here") = Some((at, run.clone()));
        let up = lab.up_with(&run, ResizeMode::KeepDisk).await;
        assert!(run.check().is_err(), "{at}: it was cancelled");
        assert!(!up.report.is_complete(), "{at}: {:?}", up.report);
        assert!(up.failures().is_empty(), "{at}: {:?}", up.failures());
        assert!(is_well(&lab, "staging-db-1") && is_well(&lab, "staging-db-2"));
        assert_eq!(lab.droplet("staging-db-2").size, "s-1vcpu-1gb", "{at}");
        let again = lab.up_with(&lab.run(), ResizeMode::KeepDisk).await;
        assert!(again.report.is_complete(), "{at}: {:?}", again.failures());
        assert_eq!(lab.droplet("staging-db-2").size, "s-2vcpu-4gb", "{at}");
    }
}

#[tokio::test]
async fn lost_answers_to_actions_do_no_harm() {
    for skip in 0..3 {
        let lab = small_hosts(knobs()).await;
        let fault = Fault::new("POST", "/v2/droplets/*/actions", FaultKind::Reset);
        lab.sandbox.control().add_fault(fault.skip(skip).after());
        let up = lab.up_with(&lab.run(), ResizeMode::KeepDisk).await;
        assert!(up.report.is_complete(), "{skip}: {:?}", up.failures());
        assert_eq!(up.report.resized.len(), 2, "{skip}");
    }
}

/// Kills an `up` that resizes at its request number `at`, served or not, and tells whether it
/// got there at all.
async fn kill_at(lab: &Lab, at: usize, is_served: bool) -> bool {
    let control = lab.sandbox.control();
    let mut fault = Fault::new("GET", "/v2/", FaultKind::Hang { ms: 600_000 });
    fault.method = None;
    fault.skip = u32::try_from(at).expect("a small number");
    fault.before = !is_served;
    control.add_fault(fault);
    let run = lab.run();
    let is_killed = tokio::select! {
        _ = lab.up_with(&run, ResizeMode::KeepDisk) => false,
        () = lab.requests_reach(at + 1) => true,
    };
    control.clear_faults();
    is_killed
}

#[tokio::test]
async fn next_run_powers_on_what_a_killed_one_left_off() {
    let one = |hosts: &str| hosts.lines().next().map(|line| format!("{line}\n"));
    let (small, large) = (
        one(SMALL).unwrap_or_default(),
        one(LARGE).unwrap_or_default(),
    );
    let mut was_off = 0;
    for is_served in [false, true] {
        let mut at = 0;
        loop {
            let mut lab = Lab::with(&small, knobs()).await;
            assert!(lab.up().await.report.is_complete());
            lab.declare(&large);
            lab.sandbox.control().clear_requests();
            if !kill_at(&lab, at, is_served).await {
                break;
            }
            let place = format!("request {at}, served: {is_served}");
            let again = lab.up().await;
            assert!(
                again.report.is_complete(),
                "{place}: {:?}",
                again.failures()
            );
            was_off += again.report.powered_on.len();
            assert_eq!(again.ready, ["db-1"], "{place}");
            let droplet = lab.droplet("staging-db-1");
            assert!(is_well(&lab, "staging-db-1"), "{place}: {droplet:?}");
            let third = lab.up_with(&lab.run(), ResizeMode::KeepDisk).await;
            assert!(
                third.report.is_complete(),
                "{place}: {:?}",
                third.failures()
            );
            assert_eq!(lab.droplet("staging-db-1").size, "s-2vcpu-4gb", "{place}");
            assert!(is_well(&lab, "staging-db-1"), "{place}: {droplet:?}");
            at += 1;
        }
        assert!(at > 15, "{at}");
    }
    assert!(was_off > 4, "{was_off}");
}

#[tokio::test]
async fn host_that_somebody_switched_off_stays_off() {
    let lab = Lab::new("    db-1: { role: db }\n").await;
    assert!(lab.up().await.report.is_complete());
    let id = lab.droplet("staging-db-1").id;
    let off = lab.act(id, "power_off").await;
    assert_eq!(off, 201);
    let up = lab.up().await;
    assert!(
        up.failures()[0].contains("is switched off"),
        "{:?}",
        up.failures()
    );
    assert!(lab.droplet("staging-db-1").powered_off);
}

#[tokio::test]
async fn host_that_is_not_ours_any_more_is_not_switched_off() {
    let lab = small_hosts(knobs()).await;
    let mut request = Lab::request(PlanMode::Reconcile);
    request.resize = ResizeMode::KeepDisk;
    let plan = lab.plan(&request).await;
    let control = lab.sandbox.control();
    control
        .set_tags(lab.droplet("staging-db-1").id, &[])
        .expect("the droplet is there");
    let report = lab.apply(plan).await;
    let failure = crate::lab::chain(&report.failed[0].error);
    assert!(failure.contains("no longer bears the tags"), "{failure}");
    assert!(!lab.droplet("staging-db-1").powered_off);
}

#[tokio::test]
async fn host_that_somebody_switched_off_is_not_resized() {
    let lab = small_hosts(knobs()).await;
    let id = lab.droplet("staging-db-1").id;
    let mut request = Lab::request(PlanMode::Reconcile);
    request.resize = ResizeMode::KeepDisk;
    let plan = lab.plan(&request).await;
    assert_eq!(lab.act(id, "power_off").await, 201);
    let mut interval = tokio::time::interval(Duration::from_millis(1));
    while !lab.droplet("staging-db-1").powered_off {
        interval.tick().await;
    }
    let up = lab.up_with(&lab.run(), ResizeMode::KeepDisk).await;
    let [finding] = up.findings.as_slice() else {
        panic!("{:?}", up.findings)
    };
    assert!(finding.is_guard, "{finding:?}");
    assert!(finding.message.contains("switched off"), "{finding:?}");
    // Switched off after the plan was made.
    let report = lab.apply(plan).await;
    let failures: Vec<String> = report
        .failed
        .iter()
        .map(|own| crate::lab::chain(&own.error))
        .collect();
    assert!(
        failures
            .iter()
            .any(|told| told.contains("a resize would power it on")),
        "{failures:?}"
    );
    let droplet = lab.droplet("staging-db-1");
    assert!(
        droplet.powered_off && droplet.size == "s-1vcpu-1gb",
        "{droplet:?}"
    );
}
