#![doc = include_str!("../README.md")]

mod config;
mod engine;
mod failure;
mod fleet;
mod lock;
mod mode;
mod order;
mod peers;
mod readiness;
mod report;
mod steps;
mod verify;
mod watch;

pub use config::{BootstrapConfig, CloudInit, ReadinessConfig, SshSettings, is_key_path};
pub use engine::Bootstrap;
pub use fleet::{Approval, Fleet, HostQueue, Look};
pub use lock::{LOCK_PATH, LockedRemote};
pub use mode::Mode;
pub use readiness::ReadinessPolicy;
pub use report::{HostReport, Retried, StepReport};
pub use steps::{
    AuthorizedKey, ByteSize, DockerConfig, DockerPackages, DockerStep, DockerVersion, DownloadUrl,
    InstallMethod, LoginName, NetworkConfig, NetworkStep, PackageName, ShellPath, SwapStep,
    SysctlConfig, SysctlKey, SysctlStep, SysctlValue, SystemConfig, SystemStep, TimeZone,
    TimezoneStep, UpgradesStep, UserConfig, UsersConfig, UsersStep, undeclared,
};
#[cfg(feature = "yaml")]
pub use steps::{DOCKER, NETWORK, SWAP, SYSCTL, SYSTEM, TIMEZONE, UNATTENDED_UPGRADES, USERS};
pub use verify::reached_by_name;
