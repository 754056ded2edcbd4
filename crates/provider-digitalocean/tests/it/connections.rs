//! Connections are kept over the operations of one provider.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::lab::{config, provider};
use provider_digitalocean::core::{
    CloudProvider as _, LeaseProvider as _, NoEvents, PlanMode, Run,
};
use stagecraft_sandbox::{Knobs, Sandbox, SandboxConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// Passes connections on to the sandbox, and counts them.
async fn relay(sandbox: &Sandbox) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let target = sandbox.url().replace("http://", "");
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            let mut far = TcpStream::connect(&target).await.expect("the sandbox");
            tokio::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        }
    });
    (format!("http://{address}"), count)
}

#[tokio::test]
async fn operations_of_a_provider_share_its_connections_but_not_with_the_lease() {
    let sandbox = Sandbox::start(SandboxConfig {
        knobs: Knobs::instant(),
        ..SandboxConfig::default()
    })
    .await
    .expect("a sandbox");
    let (url, count) = relay(&sandbox).await;
    let variables = BTreeMap::from([
        ("DO_TOKEN".to_owned(), sandbox.token().to_owned()),
        ("DIGITALOCEAN_API_URL".to_owned(), url),
    ]);
    let run = Run::new(Arc::new(NoEvents), Arc::new(variables));
    let cloud = provider(&config("    db-1: { role: db }\n"));
    let staging = crate::lab::Lab::request(PlanMode::Reconcile).environment;
    for _ in 0..5 {
        cloud.account(&run, &staging).await.expect("an account");
    }
    assert_eq!(count.load(Ordering::Relaxed), 1);
    for _ in 0..5 {
        let lease = cloud.read(&run, &staging).await.expect("an answer");
        assert!(lease.is_none());
    }
    assert_eq!(count.load(Ordering::Relaxed), 2);
}
