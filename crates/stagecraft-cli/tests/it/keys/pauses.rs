//! The keys whose effect is no text of one run: pauses, and what is waited for.

use super::{DRY_RUN, READINESS};
use crate::support::{Lab, quick};

/// Keys whose effect no text of one run tells, with the test that shows it.
pub(crate) const PAUSES: &[(&str, &str)] = &[
    (
        "cloud.providers.digitalocean.lease.expiry",
        "interval_and_expiry_of_the_file_have_an_effect",
    ),
    (
        "cloud.providers.digitalocean.lease.interval",
        "interval_and_expiry_of_the_file_have_an_effect",
    ),
    (
        "cloud.providers.digitalocean.poll.interval",
        "poll_interval_is_the_pause_between_two_lists",
    ),
    (
        "cloud.providers.digitalocean.poll.list_lag",
        "suspended_run_that_wakes_up_creates_nothing_and_ends_as_locked",
    ),
    (
        "infra.bootstrap.readiness.cloud_init",
        "readiness_cloud_init_decides_about_hosts_on_which_it_never_ran",
    ),
    (
        "infra.bootstrap.readiness.interval",
        "readiness_interval_is_the_pause_between_two_looks_at_a_host",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn poll_interval_is_the_pause_between_two_lists() {
    let mut lists = Vec::new();
    for interval in ["20ms", "2s"] {
        let lab = Lab::api_only(quick()).await;
        lab.edit("interval: 50ms", &format!("interval: {interval}"));
        lab.control().clear_requests();
        let arguments = ["infra", "up", "--yes", "--no-bootstrap"];
        lab.run(&arguments).await.expect_code(0);
        let requests = lab.control().requests();
        lists.push(
            requests
                .iter()
                .filter(|request| request.kind == "GET /v2/droplets")
                .count(),
        );
        lab.shutdown().await;
    }
    assert!(lists[0] >= lists[1] + 3, "{lists:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_interval_is_the_pause_between_two_looks_at_a_host() {
    let lab = Lab::with_hosts(quick()).await;
    let arguments = ["infra", "up", "--yes", "--no-bootstrap"];
    lab.run(&arguments).await.expect_code(0);
    let mut looks = Vec::new();
    let mut from = READINESS.to_owned();
    for interval in ["50ms", "900ms"] {
        let to =
            format!("readiness: {{ interval: {interval}, deadline: 2s }}\n    ssh: {{ port: 9 }}");
        lab.edit(&from, &to);
        from = to;
        let refused = lab.run(DRY_RUN).await;
        let lines = refused.lines();
        let is_look = |line: &&serde_json::Value| {
            line["host"] == "db-1" && matches!(line["event"].as_str(), Some("waiting" | "retrying"))
        };
        looks.push(lines.iter().filter(is_look).count());
    }
    assert!(looks[0] >= looks[1] + 5, "{looks:?}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_cloud_init_decides_about_hosts_on_which_it_never_ran() {
    let lab = Lab::with_hosts(quick()).await;
    let up = ["infra", "up", "--yes", "-o", "json"];
    lab.run(&up).await.expect_code(0);
    let off = "rm /run/cloud-init/result.json; rm -f /var/lib/cloud/instance/boot-finished; \
               : >/run/cloud-init/disabled";
    lab.control().run("staging-db-1", off).await.unwrap();
    let failed = lab.run(&up).await;
    failed.expect_code(10);
    let told = &failed.stdout;
    assert!(
        told.contains("cloud-init is disabled on the host"),
        "{told}"
    );
    assert!(told.contains("readiness: { cloud_init: ignore }"), "{told}");
    let ignoring = READINESS.replace(" }", ", cloud_init: ignore }");
    lab.edit(READINESS, &ignoring);
    lab.run(&up).await.expect_code(0);
    lab.shutdown().await;
}
