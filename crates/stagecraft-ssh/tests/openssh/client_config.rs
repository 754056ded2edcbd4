//! Settings from a file such as `~/.ssh/config`.

use std::fs;

use stagecraft_core::{Connector as _, ErrorKind, RemoteTarget, Run};
use stagecraft_ssh::{ClientConfigFile, Fixed, Identity, SshConfig, SshConnector};

use crate::support::{CONNECTION, Sshd, argv, free_port, keygen, read};

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
