//! How a registry builds the provider from its block of the file.

use std::sync::Arc;

use stagecraft_core::config::{ConfigBlock, ConfigErrors};
use stagecraft_core::{Build, BuildContext, Descriptor, NetworkProvider, Result};

use crate::config::TailscaleConfig;
use crate::error::ID;
use crate::provider::Tailscale;

/// Describes the provider to a [`Registry`](stagecraft_core::Registry).
pub static DESCRIPTOR: Descriptor = Descriptor {
    id: ID,
    summary: "Tailscale, and headscale by its login server",
    origin: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    is_experimental: false,
    is_default_step: false,
    capabilities: &[],
    schema: || schemars::schema_for!(TailscaleConfig),
    effective: |block| block.effective::<TailscaleConfig>(),
    build: Build::Network(build),
};

#[cfg(feature = "inventory")]
stagecraft_core::register!(DESCRIPTOR);

fn build(block: &ConfigBlock, _: &BuildContext) -> Result<Arc<dyn NetworkProvider>> {
    let invalid = |errors: ConfigErrors| {
        errors
            .into_error("tailscale provider")
            .with_provider(DESCRIPTOR.id)
    };
    let config: TailscaleConfig = block.parse().map_err(invalid)?;
    if let Err(error) = config.auth_key() {
        return Err(invalid(block.secret_error(error).into()));
    }
    Ok(Arc::new(Tailscale::new(config)?))
}
