//! Servers that are restricted to one algorithm.

use stagecraft_core::{Connector as _, ErrorKind, Result, Retry, Run};

use crate::support::{Sshd, argv};

async fn log_in(setting: &str) -> Result<()> {
    let sshd = Sshd::start_with(setting).await;
    let run = Run::default();
    let host = sshd.connector().connect(&run, &sshd.target()).await?;
    host.exec(&run, &argv(&["true"])).await?.success()?;
    host.close().await;
    Ok(())
}

#[tokio::test]
async fn every_algorithm_that_is_promised_logs_in_alone() {
    for setting in [
        "KexAlgorithms curve25519-sha256",
        "KexAlgorithms curve25519-sha256@libssh.org",
        "KexAlgorithms ecdh-sha2-nistp256",
        "KexAlgorithms ecdh-sha2-nistp384",
        "KexAlgorithms ecdh-sha2-nistp521",
        "KexAlgorithms diffie-hellman-group14-sha256",
        "KexAlgorithms diffie-hellman-group16-sha512",
        "KexAlgorithms diffie-hellman-group18-sha512",
        "KexAlgorithms diffie-hellman-group-exchange-sha256",
        "Ciphers chacha20-poly1305@openssh.com",
        "Ciphers aes128-gcm@openssh.com",
        "Ciphers aes256-gcm@openssh.com",
        "Ciphers aes128-ctr",
        "Ciphers aes192-ctr",
        "Ciphers aes256-ctr",
        "Ciphers aes256-ctr\nMACs hmac-sha2-256-etm@openssh.com",
        "Ciphers aes256-ctr\nMACs hmac-sha2-512-etm@openssh.com",
        "Ciphers aes256-ctr\nMACs hmac-sha2-256",
        "Ciphers aes256-ctr\nMACs hmac-sha2-512",
        // What needs no MAC of its own does not ask for one.
        "Ciphers aes128-gcm@openssh.com\nMACs umac-128@openssh.com",
    ] {
        if let Err(error) = log_in(setting).await {
            panic!("{setting}: {:?}", error.chain());
        }
    }
}

#[tokio::test]
async fn algorithms_that_are_refused_are_named_with_those_that_are_not() {
    for (setting, what, one_of_ours) in [
        (
            "KexAlgorithms sntrup761x25519-sha512@openssh.com",
            "key exchange",
            "curve25519-sha256",
        ),
        (
            "KexAlgorithms diffie-hellman-group14-sha1",
            "key exchange",
            "ecdh-sha2-nistp256",
        ),
        (
            "KexAlgorithms diffie-hellman-group-exchange-sha1",
            "key exchange",
            "curve25519-sha256",
        ),
        ("Ciphers aes256-cbc", "cipher", "aes128-gcm@openssh.com"),
        (
            "Ciphers 3des-cbc",
            "cipher",
            "chacha20-poly1305@openssh.com",
        ),
        (
            "Ciphers aes128-ctr\nMACs umac-64@openssh.com",
            "MAC",
            "hmac-sha2-256",
        ),
        (
            "Ciphers aes128-ctr\nMACs hmac-sha1",
            "MAC",
            "hmac-sha2-512-etm@openssh.com",
        ),
    ] {
        let error = log_in(setting).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{setting}");
        assert_eq!(error.retry(), Retry::Never);
        let (key, theirs) = setting.rsplit_once(' ').unwrap();
        let key = key.rsplit('\n').next().unwrap();
        let message = error.to_string();
        let told = format!("offers no {what} that Stagecraft uses, only {theirs}");
        assert!(message.ends_with(&told), "{message}");
        let hint = error.hint().unwrap();
        let cure = format!("allow one of these by {key} of the host's sshd_config(5): ");
        assert!(hint.starts_with(&cure), "{hint}");
        assert!(hint.contains(one_of_ours), "{hint}");
    }
}
