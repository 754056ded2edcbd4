//! What a caller chooses: the user, the key, the port and the deadlines.

use std::path::PathBuf;
use std::time::Duration;

use stagecraft_core::SecretSource;

use crate::jump::JumpHost;

/// How to log in, and how long to wait for what.
///
/// Nothing is read from the environment: what is not in here does not count. There is no setting
/// that turns the check of the host key off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshConfig {
    /// The user to log in as. Default: `root`.
    pub user: String,
    /// The port of the SSH server. Default: 22.
    pub port: u16,
    /// The key to log in with. Default: none, which fails before anything is sent.
    pub identity: Identity,
    /// Whether commands and uploads go through `sudo`. Default: never.
    pub elevate: Elevate,
    /// Where the passphrase of encrypted key files is found. Default: nowhere.
    pub passphrase: Option<SecretSource>,
    /// The hosts through which all others are reached, in their order. Default: none.
    ///
    /// They are verified by [`known_hosts`](Self::known_hosts), and logged in to once for all
    /// hosts of this connector.
    pub jump: Vec<JumpHost>,
    /// The files with the keys that jump hosts may show, in OpenSSH's form. Those that do not
    /// exist hold none. Default: none, which no jump host passes.
    pub known_hosts: Vec<PathBuf>,
    /// A file in the form of `ssh_config(5)`, of which the settings count that
    /// [`HostSettings`](crate::HostSettings) lists. Default: none.
    pub client_config: Option<ClientConfigFile>,
    /// The time for the TCP connection. Default: 10 s.
    pub connect_timeout: Duration,
    /// The time for the key exchange, and again for the login. Default: 20 s.
    pub login_timeout: Duration,
    /// The silence after which the host is asked for a sign of life. After three of them
    /// without an answer the connection counts as lost. Default: 15 s.
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

/// Whether commands and uploads go through `sudo(8)` and so are root's.
///
/// With a password that is found in the source, else without one. It travels on standard input
/// only, and a command never sees it, also if sudo needs none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elevate {
    /// They run as the user who logs in.
    Never,
    /// They go through sudo unless `root` logs in.
    Others(Option<SecretSource>),
    /// They go through sudo whoever logs in.
    Always(Option<SecretSource>),
}

/// A file such as `~/.ssh/config`. It is read once, at the first connection. Variables in it are
/// those of the run.
///
/// Hosts are looked up by their name, their aliases and their address at once: a `Host` line
/// fits if it fits any of them. Jump hosts are looked up by the name that they are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfigFile {
    /// The file. It must exist.
    pub path: PathBuf,
    /// What `~` means in it.
    pub home: PathBuf,
    /// The settings of [`SshConfig`] that the file does not change.
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

/// Where the key comes from that logs in.
///
/// At most five keys of an agent, beside those that files name, and six in all are offered:
/// OpenSSH's server hangs up at the sixth that it refuses (`MaxAuthTries` of `sshd_config(5)`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The agent that listens on this socket.
    Agent(PathBuf),
    /// A file with a private key: OpenSSH, PKCS#1, PKCS#8 or `PuTTY`. An encrypted one needs
    /// [`SshConfig::passphrase`] or somebody who is asked, unless an agent has its key. A file
    /// with a public key stands for the key of an agent.
    File(PathBuf),
    /// The agent that listens on this socket, of which only those keys count that files of
    /// [`Any`](Self::Any) name.
    NamedAgent(PathBuf),
    /// A file with a certificate of OpenSSH for one of the other keys. Offered together with it; a
    /// file named like a key's with `-cert.pub` at its end needs no mention.
    Certificate(PathBuf),
    /// All of these in their order, leaving out those that cannot be used. It is an error
    /// only if none of them can.
    Any(Vec<Self>),
}
