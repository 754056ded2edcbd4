//! Which keys log in, and what is said if none does.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stagecraft_core::{
    Connector as _, Error, ErrorKind, Event, EventSink, LoginKey, Result, Retry, Run,
};
use stagecraft_ssh::{Identity, SshConfig, SshConnector, public_keys};

use crate::support::{Agent, CONNECTION, Sshd, argv, fingerprint, keygen, output};

async fn log_in(sshd: &Sshd, connector: &SshConnector) -> Result<()> {
    let run = Run::default();
    let host = connector.connect(&run, &sshd.target()).await?;
    host.exec(&run, &argv(&["true"])).await?.success()?;
    host.close().await;
    Ok(())
}

async fn refusal(sshd: &Sshd, identity: Identity) -> Error {
    log_in(sshd, &sshd.connector_with(identity))
        .await
        .unwrap_err()
}

#[tokio::test]
async fn unknown_key_is_refused_with_user_host_and_fingerprint() {
    let sshd = Sshd::start().await;
    let stranger = sshd.path("stranger");
    keygen(&stranger, "ed25519", "");
    let error = refusal(&sshd, Identity::File(stranger)).await;
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(error.retry(), Retry::Never);
    let message = error.to_string();
    let offered = fingerprint(&sshd.path("stranger.pub")).to_string();
    let login = format!(
        "app-1 (127.0.0.1:{}) refused the login as {}",
        sshd.port, sshd.user
    );
    assert!(message.starts_with(&login), "{message}");
    assert!(message.contains(&offered), "{message}");
}

#[tokio::test]
async fn rsa_key_logs_in() {
    let sshd = Sshd::start().await;
    let key = sshd.path("rsa");
    keygen(&key, "rsa", "");
    sshd.authorize(&sshd.path("rsa.pub"));
    log_in(&sshd, &sshd.connector_with(Identity::File(key)))
        .await
        .unwrap();
}

#[tokio::test]
async fn agent_logs_in_with_the_key_that_the_host_knows() {
    let sshd = Sshd::start().await;
    for kind in ["ed25519", "rsa"] {
        let key = sshd.path(kind);
        keygen(&key, kind, "");
        let stranger = sshd.path(&format!("stranger-{kind}"));
        keygen(&stranger, kind, "");
        sshd.authorize(&sshd.path(&format!("{kind}.pub")));
        let agent = Agent::start(&[&stranger, &key]).await;
        let connector = sshd.connector_with(Identity::Agent(agent.socket()));
        log_in(&sshd, &connector).await.unwrap();
    }
}

#[tokio::test]
async fn agent_with_many_strange_keys_is_refused_without_a_lock_out() {
    let sshd = Sshd::start().await;
    let keys: Vec<_> = (0..8)
        .map(|number| sshd.path(&format!("k{number}")))
        .collect();
    for key in &keys {
        keygen(key, "ed25519", "");
    }
    let keys: Vec<_> = keys.iter().map(PathBuf::as_path).collect();
    let agent = Agent::start(&keys).await;
    let strangers = Identity::Agent(agent.socket());
    let error = refusal(&sshd, strangers.clone()).await;
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(error.to_string().matches("SHA256:").count(), 5, "{error}");

    // There is still room for a file after them.
    let with_file = Identity::Any(vec![strangers.clone(), Identity::File(sshd.path("user"))]);
    log_in(&sshd, &sshd.connector_with(with_file))
        .await
        .unwrap();

    // And the server hanging up at the last one is a refusal too, not a lost connection.
    keygen(&sshd.path("k8"), "ed25519", "");
    let one_more = Identity::Any(vec![strangers, Identity::File(sshd.path("k8"))]);
    let error = refusal(&sshd, one_more).await;
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(error.to_string().matches("SHA256:").count(), 6, "{error}");
}

