//! Encrypted keys.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use secrecy::SecretString;
use stagecraft_core::{
    ConnectPhase, Connector as _, ErrorKind, Lookup, NoEvents, Run, SecretSource,
};
use stagecraft_ssh::{
    AskPassphrase, ClientConfigFile, Identity, SshConfig, SshConnector, public_keys,
};

use crate::support::{Agent, CONNECTION, Sshd, keygen, output, read, until};

const PASSPHRASE: &str = "open sesame";

/// An environment of one variable.
#[derive(Debug)]
struct One(&'static str);

impl Lookup for One {
    fn get(&self, name: &str) -> Option<String> {
        (name == "PASSPHRASE").then(|| self.0.to_owned())
    }
}

fn run(passphrase: &'static str) -> Run {
    Run::new(Arc::new(NoEvents), Arc::new(One(passphrase)))
}

/// Somebody who always types the same, and counts.
#[derive(Debug)]
struct Person(Option<&'static str>, AtomicUsize);

#[async_trait]
impl AskPassphrase for Person {
    async fn ask(&self, _: &Run, _: &Path, is_again: bool) -> Option<SecretString> {
        let before = self.1.fetch_add(1, Ordering::SeqCst);
        assert_eq!(is_again, before > 0);
        self.0.map(SecretString::from)
    }
}

fn person(types: Option<&'static str>) -> Arc<Person> {
    Arc::new(Person(types, AtomicUsize::new(0)))
}

/// A server that lets in an encrypted key, and that key.
async fn locked(arguments: &[&str]) -> (Sshd, PathBuf) {
    let sshd = Sshd::start().await;
    let key = sshd.path("locked");
    output(
        Command::new("ssh-keygen")
            .args(["-q", "-N", PASSPHRASE])
            .args(arguments)
            .arg("-f")
            .arg(&key),
    );
    sshd.authorize(&sshd.path("locked.pub"));
    (sshd, key)
}

fn config(sshd: &Sshd, key: &Path) -> SshConfig {
    SshConfig {
        identity: Identity::File(key.to_path_buf()),
        passphrase: Some(SecretSource::Variable("PASSPHRASE".to_owned())),
        ..sshd.config()
    }
}

#[tokio::test]
async fn passphrase_of_a_variable_opens_keys_in_all_forms() {
    let forms: [&[&str]; 3] = [
        &["-t", "ed25519"],
        &["-t", "rsa"],
        &["-t", "rsa", "-m", "PKCS8"],
    ];
    for form in forms {
        let (sshd, key) = locked(form).await;
        let connector = SshConnector::new(config(&sshd, &key));
        let remote = connector.connect(&run(PASSPHRASE), &sshd.target()).await;
        let remote = remote.unwrap_or_else(|error| panic!("{form:?}: {error}"));
        remote.close().await;
    }
}

#[tokio::test]
async fn old_form_is_opened_or_named_as_such() {
    // ssh-keygen takes AES-128-CBC for it.
    let (sshd, key) = locked(&["-t", "rsa", "-m", "PEM"]).await;
    assert!(read(&key).contains("DEK-Info: AES-128-CBC"));
    let connector = SshConnector::new(config(&sshd, &key));
    let remote = connector.connect(&run(PASSPHRASE), &sshd.target()).await;
    remote.unwrap().close().await;
}

#[tokio::test]
async fn wrong_or_missing_passphrase_is_told_and_nothing_is_sent() {
    let (sshd, key) = locked(&["-t", "ed25519"]).await;
    let connector = SshConnector::new(config(&sshd, &key));
    let error = connector
        .connect(&run("close sesame"), &sshd.target())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let told = format!("the passphrase of key file {} is wrong", key.display());
    assert_eq!(error.to_string(), told);
    assert!(!format!("{error:?}").contains("close sesame"));

    let connector = SshConnector::new(config(&sshd, &key));
    let error = connector
        .connect(&run(""), &sshd.target())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SecretMissing);
    assert_eq!(
        error.to_string(),
        "passphrase missing from environment variable PASSPHRASE"
    );
    assert_eq!(sshd.count(CONNECTION), 0);
}

#[tokio::test]
async fn person_is_asked_once_for_all_hosts() {
    let (sshd, key) = locked(&["-t", "ed25519"]).await;
    let config = SshConfig {
        passphrase: None,
        ..config(&sshd, &key)
    };
    let knows = person(Some(PASSPHRASE));
    let connector = SshConnector::new(config.clone()).with_ask(knows.clone());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (connector, target) = (connector.clone(), sshd.target());
        tasks.spawn(async move { connector.connect(&Run::default(), &target).await });
    }
    for remote in tasks.join_all().await {
        remote.unwrap().close().await;
    }
    assert_eq!(knows.1.load(Ordering::SeqCst), 1);

    let errs = person(Some("close sesame"));
    let connector = SshConnector::new(config.clone()).with_ask(errs.clone());
    for _ in 0..2 {
        let error = connector
            .connect(&Run::default(), &sshd.target())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("is wrong"), "{error}");
    }
    assert_eq!(errs.1.load(Ordering::SeqCst), 3);

    let nobody = person(None);
    let connector = SshConnector::new(config).with_ask(nobody.clone());
    let error = connector
        .connect(&Run::default(), &sshd.target())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("is encrypted"), "{error}");
}

