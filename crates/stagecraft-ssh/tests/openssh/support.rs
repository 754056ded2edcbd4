//! A real OpenSSH server, agent and keys for one test, in a directory of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use stagecraft_core::{Fingerprint, HostName, PollPolicy, RemoteCommand, RemoteTarget, Run};
use stagecraft_ssh::{Identity, SshConfig, SshConnector};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// The programs that these tests need, from Debian's `openssh-server` and `openssh-client`.
const INSTALL: &str = "apt-get install openssh-server openssh-client";

/// `LogLevel DEBUG1` writes this for every attempt to log in.
pub(crate) const LOGIN_ATTEMPT: &str = "userauth-request for user";
/// `LogLevel VERBOSE` writes this for every TCP connection.
pub(crate) const CONNECTION: &str = "Connection from ";

/// An SSH server that lets the current user in with the key `user`.
pub(crate) struct Sshd {
    directory: TempDir,
    child: Child,
    pub(crate) port: u16,
    pub(crate) user: String,
}

impl Sshd {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// Starts one with further settings, which go before the usual ones.
    pub(crate) async fn start_with(settings: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        keygen(&path.join("host"), "ed25519", "");
        keygen(&path.join("user"), "ed25519", "");
        fs::copy(path.join("user.pub"), path.join("authorized_keys")).unwrap();
        let user = output(Command::new("id").arg("-un"));
        if user == "root" {
            // sshd's own demand when it may switch users.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        for _ in 0..5 {
            let port = free_port();
            let config = format!(
                "{settings}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {host}\n\
                 AuthorizedKeysFile {keys}\nPidFile none\nStrictModes no\nUsePAM no\n\
                 PasswordAuthentication no\nKbdInteractiveAuthentication no\n\
                 PermitRootLogin prohibit-password\nLogLevel VERBOSE\nMaxStartups 100\n\
                 SetEnv HOME={home}\n",
                // Keeps what the user's own `.bashrc` says out of the output.
                home = path.display(),
                host = path.join("host").display(),
                keys = path.join("authorized_keys").display(),
            );
            fs::write(path.join("config"), config).unwrap();
            let log = fs::File::create(path.join("log")).unwrap();
            let mut child = Command::new(sshd_program())
                .args(["-D", "-e", "-f"])
                .arg(path.join("config"))
                .stdin(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap();
            let mut up = false;
            until("sshd to listen or give up", || {
                up = fs::read_to_string(path.join("log"))
                    .unwrap()
                    .contains("Server listening");
                up || child.try_wait().unwrap().is_some()
            })
            .await;
            if up {
                return Self {
                    directory,
                    child,
                    port,
                    user,
                };
            }
        }
        panic!("sshd did not start: {}", read(&path.join("log")));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn log(&self) -> String {
        read(&self.path("log"))
    }

    pub(crate) fn count(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    pub(crate) fn host_key(&self) -> Fingerprint {
        fingerprint(&self.path("host.pub"))
    }

    /// Lets a further key in.
    pub(crate) fn authorize(&self, public_key: &Path) {
        let keys = self.path("authorized_keys");
        fs::write(&keys, read(&keys) + &read(public_key)).unwrap();
    }

    pub(crate) fn config(&self) -> SshConfig {
        SshConfig {
            user: self.user.clone(),
            port: self.port,
            identity: Identity::File(self.path("user")),
            ..SshConfig::default()
        }
    }

    pub(crate) fn connector(&self) -> SshConnector {
        SshConnector::new(self.config())
    }

    pub(crate) fn connector_with(&self, identity: Identity) -> SshConnector {
        SshConnector::new(SshConfig {
            identity,
            ..self.config()
        })
    }

    pub(crate) fn target(&self) -> RemoteTarget {
        target(vec![self.host_key()])
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// A real ssh-agent.
pub(crate) struct Agent {
    directory: TempDir,
    child: Child,
}

impl Agent {
    pub(crate) async fn start(keys: &[&Path]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("agent");
        let child = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("ssh-agent: {error}; install it: {INSTALL}"));
        until("ssh-agent to listen", || socket.exists()).await;
        let agent = Self { directory, child };
        for key in keys {
            output(
                Command::new("ssh-add")
                    .env("SSH_AUTH_SOCK", agent.socket())
                    .arg(key)
                    .stderr(Stdio::null()),
            );
        }
        agent
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("agent")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

pub(crate) fn target(host_keys: Vec<Fingerprint>) -> RemoteTarget {
    RemoteTarget {
        host: HostName::new("app-1").unwrap(),
        aliases: Vec::new(),
        address: Ipv4Addr::LOCALHOST.into(),
        host_keys,
    }
}

pub(crate) fn script(text: &str) -> RemoteCommand {
    RemoteCommand::script(text, Duration::from_secs(30))
}

pub(crate) fn argv(words: &[&str]) -> RemoteCommand {
    RemoteCommand::argv(words.iter().copied(), Duration::from_secs(30))
}

pub(crate) fn keygen(path: &Path, kind: &str, passphrase: &str) {
    output(
        Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-N", passphrase, "-f"])
            .arg(path),
    );
}

/// The fingerprint as another program computes it.
pub(crate) fn fingerprint(public_key: &Path) -> Fingerprint {
    let text = read(public_key);
    let key = russh::keys::PublicKey::from_openssh(&text).unwrap();
    let fingerprint = Fingerprint::of_wire(&key.to_bytes().unwrap());
    let shown = output(Command::new("ssh-keygen").arg("-lf").arg(public_key));
    assert!(shown.contains(&fingerprint.to_string()), "{shown}");
    fingerprint
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// A line to one server; it ends with either end, or when it is aborted.
pub(crate) async fn proxy(to: u16) -> (u16, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, to));
        let mut far = TcpStream::connect(address).await.unwrap();
        drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
    });
    (port, task)
}

/// Polls a condition.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let policy = PollPolicy {
        interval: Duration::from_millis(10),
        deadline: Duration::from_secs(20),
    };
    Run::default()
        .poll(policy, None, what, || {
            let met = condition();
            async move { Ok(met.then_some(())) }
        })
        .await
        .unwrap();
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

pub(crate) fn output(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; install it: {INSTALL}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// sshd has to be called by its absolute path.
fn sshd_program() -> PathBuf {
    ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"]
        .iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("no sshd on this machine; install it: {INSTALL}"))
}

fn stop(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}
