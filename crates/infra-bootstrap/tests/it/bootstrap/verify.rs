//! Whether a host is reached by its name in the network.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use infra_bootstrap::reached_by_name;
use stagecraft_core::{
    Connector as _, FailureCode, Fingerprint, HostName, Remote, RemoteTarget, Run, StepOutcome,
};
use tokio::net::TcpListener;

use crate::bootstrap::support::{Connections, Machine};

/// A name that no resolver knows: RFC 6761.
const UNKNOWN: &str = "staging-app-1.invalid";

async fn peer(machine: &Machine) -> Arc<dyn Remote> {
    let target = RemoteTarget {
        aliases: Vec::new(),
        host: HostName::new("db-1").expect("a name"),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        host_keys: vec![Fingerprint::of_wire(b"key")],
    };
    let connections = Connections::to(machine.clone());
    let connected = connections.connect(&Run::default(), &target).await;
    connected.expect("it connects")
}

#[tokio::test]
async fn known_name_is_tried_from_here() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let run = Run::default();
    let reach = || reached_by_name(&run, "localhost", port, None);
    assert_eq!(reach().await, StepOutcome::Unchanged);
    drop(listener);
    let StepOutcome::Failed(failure) = reach().await else {
        panic!("nothing listens any more");
    };
    assert_eq!(failure.code, FailureCode::NetworkVerifyFailed);
    assert_eq!(
        failure.message,
        format!("port {port} of localhost is not reached from this machine")
    );
}

#[tokio::test]
async fn unknown_name_is_tried_from_another_host_or_skipped_with_the_reason() {
    let run = Run::default();
    let machine = Machine::new();
    let remote = peer(&machine).await;
    let reason = |outcome| match outcome {
        StepOutcome::Skipped { reason } => reason,
        other => panic!("not skipped: {other:?}"),
    };
    let alone = reached_by_name(&run, UNKNOWN, 22, None).await;
    assert!(reason(alone).ends_with("no other host can be asked"));
    let unknown = reached_by_name(&run, UNKNOWN, 22, Some(&*remote)).await;
    assert!(reason(unknown).starts_with("neither this machine nor host `db-1` knows"));

    machine.write("etc/ahosts", &format!("{UNKNOWN}: 100.64.0.1\n"));
    machine.program("bash", "echo 'connect: Connection refused' >&2; exit 1");
    let StepOutcome::Failed(failure) = reached_by_name(&run, UNKNOWN, 22, Some(&*remote)).await
    else {
        panic!("nothing answers");
    };
    assert_eq!(failure.evidence, ["connect: Connection refused"]);
    // A member that has not heard yet of the one that asks drops what it sends.
    let deaf = "[ \"$3 $4\" = 'staging-app-1.invalid 22' ] || exit 1
asked=${0%/*}/asked
[ -e \"$asked\" ] || { : >\"$asked\"; exit 124; }";
    machine.program("bash", deaf);
    let reached = reached_by_name(&run, UNKNOWN, 22, Some(&*remote)).await;
    assert_eq!(reached, StepOutcome::Unchanged);
}
