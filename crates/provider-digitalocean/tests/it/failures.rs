//! What callers get when the API refuses, droplets misbehave or the run is cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Api, CONFIG, droplet, list, only_failure, refused};
use provider_digitalocean::core::{
    CloudProvider, ErrorKind, Holder, Marker, PlanMode, PlanRequest, Retry,
};
use serde_json::json;
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, Request, ResponseTemplate};

#[tokio::test]
async fn every_refusal_reaches_the_caller_with_its_kind_and_request_id() {
    for (status, kind, sent, retry) in [
        (302, ErrorKind::Protocol, 1, Retry::Never),
        (400, ErrorKind::Rejected, 1, Retry::Never),
        (401, ErrorKind::Unauthorized, 1, Retry::Never),
        (403, ErrorKind::Forbidden, 1, Retry::Never),
        (404, ErrorKind::NotFound, 1, Retry::Never),
        (408, ErrorKind::Unavailable, 5, Retry::Exhausted),
        (409, ErrorKind::AlreadyExists, 1, Retry::Never),
        (422, ErrorKind::Rejected, 1, Retry::Never),
        (429, ErrorKind::RateLimited, 5, Retry::Exhausted),
        (500, ErrorKind::Unavailable, 5, Retry::Exhausted),
        (503, ErrorKind::Unavailable, 5, Retry::Exhausted),
    ] {
        let api = Api::start(Vec::new()).await;
        api.on("GET", "/v2/tags", refused(status), 1).await;
        let error = api.hosts().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(error.retry(), retry, "{status}");
        assert_eq!(error.operation(), Some("list_tags"));
        assert_eq!(error.context(), [("request_id", "r-1".to_owned())]);
        assert_eq!(api.sent("GET").await, sent, "{status}");
    }
}

#[tokio::test]
async fn cancelled_run_sends_nothing() {
    let api = Api::start(Vec::new()).await;
    api.run.cancellation().cancel();
    let error = api.hosts().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(api.sent("GET").await, 0);
}

#[tokio::test]
async fn token_that_cannot_be_one_is_refused_before_it_is_sent() {
    let api = Api::with(Vec::new(), CONFIG, "two words").await;
    let error = api.hosts().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SecretMissing);
    assert!(!error.to_string().contains("two words"), "{error}");
    assert_eq!(api.sent("GET").await, 0);
}

#[tokio::test]
async fn preflight_tells_of_sizes_that_cannot_be_had_and_names_that_are_taken() {
    let mut foreign = droplet(3, "active");
    foreign["tags"] = json!([]);
    let api = Api::start(Vec::new()).await;
    api.on(
        "GET",
        "/v2/sizes",
        ResponseTemplate::new(200).set_body_json(list("sizes", &[])),
        1,
    )
    .await;
    let findings = api.findings().await;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].message, "size `small` does not exist");

    let api = Api::start(vec![foreign]).await;
    let sold_out =
        json!({"slug": "small", "price_monthly": 6.0, "available": false, "regions": ["nyc3"]});
    api.on(
        "GET",
        "/v2/sizes",
        ResponseTemplate::new(200).set_body_json(list("sizes", &[sold_out])),
        1,
    )
    .await;
    // The list by tag shows nothing of it.
    Mock::given(path("/v2/droplets"))
        .and(wiremock::matchers::query_param(
            "tag_name",
            "stagecraft-env-staging",
        ))
        .respond_with(ResponseTemplate::new(200).set_body_json(list("droplets", &[])))
        .with_priority(1)
        .mount(&api.server)
        .await;
    let findings = api.findings().await;
    let told: Vec<(&str, Option<&str>)> = findings
        .iter()
        .map(|finding| (finding.message.as_str(), finding.hint.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (
                "size `small` is not available in region `nyc3`",
                Some("it is available nowhere at the moment")
            ),
            (
                "droplet 'staging-db-1' already exists (id 3) and does not bear the tags of Stagecraft",
                Some(
                    "if it is to be managed here, adopt it by `stagecraft infra adopt db-1 --env staging`; otherwise give the host another name"
                )
            ),
        ]
    );
}

