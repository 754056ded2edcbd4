//! A checked configuration, and the objects built from it.

use std::path::PathBuf;
use std::sync::Arc;

use infra_bootstrap::{Bootstrap, BootstrapConfig, Fleet};
use stagecraft_core::config::{Project, nearest};
use stagecraft_core::{
    CloudProvider, EnvironmentName, Error, ErrorKind, HostStep, NetworkProvider, pins_of,
};
use stagecraft_engine::Engine;
use stagecraft_ssh::SshConnector;

use crate::host_keys::HostKeyFile;
use crate::login::{self, Login};
use crate::lookup::ProjectLookup;
use crate::passphrase::AtTerminal;

/// A checked configuration, with its providers.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) cloud: Arc<dyn CloudProvider>,
    pub(crate) network: Option<Arc<dyn NetworkProvider>>,
    pub(super) steps: Vec<Arc<dyn HostStep>>,
    pub(super) bootstrap: BootstrapConfig,
    pub(super) directory: PathBuf,
    /// The option by which suggested commands use this file.
    pub(super) config_option: String,
    /// Source of the run's variables and secrets.
    pub(crate) lookup: Arc<ProjectLookup>,
    pub(super) project: Project,
}

impl Loaded {
    /// Whether the project has a name.
    pub(crate) fn has_project(&self) -> bool {
        self.project.name().is_some()
    }

    /// Rejects environments that declare more hosts than `limits.max_hosts` allows: no plan could
    /// create them all.
    pub(crate) fn check_max_hosts(
        &self,
        counts: &[(&EnvironmentName, usize)],
    ) -> anyhow::Result<()> {
        let Some(limit) = self.project.limits().max_hosts else {
            return Ok(());
        };
        let over = counts.iter().filter(|(_, count)| *count as u64 > limit);
        let over: Vec<String> = over
            .map(|(name, count)| format!("{name} declares {count} hosts"))
            .collect();
        if over.is_empty() {
            return Ok(());
        }
        let path = ["limits", "max_hosts"];
        let message = format!("max_hosts is {limit}, but {}", over.join(", "));
        let error = self.project.document().error(&path, message);
        let hint = "raise limits.max_hosts, or declare fewer hosts";
        Err(Error::from(error).with_hint(hint).into())
    }

    /// The selected environment: the named one, or the only one.
    pub(crate) fn environment(
        &self,
        named: Option<&EnvironmentName>,
    ) -> anyhow::Result<EnvironmentName> {
        if let Some(named) = named {
            return Ok(named.clone());
        }
        let declared = self.cloud.environments();
        if let [only] = declared.as_slice() {
            return Ok(only.clone());
        }
        let list: Vec<&str> = declared.iter().map(EnvironmentName::as_str).collect();
        Err(Error::new(
            ErrorKind::Config,
            format!("several environments are declared: {}", list.join(", ")),
        )
        .with_hint("name one by --env")
        .into())
    }

    /// As [`environment`](Self::environment), but it must be declared.
    pub(crate) fn declared_environment(
        &self,
        named: Option<&EnvironmentName>,
    ) -> anyhow::Result<EnvironmentName> {
        self.declared_or(named, |_| String::new())
    }

    /// As [`declared_environment`](Self::declared_environment), for a prune: an environment that
    /// was removed from the file has no hosts to keep, so `down` is for it.
    pub(crate) fn prunable_environment(
        &self,
        named: Option<&EnvironmentName>,
    ) -> anyhow::Result<EnvironmentName> {
        self.declared_or(named, |environment| {
            format!("; if it left the file, delete its hosts by `stagecraft infra down --env {environment}`")
        })
    }

    /// Adds the place and the nearest name to an error that an environment is not declared. Other
    /// errors stay.
    pub(crate) fn with_place_of(&self, environment: &EnvironmentName, error: Error) -> Error {
        let is_declared = self.cloud.environments().contains(environment);
        let is_about_it = error.kind() == ErrorKind::Config
            && error
                .to_string()
                .contains(&format!("`{environment}` is not declared"));
        if is_about_it && !is_declared {
            self.undeclared(environment, "")
        } else {
            error
        }
    }

