//! SIGKILL at any point: the next run, from any directory, ends in the same place.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows test functions only, not their helpers"
)]

use crate::support::{DECLARED, Lab, quick};
use serde_json::Value;

/// Kills a run at the first event that `at` accepts, then runs again from a directory that
/// holds the configuration and nothing else.
async fn killed_run_is_finished_by_the_next(name: &str, at: impl Fn(&Value) -> bool) {
    let mut knobs = quick();
    // Slow enough that a create is still in flight when the kill comes.
    knobs.latency = std::time::Duration::from_millis(40);
    let lab = Lab::with_hosts(knobs).await;
    let killed = lab
        .kill_at(&["infra", "up", "--yes", "-o", "json"], at)
        .await;
    assert!(killed.is_some(), "{name}: the point was never reached");

    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::copy(lab.config_path(), elsewhere.path().join("stagecraft.yml")).unwrap();
    let second = lab
        .run_in(elsewhere.path(), &["infra", "up", "--yes", "-o", "json"])
        .await;
    assert_eq!(second.code, Some(0), "{name}: {second:?}");
    assert_eq!(lab.names(), DECLARED, "{name}: no second host, no orphan");

    let third = lab.run(&["infra", "up", "--yes", "-o", "json"]).await;
    for host in third.expect_code(0).result()["hosts"].as_array().unwrap() {
        for step in host["steps"].as_array().unwrap() {
            assert_eq!(step["status"], "unchanged", "{name}: {host}");
        }
    }
    lab.run(&["infra", "down", "--confirm", "staging"])
        .await
        .expect_code(0);
    assert!(lab.names().is_empty(), "{name}");
    lab.shutdown().await;
}

fn event<'a>(name: &'a str, field: &'a str, value: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |line| line["event"] == name && (field.is_empty() || line[field] == value)
}

macro_rules! kill_points {
    ($($test:ident: $event:literal $field:literal $value:literal;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                killed_run_is_finished_by_the_next(stringify!($test), event($event, $field, $value)).await;
            }
        )*
    };
}

kill_points! {
    killed_after_the_plan: "planned" "" "";
    killed_while_it_settles: "waiting" "" "";
    killed_with_the_first_create_in_flight: "hosts_requested" "" "";
    killed_after_the_first_create_was_accepted: "host_accepted" "host" "app-1";
    killed_with_all_creates_accepted: "host_accepted" "host" "db-1";
    killed_when_the_first_host_is_active: "host_active" "" "";
    killed_when_the_first_host_is_connected: "host_connected" "" "";
    killed_in_the_middle_of_docker: "step_started" "step" "docker";
    killed_between_two_steps: "step_finished" "step" "docker";
    killed_in_the_middle_of_joining: "step_started" "step" "network";
    killed_after_the_first_host_is_done: "step_finished" "step" "network";
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_down_is_finished_by_the_next() {
    for point in ["planned", "host_delete_accepted", "host_gone"] {
        let lab = Lab::api_only(quick()).await;
        lab.run(&["infra", "up", "--yes", "--no-bootstrap"])
            .await
            .expect_code(0);
        let down = ["infra", "down", "--confirm", "staging", "-o", "json"];
        let killed = lab.kill_at(&down, event(point, "", "")).await;
        assert!(killed.is_some(), "{point}");
        lab.run(&down).await.expect_code(0);
        assert!(lab.names().is_empty(), "{point}");
        lab.shutdown().await;
    }
}

/// A create that was accepted a moment ago is not in the list yet: `down` must find it.
#[tokio::test(flavor = "multi_thread")]
async fn down_right_after_a_killed_up_leaves_nothing_behind() {
    let up = ["infra", "up", "--yes", "--no-bootstrap", "-o", "json"];
    let down = ["infra", "down", "--confirm", "staging"];
    for (point, host) in [
        ("hosts_requested", ""),
        ("host_accepted", "app-1"),
        ("host_accepted", "db-1"),
    ] {
        let mut knobs = quick();
        knobs.latency = std::time::Duration::from_millis(20);
        let lab = Lab::api_only(knobs).await;
        let at = |line: &Value| line["event"] == point && (host.is_empty() || line["host"] == host);
        assert!(lab.kill_at(&up, at).await.is_some(), "{point}");
        lab.run(&down).await.expect_code(0);
        assert!(lab.names().is_empty(), "{point} {host}: {:?}", lab.names());
        lab.run(&up).await.expect_code(0);
        assert_eq!(lab.names(), DECLARED, "{point} {host}");
        lab.shutdown().await;
    }
}

/// Kills at moments spread over a whole run, wherever they fall.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_millisecond_no_host_is_doubled_or_lost() {
    let mut knobs = quick();
    knobs.latency = std::time::Duration::from_millis(15);
    let lab = Lab::api_only(knobs).await;
    for step in 0..8_u64 {
        let mut child = lab
            .command(&["infra", "up", "--yes", "--no-bootstrap"])
            .spawn()
            .unwrap();
        let moment = std::time::Duration::from_millis(30 + step * 100);
        let ended = tokio::time::timeout(moment, child.wait()).await;
        if ended.is_err() {
            child.kill().await.unwrap();
        }
        lab.run(&["infra", "up", "--yes", "--no-bootstrap"])
            .await
            .expect_code(0);
        assert_eq!(lab.names(), DECLARED, "killed at {moment:?}");
        lab.run(&["infra", "down", "--confirm", "staging"])
            .await
            .expect_code(0);
        assert!(lab.names().is_empty());
    }
    lab.shutdown().await;
}
