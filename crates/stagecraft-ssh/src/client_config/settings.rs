//! Settings of one host in a file.

use std::path::PathBuf;
use std::time::Duration;

use stagecraft_core::{Error, ErrorKind, Lookup, Result};

use super::{Asked, ClientConfig};
use crate::config::ClientConfigFile;
use crate::jump::JumpHost;

/// The `ssh_config(5)` settings of a file that apply to one host, with tokens and variables
/// replaced.
///
/// `None` and [`AgentSocket::Unset`] where the file sets nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostSettings {
    /// `HostName`.
    pub host_name: Option<String>,
    /// `User`.
    pub user: Option<String>,
    /// `Port`.
    pub port: Option<u16>,
    /// `IdentityFile`, all of them. Empty after `none`.
    pub identity_files: Option<Vec<PathBuf>>,
    /// `CertificateFile`, all of them.
    pub certificate_files: Vec<PathBuf>,
    /// `IdentitiesOnly`.
    pub identities_only: bool,
    /// `IdentityAgent`.
    pub identity_agent: AgentSocket,
    /// `ProxyJump`. Empty after `none`.
    pub jump: Option<Vec<JumpHost>>,
    /// `ProxyCommand` as it is written. It is not supported.
    pub proxy_command: Option<String>,
    /// `ConnectTimeout`.
    pub connect_timeout: Option<Duration>,
    /// `HostKeyAlias`, in lower case.
    pub host_key_alias: Option<String>,
    /// Unsupported lines for the host, each with its file, line number and reason.
    pub warnings: Vec<String>,
    /// Position of `ProxyCommand`.
    pub(crate) proxy_place: String,
}

/// The agent that `IdentityAgent` names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentSocket {
    /// Not set: the default agent.
    #[default]
    Unset,
    /// No agent.
    None,
    /// The agent that listens on this socket.
    Path(PathBuf),
}

impl HostSettings {
    /// The jump hosts, if the file sets any.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if it sets a `ProxyCommand`.
    pub(crate) fn chain(&self) -> Result<Option<Vec<JumpHost>>> {
        let Some(command) = &self.proxy_command else {
            return Ok(self.jump.clone());
        };
        let is_ssh = command.contains("ssh ") && command.contains("-W");
        let hint = if is_ssh {
            "write it as `ProxyJump HOST`, or set infra.bootstrap.ssh.jump"
        } else {
            "use ProxyJump in its place, or set infra.bootstrap.ssh.jump, to `none` for a direct connection"
        };
        let message = format!("{}: ProxyCommand is not supported", self.proxy_place);
        Err(Error::new(ErrorKind::Config, message).with_hint(hint))
    }
}

impl ClientConfigFile {
    /// Reads the file and returns its settings for a host known by these names, the most common
    /// first. `user` is the login name where the file sets none; `variables` resolves `${NAME}`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the file cannot be read or parsed, or sets something for this host
    /// that is invalid.
    pub fn settings(
        &self,
        names: &[&str],
        user: &str,
        variables: &dyn Lookup,
    ) -> Result<HostSettings> {
        let config = ClientConfig::load(&self.path, &self.home)?;
        config.query(&Asked {
            names,
            user,
            port: 22,
            chosen_user: None,
            chosen_port: None,
            variables: &|name| variables.get(name),
        })
    }
}
