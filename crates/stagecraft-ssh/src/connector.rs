//! From an address to a logged-in connection.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use russh::client::{self, Handle};
use russh::keys::Algorithm;
use russh::{Preferred, compression};
use stagecraft_core::{Connector, Remote, RemoteTarget, Result, Run, seconds};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, Observed};
use crate::config::SshConfig;
use crate::failure::{self, bounded};
use crate::identity;
use crate::login::login;
use crate::remote::{Connection, SshRemote};
use crate::tether::Tether;

/// The keepalives without an answer after which a connection counts as lost.
const KEEPALIVE_LIMIT: usize = 3;

/// Connects to hosts by SSH.
///
/// Only ed25519 host keys are accepted, and only those whose fingerprint the target lists.
/// The login keys are read again for every connection.
#[derive(Debug, Clone)]
pub struct SshConnector {
    config: SshConfig,
    session: Arc<client::Config>,
}

impl SshConnector {
    /// Makes a connector. Reads and sends nothing.
    pub fn new(config: SshConfig) -> Self {
        let session = Arc::new(client::Config {
            preferred: Preferred {
                key: Cow::Borrowed(&[Algorithm::Ed25519]),
                compression: Cow::Borrowed(&[compression::NONE]),
                ..Preferred::DEFAULT
            },
            keepalive_interval: Some(config.keepalive),
            keepalive_max: KEEPALIVE_LIMIT,
            ..client::Config::default()
        });
        Self { config, session }
    }

    async fn open_tcp(&self, run: &Run, address: SocketAddr) -> Result<TcpStream> {
        let limit = self.config.connect_timeout;
        let stream = bounded(run, limit, TcpStream::connect(address), || {
            failure::too_slow(format!(
                "no answer from {address} within {}",
                seconds(limit)
            ))
        })
        .await?
        .map_err(|error| failure::of_tcp(error, address))?;
        // Else every small packet waits for the answer to the one before.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "nodelay");
        }
        Ok(stream)
    }

    async fn exchange_keys(
        &self,
        run: &Run,
        target: &RemoteTarget,
        address: SocketAddr,
        stream: Tether,
        client: Client,
        observed: &Observed,
    ) -> Result<Handle<Client>> {
        let limit = self.config.login_timeout;
        let connecting = client::connect_stream(self.session.clone(), stream, client);
        bounded(run, limit, connecting, || {
            let time = seconds(limit);
            failure::too_slow(if observed.has_banner() {
                format!("key exchange with {address} did not end within {time}")
            } else {
                format!("no SSH banner from {address} within {time}")
            })
        })
        .await?
        .map_err(|error| {
            failure::of_handshake(error, observed, &target.host, address, &target.host_keys)
        })
    }
}

#[async_trait]
impl Connector for SshConnector {
    /// Connects once. Three deadlines: for the TCP connection, the key exchange, the login.
    ///
    /// Whatever fails, and also when the future is dropped, the connection is closed. Safe to
    /// repeat: nothing is changed on the host.
    async fn connect(&self, run: &Run, target: &RemoteTarget) -> Result<Arc<dyn Remote>> {
        let with_operation = |error: stagecraft_core::Error| error.with_operation("connect");
        self.connect_once(run, target)
            .await
            .map(|remote| Arc::new(remote) as Arc<dyn Remote>)
            .map_err(with_operation)
    }
}

impl SshConnector {
    async fn connect_once(&self, run: &Run, target: &RemoteTarget) -> Result<SshRemote> {
        run.check()?;
        if target.host_keys.is_empty() {
            return Err(failure::no_known_key(&target.host));
        }
        let limit = self.config.login_timeout;
        let gathering = identity::gather(&self.config.identity, limit);
        let keys = tokio::select! {
            biased;
            () = run.cancellation().cancelled() => return Err(stagecraft_core::Error::cancelled()),
            keys = gathering => keys?,
        };

        let address = SocketAddr::new(target.address, self.config.port);
        let stream = self.open_tcp(run, address).await?;

        let observed = Arc::new(Observed::default());
        let cut = CancellationToken::new();
        let tied = cut.clone().drop_guard();
        let ended = CancellationToken::new();
        let stream = Tether::new(stream, cut, observed.clone());
        let client = Client::new(target.host_keys.clone(), observed.clone(), ended.clone());
        let mut session = self
            .exchange_keys(run, target, address, stream, client, &observed)
            .await?;
        let Some(host_key) = observed.accepted() else {
            return Err(failure::no_known_key(&target.host));
        };

        let user = &self.config.user;
        let logging_in = login(&mut session, &observed, user, target, keys);
        bounded(run, limit, logging_in, || {
            failure::too_slow(format!(
                "login at {address} as {user} did not end within {}",
                seconds(limit)
            ))
        })
        .await??;
        tracing::debug!(host = %target.host, %address, user, "connected");
        Ok(SshRemote::new(
            target.host.clone(),
            host_key,
            Connection {
                session,
                observed,
                ended,
                tied,
            },
        ))
    }
}
