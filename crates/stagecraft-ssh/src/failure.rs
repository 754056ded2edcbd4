//! Connection failures, as errors that a caller can act on.

use std::io;
use std::time::Duration;

use russh::AlgorithmKind;
use stagecraft_core::{Error, ErrorKind, HostName, Result, Retry};

use crate::algorithms;
use crate::client::Observed;
use crate::printable::printable;
use crate::trust::Server;

pub(crate) const TRANSIENT: Retry = Retry::After(None);
/// The text of OpenSSH's server 9.8 and later before it disconnects a banned address.
const TURNED_AWAY: &str = "Not allowed at this time";

/// A host without a known key is not contacted.
pub(crate) fn no_known_key(host: &str) -> Error {
    Error::new(
        ErrorKind::HostKey,
        format!("no host key is known for {host}, so it cannot be verified"),
    )
    .with_hint("pin the fingerprint that the host's console or its cloud shows")
}

/// The host took too long; a retry is safe.
pub(crate) fn too_slow(message: String) -> Error {
    Error::new(ErrorKind::Timeout, message).with_retry(TRANSIENT)
}

/// The TCP connection failed.
pub(crate) fn of_tcp(error: io::Error, address: &str) -> Error {
    use io::ErrorKind as Io;
    let (kind, message) = match error.kind() {
        Io::ConnectionRefused => (
            ErrorKind::Unavailable,
            format!("connection refused by {address}"),
        ),
        Io::TimedOut => (ErrorKind::Timeout, format!("no answer from {address}")),
        Io::HostUnreachable | Io::NetworkUnreachable | Io::NetworkDown => {
            (ErrorKind::Unavailable, format!("no route to {address}"))
        }
        Io::ConnectionReset | Io::ConnectionAborted => (
            ErrorKind::Unavailable,
            format!("{address} reset the connection"),
        ),
        _ => (
            ErrorKind::Unavailable,
            format!("cannot connect to {address}"),
        ),
    };
    Error::new(kind, message)
        .with_retry(TRANSIENT)
        .with_source(error)
}

/// The key exchange with the server at `address` failed. Observations take precedence over the
/// library's error. `failures` is how many earlier connections there did not log in.
pub(crate) fn of_handshake(
    error: russh::Error,
    observed: &Observed,
    server: &Server,
    address: &str,
    failures: u32,
) -> Error {
    use russh::Error as Ssh;
    if let Some(shown) = observed.refused() {
        return server.refusal(shown);
    }
    match &error {
        Ssh::Disconnect | Ssh::HUP | Ssh::IO(_) | Ssh::SendError | Ssh::RecvError => {
            hung_up(observed, address, failures).with_source(error)
        }
        Ssh::NoCommonAlgo {
            kind: AlgorithmKind::Key,
            theirs,
            ..
        } => server
            .no_common_kind(&printable(&theirs.join(", ")))
            .with_source(error),
        Ssh::NoCommonAlgo { kind, theirs, .. } => {
            algorithms::none_in_common(kind, theirs, address).with_source(error)
        }
        Ssh::Version => Error::new(
            ErrorKind::Protocol,
            format!("{address} answers, but not as an SSH server"),
        )
        .with_source(error),
        _ => Error::new(
            ErrorKind::Protocol,
            format!("key exchange with {address} failed"),
        )
        .with_source(error),
    }
}

/// The server disconnected before the login.
fn hung_up(observed: &Observed, address: &str, failures: u32) -> Error {
    let when = if observed.has_banner() {
        "during the key exchange"
    } else {
        "before the SSH banner"
    };
    let said = observed.first_line().filter(|_| !observed.has_banner());
    let is_turned_away = said.as_deref() == Some(TURNED_AWAY);
    let message = if is_turned_away {
        format!("{address} turns this address away for now")
    } else {
        format!("{address} closed the connection {when}")
    };
    let times = if failures == 1 { "time" } else { "times" };
    let hint = if failures > 0 {
        format!(
            "this run has called there {failures} {times} without being let in: OpenSSH's server turns an address away for some minutes after a few of these (PerSourcePenalties of sshd_config(5)), and everybody while too many log in at once (MaxStartups)"
        )
    } else if is_turned_away {
        "OpenSSH's server does so for some minutes after failed logins or calls without a login from an address (PerSourcePenalties of sshd_config(5)), and while too many log in at once (MaxStartups)".to_owned()
    } else {
        "servers hang up like this while they start, while too many log in at once (MaxStartups of sshd_config(5)), and for some minutes after failed logins from an address (PerSourcePenalties)".to_owned()
    };
    let closed = Error::new(ErrorKind::Unavailable, message)
        .with_retry(TRANSIENT)
        .with_hint(hint);
    match said {
        Some(line) => closed.with_context("sent", line),
        None => closed,
    }
}

/// The connection ended before the command did. The command may have completed or not.
pub(crate) fn lost(host: &HostName, observed: &Observed) -> Error {
    let error = Error::new(
        ErrorKind::Unavailable,
        format!("connection to {host} was lost before the command ended"),
    );
    with_end(error, observed)
}

/// The connection ended before the command could begin.
pub(crate) fn closed(host: &HostName, observed: &Observed) -> Error {
    let error = Error::new(
        ErrorKind::Unavailable,
        format!("connection to {host} is closed"),
    );
    with_end(error, observed)
}

/// The connection to a jump host ended: a new one may be opened.
pub(crate) fn closed_link(name: &str, observed: &Observed) -> Error {
    let error = Error::new(
        ErrorKind::Unavailable,
        format!("connection to {name} is closed"),
    )
    .with_retry(TRANSIENT);
    with_end(error, observed)
}

pub(crate) fn with_end(error: Error, observed: &Observed) -> Error {
    match observed.end() {
        Some(end) => error.with_source(printable(end)),
        None => error,
    }
}

/// Waits for `work` until `limit` has passed or the run is cancelled.
pub(crate) async fn bounded<T>(
    run: &stagecraft_core::Run,
    limit: Duration,
    work: impl Future<Output = T>,
    too_late: impl FnOnce() -> Error,
) -> Result<T> {
    tokio::select! {
        biased;
        () = run.cancellation().cancelled() => Err(Error::cancelled()),
        done = tokio::time::timeout(limit, work) => done.map_err(|_| too_late()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_failures_are_told_apart() {
        let table = [
            (
                io::ErrorKind::ConnectionRefused,
                "connection refused by 192.0.2.7:22",
            ),
            (io::ErrorKind::TimedOut, "no answer from 192.0.2.7:22"),
            (io::ErrorKind::HostUnreachable, "no route to 192.0.2.7:22"),
            (
                io::ErrorKind::NetworkUnreachable,
                "no route to 192.0.2.7:22",
            ),
            (
                io::ErrorKind::ConnectionReset,
                "192.0.2.7:22 reset the connection",
            ),
            (io::ErrorKind::Other, "cannot connect to 192.0.2.7:22"),
        ];
        for (kind, message) in table {
            let error = of_tcp(kind.into(), "192.0.2.7:22");
            assert_eq!(error.to_string(), message);
            assert_eq!(error.retry(), Retry::After(None));
            let expected = match kind {
                io::ErrorKind::TimedOut => ErrorKind::Timeout,
                _ => ErrorKind::Unavailable,
            };
            assert_eq!(error.kind(), expected);
        }
    }
}
