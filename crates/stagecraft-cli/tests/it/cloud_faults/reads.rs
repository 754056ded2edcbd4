//! Reads that fail: a clear error and the right exit code.

use serde_json::Value;
use stagecraft_sandbox::{Fault, FaultKind};

use super::{UP, assert_next_run_finishes, first_line};
use crate::support::{Lab, quick};

#[tokio::test(flavor = "multi_thread")]
async fn unset_token_names_the_variable_and_exits_1() {
    let mut lab = Lab::api_only(quick()).await;
    for value in [None, Some("  ")] {
        match value {
            Some(value) => lab.variables.insert("DO_TOKEN".into(), value.into()),
            None => lab.variables.remove("DO_TOKEN"),
        };
        for command in [
            &UP[..],
            &["infra", "plan"],
            &["infra", "hosts"],
            &["infra", "down"],
        ] {
            let failed = lab.run(command).await;
            assert_eq!(
                first_line(failed.expect_code(1)),
                "error: digitalocean provider: API token missing from environment variable DO_TOKEN"
            );
        }
    }
    assert!(lab.control().requests().is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unset_auth_key_stops_before_anything_is_created() {
    let mut lab = Lab::api_only(quick()).await;
    lab.variables.remove("TS_AUTHKEY");
    let failed = lab.run(&["infra", "up", "--yes"]).await;
    assert_eq!(
        first_line(failed.expect_code(1)),
        "error: tailscale provider: auth key missing from environment variable TS_AUTHKEY"
    );
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_key_name_is_told_in_the_seeds_words() {
    let lab = Lab::api_only(quick()).await;
    lab.edit("ssh_key_name: my-ssh-key", "ssh_key_name: other");
    let failed = lab.run(&UP).await;
    assert_eq!(
        first_line(failed.expect_code(2)),
        "error: digitalocean provider: SSH key 'other' not found in DigitalOcean account"
    );
    assert!(lab.names().is_empty());
    lab.edit("ssh_key_name: other", "ssh_key_name: my-ssh-key");
    assert_next_run_finishes(&lab).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn api_that_is_down_is_tried_again_and_then_told() {
    let mut lab = Lab::api_only(quick()).await;
    lab.variables
        .insert("DIGITALOCEAN_API_URL".into(), "http://127.0.0.1:9".into());
    let failed = lab.run(&["infra", "up", "--yes", "-o", "json"]).await;
    let result = failed.expect_code(2).result();
    assert_eq!(result["error"]["kind"], "unavailable");
    assert_eq!(
        result["error"]["message"],
        "digitalocean provider: API error: could not connect"
    );
    assert!(
        failed
            .lines()
            .iter()
            .any(|line| line["event"] == "retrying")
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_reads_have_their_text_and_exit_2() {
    let cases = [
        (
            401,
            "digitalocean provider: API error: 401 Unable to authenticate you",
        ),
        (403, "digitalocean provider: API error: 403"),
        (404, "digitalocean provider: API error: 404"),
        (422, "digitalocean provider: API error: 422"),
        (500, "digitalocean provider: API error: 500"),
        (429, "digitalocean provider: API rate limit exceeded"),
    ];
    for (code, text) in cases {
        let lab = Lab::api_only(quick()).await;
        lab.control()
            .add_fault(Fault::status("GET", "/v2/droplets", code).times(99));
        for command in [&UP[..], &["infra", "plan"], &["infra", "hosts"]] {
            let failed = lab.run(command).await;
            let line = first_line(failed.expect_code(2));
            assert!(
                line.starts_with(&format!("error: {text}")),
                "{code}: {line}"
            );
        }
        assert!(lab.names().is_empty());
        assert_next_run_finishes(&lab).await;
        lab.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn html_for_json_is_named_as_such() {
    let lab = Lab::api_only(quick()).await;
    let html = FaultKind::Html { code: 200 };
    lab.control()
        .add_fault(Fault::new("GET", "/v2/account", html).times(99));
    let failed = lab.run(&UP).await;
    let line = first_line(failed.expect_code(2));
    assert!(
        line.contains("API error: the answer (200) is not the JSON that was expected: <"),
        "{line}"
    );
    assert_next_run_finishes(&lab).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_is_told_on_standard_error_and_the_document_stays_whole() {
    let lab = Lab::api_only(quick()).await;
    let slow = FaultKind::Status {
        code: 429,
        body: None,
        headers: [("retry-after".to_owned(), "1".to_owned())].into(),
    };
    lab.control()
        .add_fault(Fault::new("GET", "/v2/sizes", slow));
    let plan = lab.run(&["infra", "plan", "-o", "json"]).await;
    assert!(
        plan.expect_code(0)
            .stderr
            .contains("API rate limit exceeded, retrying...")
    );
    let document: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(document["plan"]["create"].as_array().unwrap().len(), 3);
    lab.shutdown().await;
}
