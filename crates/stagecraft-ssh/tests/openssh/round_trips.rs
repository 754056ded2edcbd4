//! What a connection costs on the wire.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stagecraft_core::{Connector as _, Run};
use stagecraft_ssh::{Identity, SshConfig, SshConnector};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Agent, CONNECTION, Sshd, script};

/// Times at which we had to wait for the server: bytes of it that came after bytes of ours.
#[derive(Debug, Default)]
struct Waits {
    ours_last: std::sync::Mutex<bool>,
    count: AtomicUsize,
}

impl Waits {
    fn seen(&self, is_ours: bool) {
        let mut ours_last = self.ours_last.lock().expect("not poisoned");
        if *ours_last && !is_ours {
            self.count.fetch_add(1, Ordering::SeqCst);
        }
        *ours_last = is_ours;
    }
}

/// A line to a server that counts.
async fn counting(to: u16) -> (u16, Arc<Waits>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let waits = Arc::new(Waits::default());
    let counter = Arc::clone(&waits);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, to));
            let far = TcpStream::connect(address).await.unwrap();
            let (near_in, near_out) = near.into_split();
            let (far_in, far_out) = far.into_split();
            for (mut from, mut into, is_ours) in
                [(near_in, far_out, true), (far_in, near_out, false)]
            {
                let waits = Arc::clone(&counter);
                tokio::spawn(async move {
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(length @ 1..) = from.read(&mut buffer).await {
                        waits.seen(is_ours);
                        if into.write_all(&buffer[..length]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        }
    });
    (port, waits)
}

/// The round trips of a connection and one command, with that of TCP itself.
async fn round_trips(sshd: &Sshd, identity: Identity) -> usize {
    let (port, waits) = counting(sshd.port).await;
    let connector = SshConnector::new(SshConfig {
        port,
        identity,
        ..sshd.config()
    });
    let run = Run::default();
    let host = connector.connect(&run, &sshd.target()).await.unwrap();
    let look = format!("# {}\necho done", "x".repeat(10_000));
    let output = host.exec(&run, &script(&look)).await.unwrap();
    assert_eq!(output.stdout, "done\n");
    1 + waits.count.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread")]
async fn look_at_a_host_takes_one_connection_and_at_most_eleven_round_trips() {
    let sshd = Sshd::start().await;
    let agent = Agent::start(&[&sshd.path("user")]).await;
    for identity in [
        Identity::File(sshd.path("user")),
        Identity::Agent(agent.socket()),
    ] {
        let before = sshd.count(CONNECTION);
        let trips = round_trips(&sshd, identity.clone()).await;
        assert!(trips <= 11, "{trips} with {identity:?}");
        assert!(trips >= 6, "the proxy counts too little: {trips}");
        assert_eq!(sshd.count(CONNECTION), before + 1);
    }
}
