//! How a registry builds the provider from its block of the file.

use std::sync::Arc;

use stagecraft_core::config::{ConfigBlock, ConfigErrors, EffectiveBlock};
use stagecraft_core::{Build, BuildContext, CloudProvider, Descriptor, Result};

use crate::config::DigitalOceanConfig;
use crate::error::{ID, PREFIX};
use crate::provider::DigitalOcean;

/// Describes the provider to a [`Registry`](stagecraft_core::Registry).
pub static DESCRIPTOR: Descriptor = Descriptor {
    id: ID,
    summary: "DigitalOcean droplets",
    origin: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    is_experimental: false,
    is_default_step: false,
    capabilities: &["multi_create", "host_key_pins", "lease", "prices"],
    schema: || schemars::schema_for!(DigitalOceanConfig),
    effective,
    build: Build::Cloud(build),
};

#[cfg(feature = "inventory")]
stagecraft_core::register!(DESCRIPTOR);

/// Fills in the defaults of hosts, each with the key that it comes from.
fn effective(block: &ConfigBlock) -> Result<EffectiveBlock, ConfigErrors> {
    let mut config: DigitalOceanConfig = block.parse()?;
    let mut effective = block.effective::<DigitalOceanConfig>()?;
    let taken_from = config.fill_in();
    effective.value["hosts"] = serde_json::json!(config.hosts);
    effective.taken_from = taken_from;
    Ok(effective)
}

/// Most problems reported at once: each is located in the file.
const MOST_PROBLEMS: usize = 100;

fn build(block: &ConfigBlock, context: &BuildContext) -> Result<Arc<dyn CloudProvider>> {
    let invalid = |errors: ConfigErrors| errors.into_error(PREFIX).with_provider(ID);
    let config: DigitalOceanConfig = block.parse().map_err(invalid)?;
    DigitalOcean::bind(config, context.naming())
        .map(|provider| Arc::new(provider) as Arc<dyn CloudProvider>)
        .map_err(|problems| {
            let errors = problems.into_iter().take(MOST_PROBLEMS).map(|problem| {
                let path: Vec<&str> = problem.path.iter().map(String::as_str).collect();
                if let Some(inside) = problem.inside {
                    return block.error_in_text(&path, inside, &problem.message);
                }
                let mut error = if problem.is_key {
                    block.key_error(&path, problem.message)
                } else {
                    block.error(&path, problem.message)
                };
                if problem.is_secret {
                    error.excerpt = None;
                }
                error
            });
            invalid(ConfigErrors::new(errors).expect("there is a problem"))
        })
}
