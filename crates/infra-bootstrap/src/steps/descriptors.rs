//! The descriptors of the steps, by which a registry builds them.

use std::sync::Arc;

use stagecraft_core::config::{ConfigBlock, ConfigErrors};
use stagecraft_core::{Build, BuildContext, Descriptor, Error, HostStep, Result};

use super::docker::{self, DockerConfig, DockerStep};
use super::network::{self, NetworkConfig, NetworkStep};
use super::system::{
    ByteSize, SwapStep, SysctlConfig, SysctlStep, SystemConfig, SystemStep, TimeZone, TimezoneStep,
    UpgradesStep, UsersConfig, UsersStep, id,
};

/// The descriptor of the step `network`.
pub static NETWORK: Descriptor = Descriptor {
    id: network::ID,
    summary: "Joins the host to the private network",
    origin: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    is_experimental: false,
    is_default_step: false,
    capabilities: &[],
    schema: || schemars::schema_for!(NetworkConfig),
    effective: |block| block.effective::<NetworkConfig>(),
    build: Build::Step(build_network),
};

#[cfg(feature = "inventory")]
stagecraft_core::register!(NETWORK);

fn build_network(block: &ConfigBlock, context: &BuildContext) -> Result<Arc<dyn HostStep>> {
    let config: NetworkConfig = block.parse()?;
    let refused = |message: String| Error::from(block.error(&["provider"], message));
    match &context.network {
        Some(network) if network.id() == config.provider => {
            Ok(Arc::new(NetworkStep::new(Arc::clone(network))))
        }
        Some(network) => Err(refused(format!(
            "`{}` is not the configured network provider, which is `{}`",
            config.provider,
            network.id()
        ))),
        None => Err(refused(format!(
            "`{}` cannot be used without the key `network`",
            config.provider
        ))),
    }
}

/// Defines the descriptor of a step that is built from its block alone.
macro_rules! plain_step {
    ($(#[$doc:meta])* $name:ident, $id:expr, $summary:literal, $is_default:literal, $config:ty, $build:expr) => {
        $(#[$doc])*
        pub static $name: Descriptor = Descriptor {
            id: $id,
            summary: $summary,
            origin: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            is_experimental: false,
            is_default_step: $is_default,
            capabilities: &[],
            schema: || schemars::schema_for!($config),
            effective: |block| block.effective::<$config>(),
            build: Build::Step(|block, _| {
                let config: $config = block.parse()?;
                Ok(Arc::new($build(config)))
            }),
        };

        #[cfg(feature = "inventory")]
        stagecraft_core::register!($name);
    };
}

plain_step!(
    /// The descriptor of the step `docker`.
    DOCKER,
    docker::ID,
    "Installs Docker Engine and the Compose plugin",
    true,
    DockerConfig,
    DockerStep::new
);
plain_step!(
    /// The descriptor of the step `swap`.
    SWAP,
    id::SWAP,
    "Gives the host a swap file",
    false,
    ByteSize,
    |size: ByteSize| SwapStep::new(&size)
);
plain_step!(
    /// The descriptor of the step `sysctl`.
    SYSCTL,
    id::SYSCTL,
    "Sets kernel settings",
    false,
    SysctlConfig,
    SysctlStep::new
);
plain_step!(
    /// The descriptor of the step `system`.
    SYSTEM,
    id::SYSTEM,
    "Checks disk space and clock when all else is done",
    true,
    SystemConfig,
    SystemStep::new
);
plain_step!(
    /// The descriptor of the step `timezone`.
    TIMEZONE,
    id::TIMEZONE,
    "Sets the time zone",
    false,
    TimeZone,
    TimezoneStep::new
);
plain_step!(
    /// The descriptor of the step `unattended_upgrades`.
    UNATTENDED_UPGRADES,
    id::UPGRADES,
    "Lets the host upgrade its packages by itself, or not",
    false,
    bool,
    UpgradesStep::new
);
/// The descriptor of the step `users`.
pub static USERS: Descriptor = Descriptor {
    id: id::USERS,
    summary: "Creates accounts with keys, groups and rights, and revokes them",
    origin: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    is_experimental: false,
    is_default_step: false,
    capabilities: &[],
    schema: || schemars::schema_for!(UsersConfig),
    effective: |block| block.effective::<UsersConfig>(),
    build: Build::Step(build_users),
};

#[cfg(feature = "inventory")]
stagecraft_core::register!(USERS);

fn build_users(block: &ConfigBlock, _: &BuildContext) -> Result<Arc<dyn HostStep>> {
    let config: UsersConfig = block.parse()?;
    let both = config.iter().filter(|(_, user)| user.contradicts_itself());
    let errors = both.map(|(name, _)| {
        let message = "a revoked account is given nothing: remove its other keys, or this one";
        block.error(&[name.as_str(), "revoked"], message)
    });
    match ConfigErrors::new(errors) {
        None => Ok(Arc::new(UsersStep::new(config))),
        Some(errors) => Err(errors.into()),
    }
}
