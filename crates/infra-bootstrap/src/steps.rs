//! The steps of this crate.

#[cfg(feature = "yaml")]
mod descriptors;
mod docker;
mod network;

#[cfg(feature = "yaml")]
pub use descriptors::{DOCKER, NETWORK};
pub use docker::{DockerConfig, DockerStep, DockerVersion, InstallMethod};
pub(crate) use network::ID as NETWORK_ID;
pub use network::{NetworkConfig, NetworkStep};
