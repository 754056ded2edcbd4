//! The texts of the first design's errors, each through the real binary.

use crate::support::{Finished, Lab, quick};
use stagecraft_sandbox::{Breakage, Fault, ForeignDroplet};

const UP: [&str; 6] = ["infra", "up", "--yes", "--no-bootstrap", "-o", "json"];

/// Looks for a text in what people read and in what programs read.
async fn expect(lab: &Lab, code: i32, text: &str) {
    for format in ["json", "text"] {
        let arguments = ["infra", "up", "--yes", "--no-bootstrap", "-o", format];
        let finished: Finished = lab.run(&arguments).await;
        finished.expect_code(code);
        let told = if format == "json" {
            finished.result()["error"]["message"].to_string()
        } else {
            finished.stderr.clone()
        };
        assert!(told.contains(text), "{format}: {text}: {finished:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn config_invalid() {
    let lab = Lab::api_only(quick()).await;
    lab.edit("token_env: DO_TOKEN", "token_env: \"\"");
    let text = "digitalocean provider: invalid config: token_env is required";
    expect(&lab, 1, text).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn token_missing() {
    let mut lab = Lab::api_only(quick()).await;
    lab.variables.remove("DO_TOKEN");
    let text = "digitalocean provider: API token missing from environment variable DO_TOKEN";
    expect(&lab, 1, text).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_key_not_found() {
    let lab = Lab::api_only(quick()).await;
    lab.edit("ssh_key_name: my-ssh-key", "ssh_key_name: other");
    let text = "digitalocean provider: SSH key 'other' not found in DigitalOcean account";
    expect(&lab, 2, text).await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn droplet_exists() {
    let lab = Lab::api_only(quick()).await;
    lab.control()
        .create_droplet(ForeignDroplet::new("staging-app-1", &[]))
        .unwrap();
    let text = "digitalocean provider: droplet 'staging-app-1' already exists";
    expect(&lab, 2, text).await;
    assert_eq!(lab.names(), ["staging-app-1"]);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn droplet_not_found() {
    let mut knobs = quick();
    // Active, and still awaited: while it boots, the API would call its creation failed.
    knobs.address_delay = std::time::Duration::from_secs(30);
    let lab = Lab::api_only(knobs).await;
    let run = lab.run(&UP);
    let vanish = async {
        let mut look = tokio::time::interval(std::time::Duration::from_millis(20));
        loop {
            look.tick().await;
            let requests = lab.control().requests();
            let created = requests
                .iter()
                .position(|request| request.kind == "POST /v2/droplets");
            let lists = created.map_or(0, |created| {
                requests[created..]
                    .iter()
                    .filter(|request| request.kind == "GET /v2/droplets")
                    .count()
            });
            if lists > 15 {
                break;
            }
        }
        for droplet in lab.droplets() {
            lab.control()
                .break_droplet(droplet.id, Breakage::Vanish)
                .unwrap();
        }
    };
    let (finished, ()) = tokio::join!(run, vanish);
    let result = finished.expect_code(2).result();
    let text = "digitalocean provider: droplet 'staging-app-1' not found";
    assert!(result["failed"].to_string().contains(text), "{result}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn api_error() {
    let lab = Lab::api_only(quick()).await;
    lab.control()
        .add_fault(Fault::status("GET", "/v2/account", 503).times(99));
    expect(&lab, 2, "digitalocean provider: API error: 503").await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_limit() {
    let lab = Lab::api_only(quick()).await;
    lab.control()
        .add_fault(Fault::status("GET", "/v2/account", 429).times(99));
    expect(&lab, 2, "digitalocean provider: API rate limit exceeded").await;
    let retried = lab.run(&UP).await;
    assert!(
        retried
            .lines()
            .iter()
            .any(|line| line["event"] == "retrying"
                && line["reason"]
                    .as_str()
                    .is_some_and(|reason| reason.contains("retrying..."))),
        "{retried:?}"
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn locked_account_is_named_and_no_scope_is_blamed() {
    let mut knobs = quick();
    knobs.account_status = stagecraft_sandbox::AccountStatus::Locked;
    knobs.account_status_message = "billing".to_owned();
    let lab = Lab::api_only(knobs).await;
    let text = "digitalocean provider: the account is locked: billing";
    expect(&lab, 2, text).await;
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}