/// An agent with eight keys, of which the last is let in, and the file of its public half.
async fn agent_with_the_right_key_last(sshd: &Sshd) -> (Agent, PathBuf) {
    let keys: Vec<_> = (0..8)
        .map(|number| sshd.path(&format!("k{number}")))
        .collect();
    for key in &keys {
        keygen(key, "ed25519", "");
    }
    let public = sshd.path("k7.pub");
    sshd.authorize(&public);
    let keys: Vec<_> = keys.iter().map(PathBuf::as_path).collect();
    (Agent::start(&keys).await, public)
}

#[tokio::test]
async fn key_of_an_agent_that_a_file_names_is_offered_wherever_the_agent_keeps_it() {
    let sshd = Sshd::start().await;
    let (agent, public) = agent_with_the_right_key_last(&sshd).await;
    let held = Identity::Agent(agent.socket());
    let unnamed = refusal(&sshd, held.clone()).await;
    assert_eq!(unnamed.kind(), ErrorKind::Unauthorized);

    let run = Run::default();
    let private = sshd.path("k7");
    output(
        Command::new("ssh-keygen")
            .args(["-q", "-p", "-P", "", "-N", "a passphrase", "-f"])
            .arg(&private),
    );
    for named in [public, private] {
        let file = Identity::File(named.clone());
        let before = Identity::Any(vec![file.clone(), held.clone()]);
        let after = Identity::Any(vec![held.clone(), file]);
        for identity in [before, after] {
            let connector = sshd.connector_with(identity.clone());
            let told = format!("{}", named.display());
            log_in(&sshd, &connector).await.expect(&told);
            let second = Duration::from_secs(1);
            let offered = public_keys(&identity, second).await.expect(&told);
            let right = fingerprint(&sshd.path("k7.pub")).to_string();
            assert_eq!(offered.len(), 6, "{told}");
            let is_right = |key: &&LoginKey| key.place.starts_with(&right);
            assert_eq!(offered.iter().filter(is_right).count(), 1, "{told}");
        }
    }

    // A public key alone is none, and says so.
    let stranger = sshd.path("stranger");
    keygen(&stranger, "ed25519", "");
    let alone = Identity::Any(vec![Identity::File(sshd.path("stranger.pub"))]);
    let connector = sshd.connector_with(alone);
    let error = connector.connect(&run, &sshd.target()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let hint = error.hint().expect("what to do");
    assert!(hint.contains("no ssh-agent that is asked"), "{hint}");
}

#[tokio::test]
async fn certificate_in_the_agent_logs_in() {
    let directory = tempfile::tempdir().unwrap();
    let authority = directory.path().join("ca");
    keygen(&authority, "ed25519", "");
    let trust = format!("TrustedUserCAKeys {}.pub", authority.display());
    let sshd = Sshd::start_with(&trust).await;
    let key = directory.path().join("key");
    keygen(&key, "ed25519", "");
    output(
        Command::new("ssh-keygen")
            .args(["-q", "-I", "test", "-n", &sshd.user, "-s"])
            .arg(&authority)
            .arg(directory.path().join("key.pub")),
    );
    let agent = Agent::start(&[&key]).await;
    let connector = sshd.connector_with(Identity::Agent(agent.socket()));
    log_in(&sshd, &connector).await.unwrap();
}

#[tokio::test]
async fn unusable_key_files_are_told_apart_and_nothing_is_sent() {
    let sshd = Sshd::start().await;
    let encrypted = sshd.path("encrypted");
    keygen(&encrypted, "ed25519", "a passphrase");
    let old = sshd.path("old-encrypted");
    output(
        Command::new("ssh-keygen")
            .args(["-q", "-t", "rsa", "-m", "PEM", "-N", "a passphrase", "-f"])
            .arg(&old),
    );
    let noise = sshd.path("noise");
    std::fs::write(&noise, [0xff, 0x00, 0x80]).unwrap();
    let broken = sshd.path("broken");
    std::fs::write(&broken, "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n").unwrap();
    std::fs::set_permissions(&broken, Permissions::from_mode(0o600)).unwrap();
    let table = [
        (sshd.path("missing"), "does not exist", false),
        (encrypted, "is encrypted", true),
        (old, "is encrypted", true),
        (noise, "holds no private key", false),
        (broken, "holds no private key", false),
        (sshd.path("user.pub"), "holds no private key", true),
        (sshd.path(""), "holds no private key", false),
    ];
    for (path, reason, hint) in table {
        let error = refusal(&sshd, Identity::File(path.clone())).await;
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        let message = error.to_string();
        assert!(message.contains(reason), "{message}");
        assert!(message.contains(&path.display().to_string()), "{message}");
        assert_eq!(error.hint().is_some(), hint, "{message}");
    }
    assert_eq!(sshd.count(CONNECTION), 0);
}

#[tokio::test]
async fn agent_that_is_gone_or_empty_is_a_matter_of_configuration() {
    let sshd = Sshd::start().await;
    let gone = refusal(&sshd, Identity::Agent(sshd.path("no-agent"))).await;
    assert_eq!(gone.kind(), ErrorKind::Config);
    assert!(gone.to_string().contains("cannot be reached"), "{gone}");

    let agent = Agent::start(&[]).await;
    let empty = refusal(&sshd, Identity::Agent(agent.socket())).await;
    assert_eq!(empty.kind(), ErrorKind::Config);
    assert!(empty.to_string().contains("holds no key"), "{empty}");

    let nothing = refusal(&sshd, Identity::Any(Vec::new())).await;
    assert_eq!(nothing.to_string(), "no key to log in with is configured");
    let hint = nothing.hint().expect("what to do");
    assert!(
        hint.contains("infra.bootstrap.ssh.private_key_path"),
        "{hint}"
    );
    assert_eq!(sshd.count(CONNECTION), 0);
}

#[derive(Debug, Default)]
struct Waits(Mutex<Vec<(String, Duration)>>);

impl EventSink for Waits {
    fn emit(&self, event: Event) {
        if let Event::Waiting { what, deadline, .. } = event {
            self.0.lock().unwrap().push((what, deadline));
        }
    }
}

#[tokio::test]
async fn silent_agent_is_told_and_waited_for_once_while_a_file_logs_in() {
    let sshd = Sshd::start().await;
    let socket = sshd.path("silent");
    // Whoever connects waits in the backlog for ever.
    let _agent = UnixListener::bind(&socket).unwrap();
    let deadline = Duration::from_secs(4);
    let connector = SshConnector::new(SshConfig {
        identity: Identity::Any(vec![
            Identity::Agent(socket.clone()),
            Identity::File(sshd.path("user")),
        ]),
        login_timeout: deadline,
        ..sshd.config()
    });
    let waits = Arc::new(Waits::default());
    let lookup = Arc::new(BTreeMap::<String, String>::new());
    let run = Run::new(Arc::clone(&waits) as Arc<dyn EventSink>, lookup);
    for _ in 0..3 {
        let host = connector.connect(&run, &sshd.target()).await.unwrap();
        host.close().await;
    }
    let told = waits.0.lock().unwrap().clone();
    let what = format!("the answer of ssh-agent at {}", socket.display());
    assert_eq!(told, [(what, deadline)]);
}

#[tokio::test]
async fn any_leaves_out_what_cannot_be_used() {
    let sshd = Sshd::start().await;
    let missing = Identity::File(sshd.path("missing"));
    let gone = Identity::Agent(sshd.path("no-agent"));
    let good = Identity::File(sshd.path("user"));
    let some = Identity::Any(vec![gone.clone(), missing.clone(), good]);
    log_in(&sshd, &sshd.connector_with(some)).await.unwrap();

    let none = Identity::Any(vec![gone, missing]);
    let message = refusal(&sshd, none).await.to_string();
    assert!(message.contains("cannot be reached; key file"), "{message}");
}
