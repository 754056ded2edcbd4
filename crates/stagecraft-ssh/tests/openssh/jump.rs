//! Hosts behind jump hosts.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use stagecraft_core::{Connector as _, Error, ErrorKind, JUMP_HOST, Retry, Run};
use stagecraft_ssh::{ClientConfigFile, JumpHost, SshConfig, SshConnector};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::{
    CONNECTION, LOGIN_ATTEMPT, Sshd, argv, free_port, keygen, output, read, target, until,
};

/// A host, and a jump host that lets the same key in.
struct Behind {
    host: Sshd,
    jump: Sshd,
}

impl Behind {
    async fn start() -> Self {
        Self::start_with("").await
    }

    async fn start_with(settings: &str) -> Self {
        let host = Sshd::start().await;
        let jump = Sshd::start_with(&format!("LogLevel DEBUG1\n{settings}")).await;
        jump.authorize(&host.path("user.pub"));
        let behind = Self { host, jump };
        behind.know(&read(&behind.jump.path("host.pub")));
        behind
    }

    fn file(&self) -> PathBuf {
        self.jump.path("known_hosts")
    }

    /// Writes what is known of the jump host.
    fn know(&self, key: &str) {
        self.write(&format!("[127.0.0.1]:{} {key}", self.jump.port));
    }

    fn write(&self, lines: &str) {
        fs::write(self.file(), lines).expect("a file of its own");
    }

    fn config(&self) -> SshConfig {
        self.config_by(self.jump.port)
    }

    fn config_by(&self, port: u16) -> SshConfig {
        SshConfig {
            jump: vec![JumpHost {
                user: None,
                host: "127.0.0.1".to_owned(),
                port: Some(port),
            }],
            known_hosts: vec![self.file()],
            ..self.host.config()
        }
    }

    async fn failure(&self) -> Error {
        let connector = SshConnector::new(self.config());
        connector
            .connect(&Run::default(), &self.host.target())
            .await
            .unwrap_err()
    }
}

async fn works(connector: &SshConnector, host: &Sshd) {
    let run = Run::default();
    let remote = connector
        .connect(&run, &host.target())
        .await
        .expect("a connection through the jump host");
    let output = remote
        .exec(&run, &argv(&["echo", "behind"]))
        .await
        .expect("a command through the jump host");
    assert_eq!(output.stdout, "behind\n");
    remote.close().await;
}

#[tokio::test]
async fn all_hosts_share_one_login_at_the_jump_host() {
    let behind = Behind::start_with("MaxStartups 2:100:2\nMaxSessions 2").await;
    let connector = SshConnector::new(behind.config());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (connector, host) = (connector.clone(), behind.host.target());
        tasks.spawn(async move {
            let run = Run::default();
            let remote = connector.connect(&run, &host).await.unwrap();
            remote.exec(&run, &argv(&["true"])).await.unwrap();
            remote
        });
    }
    // All of them are open at the same time.
    let remotes = tasks.join_all().await;
    assert_eq!(remotes.len(), 50);
    assert_eq!(behind.jump.count(CONNECTION), 1);
    for remote in remotes {
        remote.close().await;
    }
    works(&connector, &behind.host).await;
    assert_eq!(behind.jump.count(CONNECTION), 1);
}

#[tokio::test]
async fn logins_at_one_address_stay_below_what_makes_it_hang_up() {
    // OpenSSH's own limit. Its listener hears of a login that is over a moment after the client.
    let sshd = Sshd::start_with("MaxStartups 10:100:10").await;
    let connector = sshd.connector();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (connector, host) = (connector.clone(), sshd.target());
        tasks.spawn(async move { connector.connect(&Run::default(), &host).await.map(drop) });
    }
    for result in tasks.join_all().await {
        result.unwrap();
    }
}

