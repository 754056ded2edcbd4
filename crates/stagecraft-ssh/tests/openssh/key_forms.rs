//! The forms that private keys come in, as OpenSSH and OpenSSL write them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use stagecraft_core::{Connector as _, ErrorKind, Lookup, NoEvents, Result, Run, SecretSource};
use stagecraft_ssh::{Identity, SshConfig, SshConnector};

use crate::support::{CONNECTION, Sshd, keygen, output};

const PASSPHRASE: &str = "open sesame";

#[derive(Debug)]
struct Passphrase(&'static str);

impl Lookup for Passphrase {
    fn get(&self, name: &str) -> Option<String> {
        (name == "PASSPHRASE").then(|| self.0.to_owned())
    }
}

async fn log_in(sshd: &Sshd, key: &Path, passphrase: &'static str) -> Result<()> {
    let run = Run::new(Arc::new(NoEvents), Arc::new(Passphrase(passphrase)));
    let connector = SshConnector::new(SshConfig {
        identity: Identity::File(key.to_path_buf()),
        passphrase: Some(SecretSource::Variable("PASSPHRASE".to_owned())),
        ..sshd.config()
    });
    connector.connect(&run, &sshd.target()).await?.close().await;
    Ok(())
}

/// A key of `ssh-keygen` that the server lets in.
fn made(sshd: &Sshd, name: &str, arguments: &[&str]) -> PathBuf {
    let key = sshd.path(name);
    output(
        Command::new("ssh-keygen")
            .args(["-q", "-N", PASSPHRASE])
            .args(arguments)
            .arg("-f")
            .arg(&key),
    );
    sshd.authorize(&key.with_extension("pub"));
    key
}

/// The one key of `Plain` as OpenSSL encrypts it.
fn rewritten(sshd: &Sshd, name: &str, arguments: &[&str]) -> PathBuf {
    let key = sshd.path(name);
    output(
        Command::new("openssl")
            .args(arguments)
            .args(["-passout", &format!("pass:{PASSPHRASE}"), "-in"])
            .arg(sshd.path("plain"))
            .arg("-out")
            .arg(&key),
    );
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    key
}

/// A server that lets in an EC key that is not encrypted, in a form that OpenSSL reads.
async fn server() -> Sshd {
    let sshd = Sshd::start().await;
    let plain = sshd.path("plain");
    output(
        Command::new("ssh-keygen")
            .args(["-q", "-t", "ecdsa", "-m", "PKCS8", "-N", "", "-f"])
            .arg(&plain),
    );
    sshd.authorize(&sshd.path("plain.pub"));
    sshd
}

#[tokio::test]
async fn every_form_that_is_promised_is_opened_and_a_wrong_passphrase_is_called_wrong() {
    let sshd = server().await;
    let by_keygen: [(&str, &[&str]); 9] = [
        ("cbc", &["-t", "ed25519", "-Z", "aes256-cbc"]),
        ("ctr", &["-t", "ed25519", "-Z", "aes128-ctr"]),
        ("gcm", &["-t", "ed25519", "-Z", "aes256-gcm@openssh.com"]),
        (
            "chacha",
            &["-t", "ed25519", "-Z", "chacha20-poly1305@openssh.com"],
        ),
        ("rsa-pem", &["-t", "rsa", "-m", "PEM"]),
        ("ec-pem", &["-t", "ecdsa", "-m", "PEM"]),
        ("ec-pem-521", &["-t", "ecdsa", "-b", "521", "-m", "PEM"]),
        ("rsa-pkcs8", &["-t", "rsa", "-m", "PKCS8"]),
        ("ec-pkcs8", &["-t", "ecdsa", "-b", "384", "-m", "PKCS8"]),
    ];
    let of_openssl: [(&str, &[&str]); 5] = [
        // What OpenSSL hashes passphrases with before 1.1, and leaves unsaid.
        (
            "sha1",
            &[
                "pkcs8",
                "-topk8",
                "-v2",
                "aes-256-cbc",
                "-v2prf",
                "hmacWithSHA1",
            ],
        ),
        (
            "sha512",
            &[
                "pkcs8",
                "-topk8",
                "-v2",
                "aes-128-cbc",
                "-v2prf",
                "hmacWithSHA512",
            ],
        ),
        ("scrypt", &["pkcs8", "-topk8", "-scrypt"]),
        ("aes192", &["ec", "-aes192"]),
        ("aes256", &["ec", "-aes256"]),
    ];
    let made = by_keygen.map(|(name, arguments)| made(&sshd, name, arguments));
    let rewritten = of_openssl.map(|(name, arguments)| rewritten(&sshd, name, arguments));
    for key in made.iter().chain(&rewritten) {
        if let Err(error) = log_in(&sshd, key, PASSPHRASE).await {
            panic!("{}: {:?}", key.display(), error.chain());
        }
        let error = log_in(&sshd, key, "close sesame").await.unwrap_err();
        let wrong = format!("the passphrase of key file {} is wrong", key.display());
        assert_eq!(error.to_string(), wrong);
    }
}

#[tokio::test]
async fn form_that_is_not_supported_is_named_with_what_rewrites_it_and_never_called_wrong() {
    let sshd = server().await;
    let of_openssl: [(&str, &[&str]); 4] = [
        ("des3", &["pkcs8", "-topk8", "-v2", "des3"]),
        ("pbe1", &["pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES"]),
        ("camellia", &["pkcs8", "-topk8", "-v2", "camellia-256-cbc"]),
        ("ec-des3", &["ec", "-des3"]),
    ];
    let tdes = made(&sshd, "tdes", &["-t", "ed25519", "-Z", "3des-cbc"]);
    let rewritten = of_openssl.map(|(name, arguments)| rewritten(&sshd, name, arguments));
    for key in rewritten.iter().chain([&tdes]) {
        let error = log_in(&sshd, key, PASSPHRASE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let place = key.display();
        let message = error.to_string();
        let told = format!("key file {place}: this form of encryption is not supported (");
        assert!(message.starts_with(&told), "{message}");
        let cure = format!("rewrite it in OpenSSH's own form with `ssh-keygen -p -f {place}`");
        assert_eq!(error.hint(), Some(cure.as_str()));
    }
    assert_eq!(sshd.count(CONNECTION), 0);

    // As the hint has it, but for the questions.
    output(
        Command::new("ssh-keygen")
            .args(["-q", "-p", "-P", PASSPHRASE, "-N", PASSPHRASE, "-f"])
            .arg(&rewritten[3]),
    );
    log_in(&sshd, &rewritten[3], PASSPHRASE).await.unwrap();
}

#[tokio::test]
async fn key_that_others_can_read_is_refused_as_ssh_does_with_what_closes_it() {
    let sshd = Sshd::start().await;
    let key = sshd.path("open");
    keygen(&key, "ed25519", "");
    sshd.authorize(&sshd.path("open.pub"));
    let place = key.display();
    for mode in [0o644, 0o640, 0o604] {
        fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
        let error = log_in(&sshd, &key, PASSPHRASE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let told =
            format!("key file {place} is open to others (mode {mode:04o}), so it is not used");
        assert_eq!(error.to_string(), told);
        let cure = format!("close it with `chmod 600 {place}`");
        assert_eq!(error.hint(), Some(cure.as_str()));
    }
    assert_eq!(sshd.count(CONNECTION), 0);
    for mode in [0o600, 0o400, 0o700] {
        fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
        log_in(&sshd, &key, PASSPHRASE).await.unwrap();
    }
}

#[tokio::test]
async fn key_that_was_left_out_is_reported_when_the_others_are_refused() {
    let sshd = Sshd::start().await;
    let (open, stranger) = (sshd.path("open"), sshd.path("stranger"));
    keygen(&open, "ed25519", "");
    sshd.authorize(&sshd.path("open.pub"));
    fs::set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
    keygen(&stranger, "ed25519", "");
    let both = Identity::Any(vec![Identity::File(open), Identity::File(stranger)]);
    let connector = sshd.connector_with(both);
    let error = connector.connect(&Run::default(), &sshd.target()).await;
    let error = error.expect_err("no login");
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    let [("left out", told)] = error.context() else {
        panic!("{error:?}");
    };
    assert!(told.contains("is open to others"), "{told}");
}
