//! Hosts that send without end: memory stays bounded, and what is told of them is plain.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows test functions only, not their helpers"
)]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use peak_alloc::PeakAlloc;
use secrecy::ExposeSecret as _;
use stagecraft_core::{
    Connector as _, Error, ErrorKind, Fingerprint, HostKey, HostName, OUTPUT_LIMIT, Remote,
    RemoteCommand, RemoteTarget, Run,
};
use stagecraft_ssh::{Identity, SshConfig, SshConnector};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "openssh/support.rs"]
mod support;

use support::{Sshd, script};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Both streams, their texts, and the windows of a connection.
const MOST_MEMORY: usize = 32 * 1024 * 1024;

/// The most memory that was taken at a time from here on; the tests here share one count.
fn assert_memory_stayed_small() {
    let peak = MEMORY.peak_usage();
    assert!(peak < MOST_MEMORY, "{peak} bytes");
}

async fn connect(sshd: &Sshd) -> Arc<dyn Remote> {
    let run = Run::default();
    let target = sshd.target();
    sshd.connector().connect(&run, &target).await.unwrap()
}

#[tokio::test]
async fn output_of_a_hundred_megabytes_takes_no_more_than_its_limit() {
    let sshd = Sshd::start().await;
    let host = connect(&sshd).await;
    let command = RemoteCommand::script(
        "head -c 100000000 /dev/zero | tr '\\0' x; head -c 10000000 /dev/zero >&2",
        Duration::from_mins(2),
    );
    let output = host.exec(&Run::default(), &command).await.unwrap();
    assert!(output.stdout.len() <= OUTPUT_LIMIT);
    assert!(output.stderr.len() <= OUTPUT_LIMIT);
    assert_memory_stayed_small();
}

#[tokio::test]
async fn output_without_end_is_given_up_at_the_deadline_with_plain_evidence() {
    let sshd = Sshd::start().await;
    let host = connect(&sshd).await;
    let mut command = script("while :; do printf 'y\\033[2J\\r\\n'; printf 'z\\007'; done");
    command.deadline = Duration::from_secs(2);
    let error = host.exec(&Run::default(), &command).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(
        error
            .context()
            .iter()
            .any(|(name, _)| *name == "last output")
    );
    for (_, line) in error.context() {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.chars().count() <= 300);
    }
    assert_memory_stayed_small();
}

/// Connects to a server that sends `text` again and again, whatever it is sent.
async fn connect_to_endless(text: &'static str) -> Error {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let text = text.repeat(65536 / text.len());
        tokio::join!(
            async { while write.write_all(text.as_bytes()).await.is_ok() {} },
            async { while read.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {} }
        );
    });
    let key = tempfile::NamedTempFile::new().unwrap();
    let private = HostKey::generate().unwrap();
    std::fs::write(key.path(), private.private().expose_secret()).unwrap();
    let connector = SshConnector::new(SshConfig {
        port,
        identity: Identity::File(key.path().to_path_buf()),
        ..SshConfig::default()
    });
    let target = RemoteTarget {
        host: HostName::new("db-1").unwrap(),
        aliases: Vec::new(),
        address: Ipv4Addr::LOCALHOST.into(),
        host_keys: vec![Fingerprint::of_wire(b"key")],
    };
    let error = connector
        .connect(&Run::default(), &target)
        .await
        .unwrap_err();
    server.abort();
    error
}

#[tokio::test]
async fn servers_that_send_anything_without_end_are_given_up() {
    for text in [
        "x",
        "\n",
        "hello\r\n",
        "\u{1b}[2J\n",
        "SSH-2.0-x\r\n",
        "SSH-2.0-",
        "\0\0\0\u{c}",
    ] {
        let error = connect_to_endless(text).await;
        assert_ne!(error.kind(), ErrorKind::Config, "{error}");
        for message in error.chain() {
            assert!(!message.chars().any(char::is_control), "{message:?}");
            assert!(message.chars().count() <= 500, "{message}");
        }
    }
    assert_memory_stayed_small();
}
