//! Verification that a host is reached by its name in the private network, once all are done.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use stagecraft_core::{
    FailureCode, Remote, RemoteCommand, Run, StepFailure, StepOutcome, shell_quote,
};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use crate::failure;

/// The longest time for looking up a name.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest time until a host answers: members learn of a new one in turn, and until then each
/// drops its packets.
const SETTLING: Duration = Duration::from_secs(30);
/// The longest time for one attempt to connect.
const ATTEMPT: Duration = Duration::from_secs(5);
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// The exit code of the script on a peer if the name is unknown.
const UNKNOWN: u32 = 81;
/// Its exit code if nothing answers.
const SILENT: u32 = 82;

/// Verifies that a TCP port of a host is reached by the host's name in the private network.
///
/// It tries from this machine first. If this machine does not know the name, it is not in the
/// network, and `peer`, another host that is, tries. Without a peer, or if it cannot be used or
/// does not know the name either, the outcome is `skipped` with the reason. Changes nothing, and
/// sends nothing through the connection that it opens.
pub async fn reached_by_name(
    run: &Run,
    name: &str,
    port: u16,
    peer: Option<&dyn Remote>,
) -> StepOutcome {
    let looked_up = timeout(PATIENCE, lookup_host((name, port))).await;
    let addresses: Vec<_> = match looked_up {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    if !addresses.is_empty() {
        return match connects(run, &addresses).await {
            Ok(()) => StepOutcome::Unchanged,
            Err(cause) => failed(run, name, port, "this machine", [cause]),
        };
    }
    match peer {
        Some(peer) => from_peer(run, name, port, peer).await,
        None => StepOutcome::Skipped {
            reason: format!(
                "this machine does not know the name {name}, and no other host can be asked"
            ),
        },
    }
}

/// Connects, with retries until [`SETTLING`] is over unless the connection is refused. Returns the
/// error of the last attempt.
async fn connects(run: &Run, addresses: &[SocketAddr]) -> Result<(), String> {
    let until = Instant::now() + SETTLING;
    loop {
        let cause = match timeout(ATTEMPT, TcpStream::connect(addresses)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return Err(error.to_string());
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer for {} s", SETTLING.as_secs()),
        };
        if Instant::now() + PAUSE > until || run.sleep(PAUSE).await.is_err() {
            return Err(cause);
        }
    }
}

async fn from_peer(run: &Run, name: &str, port: u16, peer: &dyn Remote) -> StepOutcome {
    let values = format!(
        "name={} port={port} unknown={UNKNOWN} silent={SILENT} patience={} settling={} attempt={} pause={}\n",
        shell_quote(name),
        PATIENCE.as_secs(),
        SETTLING.as_secs(),
        ATTEMPT.as_secs(),
        PAUSE.as_secs(),
    );
    let script = values + include_str!("verify/reach.sh");
    let command = RemoteCommand::script(script, (PATIENCE + SETTLING) * 2);
    let output = match peer.exec(run, &command).await {
        Ok(output) => output,
        // That is not a failure of the verified host.
        Err(error) => {
            let cause = run.redact(&error.chain().join(": "));
            let reason = format!("host `{}` could not be asked: {cause}", peer.host());
            return StepOutcome::Skipped { reason };
        }
    };
    match output.exit {
        stagecraft_core::Exit::Code(0) => StepOutcome::Unchanged,
        stagecraft_core::Exit::Code(UNKNOWN) => StepOutcome::Skipped {
            reason: format!(
                "neither this machine nor host `{}` knows the name {name}",
                peer.host()
            ),
        },
        _ => failed(
            run,
            name,
            port,
            &format!("host `{}`", peer.host()),
            output.tail(5),
        ),
    }
}

fn failed(
    run: &Run,
    name: &str,
    port: u16,
    from: &str,
    evidence: impl IntoIterator<Item = String>,
) -> StepOutcome {
    let failure = StepFailure::new(
        FailureCode::NetworkVerifyFailed,
        format!("port {port} of {name} is not reached from {from}"),
    )
    .with_evidence(evidence);
    StepOutcome::Failed(failure::redacted(run, &failure))
}
