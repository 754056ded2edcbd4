//! SSH server of a host: it listens outside and executes inside.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::MethodKind;
use russh::server::Config;
use ssh_key::private::Ed25519Keypair;
use ssh_key::{PrivateKey, PublicKey};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::driver::DriverError;
use crate::process::address;
use crate::process::namespace::Door;
use session::Session;

mod command;
mod session;

/// The path of the server's current host key inside the host.
///
/// The stand-in of `systemctl` copies `/etc/ssh/ssh_host_ed25519_key` there when the SSH service is
/// reloaded.
const HOST_KEY: &str = "/run/sandbox/host_key";

/// How a host's SSH server misbehaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SshFault {
    /// Normal behaviour.
    #[default]
    None,
    /// Nothing listens: connections are refused.
    Refuse,
    /// Connections are accepted, and nothing is ever sent.
    Silent,
    /// Connections are accepted and closed before the banner, as sshd does when too many are being
    /// set up.
    Hangup,
    /// The server has another host key, generated when the fault is set.
    ChangedHostKey,
}

/// The public keys that may log in as root.
#[derive(Debug, Clone)]
pub(crate) struct AuthorizedKeys {
    keys: Arc<[PublicKey]>,
}

impl AuthorizedKeys {
    /// Parses keys in OpenSSH's format; invalid lines are ignored, as in sshd.
    pub(crate) fn parse(lines: &[String]) -> Self {
        let keys = lines
            .iter()
            .filter_map(|line| PublicKey::from_openssh(line.trim()).ok())
            .collect();
        Self { keys }
    }

    /// Whether a key may log in as a user.
    pub(crate) fn allow(&self, user: &str, key: &PublicKey) -> bool {
        user == "root"
            && self
                .keys
                .iter()
                .any(|known| known.key_data() == key.key_data())
    }
}

/// A running server. Stops when this is dropped.
#[derive(Debug)]
pub(crate) struct SshServer {
    orders: mpsc::Sender<(SshFault, oneshot::Sender<()>)>,
    stop: CancellationToken,
    task: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl SshServer {
    /// Starts serving the connections of a listener.
    pub(crate) fn start(
        listener: TcpListener,
        door: Door,
        authorized: AuthorizedKeys,
        fault: SshFault,
    ) -> Result<Self, DriverError> {
        let address = listener.local_addr().map_err(|error| DriverError {
            message: format!("a listener has no address: {error}"),
        })?;
        let stop = CancellationToken::new();
        let (orders, inbox) = mpsc::channel(1);
        let mut serving = Serving {
            address,
            entry: Entry::Open(listener),
            fault: SshFault::None,
            other_key: None,
            door,
            authorized,
            stop: stop.clone(),
        };
        serving.apply(fault);
        let task = tokio::spawn(serving.run(inbox));
        Ok(Self {
            orders,
            stop,
            task: std::sync::Mutex::new(Some(task)),
        })
    }

    /// Changes the fault; returns once it applies to new connections.
    pub(crate) async fn set_fault(&self, fault: SshFault) {
        let (done, applied) = oneshot::channel();
        if self.orders.send((fault, done)).await.is_err() || applied.await.is_err() {
            tracing::debug!("a server that has stopped was told of a fault");
        }
    }

    /// Stops listening and ends all connections.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        let task = self.task.lock().ok().and_then(|mut task| task.take());
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::warn!(%error, "an SSH server did not stop in order");
        }
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Generates an ed25519 key.
pub(crate) fn random_key() -> Result<PrivateKey, DriverError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| DriverError {
        message: format!("no random bytes for a host key: {error}"),
    })?;
    Ok(PrivateKey::from(Ed25519Keypair::from_seed(&seed)))
}

/// The holder of the server's address.
enum Entry {
    Open(TcpListener),
    /// Bound without listening, so that the address stays reserved while connections are refused.
    Closed {
        held: Option<TcpSocket>,
    },
}

struct Serving {
    address: SocketAddr,
    entry: Entry,
    fault: SshFault,
    other_key: Option<PrivateKey>,
    door: Door,
    authorized: AuthorizedKeys,
    stop: CancellationToken,
}

