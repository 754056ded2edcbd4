//! Configuration of the connector: user, keys, port and deadlines.

use std::path::PathBuf;
use std::time::Duration;

use stagecraft_core::SecretSource;

use crate::jump::JumpHost;

/// How to log in, and the deadlines.
///
/// Reads nothing from the environment: settings missing here do not apply. The check of the host
/// key cannot be turned off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshConfig {
    /// The user to log in as. Default: `root`.
    pub user: String,
    /// The port of the SSH server. Default: 22.
    pub port: u16,
    /// The key to log in with. Default: none, which fails before anything is sent.
    pub identity: Identity,
    /// Whether commands and uploads use `sudo`. Default: never.
    pub elevate: Elevate,
    /// The source of the passphrase of encrypted key files. Default: none.
    pub passphrase: Option<SecretSource>,
    /// The jump hosts for all hosts, in order. Default: none.
    ///
    /// They are verified by [`known_hosts`](Self::known_hosts), and logged in to once for all hosts
    /// of this connector.
    pub jump: Vec<JumpHost>,
    /// The files with the keys of jump hosts, in OpenSSH's format. A missing file contains none.
    /// Default: no files, which refuses every jump host.
    pub known_hosts: Vec<PathBuf>,
    /// A file in the format of `ssh_config(5)`. [`HostSettings`](crate::HostSettings) lists the
    /// supported settings. Default: none.
    pub client_config: Option<ClientConfigFile>,
    /// Timeout of the TCP connection. Default: 10 s.
    pub connect_timeout: Duration,
    /// Timeout of the key exchange, and again of the login. Default: 20 s.
    pub login_timeout: Duration,
    /// The silence after which a keepalive is sent. After three of them without an answer the
    /// connection counts as lost. Default: 15 s.
    pub keepalive: Duration,
}

impl Default for SshConfig {
    fn default() -> Self {
        Self {
            user: "root".to_owned(),
            port: 22,
            identity: Identity::Any(Vec::new()),
            elevate: Elevate::Never,
            passphrase: None,
            jump: Vec::new(),
            known_hosts: Vec::new(),
            client_config: None,
            connect_timeout: Duration::from_secs(10),
            login_timeout: Duration::from_secs(20),
            keepalive: Duration::from_secs(15),
        }
    }
}

/// Whether commands and uploads run as root through `sudo(8)`.
///
/// Uses the password of the source, if there is one. The password is sent on standard input only,
/// and a command never sees it, even if sudo needs none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elevate {
    /// They run as the login user.
    Never,
    /// They use sudo unless the login user is `root`.
    Others(Option<SecretSource>),
    /// They use sudo for every login user.
    Always(Option<SecretSource>),
}

/// A file such as `~/.ssh/config`. Read once, at the first connection. Its variables are those of
/// the run.
///
/// Hosts are looked up by their name, their aliases and their address at once: a `Host` line
/// applies if it matches any of them. Jump hosts are looked up by the name in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfigFile {
    /// The file. It must exist.
    pub path: PathBuf,
    /// The home directory for `~` in it.
    pub home: PathBuf,
    /// The settings of [`SshConfig`] that the file does not override.
    pub fixed: Vec<Fixed>,
}

/// A setting that was chosen on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixed {
    /// [`SshConfig::user`].
    User,
    /// [`SshConfig::port`].
    Port,
    /// [`SshConfig::identity`].
    Identity,
    /// [`SshConfig::jump`].
    Jump,
}

/// The source of the login key.
///
/// At most five keys of an agent are offered beside those that files name, and six in all:
/// OpenSSH's server disconnects at the sixth that it refuses (`MaxAuthTries` of `sshd_config(5)`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The agent at this socket.
    Agent(PathBuf),
    /// A file with a private key: OpenSSH, PKCS#1, PKCS#8 or `PuTTY`. An encrypted one requires
    /// [`SshConfig::passphrase`] or a prompt, unless an agent has its key. A file with a public key
    /// selects the key of an agent.
    File(PathBuf),
    /// The agent at this socket, restricted to the keys that files of [`Any`](Self::Any) name.
    NamedAgent(PathBuf),
    /// A file with an OpenSSH certificate for one of the other keys. Offered together with it. A
    /// file named like a key's with the suffix `-cert.pub` is found without being named.
    Certificate(PathBuf),
    /// All of these in order, without the unusable ones. It is an error only if all are unusable.
    Any(Vec<Self>),
}
