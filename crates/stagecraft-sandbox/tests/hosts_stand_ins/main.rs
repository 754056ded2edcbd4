//! What the stand-ins of a host's programs say and remember.

#![allow(
    clippy::unwrap_used,
    reason = "what fails in a test is told by its place"
)]

#[path = "../hosts_support/mod.rs"]
mod hosts_support;

mod docker;
mod packages;
mod system;
mod tailscale;

use std::net::Ipv4Addr;

use hosts_support::{Answer, Login, boot, login};
use stagecraft_sandbox::ProcessHosts;

struct Fixture {
    hosts: ProcessHosts,
    address: Ipv4Addr,
    login: Login,
}

async fn fixture() -> Fixture {
    let (hosts, address) = boot().await;
    let login = login(&hosts, address).await;
    Fixture {
        hosts,
        address,
        login,
    }
}

impl Fixture {
    async fn ok(&self, command: &str) -> String {
        self.login.ok(command).await
    }

    /// Runs a command that must fail.
    async fn fails(&self, command: &str, status: u32) -> Answer {
        let answer = self.login.exec(command, b"").await;
        assert_eq!(answer.status, Some(status), "{command}: {answer:?}");
        answer
    }

    async fn status(&self) -> serde_json::Value {
        let text = self.ok("tailscale status --json --peers=false").await;
        assert!(!text.ends_with('\n'));
        serde_json::from_str(&text).unwrap()
    }
}
