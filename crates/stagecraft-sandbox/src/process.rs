//! Hosts as processes of this machine.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::TcpListener;

use crate::cloud_config::{CloudConfig, HostKey};
use crate::driver::{BootRequest, DriverError, HostDriver};
use crate::ssh_server::{self, AuthorizedKeys, SshFault, SshServer};
use identity::Identities;
use namespace::{Door, Namespaces, check};
use provision::Provision;

pub(crate) mod address;
pub(crate) mod identity;
pub(crate) mod namespace;
pub(crate) mod os_release;
pub(crate) mod provision;
pub(crate) mod stand_ins;
pub(crate) mod trial;

/// Configuration of [`ProcessHosts`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessHostsConfig {
    /// How long a host's first boot lasts after SSH answers.
    ///
    /// Until then `/var/lib/cloud/instance/boot-finished` is absent and the package manager is
    /// locked. Default: 300 ms.
    pub first_boot: Duration,
    /// The domain of the tailnet that hosts join. Default: `sandbox.ts.net`.
    pub tailnet_domain: String,
}

impl Default for ProcessHostsConfig {
    fn default() -> Self {
        Self {
            first_boot: Duration::from_millis(300),
            tailnet_domain: "sandbox.ts.net".to_owned(),
        }
    }
}

impl ProcessHostsConfig {
    /// Sets how long a host's first boot lasts after SSH answers.
    #[must_use]
    pub fn first_boot(mut self, duration: Duration) -> Self {
        self.first_boot = duration;
        self
    }

    /// Sets the domain of the tailnet that hosts join.
    #[must_use]
    pub fn tailnet_domain(mut self, domain: impl Into<String>) -> Self {
        self.tailnet_domain = domain.into();
        self
    }
}

/// Runs each droplet's host in namespaces of this machine (Linux only).
///
/// A host has its own processes, mounts, network and users: nothing in it can write to, signal or
/// configure what is outside. An SSH server per host runs in this process, on the host's own
/// loopback address, and executes commands inside. Programs that would change a real host
/// (`apt-get`, `systemctl`, `docker`, `tailscale`, ...) are stand-ins that keep records. Each logs
/// its calls to `/var/log/sandbox/PROGRAM.log` and fails on demand, as described in
/// `/run/sandbox/fail/PROGRAM` (first line: how often, or `always`; the rest: its message).
///
/// Hosts end with [`HostDriver::destroy`], when this is dropped, and when this process dies,
/// however that happens.
#[derive(Debug)]
pub struct ProcessHosts {
    config: ProcessHostsConfig,
    identities: Identities,
    ssh_port: u16,
    hosts: Mutex<BTreeMap<u64, Slot>>,
    faults: Mutex<BTreeMap<String, SshFault>>,
}

/// A host's slot, reserved from the start of its boot.
#[derive(Debug)]
enum Slot {
    Booting,
    Up(Box<Host>),
}

#[derive(Debug)]
struct Host {
    name: String,
    server: Arc<SshServer>,
    namespaces: Namespaces,
}

impl ProcessHosts {
    /// Prepares for hosts and creates one as a trial.
    ///
    /// # Errors
    ///
    /// If this machine does not allow namespaces, with the restriction, the cure, and the modes
    /// that work without; also if no SSH port is available.
    pub async fn new(config: ProcessHostsConfig) -> Result<Self, DriverError> {
        let identities = Identities::detect()?;
        let ssh_port = address::choose_port()?;
        let (_reserved, address) = address::reserve(ssh_port)?;
        trial::run(address, identities).await?;
        Ok(Self {
            config,
            identities,
            ssh_port,
            hosts: Mutex::default(),
            faults: Mutex::default(),
        })
    }

    /// Makes the SSH servers of all hosts of a name misbehave from now on.
    ///
    /// Hosts of that name that boot later are affected too, until [`SshFault::None`] is set. Open
    /// connections stay open.
    pub async fn set_ssh_fault(&self, name: &str, fault: SshFault) {
        locked(&self.faults).insert(name.to_owned(), fault);
        let servers: Vec<Arc<SshServer>> = locked(&self.hosts)
            .values()
            .filter_map(|slot| match slot {
                Slot::Up(host) if host.name == name => Some(Arc::clone(&host.server)),
                _ => None,
            })
            .collect();
        for server in servers {
            server.set_fault(fault).await;
        }
    }

