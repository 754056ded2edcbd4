//! Registers the providers and steps of this program. The one place that names their crates.
//!
//! The compiler silently drops a crate that is only listed in `Cargo.toml`, and its provider with
//! it. So each is named here, and start-up compares this list with what the linker collected.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use stagecraft_core::{Descriptor, Kind, Registry, RegistryHooks};

const BUILTIN: &[&Descriptor] = &[
    &provider_digitalocean::DESCRIPTOR,
    &provider_tailscale::DESCRIPTOR,
    &infra_bootstrap::DOCKER,
    &infra_bootstrap::NETWORK,
];

/// All registered providers and steps, with a check that all of [`BUILTIN`] are among them.
pub(crate) fn registry() -> anyhow::Result<Registry> {
    let registry = Registry::discover().context("this program was built wrongly")?;
    for descriptor in BUILTIN {
        if registry.get(descriptor.kind(), descriptor.id).is_err() {
            bail!(
                "this program was built wrongly: the {} `{}` of {} was lost",
                descriptor.kind(),
                descriptor.id,
                descriptor.origin
            );
        }
    }
    Ok(registry.with_hooks(Arc::new(Log)))
}

/// Logs the registry's activity, for `-v`.
#[derive(Debug)]
struct Log;

impl RegistryHooks for Log {
    fn registered(&self, descriptor: &'static Descriptor) {
        tracing::debug!(kind = %descriptor.kind(), id = descriptor.id, origin = descriptor.origin, "registered");
    }

    fn looked_up(&self, kind: Kind, id: &str, found: Option<&'static Descriptor>) {
        tracing::trace!(%kind, id, found = found.is_some(), "looked up");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_is_discovered() {
        let registry = registry().unwrap();
        let ids: Vec<String> = registry
            .descriptors()
            .map(|descriptor| format!("{} {}", descriptor.kind(), descriptor.id))
            .collect();
        assert_eq!(
            ids,
            [
                "cloud provider digitalocean",
                "network provider tailscale",
                "host step docker",
                "host step network",
                "host step swap",
                "host step sysctl",
                "host step system",
                "host step timezone",
                "host step unattended_upgrades",
                "host step users",
            ]
        );
    }
}