impl Serving {
    async fn run(mut self, mut inbox: mpsc::Receiver<(SshFault, oneshot::Sender<()>)>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                order = inbox.recv() => {
                    let Some((fault, done)) = order else { break };
                    self.apply(fault);
                    // The caller may be gone.
                    done.send(()).ok();
                }
                Some(stream) = self.accept() => {
                    let connection = Connection {
                        fault: self.fault,
                        other_key: self.other_key.clone(),
                        door: self.door.clone(),
                        authorized: self.authorized.clone(),
                        stop: self.stop.clone(),
                    };
                    connections.spawn(connection.serve(stream));
                }
                Some(_) = connections.join_next() => {}
            }
        }
        connections.join_all().await;
    }

    /// The next connection; never returns while closed.
    async fn accept(&self) -> Option<TcpStream> {
        let Entry::Open(listener) = &self.entry else {
            return std::future::pending().await;
        };
        match listener.accept().await {
            Ok((stream, _)) => Some(stream),
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                None
            }
        }
    }

    fn apply(&mut self, fault: SshFault) {
        if fault == SshFault::ChangedHostKey && self.fault != fault {
            self.other_key = random_key().ok();
        }
        self.fault = fault;
        let SocketAddr::V4(address) = self.address else {
            return;
        };
        let (ip, port) = (*address.ip(), address.port());
        match (&mut self.entry, fault == SshFault::Refuse) {
            (Entry::Open(_), true) => {
                // The listener must be gone before the address can be bound again.
                self.entry = Entry::Closed { held: None };
                let held = address::bind(ip, port).ok();
                self.entry = Entry::Closed { held };
            }
            (Entry::Closed { held }, false) => {
                let listener = match held.take() {
                    Some(socket) => socket.listen(128),
                    None => address::listen(ip, port),
                };
                match listener {
                    Ok(listener) => self.entry = Entry::Open(listener),
                    Err(error) => tracing::warn!(%error, "a host's SSH port was lost"),
                }
            }
            _ => {}
        }
    }
}

/// Inputs of one connection.
struct Connection {
    fault: SshFault,
    other_key: Option<PrivateKey>,
    door: Door,
    authorized: AuthorizedKeys,
    stop: CancellationToken,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        match self.fault {
            SshFault::Hangup => return,
            SshFault::Silent => {
                self.stop.cancelled().await;
                return;
            }
            _ => {}
        }
        let Some(key) = self.host_key().await else {
            tracing::debug!("a host without a usable host key hangs up");
            return;
        };
        let session = Session::new(self.door, self.authorized, self.stop.clone());
        let begun = tokio::select! {
            () = self.stop.cancelled() => return,
            begun = russh::server::run_stream(Arc::new(config(key)), stream, session) => begun,
        };
        let running = match begun {
            Ok(running) => running,
            Err(error) => {
                tracing::debug!(%error, "a connection ended before it began");
                return;
            }
        };
        let handle = running.handle();
        tokio::select! {
            ended = running => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended");
                }
            }
            () = self.stop.cancelled() => {
                let (reason, language) = ("host is going down".to_owned(), String::new());
                let told = handle.disconnect(russh::Disconnect::ByApplication, reason, language);
                if let Err(error) = told.await {
                    tracing::debug!(%error, "a client had gone already");
                }
            }
        }
    }

    async fn host_key(&self) -> Option<PrivateKey> {
        match &self.other_key {
            Some(key) if self.fault == SshFault::ChangedHostKey => Some(key.clone()),
            _ => current_key(&self.door).await,
        }
    }
}

/// Reads the key that the host's server would have loaded.
///
/// It is read inside, with the host's own rights: a path below `/proc/PID/root` could lead to the
/// outside through a link.
async fn current_key(door: &Door) -> Option<PrivateKey> {
    let mut command = door.command(["cat", HOST_KEY]);
    let output = command.stdout(std::process::Stdio::piped()).output().await;
    PrivateKey::from_openssh(output.ok()?.stdout).ok()
}

fn config(key: PrivateKey) -> Config {
    Config {
        server_id: russh::SshId::Standard("SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.14".into()),
        methods: (&[MethodKind::PublicKey][..]).into(),
        auth_rejection_time: Duration::from_millis(20),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![key],
        max_auth_attempts: 6,
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    }
}
