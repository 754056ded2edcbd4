//! The host is verified before anything is sent.

use std::net::{Ipv4Addr, TcpListener};

use stagecraft_core::{Connector as _, ErrorKind, Fingerprint, Retry, Run};
use stagecraft_ssh::SshConfig;

use crate::support::{LOGIN_ATTEMPT, Sshd, argv, fingerprint, keygen, target, until};

#[tokio::test]
async fn host_without_a_known_key_is_not_even_called() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let connector = stagecraft_ssh::SshConnector::new(SshConfig {
        port: listener.local_addr().unwrap().port(),
        ..SshConfig::default()
    });
    let error = connector
        .connect(&Run::default(), &target(Vec::new()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HostKey);
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(
        error.to_string(),
        "no host key is known for app-1, so it cannot be verified"
    );
    let accepted = listener.accept().unwrap_err();
    assert_eq!(accepted.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn changed_host_key_is_refused_before_any_login() {
    let sshd = Sshd::start_with("LogLevel DEBUG1").await;
    let expected = Fingerprint::of_wire(b"another key");
    let error = sshd
        .connector()
        .connect(&Run::default(), &target(vec![expected]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HostKey);
    assert_eq!(error.retry(), Retry::Never);
    let (shown, port) = (sshd.host_key(), sshd.port);
    assert_eq!(
        error.to_string(),
        format!(
            "host key of app-1 has changed: expected {expected}, but 127.0.0.1:{port} showed {shown}"
        )
    );
    assert!(error.hint().is_some());
    until("sshd to see the end", || {
        sshd.count("Connection closed by") + sshd.count("Connection reset by") > 0
    })
    .await;
    assert_eq!(sshd.count(LOGIN_ATTEMPT), 0, "{}", sshd.log());

    // The same server logs attempts that are made.
    let host = sshd
        .connector()
        .connect(&Run::default(), &sshd.target())
        .await;
    assert!(host.is_ok());
    assert!(sshd.count(LOGIN_ATTEMPT) > 0, "{}", sshd.log());
}

#[tokio::test]
async fn any_of_several_known_keys_is_enough() {
    let sshd = Sshd::start().await;
    let keys = vec![Fingerprint::of_wire(b"old"), sshd.host_key()];
    let run = Run::default();
    let host = sshd.connector().connect(&run, &target(keys)).await.unwrap();
    assert_eq!(host.host_key(), sshd.host_key());
    assert!(
        host.exec(&run, &argv(&["true"]))
            .await
            .unwrap()
            .is_success()
    );
}

#[tokio::test]
async fn host_without_an_ed25519_key_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("ecdsa");
    keygen(&key, "ecdsa", "");
    let sshd = Sshd::start_with(&format!(
        "LogLevel DEBUG1\nHostKey {}\nHostKeyAlgorithms ecdsa-sha2-nistp256",
        key.display()
    ))
    .await;
    // Not even with that very key pinned: a second kind would be a way to downgrade.
    let keys = vec![fingerprint(&key.with_extension("pub"))];
    let error = sshd
        .connector()
        .connect(&Run::default(), &target(keys))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HostKey);
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(
        error.to_string(),
        "app-1 has no ssh-ed25519 host key, only ecdsa-sha2-nistp256"
    );
    assert_eq!(sshd.count(LOGIN_ATTEMPT), 0, "{}", sshd.log());
}

#[tokio::test]
async fn shown_key_is_read_without_a_login_and_a_proven_one_is_known_as_a_whole() {
    let sshd = Sshd::start_with("LogLevel DEBUG1").await;
    let connector = sshd.connector();
    let target = sshd.target();
    let shown = connector.shown_key(&Run::default(), &target).await.unwrap();
    let shown = shown.key;
    assert_eq!(shown.fingerprint(), sshd.host_key());
    assert_eq!(sshd.count(LOGIN_ATTEMPT), 0, "{}", sshd.log());
    assert_eq!(
        connector.proven_key(sshd.host_key()),
        None,
        "nothing is known by that"
    );
    connector.connect(&Run::default(), &target).await.unwrap();
    assert_eq!(connector.proven_key(sshd.host_key()), Some(shown));
}
