//! Interface between the API and the hosts behind its droplets.

use std::net::Ipv4Addr;

use async_trait::async_trait;

/// What the API knows of a droplet when its host boots.
#[derive(Debug, Clone)]
pub struct BootRequest {
    /// The droplet's id.
    pub id: u64,
    /// The droplet's name, which becomes the host's name.
    pub name: String,
    /// The image's slug, for example `ubuntu-22-04-x64`.
    pub image: String,
    /// The user data of the create request.
    pub user_data: Option<String>,
    /// Public keys, in OpenSSH's format, that may log in as root.
    pub authorized_keys: Vec<String>,
}

/// Creates and removes the hosts behind droplets.
#[async_trait]
pub trait HostDriver: Send + Sync + std::fmt::Debug {
    /// The port on which every host's SSH server listens.
    fn ssh_port(&self) -> u16;

    /// Boots a host and returns its address once SSH answers there.
    async fn boot(&self, request: BootRequest) -> Result<Ipv4Addr, DriverError>;

    /// Runs a shell script inside a host as root and returns its standard output.
    async fn run(&self, id: u64, script: &str) -> Result<String, DriverError>;

    /// Removes a host and everything in it. Removing a missing host does nothing.
    async fn destroy(&self, id: u64);

    /// Removes all hosts.
    async fn destroy_all(&self);
}

/// A host could not be created or used.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct DriverError {
    /// What happened, and what to do if that is known.
    pub message: String,
}