#[tokio::test]
async fn unknown_jump_host_is_a_hard_stop_with_its_fingerprint() {
    let behind = Behind::start().await;
    behind.write("# nothing\n");
    let error = behind.failure().await;
    assert_eq!(error.kind(), ErrorKind::HostKey);
    assert_eq!(error.retry(), Retry::Never);
    let port = behind.jump.port;
    // Whose key it is must not be guessed from the words.
    assert_eq!(error.context(), [(JUMP_HOST, format!("127.0.0.1:{port}"))]);
    assert_eq!(
        error.to_string(),
        format!(
            "host key {} of jump host 127.0.0.1 (127.0.0.1:{port}) is not known",
            behind.jump.host_key()
        )
    );
    let hint = error.hint().unwrap();
    assert!(
        hint.contains(&behind.file().display().to_string()),
        "{hint}"
    );
    assert_eq!(behind.jump.count(LOGIN_ATTEMPT), 0);
    assert_eq!(behind.host.count(CONNECTION), 0);
}

#[tokio::test]
async fn changed_or_revoked_key_of_a_jump_host_is_a_hard_stop() {
    let behind = Behind::start().await;
    keygen(&behind.jump.path("other"), "ed25519", "");
    keygen(&behind.jump.path("rsa"), "rsa", "");
    let right = read(&behind.jump.path("host.pub"));
    let other = read(&behind.jump.path("other.pub"));
    let rsa = read(&behind.jump.path("rsa.pub"));
    let name = format!("[127.0.0.1]:{}", behind.jump.port);
    let table = [
        (format!("{name} {other}"), "has changed"),
        (format!("{name} {right}@revoked * {right}"), "is revoked"),
        (
            format!("{name} {other}@revoked {name} {right}"),
            "is revoked",
        ),
        (
            format!("{name} {rsa}"),
            "is known by a host key of type ssh-rsa, and has only ssh-ed25519",
        ),
        (format!("@cert-authority * {right}"), "is not known"),
        (format!("other.example {right}"), "is not known"),
    ];
    for (lines, reason) in table {
        behind.write(&lines);
        let error = behind.failure().await;
        assert_eq!(error.kind(), ErrorKind::HostKey, "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert_eq!(behind.jump.count(LOGIN_ATTEMPT), 0);

    fs::remove_file(behind.file()).unwrap();
    fs::create_dir(behind.file()).unwrap();
    let error = behind.failure().await;
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}

#[tokio::test]
async fn jump_host_is_known_by_a_hashed_name_and_by_any_type_of_key() {
    let behind = Behind::start_with("").await;
    works(&SshConnector::new(behind.config()), &behind.host).await;
    output(
        Command::new("ssh-keygen")
            .args(["-q", "-H", "-f"])
            .arg(behind.file()),
    );
    assert!(read(&behind.file()).starts_with("|1|"));
    works(&SshConnector::new(behind.config()), &behind.host).await;

    for kind in ["rsa", "ecdsa"] {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        keygen(&key, kind, "");
        let behind = Behind::start_with(&format!("HostKey {}", key.display())).await;
        behind.know(&read(&folder.path().join("key.pub")));
        works(&SshConnector::new(behind.config()), &behind.host).await;
    }
}

#[tokio::test]
async fn chain_goes_through_one_after_the_other() {
    let behind = Behind::start().await;
    let first = Sshd::start_with("LogLevel DEBUG1").await;
    first.authorize(&behind.host.path("user.pub"));
    behind.write(&format!(
        "[127.0.0.1]:{} {}[127.0.0.1]:{} {}",
        first.port,
        read(&first.path("host.pub")),
        behind.jump.port,
        read(&behind.jump.path("host.pub"))
    ));
    let chain = format!("127.0.0.1:{},127.0.0.1:{}", first.port, behind.jump.port);
    let connector = SshConnector::new(SshConfig {
        jump: JumpHost::parse_chain(&chain).unwrap(),
        ..behind.config()
    });
    works(&connector, &behind.host).await;
    works(&connector, &behind.host).await;
    assert_eq!(first.count(CONNECTION), 1);
    assert_eq!(behind.jump.count(CONNECTION), 1);
    let asked = format!(
        "direct_tcpip: originator 127.0.0.1 port 0, target 127.0.0.1 port {}",
        behind.jump.port
    );
    assert_eq!(first.count(&asked), 1, "{}", first.log());
}

/// A line to a server that can be cut, and works again afterwards.
async fn cuttable(to: u16) -> (u16, watch::Sender<u32>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (cut, cuts) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut cuts = cuts.clone();
            cuts.mark_unchanged();
            tokio::spawn(async move {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, to));
                let mut far = TcpStream::connect(address).await.expect("a server");
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _ = cuts.changed() => {}
                }
            });
        }
    });
    (port, cut)
}

