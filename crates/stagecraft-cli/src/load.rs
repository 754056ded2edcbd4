//! From the file to providers that can work.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use infra_bootstrap::{Bootstrap, BootstrapConfig, Fleet, is_key_path};
use stagecraft_core::config::{
    ConfigError, ConfigErrors, Document, KnownKeys, Project, Setting, effective, nearest,
    project_schema,
};
use stagecraft_core::{
    BuildContext, CloudProvider, EnvironmentName, Error, ErrorKind, HostStep, Kind, Lookup,
    NetworkProvider, Registry, pins_of, shell_quote,
};
use stagecraft_engine::Engine;
use stagecraft_ssh::SshConnector;

use crate::args::{DEFAULT_CONFIG, GlobalArgs, OTHER_CONFIG};
use crate::builtin;
use crate::environment::ProcessEnvironment;
use crate::host_keys::HostKeyFile;
use crate::login::{self, Login};
use crate::lookup::{ProjectLookup, read_bounded};
use crate::passphrase::AtTerminal;

/// The variable with the default of `infra.bootstrap.ssh.port`. The sandbox sets it.
pub(crate) const SSH_PORT_VARIABLE: &str = "STAGECRAFT_SSH_PORT";
/// The variable with the default of `infra.bootstrap.ssh.private_key_path`.
pub(crate) const SSH_KEY_VARIABLE: &str = "STAGECRAFT_SSH_KEY";

/// A checked configuration, with the providers that it chooses.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) cloud: Arc<dyn CloudProvider>,
    pub(crate) network: Option<Arc<dyn NetworkProvider>>,
    steps: Vec<Arc<dyn HostStep>>,
    bootstrap: BootstrapConfig,
    directory: PathBuf,
    /// What commands to be typed need so that they mean this file.
    config_option: String,
    /// Where the run finds variables and secrets.
    pub(crate) lookup: Arc<ProjectLookup>,
    project: Project,
}

/// A file that was read, with what is wrong with its envelope.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) project: Project,
    lookup: Arc<ProjectLookup>,
    flaws: Vec<ConfigError>,
}

/// Reads a file whose envelope has no mistake.
pub(crate) fn read_project(path: &Path) -> anyhow::Result<Project> {
    let read = read(path)?;
    match ConfigErrors::new(read.flaws) {
        Some(errors) => Err(Error::from(errors).into()),
        None => Ok(read.project),
    }
}

/// Reads the file, and the variables that it is written with.
fn read(path: &Path) -> anyhow::Result<Read> {
    // One byte more than a document may have: it says so itself, and where.
    let bytes = read_bounded(path, 2 * 1024 * 1024).map_err(|cause| {
        let message = format!("cannot read {}", path.display());
        let error = Error::new(ErrorKind::Config, message);
        let error = if cause.kind() == std::io::ErrorKind::NotFound {
            error.with_hint("write one with `stagecraft init`, or name another by --config; without --config stagecraft.yml and stagecraft.yaml are looked for here and in the directories above")
        } else {
            error
        };
        error.with_source(cause)
    })?;
    let text = String::from_utf8(bytes)
        .with_context(|| format!("{} is not a text in UTF-8", path.display()))?;
    let document = Document::new(path.display().to_string(), text).map_err(Error::from)?;
    let document = document.with_variables(Arc::new(ProcessEnvironment));
    let mut lookup = ProjectLookup::new(path.parent().unwrap_or(Path::new("")).to_path_buf());
    let mut flaws = Vec::new();
    // What is wrong with the key itself is told with the rest of the envelope.
    let named: Option<PathBuf> = document.parse(&["env_file"]).ok().flatten();
    if let Some(named) = &named
        && let Err(message) = lookup.read_env_file(named)
    {
        let message = format!("{}: {message}", named.display());
        flaws.push(document.error(&["env_file"], message));
    }
    let lookup = Arc::new(lookup);
    let document = document.with_variables(Arc::clone(&lookup) as Arc<dyn Lookup>);
    let project = match Project::new(document.clone()) {
        Ok(project) => {
            if project.env_file() != named.as_deref() {
                let message = "must not depend on a variable of the file that it names";
                flaws.push(document.error(&["env_file"], message));
            }
            project
        }
        Err(errors) => {
            flaws.extend(errors);
            Project::salvage(document)
        }
    };
    Ok(Read {
        project,
        lookup,
        flaws,
    })
}

/// Refuses to choose between the two spellings of the file's name in one directory.
fn refuse_two(global: &GlobalArgs) -> anyhow::Result<()> {
    let other = global.config.with_file_name(OTHER_CONFIG);
    if global.named_config.is_some() || global.config == other || !other.is_file() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Config,
        format!(
            "both {} and {} exist",
            global.config.display(),
            other.display()
        ),
    )
    .with_hint("name the one that is meant by --config, or remove the other")
    .into())
}

/// Reads the file and builds what it chooses. No I/O beyond that.
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
    // That there is no cloud at all is told once.
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
        // What is wrong with the network itself is told once, where it is wrong.
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
        config_option: config_option(global),
        lookup,
        project,
    })
}

/// The option that names the configuration again, if it is not the usual one.
pub(crate) fn config_option(global: &GlobalArgs) -> String {
    let named = global.named_config.as_deref();
    match named.filter(|path| *path != Path::new(DEFAULT_CONFIG)) {
        Some(path) => format!(" --config {}", shell_quote(&path.to_string_lossy())),
        None => String::new(),
    }
}

/// What is wrong with a file, collected over all who read a part of it.
#[derive(Debug, Default)]
struct Flaws(Vec<ConfigError>);

