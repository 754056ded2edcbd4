//! Login of hosts, from the configuration, the environment and `~/.ssh`.

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use infra_bootstrap::{SshSettings, is_key_path};
use stagecraft_core::config::ConfigBlock;
use stagecraft_core::{Error, ErrorKind, Lookup as _, Result, SecretKeyError};
use stagecraft_ssh::{ClientConfigFile, Elevate, Fixed, Identity, JumpHost, SshConfig};

use crate::environment::{
    ProcessEnvironment, SSH_KEY_VARIABLE, SSH_PORT_VARIABLE, expand_home, variable_value,
};

pub(crate) const DEFAULT_PORT: u16 = 22;
pub(crate) const DEFAULT_USER: &str = "root";

/// The settings of the transport.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) config: SshConfig,
}

/// Collects the settings. The configuration takes precedence over `~/.ssh/config`.
///
/// # Errors
///
/// If the environment's port or key path is invalid.
pub(crate) fn login(settings: &SshSettings, directory: &Path) -> anyhow::Result<Login> {
    let port = match (settings.port, variable_value(SSH_PORT_VARIABLE)) {
        (Some(port), _) => Some(port),
        (None, Some(text)) => {
            let port: NonZeroU16 = text
                .parse()
                .with_context(|| format!("{SSH_PORT_VARIABLE} is not a port: {text}"))?;
            Some(port.get())
        }
        (None, None) => None,
    };
    let named = |path: &PathBuf| directory.join(expand_home(path));
    let key = match &settings.private_key_path {
        Some(path) => Some(named(path)),
        None => key_of_environment()?,
    };
    let mut fixed = Vec::new();
    fixed.extend(settings.user.as_ref().map(|_| Fixed::User));
    fixed.extend(port.map(|_| Fixed::Port));
    fixed.extend(key.as_ref().map(|_| Fixed::Identity));
    fixed.extend(settings.jump.as_ref().map(|_| Fixed::Jump));
    let usual = ["~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"];
    let usual = usual.map(|path| expand_home(Path::new(path)));
    let known_hosts = settings.known_hosts_file.as_ref().map(named);
    let config = SshConfig {
        user: (settings.user.clone()).unwrap_or_else(|| DEFAULT_USER.to_owned()),
        port: port.unwrap_or(DEFAULT_PORT),
        identity: match key {
            Some(path) => Identity::File(path),
            None => Identity::Any(usual_identities()),
        },
        elevate: Elevate::Others(settings.sudo_password().map_err(of_key)?),
        passphrase: settings.passphrase().map_err(of_key)?,
        jump: JumpHost::parse_chain(settings.jump.as_deref().unwrap_or_default())?,
        known_hosts: known_hosts.into_iter().chain(usual).collect(),
        client_config: client_config(settings, directory).map(|path| ClientConfigFile {
            path,
            home: expand_home(Path::new("~")),
            fixed,
        }),
        ..SshConfig::default()
    };
    Ok(Login { config })
}

/// The key path from the variable.
///
/// # Errors
///
/// If it contains the key itself, as secret stores return it.
fn key_of_environment() -> Result<Option<PathBuf>> {
    let Some(path) = variable_value(SSH_KEY_VARIABLE).map(PathBuf::from) else {
        return Ok(None);
    };
    if is_key_path(&path) {
        return Ok(Some(expand_home(&path)));
    }
    let message = format!("{SSH_KEY_VARIABLE} must be the path of a file, never the key itself");
    Err(Error::new(ErrorKind::Config, message)
        .with_hint("write the key to a file that nobody else can read, or add it to ssh-agent"))
}

/// Rejects invalid jump hosts, at their place in the file.
///
/// # Errors
///
/// [`ErrorKind::Config`] with `ConfigErrors` as its source.
pub(crate) fn check_jump(settings: &SshSettings, block: &ConfigBlock) -> Result<()> {
    let jump = settings.jump.as_deref().unwrap_or_default();
    let Err(error) = JumpHost::parse_chain(jump) else {
        return Ok(());
    };
    let message = match error.hint() {
        Some(hint) => format!("{error}: {hint}"),
        None => error.to_string(),
    };
    Err(Error::from(block.error(&["jump"], message)))
}

/// Already reported with its place when the file was read.
fn of_key(error: SecretKeyError) -> Error {
    Error::new(ErrorKind::Config, error.message)
}

/// The SSH client's file. None for the hosts of a sandbox, which it cannot know.
fn client_config(settings: &SshSettings, directory: &Path) -> Option<PathBuf> {
    match &settings.config_file {
        Some(path) if path == Path::new("none") => None,
        Some(path) => Some(directory.join(expand_home(path))),
        None if variable_value(SSH_PORT_VARIABLE).is_some() => None,
        None => Some(expand_home(Path::new("~/.ssh/config"))).filter(|path| path.exists()),
    }
}

/// The agent first, then the default files of OpenSSH.
fn usual_identities() -> Vec<Identity> {
    let agent = ProcessEnvironment
        .get("SSH_AUTH_SOCK")
        .filter(|path| !path.is_empty())
        .map(|path| Identity::Agent(path.into()));
    let files = ["id_ed25519", "id_ecdsa", "id_rsa"]
        .map(|name| expand_home(&Path::new("~/.ssh").join(name)))
        .into_iter()
        .filter(|path| path.exists())
        .map(Identity::File);
    agent.into_iter().chain(files).collect()
}

impl Login {
    /// Checks the key file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if a named key file is missing.
    pub(crate) fn check_key(&self) -> Result<()> {
        match &self.config.identity {
            Identity::File(path) if !path.exists() => Err(Error::new(
                ErrorKind::Config,
                format!("key file {} does not exist", path.display()),
            )
            .with_hint(format!(
                "correct infra.bootstrap.ssh.private_key_path or {SSH_KEY_VARIABLE}; nothing was done"
            ))),
            _ => Ok(()),
        }
    }

    /// The port of every host; `None` if a file may set another for some.
    pub(crate) fn port_of_all(&self) -> Option<u16> {
        let is_open = self.may_name(Fixed::Port, &["port"]);
        (!is_open).then_some(self.config.port)
    }

    /// The login keys of every host; `None` if a file may set others for some.
    pub(crate) fn identity_of_all(&self) -> Option<Identity> {
        if self.may_name(Fixed::Identity, &["identit", "certificatefile"]) {
            return None;
        }
        Some(self.config.identity.clone())
    }

    /// Whether the SSH client's file may set what our configuration does not, by one of these
    /// keywords, in lower case.
    fn may_name(&self, what: Fixed, words: &[&str]) -> bool {
        let file = self.config.client_config.as_ref();
        let Some(file) = file.filter(|file| !file.fixed.contains(&what)) else {
            return false;
        };
        // Reading a pipe would block; the next reader refuses it.
        if !file.path.is_file() {
            return true;
        }
        let Ok(text) = std::fs::read(&file.path) else {
            return true;
        };
        let text = String::from_utf8_lossy(&text).to_ascii_lowercase();
        words.iter().any(|word| text.contains(word)) || text.contains("include")
    }
}
