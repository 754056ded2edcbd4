//! Explicit pinning of a host key: that of an adopted or a reinstalled host.

use stagecraft_core::{
    EnvironmentName, Error, ErrorKind, Fingerprint, Host, HostName, Result, Run,
};

use crate::engine::Engine;

/// Result of pinning a host's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustReport {
    /// The host.
    pub host: HostName,
    /// The key that is now pinned.
    pub key: Fingerprint,
    /// Whether this run pinned it.
    pub is_new: bool,
    /// The keys that were pinned before and no longer are, sorted.
    pub replaced: Vec<Fingerprint>,
}

impl Engine {
    /// Returns our one host with a name. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if there is none or the cloud stores no pins, [`ErrorKind::Guard`]
    /// if several have the name; the provider's own, by kind.
    pub async fn host_of_ours(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        name: &HostName,
    ) -> Result<Host> {
        if self.cloud.pins().is_none() {
            let id = self.cloud.id();
            let message = format!("the {id} provider holds no fingerprints of host keys");
            return Err(Error::new(ErrorKind::Config, message));
        }
        let hosts = self.cloud.hosts(run, environment).await?;
        let mut named: Vec<Host> = hosts
            .into_iter()
            .filter(|host| host.name.as_ref() == Some(name))
            .collect();
        match (named.pop(), named.len()) {
            (Some(host), 0) => Ok(host),
            (None, _) => Err(Error::new(
                ErrorKind::Config,
                format!("there is no host `{name}` of yours in {environment}"),
            )
            .with_hint(format!(
                "see those that are there by `stagecraft infra hosts --env {environment}`; one that was made by other means is adopted first"
            ))),
            (Some(_), others) => Err(Error::new(
                ErrorKind::Guard,
                format!("{} hosts of {environment} are named `{name}`", others + 1),
            )
            .with_hint("delete the wrong one in the cloud's console, or take its tags away")),
        }
    }

    /// Returns what [`trust`](Self::trust) would do. Pure.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if other keys are pinned and must not be replaced.
    pub fn plan_trust(host: &Host, key: Fingerprint, replace: bool) -> Result<TrustReport> {
        let pinned = host.host_keys();
        let is_new = !pinned.contains(&key);
        let others: Vec<_> = pinned.into_iter().filter(|own| *own != key).collect();
        let name = host.name.clone().ok_or_else(|| {
            let message = format!("host {} has no name of this environment", host.id);
            Error::new(ErrorKind::Config, message)
        })?;
        if is_new && !others.is_empty() && !replace {
            return Err(Error::new(
                ErrorKind::Guard,
                format!("another host key is pinned for {name}: {}", list(&others)),
            )
            .with_hint("if the host was reinstalled, let the new key replace it"));
        }
        Ok(TrustReport {
            host: name,
            key,
            is_new,
            replaced: if replace { others } else { Vec::new() },
        })
    }

    /// Pins a host key of one of our hosts. With `replace` it is then the only one.
    ///
    /// Safe to repeat: pinning a pinned key succeeds. The new pin is set before the others are
    /// removed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Guard`] if other keys are pinned and must not be replaced,
    /// [`ErrorKind::Locked`] if the lease is gone; the provider's own, by kind.
    pub async fn trust(
        &self,
        run: &Run,
        host: &Host,
        key: Fingerprint,
        replace: bool,
    ) -> Result<TrustReport> {
        let report = Self::plan_trust(host, key, replace)?;
        let Some(pins) = self.cloud.pins() else {
            let message = "the cloud holds no fingerprints of host keys";
            return Err(Error::new(ErrorKind::Config, message));
        };
        if report.is_new {
            pins.pin(run, &host.id, key).await?;
        }
        if !report.replaced.is_empty() {
            let stale = report.replaced.iter().map(|key| (host.id.clone(), *key));
            let stale: Vec<_> = stale.collect();
            pins.unpin(run, &stale).await?;
        }
        Ok(report)
    }
}

fn list(keys: &[Fingerprint]) -> String {
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    keys.join(", ")
}
