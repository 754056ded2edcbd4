//! The command line of the sandbox.

use clap::{Args, ValueEnum};
use stagecraft_sandbox::{KnobError, Knobs};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stagecraft sandbox                                  serve, and print the variables to export
  stagecraft sandbox -- stagecraft infra up --yes     run one command under them
  stagecraft sandbox -- sh                            a shell to play in
  stagecraft sandbox --hosts container -- sh          hosts with real packages
  stagecraft sandbox --latency 100ms --boot-time 10s  a slower cloud
  stagecraft sandbox --knob list_lag=5s --knob errored_creates=web-1,web-2
  stagecraft sandbox --knob 'tag_case={\"prod\":\"PROD\"}' --knob burst_limit=null

While it runs, from under its variables:
  curl $DIGITALOCEAN_API_URL/sandbox/knobs            every knob, and how it stands
  curl -X PATCH $DIGITALOCEAN_API_URL/sandbox/knobs -d '{\"boot_time_ms\": 0}'
  curl $DIGITALOCEAN_API_URL/sandbox/counters         how often what was asked

The token's, the SSH key's and the network's names are taken from the
configuration file, if there is one. Everything ends with the sandbox.")]
pub(crate) struct SandboxArgs {
    /// What stands behind a droplet
    #[arg(long, value_enum, default_value = "process")]
    pub(crate) hosts: HostsMode,
    /// The container image of a droplet's image, for `--hosts container`; `stagecraft-lab:NAME`
    /// of an image `NAME-x64` if left out
    #[arg(long = "container-image", value_name = "SLUG=IMAGE", value_parser = container_image)]
    pub(crate) container_images: Vec<(String, String)>,
    /// The port of the API; any free one if left out
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) port: u16,
    /// How long each answer of the API takes, at least
    #[arg(long, value_name = "DURATION", value_parser = latency)]
    pub(crate) latency: Option<KnobSetting>,
    /// How long a new droplet takes to become active, at least
    #[arg(long, value_name = "DURATION", value_parser = boot_time)]
    pub(crate) boot_time: Option<KnobSetting>,
    /// How many droplets the account may have
    #[arg(long, value_name = "NUMBER", value_parser = droplet_limit)]
    pub(crate) droplet_limit: Option<KnobSetting>,
    /// Set how the API behaves, as JSON or text; an unknown name lists all
    #[arg(long = "knob", value_name = "NAME=VALUE", value_parser = knob)]
    pub(crate) knobs: Vec<KnobSetting>,
    /// A command to run under the sandbox's variables
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

impl SandboxArgs {
    /// How the API is to behave. `--knob` wins over the shortcuts, the last over the first.
    pub(crate) fn knobs(&self) -> Result<Knobs, KnobError> {
        let mut knobs = Knobs::default();
        let shortcuts = [&self.latency, &self.boot_time, &self.droplet_limit];
        for KnobSetting { name, value } in shortcuts.into_iter().flatten().chain(&self.knobs) {
            knobs.set(name, value)?;
        }
        Ok(knobs)
    }
}

/// A knob of the sandbox and its value, which was tried already.
#[derive(Debug, Clone)]
pub(crate) struct KnobSetting {
    name: String,
    value: String,
}

fn knob(text: &str) -> Result<KnobSetting, String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let mut knobs = Knobs::default();
    let set = knobs.set(name, value);
    if !text.contains('=') && !matches!(set, Err(KnobError::Unknown { .. })) {
        return Err(format!("give it a value, as in {name}=VALUE"));
    }
    set.map_err(|error| error.to_string())?;
    let (name, value) = (name.to_owned(), value.to_owned());
    Ok(KnobSetting { name, value })
}

fn container_image(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((slug, image)) if !slug.is_empty() && !image.is_empty() => {
            Ok((slug.to_owned(), image.to_owned()))
        }
        _ => Err("write it as debian-13-x64=IMAGE".to_owned()),
    }
}

fn latency(text: &str) -> Result<KnobSetting, String> {
    knob(&format!("latency={text}"))
}

fn boot_time(text: &str) -> Result<KnobSetting, String> {
    knob(&format!("boot_time={text}"))
}

fn droplet_limit(text: &str) -> Result<KnobSetting, String> {
    knob(&format!("droplet_limit={text}"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HostsMode {
    /// A host made of Linux namespaces, with SSH and a real shell
    Process,
    /// A container with systemd, sshd, cloud-init and real packages; needs a Docker Engine
    Container,
    /// Nothing: only the API answers
    None,
}