#[tokio::test]
async fn droplet_that_is_switched_off_is_refused_and_not_touched() {
    let api = Api::start(vec![droplet(1, "off")]).await;
    let (report, ready) = api.up().await;
    let (kind, told) = only_failure(&report);
    assert_eq!(kind, ErrorKind::Rejected);
    assert!(told.contains("'staging-db-1' is not usable"), "{told}");
    assert!(told.contains("is switched off"), "{told}");
    assert!(ready.is_empty());
    assert_eq!(api.sent("POST").await, 0);
}

#[tokio::test]
async fn droplet_that_never_becomes_active_is_given_up_at_the_deadline() {
    let mut nowhere = droplet(7, "active");
    nowhere["networks"] = json!({});
    for (shown, state) in [
        (droplet(7, "new"), "it is not active"),
        (nowhere, "it is active but has no public address"),
    ] {
        let api = Api::impatient(Vec::new()).await;
        api.create_shows(Some(shown)).await;
        let (report, ready) = api.up().await;
        let (kind, told) = only_failure(&report);
        assert_eq!(kind, ErrorKind::Timeout);
        assert!(told.contains(state), "{told}");
        assert!(ready.is_empty() && report.created.is_empty());
        assert_eq!(api.sent("POST").await, 1);
    }
}

/// Of a run that the lease did not hold off.
#[tokio::test]
async fn double_that_came_at_the_same_time_is_told_and_neither_is_deleted() {
    let api = Api::start(Vec::new()).await;
    api.create_shows([droplet(7, "active"), droplet(8, "active")])
        .await;
    let (report, _) = api.up().await;
    let (kind, told) = only_failure(&report);
    assert_eq!(kind, ErrorKind::Guard);
    let double = "already exists (id 8): another run created it at the same time";
    assert!(told.contains(double), "{told}");
    assert_eq!(api.sent("POST").await, 1);
    assert_eq!(api.sent("DELETE").await, 0);
}

#[tokio::test]
async fn droplet_that_no_list_shows_is_given_up_although_it_can_be_read() {
    let api = Api::impatient(Vec::new()).await;
    api.create_shows(None).await;
    let body = json!({"droplet": droplet(7, "new")});
    let found = ResponseTemplate::new(200).set_body_json(body);
    api.on("GET", "/v2/droplets/7", found, 1).await;
    let (kind, told) = only_failure(&api.up().await.0);
    assert_eq!(kind, ErrorKind::Timeout);
    assert!(told.contains("it does not show in the list"), "{told}");
}

#[tokio::test]
async fn droplet_that_vanishes_after_its_create_is_told_with_the_cause_if_there_is_one() {
    let errored = json!({"action": {"id": 70, "status": "errored", "resource_id": 7}});
    for (action, kind, text) in [
        (refused(404), ErrorKind::NotFound, "not found"),
        (
            ResponseTemplate::new(200).set_body_json(errored),
            ErrorKind::Rejected,
            "the create action ended as errored",
        ),
    ] {
        let api = Api::start(Vec::new()).await;
        api.create_shows(None).await;
        api.on("GET", "/v2/droplets/7", refused(404), 1).await;
        api.on("GET", "/v2/actions/70", action, 1).await;
        let (found, told) = only_failure(&api.up().await.0);
        assert_eq!(found, kind);
        assert!(told.contains(text), "{told}");
    }
}

#[tokio::test]
async fn refusal_while_waiting_is_the_failure_of_every_host_that_waits() {
    let api = Api::start(Vec::new()).await;
    api.create_shows(None).await;
    api.on("GET", "/v2/droplets/7", refused(403), 1).await;
    let (kind, told) = only_failure(&api.up().await.0);
    assert_eq!(kind, ErrorKind::Forbidden);
    assert!(told.contains("creation failed"), "{told}");
}

