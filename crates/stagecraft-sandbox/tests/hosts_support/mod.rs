//! An SSH client for the tests of hosts.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of these"
)]

use std::future::Future;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::ChannelMsg;
use russh::client::{self, AuthResult, Handle};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use ssh_key::private::Ed25519Keypair;
use ssh_key::{PrivateKey, PublicKey};
use stagecraft_sandbox::{BootRequest, HostDriver as _, ProcessHosts, ProcessHostsConfig};

/// A key for logins.
pub fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

/// Hosts whose first boot is over at once.
pub async fn hosts() -> ProcessHosts {
    ProcessHosts::new(ProcessHostsConfig::default().first_boot(Duration::ZERO))
        .await
        .unwrap()
}

pub fn request(id: u64, name: &str) -> BootRequest {
    BootRequest {
        id,
        name: name.to_owned(),
        image: "ubuntu-24-04-x64".to_owned(),
        user_data: None,
        authorized_keys: vec![key(1).public_key().to_openssh().unwrap()],
    }
}

/// Boots a host with id 1.
pub async fn boot() -> (ProcessHosts, Ipv4Addr) {
    let hosts = hosts().await;
    let address = hosts.boot(request(1, "web-1")).await.unwrap();
    (hosts, address)
}

pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Polls until a condition holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let attempts = async {
        while !condition().await {
            ticks.tick().await;
        }
    };
    let deadline = tokio::time::timeout(Duration::from_secs(20), attempts);
    deadline
        .await
        .unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

/// Whether a process with these words in its command line exists on this machine.
pub fn process_exists(words: &str) -> bool {
    let entries = std::fs::read_dir("/proc").unwrap();
    entries.flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line)
            .replace('\0', " ")
            .trim_end()
            .ends_with(words)
    })
}

struct Accept {
    seen: Arc<Mutex<Option<PublicKey>>>,
}

impl client::Handler for Accept {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        if let PublicKeyOrCertificate::PublicKey { key, .. } = key {
            *self.seen.lock().unwrap() = Some(key.clone());
        }
        Ok(true)
    }
}

/// A connection that has logged in.
pub struct Login {
    handle: Handle<Accept>,
    pub host_key: PublicKey,
}

/// What a command answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub status: Option<u32>,
    pub signal: Option<String>,
    /// The kinds of messages in their order, without repetitions.
    pub order: Vec<&'static str>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    pub fn errors(&self) -> &str {
        std::str::from_utf8(&self.stderr).unwrap()
    }

    fn note(&mut self, kind: &'static str) {
        if self.order.last() != Some(&kind) {
            self.order.push(kind);
        }
    }
}

async fn connect(
    hosts: &ProcessHosts,
    address: Ipv4Addr,
) -> Result<(Handle<Accept>, PublicKey), russh::Error> {
    let seen = Arc::new(Mutex::new(None));
    let handler = Accept {
        seen: Arc::clone(&seen),
    };
    let config = Arc::new(client::Config {
        nodelay: true,
        ..client::Config::default()
    });
    let handle = client::connect(config, (address, hosts.ssh_port()), handler).await?;
    let key = seen.lock().unwrap().clone().unwrap();
    Ok((handle, key))
}

/// Tries to log in with a key.
pub async fn try_login(
    hosts: &ProcessHosts,
    address: Ipv4Addr,
    user: &str,
    key: PrivateKey,
) -> Result<Option<Login>, russh::Error> {
    let (mut handle, host_key) = connect(hosts, address).await?;
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
    let result = handle.authenticate_publickey(user, key).await?;
    Ok(matches!(result, AuthResult::Success).then_some(Login { handle, host_key }))
}

/// Tries to log in with a password.
pub async fn password_is_accepted(hosts: &ProcessHosts, address: Ipv4Addr) -> bool {
    let (mut handle, _) = connect(hosts, address).await.unwrap();
    let result = handle.authenticate_password("root", "root").await;
    matches!(result, Ok(AuthResult::Success))
}

/// Logs in as root.
pub async fn login(hosts: &ProcessHosts, address: Ipv4Addr) -> Login {
    let login = try_login(hosts, address, "root", key(1)).await;
    login.unwrap().expect("the key is authorized")
}

impl Login {
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    pub async fn channel(&self) -> Result<russh::Channel<client::Msg>, russh::Error> {
        self.handle.channel_open_session().await
    }

    /// Asks for a connection from the host to somewhere.
    pub async fn forward(&self, port: u16) -> Result<(), russh::Error> {
        self.handle
            .channel_open_direct_tcpip("127.0.0.1", u32::from(port), "127.0.0.1", 1)
            .await
            .map(|_| ())
    }

    /// Runs a command with input and waits for its end.
    pub async fn exec(&self, command: &str, input: &[u8]) -> Answer {
        let channel = self.channel().await.unwrap();
        channel.exec(true, command).await.unwrap();
        let (mut incoming, outgoing) = channel.split();
        let write = async {
            // A command may end before it has read everything.
            if outgoing.data(input).await.is_ok() {
                outgoing.eof().await.ok();
            }
        };
        let read = async {
            let mut answer = Answer::default();
            while let Some(message) = incoming.wait().await {
                match message {
                    ChannelMsg::Data { data } => {
                        answer.stdout.extend_from_slice(&data);
                        answer.note("data");
                    }
                    ChannelMsg::ExtendedData { data, .. } => {
                        answer.stderr.extend_from_slice(&data);
                        answer.note("data");
                    }
                    ChannelMsg::ExitStatus { exit_status } => {
                        answer.status = Some(exit_status);
                        answer.note("exit-status");
                    }
                    ChannelMsg::ExitSignal { signal_name, .. } => {
                        answer.signal = Some(format!("{signal_name:?}"));
                        answer.note("exit-signal");
                    }
                    ChannelMsg::Eof => answer.note("eof"),
                    ChannelMsg::Close => answer.note("close"),
                    ChannelMsg::Failure => panic!("the command was refused"),
                    _ => {}
                }
            }
            answer
        };
        tokio::join!(write, read).1
    }

    /// Runs a command that must succeed and returns what it printed.
    pub async fn ok(&self, command: &str) -> String {
        let answer = self.exec(command, b"").await;
        assert_eq!(answer.status, Some(0), "{command}: {answer:?}");
        answer.text().to_owned()
    }
}
