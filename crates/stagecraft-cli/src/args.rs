//! The command line.

mod help;
mod infra;
mod sandbox;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use stagecraft_core::{EnvironmentName, Lookup, shell_quote};

pub(crate) use self::infra::{
    BootstrapArgs, DownArgs, HostsCommand, InfraCommand, NamedArgs, PlanArgs, PruneArgs, ReapArgs,
    ReplaceArgs, TrustArgs, UnlockArgs, UpArgs,
};
pub(crate) use self::sandbox::{HostsMode, SandboxArgs};
use crate::output::OutputFormat;

/// From a bare cloud account to running hosts, and back to nothing.
#[derive(Debug, Parser)]
#[command(
    name = "stagecraft",
    version,
    about,
    propagate_version = true,
    after_help = "Examples:
  stagecraft init                               write a commented stagecraft.yml
  stagecraft sandbox -- stagecraft infra up -y  try it all on this machine, without an account
  stagecraft infra plan --env staging           show what `up` would do
  stagecraft infra up --env staging             create and bootstrap what is missing
  stagecraft infra down --env staging           delete the environment's hosts

Exit codes: 0 done or nothing to do, 1 configuration or usage, 2 cloud provider,
3 bootstrap, 4 network provider, 5 locked by another run, 6 the saved plan is stale,
7 refused by a guard, 10 some hosts failed, 20 changes are pending (only with
--detailed-exitcode), 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The configuration file that `init` writes, and that is read first if none is named.
pub(crate) const DEFAULT_CONFIG: &str = "stagecraft.yml";
/// The other spelling of it.
pub(crate) const OTHER_CONFIG: &str = "stagecraft.yaml";

pub(crate) const CONFIG_VARIABLE: &str = "STAGECRAFT_CONFIG";
pub(crate) const ENV_VARIABLE: &str = "STAGECRAFT_ENV";

/// The variables behind the global options, by the option's name.
const VARIABLES: [(&str, &str); 5] = [
    ("config", CONFIG_VARIABLE),
    ("env", ENV_VARIABLE),
    ("output", "STAGECRAFT_OUTPUT"),
    ("dry_run", "STAGECRAFT_DRY_RUN"),
    ("verbose", "STAGECRAFT_VERBOSE"),
];

/// Parses the command line. A variable that is set to nothing counts as not set.
pub(crate) fn parse(environment: &dyn Lookup) -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    for (option, variable) in VARIABLES {
        if environment
            .get(variable)
            .is_some_and(|value| value.is_empty())
        {
            command = command.mut_arg(option, |arg| arg.env(Resettable::Reset));
        }
    }
    match help::finished(command.clone()).try_get_matches() {
        Ok(matches) => {
            let cli = Cli::from_arg_matches(&matches)?;
            Ok(Cli {
                global: cli.global.located(),
                ..cli
            })
        }
        Err(error) => {
            let error = naming_variable(&command, environment, error);
            Err(help::without_dangerous_suggestions(error))
        }
    }
}

/// The command line as its help and its completions show it.
pub(crate) fn command() -> clap::Command {
    help::finished(Cli::command())
}

/// The error with the variable that a value comes from, in place of the flag that nobody gave.
fn naming_variable(
    command: &clap::Command,
    environment: &dyn Lookup,
    mut error: clap::Error,
) -> clap::Error {
    let argument = |error: &clap::Error| error.get(ContextKind::InvalidArg).cloned();
    let Some(ContextValue::String(flag)) = argument(&error) else {
        return error;
    };
    for (option, variable) in VARIABLES {
        let is_meant = flag.starts_with(&format!("--{}", option.replace('_', "-")));
        if !is_meant || environment.get(variable).is_none() {
            continue;
        }
        // Without the variable the value is not there any more, if it comes from it.
        let without = command
            .clone()
            .mut_arg(option, |arg| arg.env(Resettable::Reset));
        let still = without.try_get_matches().err();
        if still.and_then(|error| argument(&error)) != argument(&error) {
            let variable = ContextValue::String(variable.to_owned());
            error.insert(ContextKind::InvalidArg, variable);
        }
        break;
    }
    error
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// The configuration file [default: stagecraft.yml or stagecraft.yaml, here or in the nearest
    /// directory above]
    #[arg(
        id = "config",
        short,
        long = "config",
        global = true,
        value_name = "FILE",
        env = CONFIG_VARIABLE
    )]
    pub(crate) named_config: Option<PathBuf>,
    /// The file that is meant: the one that was named, or the one that was found.
    #[arg(skip)]
    pub(crate) config: PathBuf,
    /// The environment; may be left out if only one is declared
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        env = ENV_VARIABLE
    )]
    pub(crate) env: Option<EnvironmentName>,
    /// How results are printed
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        env = "STAGECRAFT_OUTPUT",
        default_value = "text"
    )]
    pub(crate) output: OutputFormat,
    /// Show what would be done, and do nothing
    #[arg(long, global = true, env = "STAGECRAFT_DRY_RUN", value_parser = clap::builder::BoolishValueParser::new(), default_value_t = false, default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    pub(crate) dry_run: bool,
    /// Show more: details of results; twice for each API request, on standard error; three times
    /// for what happens inside
    #[arg(short, long, global = true, action = clap::ArgAction::Count, env = "STAGECRAFT_VERBOSE")]
    pub(crate) verbose: u8,
}

