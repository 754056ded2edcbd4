//! What a server says of a login that it does not let in.

use std::time::{Duration, Instant};

use stagecraft_core::{Connector as _, Error, ErrorKind, Retry, Run};
use stagecraft_ssh::{Identity, SshConnector};

use crate::support::{Agent, CONNECTION, Sshd, argv, keygen};

const TWO_FACTORS: &str = include_str!("field/sshd-two-factors.conf");
const ONE_TRY: &str = include_str!("field/sshd-maxauthtries.conf");

async fn refusal(sshd: &Sshd, connector: &SshConnector) -> Error {
    let connected = connector.connect(&Run::default(), &sshd.target()).await;
    connected.expect_err("no login")
}

fn hint(error: &Error) -> &str {
    error.hint().unwrap_or_default()
}

#[tokio::test]
async fn second_factor_is_named_with_the_key_that_was_accepted_and_never_tried_again() {
    let sshd = Sshd::start_with(TWO_FACTORS).await;
    let error = refusal(&sshd, &sshd.connector()).await;
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(error.retry(), Retry::Never);
    let message = error.to_string();
    assert!(message.contains("accepted the key SHA256:"), "{message}");
    let wanted = "and wants keyboard-interactive as a second factor";
    assert!(message.ends_with(wanted), "{message}");
    assert!(hint(&error).contains("AuthenticationMethods publickey"));
}

#[tokio::test]
async fn second_key_is_offered_where_the_host_wants_two() {
    let sshd = Sshd::start_with("AuthenticationMethods publickey,publickey").await;
    let error = refusal(&sshd, &sshd.connector()).await;
    let wanted = "and wants a second key as a second factor";
    assert!(error.to_string().ends_with(wanted), "{error}");

    let second = sshd.path("second");
    keygen(&second, "ed25519", "");
    sshd.authorize(&sshd.path("second.pub"));
    let both = Identity::Any(vec![sshd.config().identity, Identity::File(second)]);
    let remote = sshd.connector_with(both);
    let remote = remote.connect(&Run::default(), &sshd.target()).await;
    remote.unwrap().close().await;
}

#[tokio::test]
async fn named_key_is_offered_first_where_the_host_takes_one_try() {
    let sshd = Sshd::start_with(ONE_TRY).await;
    let strangers: Vec<_> = ["a", "b", "c"].iter().map(|name| sshd.path(name)).collect();
    for key in &strangers {
        keygen(key, "ed25519", "");
    }
    let paths: Vec<_> = strangers.iter().map(std::path::PathBuf::as_path).collect();
    let agent = Agent::start(&paths).await;
    let held = Identity::Agent(agent.socket());
    let named = Identity::Any(vec![sshd.config().identity, held.clone()]);
    let remote = sshd.connector_with(named);
    let remote = remote.connect(&Run::default(), &sshd.target()).await;
    remote.unwrap().close().await;

    let error = refusal(&sshd, &sshd.connector_with(held)).await;
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(error.to_string().matches("SHA256:").count(), 1, "{error}");

    // Two are too many where two may be tried.
    let sshd = Sshd::start_with("MaxAuthTries 2").await;
    let error = refusal(&sshd, &sshd.connector_with(Identity::Agent(agent.socket()))).await;
    let message = error.to_string();
    let ended = "after 2 keys (too many authentication failures); offered were";
    assert!(message.contains(ended), "{message}");
    assert!(hint(&error).contains("private_key_path"), "{error:?}");
    assert!(hint(&error).contains("MaxAuthTries"), "{error:?}");
}

#[tokio::test]
async fn settings_that_keep_a_user_out_are_named() {
    for setting in [
        "AllowUsers somebody",
        "DenyUsers *",
        "AllowGroups nobody-here",
    ] {
        let sshd = Sshd::start_with(setting).await;
        let error = refusal(&sshd, &sshd.connector()).await;
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
        let name = setting.split_once(' ').unwrap().0;
        assert!(hint(&error).contains(name), "{setting}: {error:?}");
        assert!(hint(&error).contains("authorized_keys"), "{error:?}");
    }
    let sshd = Sshd::start_with("PubkeyAuthentication no\nKbdInteractiveAuthentication yes").await;
    let error = refusal(&sshd, &sshd.connector()).await;
    let told = hint(&error);
    assert!(told.contains("takes no keys"), "{told}");
    assert!(told.contains("only keyboard-interactive"), "{told}");
    assert!(told.contains("PubkeyAuthentication"), "{told}");
}

