//! The steps of this crate.

#[cfg(feature = "yaml")]
mod descriptors;
mod docker;
mod network;
mod script;
mod system;
mod text;

#[cfg(feature = "yaml")]
pub use descriptors::{
    DOCKER, NETWORK, SWAP, SYSCTL, SYSTEM, TIMEZONE, UNATTENDED_UPGRADES, USERS,
};
pub use docker::{
    DockerConfig, DockerPackages, DockerStep, DockerVersion, DownloadUrl, InstallMethod,
    PackageName,
};
pub(crate) use network::ID as NETWORK_ID;
pub use network::{NetworkConfig, NetworkStep};
pub use system::{
    AuthorizedKey, ByteSize, LoginName, ShellPath, SwapStep, SysctlConfig, SysctlKey, SysctlStep,
    SysctlValue, SystemConfig, SystemStep, TimeZone, TimezoneStep, UpgradesStep, UserConfig,
    UsersConfig, UsersStep, undeclared,
};
pub(crate) use system::{PRELUDE, STEPS as SYSTEM_STEPS, users};
