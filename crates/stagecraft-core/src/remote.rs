//! Commands and files on one host.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use data_encoding::BASE64;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::hostkey::Fingerprint;
use crate::name::HostName;
use crate::run::Run;

/// The most bytes of an output stream that are kept.
pub const OUTPUT_LIMIT: usize = 1024 * 1024;

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// A program and its arguments. The transport quotes them, once.
    Argv(Vec<String>),
    /// A script for `sh`, sent on standard input, so that it does not appear in process lists.
    Script(String),
}

/// One command on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteCommand {
    /// What to run.
    pub line: CommandLine,
    /// The time after which the call ends without the command.
    pub deadline: Duration,
}

impl RemoteCommand {
    /// Builds a command from a program and its arguments.
    pub fn argv<T: Into<String>>(argv: impl IntoIterator<Item = T>, deadline: Duration) -> Self {
        Self {
            line: CommandLine::Argv(argv.into_iter().map(Into::into).collect()),
            deadline,
        }
    }

    /// Builds a command from a script for `sh`.
    pub fn script(script: impl Into<String>, deadline: Duration) -> Self {
        Self {
            line: CommandLine::Script(script.into()),
            deadline,
        }
    }
}

/// How a command ended. A lost connection is an error, never an exit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It returned this code.
    Code(u32),
    /// It was terminated by this signal.
    Signal(String),
}

/// The result of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteOutput {
    /// How it ended.
    pub exit: Exit,
    /// Standard output, at most [`OUTPUT_LIMIT`] bytes of it.
    pub stdout: String,
    /// Standard error, at most [`OUTPUT_LIMIT`] bytes of it.
    pub stderr: String,
}

impl RemoteOutput {
    /// Whether the command returned 0.
    pub fn is_success(&self) -> bool {
        self.exit == Exit::Code(0)
    }

    /// Returns the last lines of both streams for people, standard error last.
    pub fn tail(&self, lines: usize) -> Vec<String> {
        let all: Vec<&str> = self
            .stdout
            .lines()
            .chain(self.stderr.lines())
            .flat_map(shown)
            .filter(|line| !line.trim().is_empty())
            .collect();
        all[all.len().saturating_sub(lines)..]
            .iter()
            .map(|line| (*line).to_owned())
            .collect()
    }

    /// Returns the output, if the command returned 0.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CommandFailed`] with the last line of output.
    pub fn success(self) -> Result<Self> {
        if self.is_success() {
            return Ok(self);
        }
        let how = match &self.exit {
            Exit::Code(code) => format!("exit code {code}"),
            Exit::Signal(signal) => format!("signal {signal}"),
        };
        let last = self.tail(1).pop().unwrap_or_else(|| "no output".to_owned());
        Err(Error::new(
            ErrorKind::CommandFailed,
            format!("command ended with {how}: {last}"),
        ))
    }
}

/// Returns what a terminal would have shown of a line over time, without the intermediate states
/// of a progress display, which overwrite each other.
fn shown(line: &str) -> Vec<&str> {
    let first_word = |text: &&str| text.split_whitespace().next().map(ToOwned::to_owned);
    let all: Vec<&str> = line.split('\r').collect();
    let mut pieces = all.iter().peekable();
    let mut kept = Vec::new();
    while let Some(piece) = pieces.next() {
        let next = pieces.peek().and_then(|next| first_word(next));
        if next.is_none() || first_word(piece) != next {
            kept.push(*piece);
        }
    }
    kept
}

/// A file to write on a host.
#[derive(Debug)]
pub struct Upload {
    /// The absolute path.
    pub path: String,
    /// The content; may be secret. It is sent on standard input.
    pub content: secrecy::SecretString,
    /// The permission bits, for example `0o600`.
    pub mode: u32,
    /// The owner as `user` or `user:group`; the login's user if absent.
    pub owner: Option<String>,
}

/// The account and key of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The account that logged in, before `sudo`.
    pub user: String,
    /// The public key that logged in, as base64: the second word of a line of `authorized_keys`.
    pub key: String,
}

impl Login {
    /// Creates a login by the public key in this wire form.
    pub fn new(user: impl Into<String>, wire: &[u8]) -> Self {
        Self {
            user: user.into(),
            key: BASE64.encode(wire),
        }
    }

    /// Returns the wire form of the public key.
    pub fn wire(&self) -> Vec<u8> {
        BASE64.decode(self.key.as_bytes()).unwrap_or_default()
    }
}

/// Runs commands and writes files on one host, over one connection.
#[async_trait]
pub trait Remote: Send + Sync + std::fmt::Debug {
    /// The host's name.
    fn host(&self) -> &HostName;

    /// The host key that was verified during connection.
    fn host_key(&self) -> Fingerprint;