#[tokio::test]
async fn create_is_not_sent_once_the_run_is_cancelled() {
    let api = Api::start(Vec::new()).await;
    let plan = api.approve(PlanMode::Reconcile).await;
    api.run.cancellation().cancel();
    let (report, _) = api.apply(&plan).await;
    assert_eq!(report.not_tried.len(), 1, "{report:?}");
    assert!(report.failed.is_empty(), "{report:?}");
    assert_eq!(api.sent("POST").await, 0);
}

#[tokio::test]
async fn host_that_was_accepted_before_the_run_was_cancelled_is_told_as_existing() {
    let api = Api::start(Vec::new()).await;
    api.create_shows(Some(droplet(7, "new"))).await;
    api.cancel_at("HostAccepted");
    let (report, _) = api.up().await;
    let (kind, told) = only_failure(&report);
    assert_eq!(kind, ErrorKind::Cancelled);
    assert!(told.contains("exists and is not ready yet"), "{told}");
    let id = report.failed[0].id.as_ref().unwrap();
    assert_eq!(id.as_str(), "7");
}

#[tokio::test]
async fn lost_create_whose_hosts_cannot_be_looked_for_says_so_and_is_not_sent_again() {
    let api = Api::start(Vec::new()).await;
    let plan = api.approve(PlanMode::Reconcile).await;
    let blind = Arc::clone(&api.droplets);
    Mock::given(method("POST"))
        .respond_with(move |_: &wiremock::Request| {
            // From now on, tags are left out of every list.
            let mut tagless = droplet(7, "active");
            tagless.as_object_mut().unwrap().remove("tags");
            blind.lock().unwrap().push(tagless);
            refused(500)
        })
        .expect(1)
        .mount(&api.server)
        .await;
    let (report, _) = api.apply(&plan).await;
    let (kind, told) = only_failure(&report);
    assert_eq!(kind, ErrorKind::Forbidden);
    assert!(told.contains("looking for its droplets failed"), "{told}");
}

#[tokio::test]
async fn create_answer_that_names_other_droplets_is_not_understood() {
    let api = Api::start(Vec::new()).await;
    let mut other = droplet(9, "new");
    other["name"] = json!("staging-other");
    let answer = ResponseTemplate::new(202).set_body_json(json!({"droplets": [other]}));
    api.on("POST", "/v2/droplets", answer, 1).await;
    let (kind, told) = only_failure(&api.up().await.0);
    assert_eq!(kind, ErrorKind::Protocol);
    assert!(told.contains("does not name every droplet"), "{told}");
}

#[tokio::test]
async fn nothing_is_done_if_the_account_cannot_be_read_when_applying() {
    for mode in [PlanMode::Reconcile, PlanMode::Destroy] {
        let laid = match mode {
            PlanMode::Reconcile => Vec::new(),
            _ => vec![droplet(1, "active")],
        };
        let api = Api::start(laid).await;
        let plan = api.approve(mode).await;
        // Another process, which has to read the tags itself.
        let fresh = Api::start(Vec::new()).await;
        fresh.on("GET", "/v2/tags", refused(401), 1).await;
        let (report, _) = fresh.apply(&plan).await;
        let (kind, told) = only_failure(&report);
        assert_eq!(kind, ErrorKind::Unauthorized, "{told}");
        assert_eq!(fresh.sent("POST").await + fresh.sent("DELETE").await, 0);
    }
}

#[tokio::test]
async fn droplet_that_lost_its_tags_since_the_plan_is_not_deleted() {
    let api = Api::start(vec![droplet(1, "active")]).await;
    let plan = api.approve(PlanMode::Destroy).await;
    api.droplets.lock().unwrap()[0]["tags"] = json!(["stagecraft"]);
    let (report, _) = api.apply(&plan).await;
    let (kind, told) = only_failure(&report);
    assert_eq!(kind, ErrorKind::Guard);
    assert!(told.contains("no longer bears the tags"), "{told}");
    assert_eq!(api.sent("DELETE").await, 0);
}

