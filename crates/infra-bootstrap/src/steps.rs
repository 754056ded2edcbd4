//! The steps of this crate.

#[cfg(feature = "yaml")]
mod descriptors;
mod docker;
mod network;
mod text;

#[cfg(feature = "yaml")]
pub use descriptors::{DOCKER, NETWORK};
pub use docker::{
    DockerConfig, DockerPackages, DockerStep, DockerVersion, DownloadUrl, InstallMethod,
    PackageName,
};
pub(crate) use network::ID as NETWORK_ID;
pub use network::{NetworkConfig, NetworkStep};
