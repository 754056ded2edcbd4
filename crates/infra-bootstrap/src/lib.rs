#![doc = include_str!("../README.md")]

mod config;
mod engine;
mod failure;
mod fleet;
mod lock;
mod order;
mod readiness;
mod report;
mod steps;
mod watch;

pub use config::{BootstrapConfig, ReadinessConfig, SshSettings};
pub use engine::{Bootstrap, Mode};
pub use fleet::{Fleet, HostQueue};
pub use lock::{LOCK_PATH, LockedRemote};
pub use readiness::ReadinessPolicy;
pub use report::{HostReport, Retried, StepReport};
#[cfg(feature = "yaml")]
pub use steps::{DOCKER, NETWORK};
pub use steps::{
    DockerConfig, DockerPackages, DockerStep, DockerVersion, DownloadUrl, InstallMethod,
    NetworkConfig, NetworkStep, PackageName,
};
