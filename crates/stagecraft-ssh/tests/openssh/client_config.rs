//! Settings from a file such as `~/.ssh/config`.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use stagecraft_core::{Connector as _, ErrorKind, NoEvents, RemoteTarget, Run};
use stagecraft_ssh::{ClientConfigFile, Fixed, Identity, JumpHost, SshConfig, SshConnector};

use crate::support::{Agent, CONNECTION, Sshd, argv, free_port, keygen, read};

fn config(sshd: &Sshd, text: &str, fixed: &[Fixed]) -> SshConfig {
    let path = sshd.path("client");
    fs::write(&path, text).expect("a file of its own");
    SshConfig {
        user: "nobody-here".to_owned(),
        port: free_port(),
        identity: Identity::Any(Vec::new()),
        client_config: Some(ClientConfigFile {
            path,
            home: sshd.path(""),
            fixed: fixed.to_vec(),
        }),
        ..SshConfig::default()
    }
}

fn target(sshd: &Sshd) -> RemoteTarget {
    RemoteTarget {
        aliases: vec!["prod-app-1".to_owned()],
        // Nothing listens there.
        address: [127, 0, 0, 9].into(),
        ..sshd.target()
    }
}

#[tokio::test]
async fn file_says_where_a_host_is_and_who_logs_in() {
    let sshd = Sshd::start().await;
    let jump = Sshd::start().await;
    jump.authorize(&sshd.path("user.pub"));
    let known = sshd.path("known_hosts");
    let line = format!("[127.0.0.1]:{} {}", jump.port, read(&jump.path("host.pub")));
    fs::write(&known, line).unwrap();
    let text = format!(
        "Host prod-app-*\n  HostName 127.0.0.1\n  Port {}\n  ProxyJump bastion\n\
         Host bastion\n  HostName 127.0.0.1\n  Port {}\n\
         Host prod-app-* bastion\n  User {}\n  IdentityFile ~/user\n  IdentityFile ~/missing\n\
         StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\n",
        sshd.port, jump.port, sshd.user
    );
    let connector = SshConnector::new(SshConfig {
        known_hosts: vec![known.clone()],
        ..config(&sshd, &text, &[])
    });
    let run = Run::default();
    let remote = connector.connect(&run, &target(&sshd)).await.unwrap();
    remote.exec(&run, &argv(&["true"])).await.unwrap();
    remote.close().await;
    assert_eq!(jump.count(CONNECTION), 1);

    // No word of the file weakens the check of host keys.
    fs::write(&known, "").unwrap();
    let connector = SshConnector::new(SshConfig {
        known_hosts: vec![known],
        ..config(&sshd, &text, &[])
    });
    let error = connector.connect(&run, &target(&sshd)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HostKey, "{error}");
}

#[tokio::test]
async fn what_was_chosen_on_purpose_wins_over_the_file() {
    let sshd = Sshd::start().await;
    keygen(&sshd.path("stranger"), "ed25519", "");
    let text = format!(
        "HostName 127.0.0.1\nUser other\nPort {}\nIdentityFile ~/stranger\nProxyJump nowhere.invalid\n",
        free_port()
    );
    let fixed = [Fixed::User, Fixed::Port, Fixed::Identity, Fixed::Jump];
    let connector = SshConnector::new(SshConfig {
        user: sshd.user.clone(),
        port: sshd.port,
        identity: Identity::File(sshd.path("user")),
        ..config(&sshd, &text, &fixed)
    });
    let remote = connector
        .connect(&Run::default(), &target(&sshd))
        .await
        .unwrap();
    remote.close().await;
}

#[tokio::test]
async fn jump_hosts_that_need_each_other_are_refused() {
    let sshd = Sshd::start().await;
    let text = "Host app-1\nProxyJump a\nHost a\nProxyJump b\nHost b\nProxyJump a\n";
    let connector = SshConnector::new(SshConfig {
        identity: Identity::File(sshd.path("user")),
        ..config(&sshd, text, &[])
    });
    let error = connector
        .connect(&Run::default(), &target(&sshd))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains("more than 8 jump hosts"),
        "{error}"
    );
}

