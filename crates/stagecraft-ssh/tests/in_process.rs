//! Behaviour that OpenSSH's server does not show on demand, from a server in this process.

#![expect(
    clippy::unwrap_used,
    reason = "what a test sets up may fail it; the lint knows only functions marked as tests"
)]

use std::fs::Permissions;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::decode_secret_key;
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey, run_stream,
};
use russh::{Channel, ChannelId, Disconnect, Error};
use secrecy::ExposeSecret as _;
use stagecraft_core::{
    Connector as _, ErrorKind, Exit, HostKey, HostName, Remote, RemoteCommand, RemoteTarget, Retry,
    Run,
};
use stagecraft_ssh::{Identity, SshConfig, SshConnector};
use tokio::sync::mpsc;

/// Does what the command's name says.
struct Server {
    agent_channels: mpsc::UnboundedSender<bool>,
}

const BEGUN: &str = "stagecraft: the command begins\n";

impl Handler for Server {
    type Error = Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        _: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Error> {
        Ok(if user == "root" {
            Auth::Accept
        } else {
            Auth::reject()
        })
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), Error> {
        let line = String::from_utf8_lossy(line).into_owned();
        if line.contains("refuse") {
            return session.channel_failure(channel);
        }
        session.channel_success(channel)?;
        // As a host's shell does when the command begins.
        session.data(channel, BEGUN)?;
        session.extended_data(channel, 1, BEGUN)?;
        let command = line.rsplit(" '").next().unwrap_or_default();
        match command.trim_matches('\'') {
            "echo" => {
                session.data(channel, "out")?;
                session.extended_data(channel, 1, "err")?;
                session.exit_status_request(channel, 3)?;
                session.eof(channel)?;
                session.close(channel)
            }
            "late output" => {
                session.eof(channel)?;
                session.exit_status_request(channel, 0)?;
                session.extended_data(channel, 1, "late")?;
                session.close(channel)
            }
            "no status" => {
                session.data(channel, "half")?;
                session.eof(channel)?;
                session.close(channel)
            }
            "disconnect" => session.disconnect(Disconnect::ByApplication, "going\x1b down", ""),
            "use the agent" => {
                let handle = session.handle();
                let told = self.agent_channels.clone();
                tokio::spawn(async move {
                    told.send(handle.channel_open_agent().await.is_ok())
                        .unwrap();
                });
                session.exit_status_request(channel, 0)?;
                session.close(channel)
            }
            other => panic!("unknown command {other}"),
        }
    }
}

struct Lab {
    connector: SshConnector,
    target: RemoteTarget,
    agent_channels: mpsc::UnboundedReceiver<bool>,
    _key: tempfile::TempDir,
}

/// Starts a server for one connection.
async fn lab(user: &str) -> Lab {
    let host_key = HostKey::generate().unwrap();
    let config = Arc::new(Config {
        keys: vec![decode_secret_key(host_key.private().expose_secret(), None).unwrap()],
        auth_rejection_time: Duration::ZERO,
        ..Config::default()
    });
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, agent_channels) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let server = Server {
            agent_channels: told,
        };
        if let Ok(session) = run_stream(config, stream, server).await {
            drop(session.await);
        }
    });

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let key = HostKey::generate().unwrap();
    std::fs::write(&path, key.private().expose_secret()).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    Lab {
        connector: SshConnector::new(SshConfig {
            user: user.to_owned(),
            port,
            identity: Identity::File(path),
            ..SshConfig::default()
        }),
        target: RemoteTarget {
            host: HostName::new("db-1").unwrap(),
            aliases: Vec::new(),
            address: Ipv4Addr::LOCALHOST.into(),
            host_keys: vec![host_key.fingerprint()],
        },
        agent_channels,
        _key: directory,
    }
}

async fn connect(lab: &Lab) -> Arc<dyn Remote> {
    lab.connector
        .connect(&Run::default(), &lab.target)
        .await
        .unwrap()
}

fn command(name: &str) -> RemoteCommand {
    RemoteCommand::argv([name], Duration::from_secs(10))
}

#[tokio::test]
async fn streams_and_exit_code_arrive() {
    let host = connect(&lab("root").await).await;
    let output = host.exec(&Run::default(), &command("echo")).await.unwrap();
    assert_eq!(output.exit, Exit::Code(3));
    assert_eq!((&*output.stdout, &*output.stderr), ("out", "err"));
}

#[tokio::test]
async fn output_after_end_of_file_and_exit_status_is_kept() {
    let host = connect(&lab("root").await).await;
    let output = host
        .exec(&Run::default(), &command("late output"))
        .await
        .unwrap();
    assert!(output.is_success());
    assert_eq!(output.stderr, "late");
}

#[tokio::test]
async fn channel_that_closes_without_an_exit_status_is_never_a_success() {
    let host = connect(&lab("root").await).await;
    let run = Run::default();
    let error = host.exec(&run, &command("no status")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(
        error.to_string(),
        "connection to db-1 was lost before the command ended"
    );
    assert_eq!(error.context(), [("last output", "half".to_owned())]);
}

#[tokio::test]
async fn farewell_of_the_host_is_the_cause() {
    let host = connect(&lab("root").await).await;
    let run = Run::default();
    let error = host.exec(&run, &command("disconnect")).await.unwrap_err();
    assert_eq!(
        error.chain(),
        [
            "connection to db-1 was lost before the command ended",
            "the host said: going down"
        ]
    );
}

#[tokio::test]
async fn refused_command_does_not_wait_for_its_deadline() {
    let host = connect(&lab("root").await).await;
    let run = Run::default();
    let error = host.exec(&run, &command("refuse")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(error.to_string(), "db-1 refused to run a command");
}

#[tokio::test]
async fn host_cannot_open_channels_towards_us() {
    let mut lab = lab("root").await;
    let host = connect(&lab).await;
    let run = Run::default();
    host.exec(&run, &command("use the agent")).await.unwrap();
    assert_eq!(lab.agent_channels.recv().await, Some(false));
}

#[tokio::test]
async fn wrong_user_is_refused_by_name() {
    let lab = lab("ubuntu").await;
    let run = Run::default();
    let error = lab.connector.connect(&run, &lab.target).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    let message = error.to_string();
    assert!(message.contains("refused the login as ubuntu"), "{message}");
}
