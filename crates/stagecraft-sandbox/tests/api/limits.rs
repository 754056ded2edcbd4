//! The token, the rate limits and what is unknown.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use stagecraft_sandbox::Knobs;

use crate::support::Cloud;

#[tokio::test]
async fn a_wrong_or_missing_token_is_unauthorized() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let url = format!("{}/v2/account", cloud.sandbox.url());
    for token in [None, Some("dop_v1_wrong"), Some("")] {
        let mut request = cloud.client.get(&url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 401);
        let error: Value = response.json().await.unwrap();
        assert_eq!(error["id"], "unauthorized");
        assert_eq!(error["message"], "Unable to authenticate you");
    }
}

#[tokio::test]
async fn what_is_unknown_is_not_found_whatever_the_method() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let cases = [
        (Method::GET, "/v2/kubernetes/clusters"),
        (Method::GET, "/v2/droplets/abc"),
        (Method::PUT, "/v2/droplets/1"),
        (Method::POST, "/v2/account"),
        (Method::DELETE, "/v2/droplets/1"),
    ];
    for (method, path) in cases {
        let reply = cloud.try_send(method, path, None).await.unwrap();
        assert_eq!(
            (reply.status, &reply.json()["id"]),
            (404, &json!("not_found")),
            "{path}"
        );
        assert_eq!(
            reply.message(),
            "The resource you were accessing could not be found."
        );
    }
}

#[tokio::test]
async fn every_answer_says_where_the_hour_stands() {
    let cloud = Cloud::new(Knobs::default()).await;
    for used in 1..=3 {
        let reply = cloud.get("/v2/account").await;
        assert_eq!(reply.header("ratelimit-limit"), "5000");
        assert_eq!(
            reply.header("ratelimit-remaining"),
            (5000 - used).to_string()
        );
        assert!(reply.header("ratelimit-reset").parse::<u64>().unwrap() > 1_700_000_000);
    }
}

#[tokio::test]
async fn the_burst_limit_answers_429_and_when_to_come_back() {
    let knobs = Knobs {
        burst_limit: Some(3),
        burst_window: Duration::from_millis(1500),
        ..Knobs::default()
    };
    let cloud = Cloud::new(knobs).await;
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(cloud.get("/v2/account").await.status, 200);
    }
    let refused = cloud.get("/v2/account").await;
    assert_eq!(
        (refused.status, &refused.json()["id"]),
        (429, &json!("too_many_requests"))
    );
    assert_eq!(refused.header("ratelimit-remaining"), "0");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    cloud
        .until("/v2/account", |reply| reply.status == 200)
        .await;
    assert!(start.elapsed() >= Duration::from_millis(1500));
}

#[tokio::test]
async fn the_usual_burst_limit_is_250_a_minute() {
    let cloud = Cloud::new(Knobs::default()).await;
    for _ in 0..250 {
        assert_eq!(cloud.get("/v2/actions/1").await.status, 404);
    }
    assert_eq!(cloud.get("/v2/actions/1").await.status, 429);
}

#[tokio::test]
async fn the_hourly_limit_has_no_retry_after() {
    let cloud = Cloud::new(Knobs {
        hourly_limit: Some(1),
        ..Knobs::default()
    })
    .await;
    assert_eq!(cloud.get("/v2/account").await.status, 200);
    let refused = cloud.get("/v2/account").await;
    assert_eq!(
        (refused.status, refused.headers.get("retry-after")),
        (429, None)
    );
}

#[tokio::test]
async fn lists_of_keys_have_a_limit_of_their_own() {
    let cloud = Cloud::new(Knobs::default()).await;
    for _ in 0..10 {
        assert_eq!(cloud.get("/v2/account/keys").await.status, 200);
    }
    let refused = cloud.get("/v2/account/keys?page=2").await;
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() <= 60);
    assert_eq!(cloud.get("/v2/account/keys/46102311").await.status, 200);
}

#[tokio::test]
async fn latency_delays_every_answer() {
    let latency = Duration::from_millis(150);
    let cloud = Cloud::new(Knobs {
        latency,
        ..Knobs::instant()
    })
    .await;
    let start = Instant::now();
    cloud.get("/v2/account").await;
    assert!(start.elapsed() >= latency);
}