impl Flaws {
    /// Takes what has a place in the file, and fails at once with anything else.
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

    /// Everything that was collected. While the file of variables cannot be read, nothing is
    /// said of variables that may stand in it.
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
        // Told with its place by `check_keys`.
        return check_keys(project, registry)
            .and_then(|()| registry.cloud(id, &project.cloud_block(id), context));
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

/// The settings of a file, as they take effect.
#[derive(Debug)]
pub(crate) struct Shown {
    /// How the file is named.
    pub(crate) file: String,
    pub(crate) settings: Vec<Setting>,
}

/// The variable of this program that gives a setting its default.
pub(crate) fn variable_of(setting: &Setting) -> Option<&'static str> {
    DEFAULTS
        .iter()
        .find(|(key, _)| *key == setting.key())
        .filter(|(_, variable)| variable_value(variable).is_some())
        .map(|(_, variable)| *variable)
}

/// A variable of this program. One that is set to nothing counts as not set.
pub(crate) fn variable_value(name: &str) -> Option<String> {
    ProcessEnvironment
        .get(name)
        .filter(|value| !value.is_empty())
}

/// Settings whose defaults come from this program's variables.
const DEFAULTS: [(&str, &str); 2] = [
    ("infra.bootstrap.ssh.port", SSH_PORT_VARIABLE),
    ("infra.bootstrap.ssh.private_key_path", SSH_KEY_VARIABLE),
];

/// Reads the file and fills in what it leaves out. It must be valid.
///
/// With an environment those of the others are left out.
pub(crate) fn show(global: &GlobalArgs) -> anyhow::Result<Shown> {
    let loaded = load(global)?;
    let named = global.env.as_ref();
    let environment = named.map(|named| loaded.declared_environment(Some(named)));
    let environment = environment.transpose()?;
    let project = read_project(&global.config)?;
    let registry = builtin::registry()?;
    let blocks = BootstrapConfig::effective(&project);
    let mut shown = Shown {
        file: project.document().file().to_owned(),
        settings: effective(&project, &registry, blocks).map_err(Error::from)?,
    };
    if let Some(environment) = &environment {
        let hosts = ["cloud", "providers", loaded.cloud.id(), "hosts"];
        shown.settings.retain(|setting| {
            let below = setting
                .path
                .strip_prefix(hosts.map(str::to_owned).as_slice());
            below
                .and_then(<[String]>::first)
                .is_none_or(|own| own == environment.as_str())
        });
    }
    for index in 0..shown.settings.len() {
        let setting = &shown.settings[index];
        if setting.value.is_null() {
            let value = variable_of(setting).and_then(variable_value);
            let is_port = setting.key() == "infra.bootstrap.ssh.port";
            shown.settings[index].value = match (value, setting.key().as_str()) {
                (Some(value), "infra.bootstrap.ssh.private_key_path")
                    if !is_key_path(Path::new(&value)) =>
                {
                    "***".into()
                }
                (Some(value), _) => match value.parse::<u16>() {
                    Ok(port) if is_port => port.into(),
                    _ => value.into(),
                },
                (None, "infra.bootstrap.ssh.port") => login::DEFAULT_PORT.into(),
                (None, "infra.bootstrap.ssh.user") => login::DEFAULT_USER.into(),
                (None, _) => continue,
            };
        }
    }
    Ok(shown)
}

/// The JSON schema of the file, for the providers and steps of this program.
pub(crate) fn schema() -> anyhow::Result<serde_json::Value> {
    let registry = builtin::registry()?;
    Ok(project_schema(&registry, &BootstrapConfig::schemas()))
}

impl Loaded {
    /// Whether the project has a name.
    pub(crate) fn has_project(&self) -> bool {
        self.project.name().is_some()
    }

    /// Refuses environments that declare more hosts than `limits.max_hosts` allows: no plan could
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

    /// The environment that is meant: the named one, or the only one.
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

    /// As [`declared_environment`](Self::declared_environment), for a prune: one that left the
    /// file has no hosts to be kept, so `down` is for it.
    pub(crate) fn prunable_environment(
        &self,
        named: Option<&EnvironmentName>,
    ) -> anyhow::Result<EnvironmentName> {
        self.declared_or(named, |environment| {
            format!("; if it left the file, delete its hosts by `stagecraft infra down --env {environment}`")
        })
    }

    /// An error of work in an environment, with the place and the nearest name if the error is
    /// that it is not declared.
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

    /// The error about an environment that the file does not declare.
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

    /// How hosts are logged in to.
    fn login(&self) -> anyhow::Result<Login> {
        login::login(&self.bootstrap.ssh, &self.directory)
    }

    /// Refuses a key file that is named and is not there, before hosts are created that nobody
    /// could log in to.
    pub(crate) fn check_login_key(&self) -> anyhow::Result<()> {
        Ok(self.login()?.check_key()?)
    }

    /// Lets providers know the keys that new hosts must let in, since they will be logged in to.
    pub(crate) fn tell_login_keys(&self) -> anyhow::Result<()> {
        if let Some(identity) = self.login()?.identity_of_all() {
            self.lookup.set_identity(identity);
        }
        Ok(())
    }

    /// What connects to hosts. It has its own connections.
    pub(crate) fn connector(&self) -> anyhow::Result<SshConnector> {
        Ok(connector_of(self.login()?))
    }

    /// An engine over these providers.
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
            // Nobody is going to log in, so nothing has to be right about that.
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

/// Encrypted keys are asked for at the terminal.
fn connector_of(login: Login) -> SshConnector {
    SshConnector::new(login.config).with_ask(Arc::new(AtTerminal))
}