#[tokio::test]
async fn host_without_sessions_is_named_by_the_setting() {
    let sshd = Sshd::start_with("MaxSessions 0").await;
    let run = Run::default();
    let remote = sshd.connector().connect(&run, &sshd.target()).await;
    let remote = remote.unwrap();
    let error = remote.exec(&run, &argv(&["true"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(error.retry(), Retry::Never);
    assert!(hint(&error).contains("MaxSessions"), "{error:?}");
    remote.close().await;
}

#[tokio::test]
async fn banner_is_shown_with_a_refusal_and_no_failure_by_itself() {
    let sshd = Sshd::start_with("").await;
    let text = sshd.path("banner");
    std::fs::write(&text, "Authorised use only.\nAll is logged.\n").unwrap();
    let sshd = Sshd::start_with(&format!("Banner {}", text.display())).await;
    let stranger = sshd.path("stranger");
    keygen(&stranger, "ed25519", "");
    let error = refusal(&sshd, &sshd.connector_with(Identity::File(stranger))).await;
    let banner = "Authorised use only. All is logged.".to_owned();
    assert_eq!(error.context(), [("banner", banner)]);
    let remote = sshd
        .connector()
        .connect(&Run::default(), &sshd.target())
        .await;
    remote.unwrap().close().await;
}

#[tokio::test]
async fn banner_in_latin_1_is_shown_and_shuts_nobody_out() {
    let first = Sshd::start().await;
    let text = first.path("banner");
    let latin = include_bytes!("field/sshd-banner-latin1.txt");
    std::fs::write(&text, latin).unwrap();
    for others in [
        "",
        "Ciphers aes128-gcm@openssh.com",
        "Ciphers aes256-gcm@openssh.com\nKexAlgorithms ecdh-sha2-nistp384",
        "KexAlgorithms ecdh-sha2-nistp521",
        "KexAlgorithms diffie-hellman-group16-sha512",
        "KexAlgorithms diffie-hellman-group14-sha256",
    ] {
        let sshd = Sshd::start_with(&format!("Banner {}\n{others}", text.display())).await;
        let connector = sshd.connector();
        let run = Run::default();
        // The second connection knows what the first has learnt.
        for connections in [2, 3] {
            let host = connector.connect(&run, &sshd.target()).await;
            let host = host.unwrap_or_else(|error| panic!("{others}: {:?}", error.chain()));
            let much = argv(&["head", "-c", "500000", "/dev/zero"]);
            let output = host.exec(&run, &much).await.unwrap().success().unwrap();
            assert_eq!(output.stdout.len(), 500_000);
            host.close().await;
            assert_eq!(sshd.count(CONNECTION), connections);
        }
        let stranger = sshd.path("stranger");
        keygen(&stranger, "ed25519", "");
        let error = refusal(&sshd, &sshd.connector_with(Identity::File(stranger))).await;
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{others}");
        let banner = "Accès réservé ß".to_owned();
        assert_eq!(error.context(), [("banner", banner)], "{others}");
    }
    let settings = format!("Banner {}\nCiphers aes256-ctr", text.display());
    let sshd = Sshd::start_with(&settings).await;
    let error = refusal(&sshd, &sshd.connector()).await;
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(
        error.to_string().contains("banner that is not UTF-8"),
        "{error}"
    );
    assert!(hint(&error).contains("Ciphers"), "{error:?}");
}

#[tokio::test]
async fn logins_that_were_refused_are_paced_below_the_penalty_of_the_server() {
    let sshd = Sshd::start_with("").await;
    let stranger = sshd.path("stranger");
    keygen(&stranger, "ed25519", "");
    let connector = sshd.connector_with(Identity::File(stranger));
    let begun = Instant::now();
    for _ in 0..3 {
        refusal(&sshd, &connector).await;
    }
    // Each counts for 7 s, of which at most 12 may stand against us.
    assert!(begun.elapsed() >= Duration::from_secs(9), "{begun:?}");
    assert_eq!(sshd.count(CONNECTION), 3);
}
