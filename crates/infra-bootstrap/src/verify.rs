//! Whether a host is reached by its name in the private network, once all hosts are done.

use std::time::Duration;

use stagecraft_core::{
    FailureCode, Remote, RemoteCommand, Run, StepFailure, StepOutcome, shell_quote,
};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::failure;

/// The longest time for a name to be looked up, and again for a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// The code with which the script on a peer ends when it does not know the name.
const UNKNOWN: u32 = 81;
/// The code with which it ends when nothing answers.
const SILENT: u32 = 82;

/// Looks whether a TCP port of a host is reached by the host's name in the private network.
///
/// First from this machine. If this machine does not know the name it is not in the network, and
/// `peer`, another host that is, is asked. Without one, or if that cannot be asked or does not
/// know the name either, the outcome is `skipped` with the reason. Nothing is changed, and nothing is
/// sent through the connection that is opened.
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
        return match timeout(PATIENCE, TcpStream::connect(&*addresses)).await {
            Ok(Ok(_)) => StepOutcome::Unchanged,
            Ok(Err(error)) => failed(run, name, port, "this machine", [error.to_string()]),
            Err(_) => failed(run, name, port, "this machine", ["no answer".to_owned()]),
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

async fn from_peer(run: &Run, name: &str, port: u16, peer: &dyn Remote) -> StepOutcome {
    let script = format!(
        "name={}\n\
         timeout 10 getent ahosts \"$name\" >/dev/null || exit {UNKNOWN}\n\
         timeout 10 bash -c 'exec 3<>\"/dev/tcp/$0/$1\"' \"$name\" {port} || exit {SILENT}\n",
        shell_quote(name)
    );
    let command = RemoteCommand::script(script, PATIENCE * 3);
    let output = match peer.exec(run, &command).await {
        Ok(output) => output,
        // That is no failure of the host that is asked about.
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