#[tokio::test]
async fn lost_connection_to_the_jump_host_is_made_anew() {
    let behind = Behind::start().await;
    let (port, cut) = cuttable(behind.jump.port).await;
    behind.write(&format!(
        "[127.0.0.1]:{port} {}",
        read(&behind.jump.path("host.pub"))
    ));
    let connector = SshConnector::new(behind.config_by(port));
    let run = Run::default();
    let remote = connector
        .connect(&run, &behind.host.target())
        .await
        .unwrap();
    remote.exec(&run, &argv(&["true"])).await.unwrap();
    cut.send(1).unwrap();
    let lost = remote
        .exec(&run, &argv(&["sleep", "60"]))
        .await
        .unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Unavailable, "{lost}");
    works(&connector, &behind.host).await;
    until("the second login at the jump host", || {
        behind.jump.count(CONNECTION) == 2
    })
    .await;
}

#[tokio::test]
async fn what_the_jump_host_cannot_or_may_not_do_is_told() {
    let behind = Behind::start_with("AllowTcpForwarding no").await;
    let error = behind.failure().await;
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
    assert_eq!(error.retry(), Retry::Never);
    let told = format!("forbids connections to 127.0.0.1:{}", behind.host.port);
    assert!(error.to_string().contains(&told), "{error}");

    let behind = Behind::start().await;
    let connector = SshConnector::new(SshConfig {
        port: free_port(),
        ..behind.config()
    });
    let error = connector
        .connect(&Run::default(), &behind.host.target())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(error.retry(), Retry::After(None));
    assert!(error.to_string().contains("cannot connect to"), "{error}");

    // The host itself is verified as without a jump host.
    let connector = SshConnector::new(behind.config());
    let stranger = target(vec![behind.jump.host_key()]);
    let error = connector
        .connect(&Run::default(), &stranger)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HostKey, "{error}");
    assert!(error.context().is_empty(), "{error:?}");
    assert_eq!(behind.host.count("Accepted publickey"), 0);
}

#[tokio::test]
async fn jump_host_that_cannot_be_reached_is_told_once_for_all_and_may_be_retried() {
    let behind = Behind::start().await;
    let port = free_port();
    let connector = SshConnector::new(behind.config_by(port));
    let (run, target) = (Run::default(), behind.host.target());
    let (one, two) = tokio::join!(
        connector.connect(&run, &target),
        connector.connect(&run, &target)
    );
    for error in [one.unwrap_err(), two.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.retry(), Retry::After(None));
        let told = format!("connection refused by jump host 127.0.0.1 (127.0.0.1:{port})");
        assert_eq!(error.to_string(), told);
    }
}

#[tokio::test]
async fn jump_host_that_does_not_answer_is_named_with_what_names_it() {
    let behind = Behind::start().await;
    let port = free_port();
    let connector = SshConnector::new(behind.config_by(port));
    let (run, target) = (Run::default(), behind.host.target());
    let connecting = connector.connect(&run, &target);
    let error = connecting.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let named = format!("jump host 127.0.0.1 (127.0.0.1:{port})");
    assert_eq!(error.to_string(), format!("connection refused by {named}"));
    let hint = error.hint().expect("where it is named");
    assert!(hint.ends_with("by infra.bootstrap.ssh.jump"), "{hint}");

    let path = behind.host.path("client");
    let lines = format!("Host app-1\n  ProxyJump bastion.invalid:{port}\n");
    fs::write(&path, lines).unwrap();
    let connector = SshConnector::new(SshConfig {
        jump: Vec::new(),
        client_config: Some(ClientConfigFile {
            path: path.clone(),
            home: behind.host.path(""),
            fixed: Vec::new(),
        }),
        ..behind.config()
    });
    let connecting = connector.connect(&run, &target);
    let error = connecting.await.unwrap_err();
    let named = format!("jump host bastion.invalid (bastion.invalid:{port})");
    assert_eq!(error.to_string(), format!("cannot connect to {named}"));
    let hint = error.hint().expect("where it is named");
    let file = format!("ProxyJump in {}", path.display());
    assert!(hint.contains(&file), "{hint}");
}