    fn declared_or(
        &self,
        named: Option<&EnvironmentName>,
        cure: impl FnOnce(&EnvironmentName) -> String,
    ) -> anyhow::Result<EnvironmentName> {
        let environment = self.environment(named)?;
        if self.cloud.environments().contains(&environment) {
            return Ok(environment);
        }
        Err(self.undeclared(&environment, &cure(&environment)).into())
    }

    /// The error for an environment that the file does not declare.
    fn undeclared(&self, environment: &EnvironmentName, cure: &str) -> Error {
        let declared = self.cloud.environments();
        let known: Vec<&str> = declared.iter().map(EnvironmentName::as_str).collect();
        let message = format!(
            "environment `{environment}` is not declared, known: {}{cure}",
            known.join(", ")
        );
        let near = nearest(environment.as_str(), known);
        let path = ["cloud", "providers", self.cloud.id(), "hosts"];
        let document = self.project.document();
        Error::from(document.error_with_suggestion(&path, message, near))
    }

    /// The login of hosts.
    fn login(&self) -> anyhow::Result<Login> {
        login::login(&self.bootstrap.ssh, &self.directory)
    }

    /// Fails if a named key file is missing, before hosts are created without a usable login.
    pub(crate) fn check_login_key(&self) -> anyhow::Result<()> {
        Ok(self.login()?.check_key()?)
    }

    /// Passes the login keys to providers, because new hosts must authorize them.
    pub(crate) fn tell_login_keys(&self) -> anyhow::Result<()> {
        if let Some(identity) = self.login()?.identity_of_all() {
            self.lookup.set_identity(identity);
        }
        Ok(())
    }

    /// Creates a connector with its own connections.
    pub(crate) fn connector(&self) -> anyhow::Result<SshConnector> {
        Ok(connector_of(self.login()?))
    }

    /// Creates an engine with these providers.
    pub(crate) fn engine(&self, with_bootstrap: bool) -> anyhow::Result<Engine> {
        let mut engine = Engine::new(Arc::clone(&self.cloud)).with_limits(self.project.limits());
        if let Some(account) = self.project.expect_account() {
            engine = engine.with_expected_account(account);
        }
        if let Some(network) = &self.network {
            engine = engine.with_network(Arc::clone(network));
        }
        let login = match self.login() {
            Ok(login) => login,
            Err(error) if with_bootstrap => return Err(error),
            // There will be no login, so its settings may be invalid.
            Err(_) => return Ok(engine),
        };
        let port = login.port_of_all();
        let connector = connector_of(login);
        let keys = Arc::new(HostKeyFile::new(&self.directory, connector.clone()));
        engine = engine.with_host_keys(Arc::clone(&keys) as _);
        if with_bootstrap {
            let connector = Arc::new(connector);
            let mut bootstrap = Bootstrap::new(
                connector,
                self.steps.clone(),
                self.bootstrap.readiness.into(),
            )?;
            if let Some(network) = &self.network {
                bootstrap = bootstrap.with_network(Arc::clone(network));
                if let Some(port) = port {
                    bootstrap = bootstrap.with_look_at_port(port);
                }
            }
            if let Some(pins) = pins_of(&self.cloud) {
                bootstrap = bootstrap.with_pins(pins);
            }
            bootstrap = bootstrap
                .with_operator_key(Arc::clone(&self.cloud))
                .with_cache(keys)
                .with_command_options(self.config_option.trim_start());
            engine = engine.with_bootstrap(Arc::new(Fleet::new(Arc::new(bootstrap))));
        }
        Ok(engine)
    }
}

/// Prompts for the passphrases of encrypted keys on the terminal.
fn connector_of(login: Login) -> SshConnector {
    SshConnector::new(login.config).with_ask(Arc::new(AtTerminal))
}