    async fn start(
        &self,
        request: &BootRequest,
        listener: TcpListener,
        address: Ipv4Addr,
    ) -> Result<Host, DriverError> {
        let namespaces = Namespaces::create(&request.name, address, self.identities)
            .await
            .map_err(|error| DriverError {
                message: format!("host {} could not be made: {error}", request.name),
            })?;
        let config = CloudConfig::parse(request.user_data.as_deref().unwrap_or_default());
        let host_key = match &config.host_key {
            Some(key) => key.clone(),
            None => random_host_key()?,
        };
        let provision = Provision {
            request,
            config: &config,
            host_key: &host_key,
            address,
            tailnet_domain: &self.config.tailnet_domain,
            first_boot: self.config.first_boot,
        };
        let output = namespaces.door().feed(&provision.script()).await?;
        check("the setup of a host", &output)?;
        let fault = locked(&self.faults)
            .get(&request.name)
            .copied()
            .unwrap_or_default();
        let server = SshServer::start(
            listener,
            namespaces.door().clone(),
            AuthorizedKeys::parse(&request.authorized_keys),
            fault,
        )?;
        Ok(Host {
            name: request.name.clone(),
            server: Arc::new(server),
            namespaces,
        })
    }

    fn door(&self, id: u64) -> Result<Door, DriverError> {
        match locked(&self.hosts).get(&id) {
            Some(Slot::Up(host)) => Ok(host.namespaces.door().clone()),
            Some(Slot::Booting) => Err(DriverError {
                message: format!("host {id} is still booting"),
            }),
            None => Err(DriverError {
                message: format!("there is no host {id}"),
            }),
        }
    }
}

#[async_trait]
impl HostDriver for ProcessHosts {
    fn ssh_port(&self) -> u16 {
        self.ssh_port
    }

    /// Boots a host. If the future is dropped, everything is removed.
    ///
    /// # Errors
    ///
    /// If the id is taken, or the host could not be created.
    async fn boot(&self, request: BootRequest) -> Result<Ipv4Addr, DriverError> {
        let place = Place::take(self, request.id)?;
        let (listener, address) = address::reserve(self.ssh_port)?;
        let host = self.start(&request, listener, address).await?;
        match place.fill(host) {
            None => {
                // A fault may have been set since the server was started.
                let fault = locked(&self.faults).get(&request.name).copied();
                if let Some(fault) = fault {
                    self.set_ssh_fault(&request.name, fault).await;
                }
                Ok(address)
            }
            Some(host) => {
                host.end().await;
                Err(DriverError {
                    message: format!("host {} was destroyed while it booted", request.name),
                })
            }
        }
    }

    /// Runs a script with `/bin/sh -c`.
    ///
    /// # Errors
    ///
    /// If there is no such host, or the script fails: with its standard error.
    async fn run(&self, id: u64, script: &str) -> Result<String, DriverError> {
        let mut command = self.door(id)?.command(["/bin/sh", "-c", script]);
        let output = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .await
            .map_err(|error| DriverError {
                message: format!("a script could not be run in host {id}: {error}"),
            })?;
        check(&format!("a script in host {id}"), &output)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    async fn destroy(&self, id: u64) {
        let removed = locked(&self.hosts).remove(&id);
        if let Some(Slot::Up(host)) = removed {
            host.end().await;
        }
    }

    async fn destroy_all(&self) {
        let all = std::mem::take(&mut *locked(&self.hosts));
        let mut ends = tokio::task::JoinSet::new();
        for slot in all.into_values() {
            if let Slot::Up(host) = slot {
                ends.spawn(host.end());
            }
        }
        ends.join_all().await;
    }
}

impl Host {
    async fn end(self) {
        self.server.stop().await;
        self.namespaces.end().await;
    }
}

/// Reserves an id during a boot and frees it unless the boot succeeds.
struct Place<'a> {
    owner: &'a ProcessHosts,
    id: u64,
}

impl<'a> Place<'a> {
    fn take(owner: &'a ProcessHosts, id: u64) -> Result<Self, DriverError> {
        let mut hosts = locked(&owner.hosts);
        if hosts.contains_key(&id) {
            return Err(DriverError {
                message: format!("there is a host {id} already"),
            });
        }
        hosts.insert(id, Slot::Booting);
        Ok(Self { owner, id })
    }

    /// Puts the host into its slot, or returns it if the slot is gone.
    fn fill(self, host: Host) -> Option<Host> {
        let mut hosts = locked(&self.owner.hosts);
        match hosts.get_mut(&self.id) {
            Some(slot @ Slot::Booting) => {
                *slot = Slot::Up(Box::new(host));
                None
            }
            _ => Some(host),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut hosts = locked(&self.owner.hosts);
        if matches!(hosts.get(&self.id), Some(Slot::Booting)) {
            hosts.remove(&self.id);
        }
    }
}

fn random_host_key() -> Result<HostKey, DriverError> {
    let key = ssh_server::random_key()?;
    let text = key.to_openssh(ssh_key::LineEnding::LF);
    text.and_then(|text| HostKey::new(&text, None))
        .map_err(|error| DriverError {
            message: format!("a host key could not be encoded: {error}"),
        })
}

/// No code under these locks can panic half-way.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
