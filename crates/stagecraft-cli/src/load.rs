//! Builds providers from the file.

mod loaded;
mod read;

use std::path::Path;
use std::sync::Arc;

use infra_bootstrap::BootstrapConfig;
use stagecraft_core::config::{ConfigError, ConfigErrors, KnownKeys, Project};
use stagecraft_core::{BuildContext, CloudProvider, Error, Kind, Registry};

pub(crate) use self::loaded::Loaded;
pub(crate) use self::read::read_project;
use self::read::{Read, read, refuse_two};
use crate::args::GlobalArgs;
use crate::{builtin, login};

/// Reads the file and builds the providers it names. Does no other I/O.
pub(crate) fn load(global: &GlobalArgs) -> anyhow::Result<Loaded> {
    let registry = builtin::registry()?;
    refuse_two(global)?;
    let Read {
        project,
        lookup,
        flaws,
    } = read(&global.config)?;
    let is_envelope_broken = !flaws.is_empty();
    let mut flaws = Flaws(flaws);
    flaws.take(check_keys(&project, &registry))?;
    let mut context = BuildContext {
        project: project.name().cloned(),
        name_pattern: project.naming().pattern().clone(),
        network: None,
    };
    // A missing cloud is reported once.
    let cloud = if is_envelope_broken && project.cloud().is_err() {
        None
    } else {
        flaws.take(build_cloud(&project, &registry, &context))?
    };
    if let Some(id) = project
        .network()
        .filter(|id| registry.get(Kind::Network, id).is_ok())
    {
        let block = project.network_block(id);
        context.network = flaws.take(registry.network(id, &block, &context))?;
    }
    let is_network_broken =
        context.network.is_none() && (project.network().is_some() || is_envelope_broken);
    let mut steps = Vec::new();
    for id in registry.ids(Kind::Step) {
        let is_default = registry.get(Kind::Step, id)?.is_default_step;
        // Errors of the network itself are reported once, at their place.
        let is_wanted =
            (is_default || project.has_bootstrap(id)) && !(id == "network" && is_network_broken);
        if is_wanted {
            steps.extend(flaws.take(registry.step(id, &project.bootstrap_block(id), &context))?);
        } else {
            steps.extend(infra_bootstrap::undeclared(id));
        }
    }
    let bootstrap = flaws.take(BootstrapConfig::read(&project).map_err(Error::from))?;
    if let Some(bootstrap) = &bootstrap {
        let block = project.bootstrap_block("ssh");
        flaws.take(login::check_jump(&bootstrap.ssh, &block))?;
    }
    if let Some(errors) = flaws.into_errors() {
        return Err(Error::from(errors).into());
    }
    let whole = "without a flaw everything was built";
    Ok(Loaded {
        cloud: cloud.expect(whole),
        network: context.network,
        steps,
        bootstrap: bootstrap.expect(whole),
        directory: global
            .config
            .parent()
            .unwrap_or(Path::new(""))
            .to_path_buf(),
        config_option: global.config_option(),
        lookup,
        project,
    })
}

/// Errors of a file, collected from all readers of its parts.
#[derive(Debug, Default)]
struct Flaws(Vec<ConfigError>);

impl Flaws {
    /// Collects errors with a place in the file. Fails at once with any other.
    fn take<T>(&mut self, result: Result<T, Error>) -> anyhow::Result<Option<T>> {
        let error = match result {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        let source = std::error::Error::source(&error);
        match source.and_then(|source| source.downcast_ref::<ConfigErrors>()) {
            Some(errors) => {
                self.0.extend(errors.iter().cloned());
                Ok(None)
            }
            None => Err(error.into()),
        }
    }

    /// All collected errors. If the file of variables cannot be read, omits errors of variables
    /// that it may contain.
    fn into_errors(mut self) -> Option<ConfigErrors> {
        let is_env_file_broken = self.0.iter().any(|error| error.path == "env_file");
        let is_unset = |error: &ConfigError| {
            error.message.starts_with("variable `") && error.path != "env_file"
        };
        self.0
            .retain(|error| !(is_env_file_broken && is_unset(error)));
        ConfigErrors::new(self.0)
    }
}

fn build_cloud(
    project: &Project,
    registry: &Registry,
    context: &BuildContext,
) -> Result<Arc<dyn CloudProvider>, Error> {
    let id = project.cloud()?;
    if registry.get(Kind::Cloud, id).is_err() {
        // Reports the place in the file.
        check_keys(project, registry)?;
    }
    registry.cloud(id, &project.cloud_block(id), context)
}

fn check_keys(project: &Project, registry: &Registry) -> Result<(), Error> {
    let mut bootstrap = registry.ids(Kind::Step);
    bootstrap.extend(BootstrapConfig::KEYS);
    bootstrap.sort_unstable();
    let known = KnownKeys {
        clouds: &registry.ids(Kind::Cloud),
        networks: &registry.ids(Kind::Network),
        bootstrap: &bootstrap,
    };
    Ok(project.check_keys(&known)?)
}