#[tokio::test]
async fn wrong_key_of_a_host_that_the_file_leads_elsewhere_names_the_file_and_both_addresses() {
    let other = Sshd::start().await;
    let text = format!(
        "Host app-1\n  HostName localhost\n  Port {}\n  User {}\n  IdentityFile ~/user\n",
        other.port, other.user
    );
    let connector = SshConnector::new(config(&other, &text, &[]));
    let run = Run::default();
    let target = RemoteTarget {
        host_keys: vec![stagecraft_core::Fingerprint::of_wire(b"its own")],
        ..target(&other)
    };
    let error = connector.connect(&run, &target).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HostKey);
    let place = format!("localhost:{}", other.port);
    let message = error.to_string();
    assert!(
        message.contains(&format!("but {place} showed")),
        "{message}"
    );
    let file = other.path("client").display().to_string();
    let leads = format!("HostName of {file} leads there");
    let hint = error.hint().unwrap();
    assert!(hint.starts_with(&leads), "{hint}");
    assert!(hint.contains("own address 127.0.0.9"), "{hint}");

    // Who reads the key to trust it is told as well.
    let shown = connector.shown_key(&run, &target).await.unwrap();
    assert_eq!(shown.key.fingerprint(), other.host_key());
    assert_eq!(shown.place, place);
    let detour = shown.detour.unwrap();
    assert!(detour.starts_with(&leads), "{detour}");
}

/// The lines that lead to a server, with further ones after them.
fn leading_to(sshd: &Sshd, further: &str) -> String {
    format!(
        "HostName 127.0.0.1\nPort {}\nUser {}\n{further}\n",
        sshd.port, sshd.user
    )
}