#[tokio::test]
async fn key_is_opened_before_there_is_a_host_and_not_again_for_it() {
    let (sshd, key) = locked(&["-t", "ed25519"]).await;
    let config = SshConfig {
        passphrase: None,
        ..config(&sshd, &key)
    };
    let (run, target) = (Run::default(), sshd.target());
    let knows = person(Some(PASSPHRASE));
    let connector = SshConnector::new(config.clone()).with_ask(knows.clone());
    for _ in 0..2 {
        connector.prepare(&run, &target.host, &[]).await.unwrap();
    }
    assert_eq!(knows.1.load(Ordering::SeqCst), 1);
    assert_eq!(sshd.count(CONNECTION), 0);
    let remote = connector.connect(&run, &target).await;
    remote.unwrap().close().await;
    assert_eq!(knows.1.load(Ordering::SeqCst), 1);

    let connector = SshConnector::new(config).with_ask(person(None));
    let error = connector.prepare(&run, &target.host, &[]).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("is encrypted"), "{error}");
}

#[tokio::test]
async fn keys_that_only_an_address_decides_are_not_opened_before_it_is_known() {
    let (sshd, key) = locked(&["-t", "ed25519"]).await;
    let file = sshd.path("ssh_config");
    let host = sshd.target().host;
    let lines = |pattern: &str| format!("Host {pattern}\n  IdentityFile {}\n", key.display());
    for (text, asked) in [
        (lines("*-app-1"), 1),
        (lines("192.0.2.*"), 0),
        (format!("{}{}", lines("elsewhere"), lines("app-1")), 1),
    ] {
        std::fs::write(&file, &text).unwrap();
        let somebody = person(Some(PASSPHRASE));
        let connector = SshConnector::new(SshConfig {
            identity: Identity::Any(Vec::new()),
            passphrase: None,
            client_config: Some(ClientConfigFile {
                path: file.clone(),
                home: sshd.path(""),
                fixed: Vec::new(),
            }),
            ..config(&sshd, &key)
        })
        .with_ask(somebody.clone());
        let aliases = ["staging-app-1".to_owned()];
        let prepared = connector.prepare(&Run::default(), &host, &aliases).await;
        prepared.unwrap();
        assert_eq!(somebody.1.load(Ordering::SeqCst), asked, "{text}");
    }
}

#[tokio::test]
async fn nobody_is_asked_for_a_key_that_the_agent_has() {
    let sshd = Sshd::start().await;
    let key = sshd.path("key");
    keygen(&key, "ed25519", "");
    sshd.authorize(&sshd.path("key.pub"));
    let agent = Agent::start(&[&key]).await;
    // The same key, encrypted afterwards.
    output(
        Command::new("ssh-keygen")
            .args(["-q", "-p", "-P", "", "-N", PASSPHRASE, "-f"])
            .arg(&key),
    );
    let identity = Identity::Any(vec![Identity::File(key), Identity::Agent(agent.socket())]);
    let nobody = person(None);
    let connector = sshd
        .connector_with(identity.clone())
        .with_ask(nobody.clone());
    let remote = connector.connect(&Run::default(), &sshd.target()).await;
    remote.unwrap().close().await;
    assert_eq!(nobody.1.load(Ordering::SeqCst), 0);
    let second = std::time::Duration::from_secs(1);
    assert_eq!(public_keys(&identity, second).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_is_asked_while_another_key_can_be_offered() {
    let (sshd, key) = locked(&["-t", "ed25519"]).await;
    let open = sshd.config().identity;
    let config = SshConfig {
        identity: Identity::Any(vec![Identity::File(key), open]),
        ..sshd.config()
    };
    let asked = person(Some(PASSPHRASE));
    let connector = SshConnector::new(config).with_ask(asked.clone());
    let remote = connector.connect(&Run::default(), &sshd.target()).await;
    remote.unwrap().close().await;
    assert_eq!(asked.1.load(Ordering::SeqCst), 0);
}

/// Somebody who never answers.
#[derive(Debug)]
struct Absent;

#[async_trait]
impl AskPassphrase for Absent {
    async fn ask(&self, _: &Run, _: &Path, _: bool) -> Option<SecretString> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn wait_for_a_passphrase_is_told_as_such() {
    let (sshd, key) = locked(&["-t", "ed25519"]).await;
    let config = SshConfig {
        passphrase: None,
        ..config(&sshd, &key)
    };
    let connector = SshConnector::new(config).with_ask(Arc::new(Absent));
    let (run, target, phase) = (Run::default(), sshd.target(), ConnectPhase::default());
    let waiting = format!("waiting for the passphrase of {}", key.display());
    tokio::select! {
        _ = connector.connect_telling(&run, &target, &phase) => panic!("nobody has answered"),
        () = until("the question", || phase.now().is_some_and(|(what, _)| what == waiting)) => {}
    }
}
