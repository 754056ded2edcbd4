//! How a registry builds the steps from their blocks of the file.

use std::sync::Arc;

use stagecraft_core::config::ConfigBlock;
use stagecraft_core::{Build, BuildContext, Descriptor, Error, HostStep, Result};

use super::docker::{self, DockerConfig, DockerStep};
use super::network::{self, NetworkConfig, NetworkStep};

/// The descriptor of the step `docker`.
pub static DOCKER: Descriptor = Descriptor {
    id: docker::ID,
    summary: "Installs Docker Engine and the Compose plugin",
    origin: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    is_experimental: false,
    is_default_step: true,
    capabilities: &[],
    schema: || schemars::schema_for!(DockerConfig),
    effective: |block| block.effective::<DockerConfig>(),
    build: Build::Step(build_docker),
};

#[cfg(feature = "inventory")]
stagecraft_core::register!(DOCKER);

fn build_docker(block: &ConfigBlock, _: &BuildContext) -> Result<Arc<dyn HostStep>> {
    Ok(Arc::new(DockerStep::new(block.parse()?)))
}

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
