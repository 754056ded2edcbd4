//! Tests a client of the API: how often does it ask until its droplet is there?
//!
//! `cargo run -p stagecraft-sandbox --example count_requests`

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use stagecraft_sandbox::{Fault, Sandbox, SandboxConfig};
use tokio::time::interval;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The one of this process, for all of its clients.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        return Err("another library has chosen the cryptography".into());
    }
    let sandbox = Sandbox::start(SandboxConfig::default()).await?;
    sandbox.control().update_knobs(|knobs| {
        knobs.boot_time = Duration::from_millis(400);
    });
    sandbox
        .control()
        .add_fault(Fault::status("POST", "/v2/droplets", 503));

    let id = make_droplet(&sandbox).await?;

    for (kind, count) in sandbox.control().counters() {
        println!("{kind}: {count}");
    }
    let droplets = sandbox.control().droplets();
    println!("droplets: {}", droplets.len());
    assert_eq!(droplets.first().map(|droplet| droplet.id), Some(id));
    sandbox.shutdown().await;
    Ok(())
}

/// The client to be tested; in a project of its own it is what the project is about.
async fn make_droplet(sandbox: &Sandbox) -> Result<u64, Box<dyn std::error::Error>> {
    let client = Client::new();
    let url = format!("{}/v2/droplets", sandbox.url());
    let order = json!({
        "name": "app-1", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64",
    });
    let mut pause = interval(Duration::from_millis(100));
    let id = loop {
        pause.tick().await;
        let request = client.post(&url).bearer_auth(sandbox.token()).json(&order);
        let response = request.send().await?;
        // The fault says that nothing was made, so the same order may be sent again.
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            continue;
        }
        let answer: Value = response.error_for_status()?.json().await?;
        break answer["droplet"]["id"].as_u64().ok_or("no id")?;
    };
    loop {
        pause.tick().await;
        let request = client
            .get(format!("{url}/{id}"))
            .bearer_auth(sandbox.token());
        let answer: Value = request.send().await?.error_for_status()?.json().await?;
        if answer["droplet"]["status"] == "active" {
            return Ok(id);
        }
    }
}
