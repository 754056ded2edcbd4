//! Hosts that lose their power, and get it back.

use std::net::Ipv4Addr;
use std::sync::Arc;

use async_trait::async_trait;
use stagecraft_sandbox::{BootRequest, ContainerHosts, DriverError, HostDriver};
use tokio::sync::RwLock;

use crate::hosts::engine;
use crate::support::Lab;

/// The label by which the sandbox knows its hosts, and removes them.
const OWNER: &str = "dev.stagecraft.sandbox";
const FREE_PLACES: usize = 20;

/// Held for writing while an address that a host has lost must not be given to another one.
/// The tests share an engine, which gives the lowest address that is free.
static ADDRESSES: RwLock<()> = RwLock::const_new(());

/// Makes hosts at any time but in the middle of a power cut.
#[derive(Debug)]
pub(crate) struct Orderly(pub(crate) Arc<ContainerHosts>);

#[async_trait]
impl HostDriver for Orderly {
    fn ssh_port(&self) -> u16 {
        self.0.ssh_port()
    }

    async fn boot(&self, request: BootRequest) -> Result<Ipv4Addr, DriverError> {
        let _given = ADDRESSES.read().await;
        self.0.boot(request).await
    }

    async fn run(&self, id: u64, script: &str) -> Result<String, DriverError> {
        self.0.run(id, script).await
    }

    async fn destroy(&self, id: u64) {
        self.0.destroy(id).await;
    }

    async fn destroy_all(&self) {
        self.0.destroy_all().await;
    }
}

impl Lab {
    /// The address of a host.
    pub(crate) async fn address(&self, host: &str) -> String {
        address_of(&self.container(host)).await
    }

    /// Ends a host as a power cut does. Gives its address, at which nothing answers then.
    pub(crate) async fn cut_power(&self, host: &str) -> String {
        let address = self.address(host).await;
        let container = self.container(host);
        let label = format!("{{{{index .Config.Labels \"{OWNER}\"}}}}");
        let owner = inspect(&container, &label).await;
        let label = format!("{OWNER}={owner}");

        let _alone = ADDRESSES.write().await;
        engine(&["kill", &container]).await;
        for number in 0..FREE_PLACES {
            let name = format!("{container}-place-{number}");
            let silent = "ip link set eth0 down; exec sleep infinity";
            let image = "stagecraft-lab:debian-13";
            let run = ["run", "--detach", "--cap-add", "NET_ADMIN", "--label"];
            let named = [&label[..], "--name", &name, image, "sh", "-c", silent];
            engine(&[&run[..], &named].concat()).await;
            if address_of(&name).await == address {
                return address;
            }
        }
        panic!("the address {address} of {host} is another's");
    }

    /// Starts it again, at its address: the engine gives it another one besides.
    pub(crate) async fn power_on(&self, host: &str, address: &str) {
        {
            let _given = ADDRESSES.read().await;
            engine(&["start", &self.container(host)]).await;
        }
        let script = format!(
            "ip -4 address show dev eth0 | grep -q ' {address}/' || ip address add {address}/16 dev eth0"
        );
        self.inside(host, &script).await;
    }
}

/// The address of a container.
async fn address_of(container: &str) -> String {
    inspect(container, "{{.NetworkSettings.Networks.bridge.IPAddress}}").await
}

async fn inspect(container: &str, format: &str) -> String {
    let output = engine(&["inspect", "--format", format, container]).await;
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.trim().to_owned()
}
