//! Hosts that refuse, keep silent, hang up or vanish.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use stagecraft_core::{
    ConnectPhase, Connector as _, Error, ErrorKind, Fingerprint, PollPolicy, Retry, Run,
};
use stagecraft_ssh::{SshConfig, SshConnector};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Sshd, argv, free_port, proxy, script, target, until};

/// A config with a key that can be read, so that the connection is attempted.
fn config(sshd: &Sshd, port: u16) -> SshConfig {
    SshConfig {
        port,
        ..sshd.config()
    }
}

/// For servers that have to be given up.
fn impatient(sshd: &Sshd, port: u16) -> SshConfig {
    SshConfig {
        login_timeout: Duration::from_millis(800),
        ..config(sshd, port)
    }
}

async fn failure(config: SshConfig) -> Error {
    SshConnector::new(config)
        .connect(&Run::default(), &target(vec![Fingerprint::of_wire(b"x")]))
        .await
        .unwrap_err()
}

/// Serves every connection with `answer`, until the test ends.
async fn serve<F, Fut>(answer: F) -> u16
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    port
}

#[tokio::test]
async fn refused_connection_is_unavailable_and_may_be_retried() {
    let sshd = Sshd::start().await;
    let port = free_port();
    let error = failure(config(&sshd, port)).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry(), Retry::After(None));
    assert_eq!(
        error.to_string(),
        format!("connection refused by 127.0.0.1:{port}")
    );
}

#[tokio::test]
async fn silent_port_runs_into_the_deadline() {
    let sshd = Sshd::start().await;
    let port = serve(|mut stream| async move {
        let mut sink = Vec::new();
        drop(stream.read_to_end(&mut sink).await);
    })
    .await;
    let error = failure(impatient(&sshd, port)).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.retry(), Retry::After(None));
    assert_eq!(
        error.to_string(),
        format!("no SSH banner from 127.0.0.1:{port} within 800ms")
    );
}

#[tokio::test]
async fn stalled_key_exchange_runs_into_the_deadline() {
    let sshd = Sshd::start().await;
    let port = serve(|mut stream| async move {
        stream.write_all(b"SSH-2.0-stall\r\n").await.unwrap();
        let mut sink = Vec::new();
        drop(stream.read_to_end(&mut sink).await);
    })
    .await;
    let error = failure(impatient(&sshd, port)).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(
        error.to_string(),
        format!("key exchange with 127.0.0.1:{port} did not end within 800ms")
    );
}

