//! How many requests the life of a large fleet costs, through the real binary. Counts only: a
//! busy machine changes times. `cargo xtask bench cloud` measures those.

use std::time::Duration;

use crate::support::{Lab, quick};
use stagecraft_sandbox::Knobs;

const PLAN: [&str; 2] = ["infra", "plan"];
const UP: [&str; 4] = ["infra", "up", "--yes", "--no-bootstrap"];
const DOWN: [&str; 4] = ["infra", "down", "--confirm", "staging"];

/// An otherwise empty account for a fleet of `hosts`. Each wait is a tenth of a default's, or
/// less, and in the same proportion to the others.
async fn lab(hosts: u32, knobs: Knobs) -> Lab {
    let lab = Lab::api_only(Knobs {
        boot_time: Duration::from_secs(1),
        address_delay: Duration::ZERO,
        list_lag: Duration::from_millis(200),
        delete_time: Duration::from_millis(200),
        droplet_limit: 1000,
        ..knobs
    })
    .await;
    lab.edit(
        "poll: { interval: 50ms, deadline: 20s, list_lag: 400ms }",
        "poll: { interval: 500ms, deadline: 80s, list_lag: 400ms }",
    );
    lab.edit(
        "app: { role: app, count: 2 }",
        &format!("app: {{ role: app, count: {} }}", hosts - 1),
    );
    lab
}

/// Runs a command and gives the number of its requests and of their refusals.
async fn cost(lab: &Lab, arguments: &[&str]) -> (usize, usize) {
    lab.control().clear_requests();
    lab.run(arguments).await.expect_code(0);
    let requests = lab.control().requests();
    let refused = requests.iter().filter(|one| one.status == Some(429));
    (requests.len(), refused.count())
}

#[track_caller]
fn assert_at_most(lab: &Lab, what: &str, requests: usize, most: usize) {
    let counters = lab.control().counters();
    assert!(
        requests <= most,
        "{what}: {requests} requests, {counters:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn life_of_a_hundred_hosts_costs_few_requests() {
    let lab = lab(100, quick()).await;
    for (command, most) in [(&PLAN[..], 8), (&UP, 30), (&PLAN, 5), (&DOWN, 135)] {
        let (requests, _) = cost(&lab, command).await;
        assert_at_most(&lab, &command.join(" "), requests, most);
    }
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}

/// All three commands share one minute. `down` would have to wait for the next.
#[tokio::test(flavor = "multi_thread")]
async fn life_of_three_hundred_hosts_never_meets_the_limit_of_a_minute() {
    let lab = lab(
        300,
        Knobs {
            burst_limit: Some(250),
            ..quick()
        },
    )
    .await;
    for (command, most) in [(&PLAN[..], 8), (&UP, 60), (&PLAN, 7)] {
        let (requests, refused) = cost(&lab, command).await;
        assert_at_most(&lab, &command.join(" "), requests, most);
        assert_eq!(refused, 0, "{}", command.join(" "));
    }
    lab.shutdown().await;
}
