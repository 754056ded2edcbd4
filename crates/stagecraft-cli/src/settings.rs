//! Effective settings of a file.

use std::path::Path;

use infra_bootstrap::{BootstrapConfig, is_key_path};
use stagecraft_core::Error;
use stagecraft_core::config::{Setting, effective};

use crate::args::GlobalArgs;
use crate::environment::{SSH_KEY_VARIABLE, SSH_PORT_VARIABLE, variable_value};
use crate::load::{load, read_project};
use crate::{builtin, login};

/// Effective settings of a file.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The path of the file as given.
    pub(crate) file: String,
    pub(crate) settings: Vec<Setting>,
}

/// The variable of this program that sets a setting's default.
pub(crate) fn variable_of(setting: &Setting) -> Option<&'static str> {
    DEFAULTS
        .iter()
        .find(|(key, _)| *key == setting.key())
        .filter(|(_, variable)| variable_value(variable).is_some())
        .map(|(_, variable)| *variable)
}

/// Reads the file and fills in the defaults. It must be valid.
///
/// With an environment given, those of the others are omitted.
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

/// Settings whose defaults come from this program's variables.
const DEFAULTS: [(&str, &str); 2] = [
    ("infra.bootstrap.ssh.port", SSH_PORT_VARIABLE),
    ("infra.bootstrap.ssh.private_key_path", SSH_KEY_VARIABLE),
];