#[tokio::test]
async fn agent_of_the_file_logs_in_and_none_is_none() {
    let sshd = Sshd::start().await;
    let agent = Agent::start(&[&sshd.path("user")]).await;
    std::os::unix::fs::symlink(agent.socket(), sshd.path("op.sock")).unwrap();
    let socket = agent.socket().display().to_string();
    let field = include_str!("../fixtures/ssh-config-identityagent");
    let variables = [("SSH_AUTH_SOCK", socket.clone()), ("MY_AGENT", socket)];
    let variables: BTreeMap<String, String> = variables
        .map(|(name, value)| (name.to_owned(), value))
        .into();
    let run = Run::new(Arc::new(NoEvents), Arc::new(variables));
    for lines in [
        field,
        "IdentityAgent SSH_AUTH_SOCK",
        "IdentityAgent $MY_AGENT",
        "IdentityAgent ${MY_AGENT}",
        "IdentityAgent %d/op.sock",
    ] {
        let text = leading_to(&sshd, lines);
        let connector = SshConnector::new(config(&sshd, &text, &[]));
        let remote = connector.connect(&run, &target(&sshd)).await.expect(lines);
        assert_eq!(remote.warnings(), [""; 0]);
        remote.close().await;
    }
    for lines in ["IdentityAgent none", "IdentityAgent $MADE_UP"] {
        let text = leading_to(&sshd, lines);
        let connector = SshConnector::new(SshConfig {
            identity: Identity::Any(vec![Identity::Agent(agent.socket())]),
            ..config(&sshd, &text, &[])
        });
        let error = connector.connect(&run, &target(&sshd)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{lines}");
        assert_eq!(error.to_string(), "no key to log in with is configured");
    }
}

#[tokio::test]
async fn key_of_the_agent_is_named_by_the_public_half_alone() {
    let sshd = Sshd::start().await;
    let strangers: Vec<_> = (0..7).map(|n| sshd.path(&format!("s{n}"))).collect();
    for stranger in &strangers {
        keygen(stranger, "ed25519", "");
    }
    let mut keys: Vec<_> = strangers.iter().map(std::path::PathBuf::as_path).collect();
    let own = sshd.path("user");
    keys.push(&own);
    let agent = Agent::start(&keys).await;
    fs::remove_file(&own).unwrap();
    let run = Run::default();
    let connect = async |lines: &str| {
        let text = leading_to(&sshd, lines);
        let connector = SshConnector::new(SshConfig {
            identity: Identity::Any(vec![Identity::Agent(agent.socket())]),
            ..config(&sshd, &text, &[])
        });
        connector.connect(&run, &target(&sshd)).await
    };
    let remote = connect("IdentityFile ~/user").await.unwrap();
    remote.close().await;
    let remote = connect("IdentityFile ~/user\nIdentitiesOnly yes").await;
    remote.unwrap().close().await;

    // If it has not, both files are named.
    fs::remove_file(sshd.path("s1")).unwrap();
    let error = connect("IdentityFile ~/s1\nIdentityAgent none")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let file = sshd.path("s1").display().to_string();
    let told = format!(
        "key file {file} does not exist, and no ssh-agent that is asked has the key of {file}.pub"
    );
    assert_eq!(error.to_string(), told);

    // With `IdentitiesOnly` nothing else of the agent is offered.
    let before = sshd.count("Failed publickey");
    let error = connect("IdentityFile ~/s0.pub\nIdentitiesOnly yes")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(error.to_string().matches("SHA256:").count(), 1, "{error}");
    assert_eq!(sshd.count("Failed publickey") - before, 1, "{}", sshd.log());
}

#[tokio::test]
async fn certificate_of_the_file_is_offered() {
    let authority = tempfile::tempdir().unwrap();
    let authority = authority.path().join("ca");
    fs::create_dir_all(authority.parent().unwrap()).unwrap();
    keygen(&authority, "ed25519", "");
    let settings = format!(
        "TrustedUserCAKeys {}.pub\nAuthorizedKeysFile none",
        authority.display()
    );
    let sshd = Sshd::start_with(&settings).await;
    crate::support::output(
        std::process::Command::new("ssh-keygen")
            .args(["-q", "-I", "test", "-n", &sshd.user, "-s"])
            .arg(&authority)
            .arg(sshd.path("user.pub")),
    );
    fs::rename(sshd.path("user-cert.pub"), sshd.path("issued")).unwrap();
    let text = leading_to(&sshd, "IdentityFile ~/user\nCertificateFile %d/issued");
    let connector = SshConnector::new(config(&sshd, &text, &[]));
    let remote = connector.connect(&Run::default(), &target(&sshd)).await;
    remote.unwrap().close().await;
}

#[tokio::test]
async fn lines_that_are_not_supported_are_warnings_of_a_connection_and_of_its_failure() {
    let sshd = Sshd::start().await;
    let text = leading_to(
        &sshd,
        "IdentityFile ~/user\nMatch exec true\nIdentityAgent none\nHost *\nBindAddress 127.0.0.1",
    );
    let connector = SshConnector::new(config(&sshd, &text, &[]));
    let run = Run::default();
    let remote = connector.connect(&run, &target(&sshd)).await.unwrap();
    let file = sshd.path("client").display().to_string();
    let expected = [
        format!("{file}:5: `Match exec` is not supported, so IdentityAgent under it is ignored"),
        format!(
            "{file}:8: BindAddress is not supported: the system chooses the address to connect from"
        ),
    ];
    assert_eq!(remote.warnings(), expected);
    remote.close().await;

    keygen(&sshd.path("stranger"), "ed25519", "");
    let text = leading_to(&sshd, "IdentityFile ~/stranger\nIdentityFile ~/%q");
    let connector = SshConnector::new(config(&sshd, &text, &[]));
    let error = connector.connect(&run, &target(&sshd)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    let warning = format!("{file}:5: IdentityFile ~/%q is ignored: the token %q is not known");
    assert!(error.context().contains(&("warning", warning)), "{error:?}");
}

#[tokio::test]
async fn jump_host_is_known_by_its_alias_and_its_own_lines_are_warnings_too() {
    let sshd = Sshd::start().await;
    let jump = Sshd::start().await;
    jump.authorize(&sshd.path("user.pub"));
    let known = sshd.path("known_hosts");
    fs::write(
        &known,
        format!("gateway-key {}", read(&jump.path("host.pub"))),
    )
    .unwrap();
    let text = format!(
        "Host bastion\n  HostName 127.0.0.1\n  Port {}\n  HostKeyAlias Gateway-Key\n  AddressFamily inet\n\
         Host prod-app-*\n  HostName 127.0.0.1\n  Port {}\n  ProxyJump %r@bastion\n\
         Host *\n  User {}\n  IdentityFile ~/user\n  ConnectTimeout 9\n",
        jump.port, sshd.port, sshd.user
    );
    let connector = SshConnector::new(SshConfig {
        known_hosts: vec![known.clone()],
        ..config(&sshd, &text, &[])
    });
    let run = Run::default();
    let remote = connector.connect(&run, &target(&sshd)).await.unwrap();
    let warnings = remote.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("client:5: AddressFamily"),
        "{warnings:?}"
    );
    remote.close().await;
    assert_eq!(jump.count(CONNECTION), 1);

    // So are jump hosts of our own settings, with the same tokens.
    let connector = SshConnector::new(SshConfig {
        known_hosts: vec![known],
        jump: JumpHost::parse_chain("%r@bastion").unwrap(),
        ..config(&sshd, &text, &[Fixed::Jump])
    });
    let remote = connector.connect(&run, &target(&sshd)).await.unwrap();
    remote.close().await;
    assert_eq!(jump.count(CONNECTION), 2);
}

#[tokio::test]
async fn command_of_the_file_is_refused_before_any_connection() {
    let sshd = Sshd::start().await;
    let text = leading_to(
        &sshd,
        "IdentityFile ~/user\nHost *\n  ProxyCommand nc -x proxy %h %p",
    );
    let connector = SshConnector::new(config(&sshd, &text, &[]));
    let run = Run::default();
    let target = target(&sshd);
    let error = connector
        .prepare(&run, &target.host, &target.aliases)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let place = format!(
        "{}:6: ProxyCommand is not supported",
        sshd.path("client").display()
    );
    assert_eq!(error.to_string(), place);
    let hint = error.hint().unwrap();
    assert!(hint.contains("infra.bootstrap.ssh.jump"), "{hint}");
    assert_eq!(sshd.count(CONNECTION), 0);
}
