//! The steps of this crate.

mod docker;
mod network;

pub use docker::{DOCKER, DockerConfig, DockerStep, DockerVersion, InstallMethod};
pub use network::{NETWORK, NetworkConfig, NetworkStep};
