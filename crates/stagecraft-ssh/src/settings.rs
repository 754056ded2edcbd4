//! What a file in the form of `ssh_config(5)` says of one host, for others to look at.

use std::path::PathBuf;
use std::time::Duration;

use stagecraft_core::{Lookup, Result};

use crate::client_config::ClientConfig;
use crate::config::ClientConfigFile;
use crate::jump::JumpHost;

/// The settings of a file that count for one host, with tokens and variables replaced.
///
/// `None` and [`AgentSocket::Unset`] where the file does not set anything.
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
    /// `ProxyCommand` as it is written, which cannot be carried out.
    pub proxy_command: Option<String>,
    /// `ConnectTimeout`.
    pub connect_timeout: Option<Duration>,
    /// `HostKeyAlias`.
    pub host_key_alias: Option<String>,
}

/// Which agent `IdentityAgent` names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentSocket {
    /// Not set: the usual one.
    #[default]
    Unset,
    /// No agent.
    None,
    /// The agent that listens on this socket.
    Path(PathBuf),
}

impl ClientConfigFile {
    /// Reads the file and returns its settings for a host known by these names, most specific
    /// first. `user` is the login name where the file sets none; `variables` resolves `${NAME}`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](stagecraft_core::ErrorKind::Config) if the file cannot be read or
    /// understood, or sets something for this host that is invalid.
    pub fn settings(
        &self,
        names: &[&str],
        user: &str,
        _variables: &dyn Lookup,
    ) -> Result<HostSettings> {
        let answers = ClientConfig::load(&self.path, &self.home)?.query(names, user)?;
        let (jump, proxy_command) = match answers.jump() {
            Ok(jump) => (jump, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let files = answers.identity_files;
        Ok(HostSettings {
            host_name: answers.host_name,
            user: answers.user,
            port: answers.port,
            identity_files: (!files.is_empty()).then_some(files),
            jump,
            proxy_command,
            ..HostSettings::default()
        })
    }
}