#[tokio::test]
async fn who_waits_knows_what_an_attempt_is_busy_with() {
    let sshd = Sshd::start().await;
    let greetings: [(&'static [u8], &str); 2] = [
        (b"", "waiting for the SSH banner of"),
        (b"SSH-2.0-stall\r\n", "exchanging keys with"),
    ];
    for (greeting, doing) in greetings {
        let port = serve(move |mut stream| async move {
            stream.write_all(greeting).await.unwrap();
            let mut sink = Vec::new();
            drop(stream.read_to_end(&mut sink).await);
        })
        .await;
        let connector = SshConnector::new(impatient(&sshd, port));
        let phase = ConnectPhase::default();
        let target = target(vec![Fingerprint::of_wire(b"x")]);
        let run = Run::default();
        let ended = connector.connect_telling(&run, &target, &phase).await;
        ended.unwrap_err();
        let (what, since) = phase.now().expect("it was told");
        assert_eq!(what, format!("{doing} 127.0.0.1:{port}"));
        assert!(since >= Duration::from_millis(500), "{since:?}");
    }
    let phase = ConnectPhase::default();
    let (run, target) = (Run::default(), sshd.target());
    let connector = sshd.connector();
    let remote = connector.connect_telling(&run, &target, &phase).await;
    remote.unwrap().close().await;
    let (what, _) = phase.now().expect("it was told");
    assert!(what.starts_with("logging in at 127.0.0.1:"), "{what}");
}

#[tokio::test]
async fn port_that_hangs_up_is_unavailable_and_may_be_retried() {
    let sshd = Sshd::start().await;
    let greetings: [(&'static [u8], &str); 3] = [
        (b"", "before the SSH banner"),
        (b"Exceeded MaxStartups\r\n", "before the SSH banner"),
        (b"SSH-2.0-x\r\n", "during the key exchange"),
    ];
    for (greeting, when) in greetings {
        let port = serve(move |mut stream| async move {
            stream.write_all(greeting).await.unwrap();
        })
        .await;
        let error = failure(config(&sshd, port)).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(error.retry(), Retry::After(None));
        assert_eq!(
            error.to_string(),
            format!("127.0.0.1:{port} closed the connection {when}")
        );
        if greeting.starts_with(b"Exceeded") {
            assert_eq!(
                error.context(),
                [("sent", "Exceeded MaxStartups".to_owned())]
            );
        }
    }
}

#[tokio::test]
async fn garbage_is_a_broken_protocol_and_never_a_panic() {
    let sshd = Sshd::start().await;
    let greetings: [Vec<u8>; 4] = [
        vec![b'x'; 100_000],
        b"hello\r\n".repeat(1000),
        [b"SSH-2.0-x\r\n".to_vec(), vec![0xff; 4096]].concat(),
        [b"SSH-2.0-x\r\n\0\0\0\x0c".to_vec(), vec![7; 4096]].concat(),
    ];
    for greeting in greetings {
        let port = serve(move |mut stream| {
            let greeting = greeting.clone();
            async move {
                let mut sink = Vec::new();
                if stream.write_all(&greeting).await.is_ok() {
                    drop(stream.read_to_end(&mut sink).await);
                }
            }
        })
        .await;
        let error = failure(config(&sshd, port)).await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{:?}", error.chain());
        assert_eq!(error.retry(), Retry::Never);
    }
}

#[tokio::test]
async fn cancelling_ends_an_attempt_at_once() {
    let sshd = Sshd::start().await;
    let (told, mut accepted) = tokio::sync::mpsc::unbounded_channel();
    let port = serve(move |mut stream| {
        let told = told.clone();
        async move {
            told.send(()).unwrap();
            let mut sink = Vec::new();
            drop(stream.read_to_end(&mut sink).await);
            // The client has closed its side.
            told.send(()).unwrap();
        }
    })
    .await;
    let connector = SshConnector::new(config(&sshd, port));
    let run = Run::default();
    let target = target(vec![Fingerprint::of_wire(b"x")]);
    let cancel = async {
        accepted.recv().await.unwrap();
        run.cancellation().cancel();
        Instant::now()
    };
    let (result, cancelled) = tokio::join!(connector.connect(&run, &target), cancel);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(cancelled.elapsed() < Duration::from_secs(3));
    accepted.recv().await.unwrap();

    let again = connector.connect(&run, &target).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn connection_that_breaks_in_mid_command_is_an_error_and_no_exit() {
    let sshd = Sshd::start().await;
    let (port, line) = proxy(sshd.port).await;
    let connector = SshConnector::new(SshConfig {
        port,
        ..sshd.config()
    });
    let run = Run::default();
    let host = connector.connect(&run, &sshd.target()).await.unwrap();
    let begun = sshd.path("begun");
    let command = script(&format!("touch {}; exec sleep 5", begun.display()));
    let cut = async {
        until("the command to begin", || begun.exists()).await;
        line.abort();
    };
    let (result, ()) = tokio::join!(host.exec(&run, &command), cut);
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(
        error.to_string(),
        "connection to app-1 was lost before the command ended"
    );
    let error = host.exec(&run, &argv(&["true"])).await.unwrap_err();
    assert_eq!(error.to_string(), "connection to app-1 is closed");
    // Does not wait for a farewell that nobody can hear.
    let before = Instant::now();
    host.close().await;
    assert!(before.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn host_that_falls_silent_is_noticed_by_keepalives() {
    let sshd = Sshd::start().await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mute = tokio_util::sync::CancellationToken::new();
    let muted = mute.clone();
    let far = SocketAddr::from((Ipv4Addr::LOCALHOST, sshd.port));
    // Both connections stay open, but nothing passes any more.
    let line = tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(far).await.unwrap();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            () = muted.cancelled() => std::future::pending().await,
        }
    });
    let connector = SshConnector::new(SshConfig {
        port,
        keepalive: Duration::from_secs(1),
        ..sshd.config()
    });
    let run = Run::default();
    let host = connector.connect(&run, &sshd.target()).await.unwrap();
    let begun = sshd.path("begun");
    let command = script(&format!("touch {}; exec sleep 30", begun.display()));
    let silence = async {
        until("the command to begin", || begun.exists()).await;
        mute.cancel();
    };
    let (result, ()) = tokio::join!(host.exec(&run, &command), silence);
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.chain().join(": ").contains("Keepalive timeout"),
        "{:?}",
        error.chain()
    );
    line.abort();
}

#[tokio::test]
async fn upload_that_is_cut_off_leaves_the_old_file() {
    let sshd = Sshd::start().await;
    let directory = sshd.path("dir");
    std::fs::create_dir(&directory).unwrap();
    let path = directory.join("file");
    std::fs::write(&path, "old").unwrap();

    // A line that dies after the first megabyte.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let far = SocketAddr::from((Ipv4Addr::LOCALHOST, sshd.port));
    let line = tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = TcpStream::connect(far).await.unwrap();
        let (near_read, mut near_write) = near.into_split();
        let (mut far_read, mut far_write) = far.into_split();
        let up = async move {
            let mut limited = near_read.take(1_000_000);
            drop(tokio::io::copy(&mut limited, &mut far_write).await);
        };
        let down = async move {
            drop(tokio::io::copy(&mut far_read, &mut near_write).await);
        };
        tokio::select! { () = up => {}, () = down => {} }
    });
    let connector = SshConnector::new(SshConfig {
        port,
        ..sshd.config()
    });
    let run = Run::default();
    let host = connector.connect(&run, &sshd.target()).await.unwrap();
    let upload = stagecraft_core::Upload {
        path: path.display().to_string(),
        content: "n".repeat(3_000_000).into(),
        mode: 0o600,
        owner: None,
    };
    let error = host.upload(&run, &upload).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    line.await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    let policy = PollPolicy {
        interval: Duration::from_millis(20),
        deadline: Duration::from_secs(10),
    };
    run.poll(policy, None, "the temporary file to go", || {
        let left = std::fs::read_dir(&directory).unwrap().count();
        async move { Ok((left == 1).then_some(())) }
    })
    .await
    .unwrap();
}