impl GlobalArgs {
    /// Settles which configuration file is meant. Without a name it is looked for here and in
    /// the directories above, as long as they belong to the same user.
    pub(crate) fn located(mut self) -> Self {
        self.config = match &self.named_config {
            Some(named) => named.clone(),
            None => std::env::current_dir()
                .ok()
                .and_then(|directory| find_config(&directory))
                .unwrap_or_else(|| DEFAULT_CONFIG.into()),
        };
        self
    }

    /// The file, if it was found elsewhere than where it is expected.
    pub(crate) fn found_config(&self) -> Option<&Path> {
        let is_expected = self.named_config.is_some() || self.config == Path::new(DEFAULT_CONFIG);
        (!is_expected).then_some(self.config.as_path())
    }

    /// The option that names the configuration again, if it is not the usual one.
    pub(crate) fn config_option(&self) -> String {
        let named = self.named_config.as_deref();
        match named.filter(|path| *path != Path::new(DEFAULT_CONFIG)) {
            Some(path) => format!(" --config {}", shell_quote(&path.to_string_lossy())),
            None => String::new(),
        }
    }
}

/// The nearest configuration at or above a directory, as a path relative to it.
///
/// A directory of another user ends the search: a file there could name programs to run.
fn find_config(directory: &Path) -> Option<PathBuf> {
    let owner = directory.metadata().ok()?.uid();
    let mut prefix = PathBuf::new();
    for directory in directory.ancestors() {
        if directory.metadata().ok()?.uid() != owner {
            return None;
        }
        let names = [DEFAULT_CONFIG, OTHER_CONFIG];
        if let Some(name) = names.iter().find(|name| directory.join(name).is_file()) {
            return Some(prefix.join(name));
        }
        prefix.push("..");
    }
    None
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a first configuration file
    Init(InitArgs),
    /// Work with the configuration file
    #[command(subcommand)]
    Config(ConfigCommand),
    /// List the providers and host steps of this program, or describe one
    #[command(after_help = "Examples:
  stagecraft providers                 all of them
  stagecraft providers digitalocean    what it can do, and the keys of its configuration")]
    Providers(ProvidersArgs),
    /// Learn what `--output json` prints
    #[command(subcommand)]
    Events(EventsCommand),
    /// Create, list and delete hosts
    #[command(subcommand)]
    Infra(InfraCommand),
    /// Serve a cloud on this machine, to try things without an account
    Sandbox(SandboxArgs),
    /// Print a completion script for a shell
    #[command(after_help = "Examples:
  source <(stagecraft completions bash)                        in ~/.bashrc
  source <(stagecraft completions zsh)                         in ~/.zshrc, after compinit
  stagecraft completions fish > ~/.config/fish/completions/stagecraft.fish

Commands, options, and the environments, hosts and roles of the configuration are completed.")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the version
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The project's name; the directory's if left out
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    /// Write over a file that exists
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ProvidersArgs {
    /// The provider or step to describe
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration; no account, no network and no secret is needed
    Validate,
    /// Print the configuration as it takes effect: variables put in, defaults filled in
    #[command(after_help = "Examples:
  stagecraft config show
  stagecraft config show --why cloud.providers.digitalocean.hosts.staging.db-1.size
  stagecraft config show --output json | jq '.settings[] | select(.source == \"default\")'

What may be a secret is shown as ***.")]
    Show(ShowArgs),
    /// Print the JSON schema of the configuration, for editors
    #[command(after_help = "Example:
  stagecraft config schema > .stagecraft.schema.json
  # yaml-language-server: $schema=.stagecraft.schema.json   (first line of stagecraft.yml)")]
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Show one key's value, where it comes from, and which default won
    #[arg(long, value_name = "KEY")]
    pub(crate) why: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Print the JSON schema of the lines and documents that `--output json` prints
    #[command(after_help = "Examples:
  stagecraft events schema > stagecraft-events.schema.json
  stagecraft events schema | jq '.[\"$defs\"].Error'
  stagecraft infra up --yes --output json | jq 'select(.event == \"result\")'

A line matches #/$defs/Line; x-documents tells what commands with one answer print.")]
    Schema,
}
