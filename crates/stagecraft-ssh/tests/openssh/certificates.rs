//! Certificates of users, signed by an authority that the server trusts.

use std::path::{Path, PathBuf};
use std::process::Command;

use stagecraft_core::{Connector as _, ErrorKind, Result, Run};
use stagecraft_ssh::{Identity, SshConfig, SshConnector};

use crate::support::{Agent, Sshd, argv, keygen, output};

/// A server that lets in nobody but by certificates of an authority.
struct Lab {
    sshd: Sshd,
    directory: tempfile::TempDir,
}

impl Lab {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = directory.path().join("authority");
        keygen(&authority, "ed25519", "");
        let trust = format!(
            "TrustedUserCAKeys {}.pub\nAuthorizedKeysFile none",
            authority.display()
        );
        let sshd = Sshd::start_with(&trust).await;
        Self { sshd, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A key, and its certificate beside it.
    fn certified(&self, name: &str, kind: &str, passphrase: &str) -> PathBuf {
        let key = self.path(name);
        keygen(&key, kind, passphrase);
        output(
            Command::new("ssh-keygen")
                .args(["-q", "-I", "test", "-n", &self.sshd.user, "-s"])
                .arg(self.path("authority"))
                .arg(self.path(&format!("{name}.pub"))),
        );
        key
    }

    async fn log_in(&self, identity: Identity) -> Result<()> {
        let connector = SshConnector::new(SshConfig {
            identity,
            ..self.sshd.config()
        });
        let run = Run::default();
        let host = connector.connect(&run, &self.sshd.target()).await?;
        host.exec(&run, &argv(&["true"])).await?.success()?;
        host.close().await;
        Ok(())
    }
}

fn rename(from: &Path, to: &Path) {
    std::fs::rename(from, to).unwrap();
}

#[tokio::test]
async fn certificate_beside_a_key_file_logs_in() {
    let lab = Lab::start().await;
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let key = lab.certified(kind, kind, "");
        lab.log_in(Identity::File(key)).await.expect(kind);
    }
}

#[tokio::test]
async fn named_certificate_logs_in_with_the_key_that_it_is_for() {
    let lab = Lab::start().await;
    let key = lab.certified("key", "ed25519", "");
    let elsewhere = lab.path("issued.pub");
    rename(&lab.path("key-cert.pub"), &elsewhere);
    let plain = lab.log_in(Identity::File(key.clone())).await.unwrap_err();
    assert_eq!(plain.kind(), ErrorKind::Unauthorized);
    let certificate = Identity::Certificate(elsewhere);
    let both = Identity::Any(vec![certificate.clone(), Identity::File(key)]);
    lab.log_in(both).await.unwrap();

    // Without its key it is of no use, and says so.
    let error = lab
        .log_in(Identity::Any(vec![certificate]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("issued.pub"), "{error}");
    let wrong = Identity::Certificate(lab.path("authority.pub"));
    let error = lab.log_in(wrong).await.unwrap_err();
    assert!(
        error.to_string().contains("holds no certificate"),
        "{error}"
    );
}

#[tokio::test]
async fn certificate_in_a_file_logs_in_with_a_key_that_only_the_agent_has() {
    let lab = Lab::start().await;
    for kind in ["ed25519", "rsa"] {
        let key = lab.certified(kind, kind, "");
        let certificate = lab.path(&format!("{kind}-cert.pub"));
        let kept = lab.path(&format!("{kind}-kept.pub"));
        // Else `ssh-add` adds it to the agent as well.
        rename(&certificate, &kept);
        let agent = Agent::start(&[&key]).await;
        std::fs::remove_file(&key).unwrap();
        let named = Identity::Certificate(kept.clone());
        let held = Identity::NamedAgent(agent.socket());
        let identity = Identity::Any(vec![named, held.clone()]);
        lab.log_in(identity).await.expect(kind);

        rename(&kept, &certificate);
        let identity = Identity::Any(vec![Identity::File(key), held]);
        lab.log_in(identity).await.expect(kind);
    }
}