#[tokio::test]
async fn delete_waits_for_a_pending_event_and_is_proven_by_the_list() {
    let api = Api::start(vec![droplet(1, "active")]).await;
    let busy = ResponseTemplate::new(422)
        .set_body_json(json!({"message": "Droplet already has a pending event."}));
    Mock::given(method("DELETE"))
        .respond_with(busy)
        .up_to_n_times(2)
        .with_priority(1)
        .mount(&api.server)
        .await;
    let droplets = Arc::clone(&api.droplets);
    Mock::given(method("DELETE"))
        .and(path_regex("^/v2/droplets/1$"))
        .respond_with(move |_: &wiremock::Request| {
            droplets.lock().unwrap().clear();
            ResponseTemplate::new(204)
        })
        .expect(1)
        .mount(&api.server)
        .await;
    let report = api.down().await;
    assert!(report.failed.is_empty(), "{report:?}");
    assert_eq!(report.deleted.len(), 1);
}

#[tokio::test]
async fn delete_that_is_refused_or_has_no_effect_is_a_failure_with_the_id() {
    for (answer, kind, text) in [
        (refused(403), ErrorKind::Forbidden, "403 words"),
        (
            ResponseTemplate::new(204),
            ErrorKind::Timeout,
            "it is still there after",
        ),
    ] {
        let api = Api::impatient(vec![droplet(1, "active")]).await;
        api.on("DELETE", "/v2/droplets/1", answer, 1).await;
        let report = api.down().await;
        let (found, told) = only_failure(&report);
        assert_eq!(found, kind);
        assert!(told.contains("deletion failed"), "{told}");
        assert!(told.contains(text), "{told}");
        assert_eq!(report.failed[0].id.as_ref().unwrap().as_str(), "1");
        assert!(report.deleted.is_empty());
        assert_eq!(api.sent("DELETE").await, 1);
    }
}

#[tokio::test]
async fn list_that_fails_while_deleting_leaves_nobody_believed_to_be_gone() {
    let api = Api::start(vec![droplet(1, "active")]).await;
    let plan = api.approve(PlanMode::Destroy).await;
    api.on("GET", "/v2/droplets", refused(401), 1).await;
    let (report, _) = api.apply(&plan).await;
    assert_eq!(only_failure(&report).0, ErrorKind::Unauthorized);
    assert!(report.deleted.is_empty());
    assert_eq!(api.sent("DELETE").await, 0);
}

#[tokio::test]
async fn cancelled_delete_tells_what_was_accepted_from_what_was_not_tried() {
    let api = Api::start(vec![droplet(1, "active")]).await;
    api.on("DELETE", "/v2/droplets/1", ResponseTemplate::new(204), 1)
        .await;
    let plan = api.approve(PlanMode::Destroy).await;
    api.cancel_at("HostDeleteAccepted");
    let (report, _) = api.apply(&plan).await;
    assert_eq!(only_failure(&report).0, ErrorKind::Cancelled);
    assert!(report.not_tried.is_empty());

    let api = Api::start(vec![droplet(1, "active")]).await;
    let busy = ResponseTemplate::new(422).set_body_json(json!({"message": "a pending event"}));
    api.on("DELETE", "/v2/droplets/1", busy, 1).await;
    let plan = api.approve(PlanMode::Destroy).await;
    api.cancel_at("Waiting");
    let (report, _) = api.apply(&plan).await;
    assert!(report.failed.is_empty(), "{report:?}");
    assert_eq!(report.not_tried.len(), 1);
    assert_eq!(report.not_tried[0].as_str(), "db-1");
}

