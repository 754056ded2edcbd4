//! Connections, and the shared ones to jump hosts: one for all hosts behind them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use russh::ChannelOpenFailure;
use russh::client::Handle;
use stagecraft_core::{Error, ErrorKind, Result, Retry};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::client::{Client, Observed};
use crate::failure;
use crate::jump::{JumpHost, place};
use crate::tether::Line;

/// A logged-in session with the handles that end it.
pub(crate) struct Connection {
    pub(crate) session: Handle<Client>,
    pub(crate) observed: Arc<Observed>,
    /// Cancelled when the session's task is over.
    pub(crate) ended: CancellationToken,
    /// Cuts the byte stream when it is dropped.
    pub(crate) tied: DropGuard,
    /// The jump host of the connection.
    pub(crate) via: Option<Arc<Link>>,
}

/// A connection to a jump host, and to those before it.
pub(crate) struct Link {
    /// The name of the jump host.
    pub(crate) name: String,
    connection: Connection,
}

impl Link {
    pub(crate) fn new(name: String, connection: Connection) -> Self {
        Self { name, connection }
    }

    fn is_dead(&self) -> bool {
        self.connection.session.is_closed() || self.connection.ended.is_cancelled()
    }

    /// Opens a stream to a server behind this jump host.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Rejected`] if the jump host forbids it, else [`ErrorKind::Unavailable`], which
    /// is worth a retry.
    pub(crate) async fn line_to(&self, host: &str, port: u16) -> Result<Line> {
        let name = &self.name;
        let target = place(host, port);
        let session = &self.connection.session;
        let opened = session
            .channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0)
            .await;
        let refused = |kind, message: String| Error::new(kind, message);
        opened
            .map(|channel| Line::Right(channel.into_stream()))
            .map_err(|error| match &error {
                russh::Error::ChannelOpenFailure(
                    ChannelOpenFailure::AdministrativelyProhibited,
                ) => refused(
                    ErrorKind::Rejected,
                    format!("{name} forbids connections to {target}"),
                )
                .with_hint("AllowTcpForwarding and PermitOpen of its sshd_config decide on it")
                .with_source(error),
                russh::Error::ChannelOpenFailure(_) => refused(
                    ErrorKind::Unavailable,
                    format!("{name} cannot connect to {target}"),
                )
                .with_retry(Retry::After(None))
                .with_source(error),
                _ => failure::closed_link(name, &self.connection.observed),
            })
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Shared connections, by the chain of jump hosts to their end.
#[derive(Debug, Default)]
pub(crate) struct Links(Mutex<BTreeMap<Vec<JumpHost>, Arc<Slot>>>);

#[derive(Debug, Default)]
struct Slot {
    /// Held while a connection is opened, so that it is opened once.
    live: tokio::sync::Mutex<Option<Arc<Link>>>,
    failed: Mutex<Option<Failed>>,
}

/// The last attempt that failed.
#[derive(Debug)]
struct Failed {
    at: Instant,
    error: Error,
}

impl Links {
    /// Returns the connection to the last host of `chain`. Opens it with `make` unless there is a
    /// live one.
    ///
    /// Callers that wait for the same attempt get the same result: the connection or its error.
    pub(crate) async fn get<Fut>(
        &self,
        chain: &[JumpHost],
        make: impl FnOnce() -> Fut,
    ) -> Result<Arc<Link>>
    where
        Fut: Future<Output = Result<Link>>,
    {
        let slot = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(chain.to_vec()).or_default())
        };
        let asked = Instant::now();
        let mut live = slot.live.lock().await;
        if let Some(link) = live.as_ref().filter(|link| !link.is_dead()) {
            return Ok(Arc::clone(link));
        }
        *live = None;
        let failed = |slot: &Slot| {
            let failed = slot.failed.lock().unwrap_or_else(PoisonError::into_inner);
            let late = failed.as_ref().filter(|failed| failed.at >= asked)?;
            Some(late.error.duplicate())
        };
        if let Some(error) = failed(&slot) {
            return Err(error);
        }
        match make().await {
            Ok(link) => {
                let link = Arc::new(link);
                *live = Some(Arc::clone(&link));
                Ok(link)
            }
            Err(error) => {
                // A cancelled caller says nothing about the host.
                if error.kind() != ErrorKind::Cancelled {
                    let failed = Failed {
                        at: Instant::now(),
                        error: error.duplicate(),
                    };
                    *slot.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(failed);
                }
                Err(error)
            }
        }
    }
}
