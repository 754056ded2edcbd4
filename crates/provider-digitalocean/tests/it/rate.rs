//! What is sent when the API refuses for the rate, and what is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Api, CONFIG, Ready, droplet, list, only_failure};
use async_trait::async_trait;
use provider_digitalocean::core::{
    ApplyReport, CloudProvider as _, Error, ErrorKind, Event, Host, PlanMode, Retry, WriteGuard,
};
use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, ResponseTemplate};

fn limited() -> ResponseTemplate {
    ResponseTemplate::new(429)
        .insert_header("ratelimit-limit", "5000")
        .insert_header("ratelimit-remaining", "0")
        // In the past, as it was seen.
        .insert_header("ratelimit-reset", "1402425459")
        .set_body_json(json!({"id": "too_many_requests", "message": "API Rate limit exceeded."}))
}

fn burst() -> ResponseTemplate {
    limited().insert_header("retry-after", "0")
}

async fn refuse(api: &Api, verb: &str, at: &str, answer: ResponseTemplate, times: u64) {
    Mock::given(method(verb))
        .and(path(at))
        .respond_with(answer)
        .up_to_n_times(times)
        .with_priority(1)
        .mount(&api.server)
        .await;
}

#[tokio::test]
async fn refusals_of_the_minute_never_fail_a_run_that_has_time_left() {
    let api = Api::start(Vec::new()).await;
    api.create_shows(Some(droplet(7, "active"))).await;
    refuse(&api, "GET", "/v2/droplets", burst(), 9).await;
    refuse(&api, "POST", "/v2/droplets", burst(), 9).await;
    let (report, ready) = api.up().await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(ready.len(), 1);
    assert_eq!(api.sent("POST").await, 10, "nine refusals and the create");
}

#[tokio::test]
async fn limit_of_the_hour_is_named_after_a_few_tries() {
    let api = Api::start(Vec::new()).await;
    refuse(&api, "GET", "/v2/tags", limited(), 99).await;
    let error = api.hosts().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry(), Retry::Exhausted);
    assert_eq!(
        error.chain(),
        [
            "digitalocean provider: API rate limit exceeded",
            "the token's hourly limit of 5000 requests is used up",
        ]
    );
    assert!(error.hint().unwrap().contains("one of the hour"));
    assert_eq!(api.sent("GET").await, 5);
}

/// Accepts the create of droplet 7, whose lists are refused for the hour `times` times.
async fn refused_while_waiting(config: &str, times: usize) -> (ApplyReport, Vec<Host>) {
    let api = Api::with(Vec::new(), config, "t0ken").await;
    let plan = api.approve(PlanMode::Reconcile).await;
    let created = json!({"droplets": [droplet(7, "new")]});
    let created = ResponseTemplate::new(202).set_body_json(created);
    api.on("POST", "/v2/droplets", created, 1).await;
    let lists = AtomicUsize::new(0);
    Mock::given(method("GET"))
        .and(path("/v2/droplets"))
        .respond_with(move |_: &wiremock::Request| {
            // The first is the one before the create.
            let number = lists.fetch_add(1, Ordering::Relaxed);
            if (1..=times).contains(&number) {
                return limited();
            }
            let shown = (number > 0).then(|| droplet(7, "active"));
            let shown: Vec<_> = shown.into_iter().collect();
            ResponseTemplate::new(200).set_body_json(list("droplets", &shown))
        })
        .with_priority(1)
        .mount(&api.server)
        .await;
    api.apply(&plan).await
}

#[tokio::test]
async fn poll_outlives_the_limit_of_the_hour_until_its_deadline() {
    let (report, ready) = refused_while_waiting(CONFIG, 7).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(ready.len(), 1);

    let impatient = CONFIG.replace("20s", "300ms");
    let (report, _) = refused_while_waiting(&impatient, usize::MAX).await;
    let (kind, told) = only_failure(&report);
    assert_eq!(kind, ErrorKind::RateLimited);
    assert!(told.contains("hourly limit of 5000 requests"), "{told}");
}

#[tokio::test]
async fn full_window_is_waited_for_and_told_once_and_cancelling_ends_the_wait() {
    let config = CONFIG.replace("window: 1ms", "requests: 4, window: 600ms");
    let api = Api::with(Vec::new(), &config, "t0ken").await;
    let started = Instant::now();
    api.hosts().await.unwrap();
    api.hosts().await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(600));
    let events = std::mem::take(&mut *api.cancel.events.lock().unwrap());
    let [Event::Waiting { what, .. }] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(what, "the API's rate limit, at most 3 requests in 600ms");

    api.cancel_at("Waiting");
    let sent = api.sent("GET").await;
    let error = api.hosts().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(api.sent("GET").await, sent);
}

/// A lease that is sure only after it was asked for three times.
#[derive(Debug, Default)]
struct Doubtful {
    checks: AtomicUsize,
}

#[async_trait]
impl WriteGuard for Doubtful {
    async fn check(&self) -> Result<(), Error> {
        self.checks.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn is_fresh(&self) -> bool {
        self.checks.load(Ordering::Relaxed) >= 3
    }

    fn lost(&self) -> Option<Error> {
        None
    }

    fn run_id(&self) -> &'static str {
        "0000000000000000"
    }
}

#[tokio::test]
async fn lease_is_made_sure_of_again_after_a_turn_that_was_long_in_coming() {
    let api = Api::start(Vec::new()).await;
    api.create_shows(Some(droplet(7, "active"))).await;
    let plan = api.approve(PlanMode::Reconcile).await;
    let guard = Arc::new(Doubtful::default());
    let run = api.run.guarded(Arc::clone(&guard) as _);
    let report = api.provider.apply(&run, &plan, &Ready::default()).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(api.sent("POST").await, 1);
    let checks = guard.checks.load(Ordering::Relaxed);
    assert_eq!(checks, 3, "one before the list, two before the create");
}