#[tokio::test]
async fn answer_that_repeats_the_token_does_not_spread_it() {
    let token = "dop_v1_0123456789abcdef0123456789abcdef";
    let padding = "x".repeat(270);
    for (status, body) in [
        (
            403,
            json!({"message": format!("bad: Bearer {token}"), "request_id": token}).to_string(),
        ),
        (
            403,
            json!({"message": format!("{padding} Bearer {token}")}).to_string(),
        ),
        (502, format!("<html>Authorization: Bearer {token}</html>")),
        (200, json!({"account": token}).to_string()),
        (200, format!("{{Bearer {token}")),
    ] {
        let api = Api::with(vec![], CONFIG, token).await;
        Mock::given(method("GET"))
            .and(path("/v2/account"))
            .respond_with(ResponseTemplate::new(status).set_body_string(body))
            .with_priority(1)
            .mount(&api.server)
            .await;
        let request = PlanRequest::new("staging".parse().unwrap(), PlanMode::Reconcile);
        let error = api.provider.observe(&api.run, &request).await.unwrap_err();
        let told = format!("{error:?} {:?} {:?}", error.chain(), error.context());
        assert!(!told.contains("0123456789abcdef"), "{told}");
    }
}

#[tokio::test]
async fn beat_of_a_marker_that_is_gone_tells_that_another_run_works() {
    let api = Api::start(vec![]).await;
    Mock::given(path("/v2/firewalls/f-1"))
        .respond_with(ResponseTemplate::new(404).set_body_json(json!({"id": "not_found"})))
        .expect(1..)
        .mount(&api.server)
        .await;
    let marker = Marker {
        id: "f-1".to_owned(),
        holder: Some(Holder::new("0123456789abcdef", "laptop", 42, "up")),
        since: "2026-11-01T12:00:00Z".to_owned(),
        idle: None,
        expiry: Duration::from_secs(90),
    };
    let lease = api.provider.lease().unwrap();
    let environment = "staging".parse().unwrap();
    let error = lease
        .beat(&api.run, &environment, &marker)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains("'staging'"), "{error}");
}

#[tokio::test]
async fn mark_of_a_resize_goes_only_after_what_a_killed_run_sent_has_landed() {
    let shown = |status: &str| {
        let mut host = droplet(7, status);
        let tags = host["tags"].as_array_mut().expect("tags");
        tags.push(json!("stagecraft-resizing"));
        host
    };
    let api = Api::start(vec![shown("active")]).await;
    // The order to shut down was in flight: it is carried out a moment later.
    let looks = AtomicUsize::new(0);
    let droplets = Arc::clone(&api.droplets);
    let off = shown("off");
    Mock::given(method("GET"))
        .and(path("/v2/droplets/7/actions"))
        .respond_with(move |_: &Request| {
            let is_done = looks.fetch_add(1, Ordering::Relaxed) > 3;
            if is_done {
                *droplets.lock().expect("no panic") = vec![off.clone()];
            }
            let status = if is_done { "completed" } else { "in-progress" };
            let action = json!({"id": 1, "status": status, "type": "shutdown", "resource_id": 7});
            ResponseTemplate::new(200).set_body_json(list("actions", &[action]))
        })
        .mount(&api.server)
        .await;
    let droplets = Arc::clone(&api.droplets);
    Mock::given(method("GET"))
        .and(path("/v2/droplets/7"))
        .respond_with(move |_: &Request| {
            let droplets = droplets.lock().expect("no panic");
            ResponseTemplate::new(200).set_body_json(json!({"droplet": droplets[0]}))
        })
        .mount(&api.server)
        .await;
    let droplets = Arc::clone(&api.droplets);
    let on = shown("active");
    Mock::given(method("POST"))
        .and(path("/v2/droplets/7/actions"))
        .respond_with(move |_: &Request| {
            *droplets.lock().expect("no panic") = vec![on.clone()];
            ResponseTemplate::new(201).set_body_json(json!({"action": {"id": 2}}))
        })
        .expect(1)
        .mount(&api.server)
        .await;
    let untagged = ResponseTemplate::new(204);
    let tag = "/v2/tags/stagecraft-resizing/resources";
    api.on("DELETE", tag, untagged, 1).await;
    let (report, ready) = api.up().await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!((ready.len(), report.powered_on.len()), (1, 1));
    assert_eq!(api.sent("DELETE").await, 1);
}