    /// Returns warnings about how the host was reached: ignored settings, each with its place.
    /// Default: none.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Returns the account and key that logged in, as far as known. Wrappers must forward it: an
    /// unknown login is never removed from a host. Default: unknown.
    fn login(&self) -> Option<Login> {
        None
    }

    /// Runs a command and waits until it ends. A code other than 0 is not an error.
    ///
    /// Cancelling the run does not kill the command on the host: it continues there. The call
    /// returns.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] at the deadline, [`ErrorKind::Unavailable`] if the connection
    /// was lost before the exit was known, [`ErrorKind::Cancelled`].
    async fn exec(&self, run: &Run, command: &RemoteCommand) -> Result<RemoteOutput>;

    /// Writes a file: to a temporary name first, then renamed, so that it is never incomplete.
    ///
    /// # Errors
    ///
    /// Those of [`exec`](Self::exec); [`ErrorKind::CommandFailed`] if the host refused.
    async fn upload(&self, run: &Run, upload: &Upload) -> Result<()>;

    /// Closes the connection. Further calls fail.
    async fn close(&self);
}

/// The address of a host, and the keys that it may present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteTarget {
    /// The host's name, for messages.
    pub host: HostName,
    /// Further names under which a user may have configured it, for example `prod-app-1`.
    pub aliases: Vec<String>,
    /// Its address.
    pub address: IpAddr,
    /// The accepted fingerprints. If there are none, no connection is made.
    pub host_keys: Vec<Fingerprint>,
}

/// What a connection attempt is doing, for those who wait for it. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct ConnectPhase(Arc<Mutex<Option<(String, Instant)>>>);

impl ConnectPhase {
    /// Begins a phase, which ends the one before, for example `dialling 192.0.2.7:22`.
    pub fn begin(&self, what: impl Into<String>) {
        let mut phase = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *phase = Some((what.into(), Instant::now()));
    }

    /// Returns the current phase and its duration. `None` if none has begun.
    pub fn now(&self) -> Option<(String, Duration)> {
        let phase = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (what, since) = phase.as_ref()?;
        Some((what.clone(), since.elapsed()))
    }
}

/// The name of the context of an error that is about a jump host, not about the host behind it.
pub const JUMP_HOST: &str = "jump host";

/// Opens connections.
#[async_trait]
pub trait Connector: Send + Sync + std::fmt::Debug {
    /// Connects once, verifies the host's key before sending anything, and logs in.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::HostKey`] (never to be retried; with the context [`JUMP_HOST`] if the key is
    /// that of a jump host), [`ErrorKind::Unauthorized`] if the login
    /// was refused, [`ErrorKind::Unavailable`] with [`Retry::After`](crate::Retry) if the host
    /// refused the connection, closed it before the banner or is not reachable,
    /// [`ErrorKind::Timeout`], [`ErrorKind::Config`] if the login's own key cannot be used,
    /// [`ErrorKind::Cancelled`].
    async fn connect(&self, run: &Run, target: &RemoteTarget) -> Result<Arc<dyn Remote>>;

    /// Like [`connect`](Self::connect), and reports its phase, so that a timeout can say what it
    /// waited for. The default implementation reports nothing.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect).
    async fn connect_telling(
        &self,
        run: &Run,
        target: &RemoteTarget,
        _phase: &ConnectPhase,
    ) -> Result<Arc<dyn Remote>> {
        self.connect(run, target).await
    }

    /// Prepares the keys for a host before the host is created: reads them, and unlocks encrypted
    /// ones, which may prompt. Nothing is sent to any host.
    ///
    /// The names are those of the later [`RemoteTarget`]. Anything that depends on its address is
    /// left to the connection. Safe to repeat: unlocked keys stay unlocked, and no prompt appears
    /// twice. The default implementation does nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if no key can be used, [`ErrorKind::SecretMissing`] if the passphrase
    /// of one cannot be read, [`ErrorKind::Cancelled`].
    async fn prepare(&self, _run: &Run, _host: &HostName, _aliases: &[String]) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_leaves_out_what_a_progress_display_has_written_over() {
        let output = RemoteOutput {
            exit: Exit::Code(0),
            stdout: "Reading 5%\rReading 100%\rReading all.\r\n\nInstalled\rE: not\n".into(),
            stderr: String::new(),
        };
        assert_eq!(output.tail(5), ["Reading all.", "Installed", "E: not"]);
    }

    #[test]
    fn failed_command_names_code_and_last_line() {
        let output = RemoteOutput {
            exit: Exit::Code(100),
            stdout: "Reading lists\n".into(),
            stderr: "E: no such package\n\n".into(),
        };
        let error = output.success().unwrap_err();
        assert_eq!(
            error.to_string(),
            "command ended with exit code 100: E: no such package"
        );
    }
}
