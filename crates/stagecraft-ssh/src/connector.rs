//! Connects to an address and logs in.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use russh::client::{self, Handle};
use stagecraft_core::{
    ConnectPhase, Connector, Error, ErrorKind, Fingerprint, HostName, JUMP_HOST, Remote,
    RemoteTarget, Result, Retry, Run, seconds,
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::agent::Silent;
use crate::algorithms;
use crate::banner;
use crate::client::{Client, Observed};
use crate::config::{Elevate, Identity, SshConfig};
use crate::connection::{Connection, Link, Links};
use crate::failure::{self, bounded};
use crate::gate::{Gates, Stage};
use crate::identity::{self, Keys};
use crate::jump::{JumpHost, place};
use crate::login::login;
use crate::remote::SshRemote;
use crate::route::{Login, Routes};
use crate::sudo::Elevation;
use crate::tether::{Line, Tether};
use crate::trust::{Server, Trust};
use crate::vault::{AskPassphrase, Vault, secret};
use prepared::Prepared;
use show::Proven;

mod prepared;
mod show;

pub use show::ShownKey;

/// Keepalives without an answer after which a connection counts as lost.
const KEEPALIVE_LIMIT: usize = 3;
/// Packets buffered for one host behind a jump host before the others behind it have to wait too.
/// More than any command's window.
const LINK_BUFFER: usize = 16 * 1024;

/// Connects to hosts by SSH.
///
/// Only ed25519 host keys are accepted, and only those whose fingerprint the target lists. The
/// login keys are read again for every connection, but encrypted ones are decrypted once, and an
/// agent that did not answer in time gets only one second from then on. A connection to a jump host
/// is shared by all hosts behind it and by clones of the connector, and is opened again after it is
/// lost. At most eight connections to one address log in at a time, and only one until a login
/// there succeeds. They are paced so that OpenSSH's server does not ban the address.
#[derive(Debug, Clone)]
pub struct SshConnector {
    routes: Arc<Routes>,
    links: Arc<Links>,
    gates: Arc<Gates>,
    vault: Arc<Vault>,
    silent: Arc<Silent>,
    proven: Arc<Proven>,
    prepared: Arc<Prepared>,
    garbled: Arc<Garbled>,
}

/// The servers whose banners the library cannot parse.
#[derive(Debug, Default)]
struct Garbled(Mutex<BTreeSet<String>>);

impl Garbled {
    fn contains(&self, place: &str) -> bool {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.contains(place)
    }

    fn note(&self, place: &str) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.insert(place.to_owned());
    }
}

/// A pending connection to a jump host, if there is one.
type Linking<'a> = Pin<Box<dyn Future<Output = Result<Option<Arc<Link>>>> + Send + 'a>>;

/// A server and its login.
struct Stop {
    login: Login,
    server: Server,
    is_jump: bool,
}

impl Stop {
    /// Its address, for messages; with its name if the message does not contain it.
    fn at(&self) -> String {
        let Server { name, place, .. } = &self.server;
        if self.is_jump {
            format!("{name} ({place})")
        } else {
            place.clone()
        }
    }

    /// Adds to an error which jump host it concerns, or what led to the address if the server was
    /// not reached.
    fn explained(&self, error: Error) -> Error {
        if self.is_jump && error.kind() == ErrorKind::HostKey {
            return error.with_context(JUMP_HOST, &self.server.place);
        }
        let is_lost = matches!(
            error.kind(),
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Protocol
        );
        match (&self.server.source, error.hint()) {
            (Some(source), None) if is_lost => error.with_hint(source),
            (Some(source), Some(hint)) if is_lost => {
                let hint = format!("{source}; {hint}");
                error.with_hint(hint)
            }
            _ => error,
        }
    }
}

impl SshConnector {
    /// Creates a connector. Reads and sends nothing.
    pub fn new(config: SshConfig) -> Self {
        let vault = Vault::new(config.passphrase.clone());
        Self {
            routes: Arc::new(Routes::new(config)),
            links: Arc::default(),
            gates: Arc::default(),
            vault: Arc::new(vault),
            silent: Arc::default(),
            proven: Arc::default(),
            prepared: Arc::default(),
            garbled: Arc::default(),
        }
    }

    /// Prompts for the passphrases of encrypted keys unless the configuration has their source,
    /// once per key. Must be called before the first connection.
    #[must_use]
    pub fn with_ask(self, ask: Arc<dyn AskPassphrase>) -> Self {
        let source = self.routes.config().passphrase.clone();
        Self {
            vault: Arc::new(Vault::new(source).with_ask(ask)),
            ..self
        }
    }

    fn session(&self, stop: &Stop, is_garbled: bool) -> Arc<client::Config> {
        let defaults = client::Config::default();
        let buffer = if stop.is_jump {
            LINK_BUFFER
        } else {
            defaults.channel_buffer_size
        };
        Arc::new(client::Config {
            preferred: algorithms::preferred(stop.server.trust.kinds.clone(), is_garbled),
            gex: algorithms::groups(),
            keepalive_interval: Some(self.routes.config().keepalive),
            keepalive_max: KEEPALIVE_LIMIT,
            channel_buffer_size: buffer,
            ..defaults
        })
    }

    async fn gather(&self, run: &Run, identity: &Identity, phase: &ConnectPhase) -> Result<Keys> {
        phase.begin("reading the login keys");
        let limit = self.routes.config().login_timeout;
        tokio::select! {
            biased;
            () = run.cancellation().cancelled() => Err(Error::cancelled()),
            keys = identity::gather(run, identity, limit, (&self.vault, &self.silent), phase) => keys,
        }
    }

    /// Opens a stream to the server, directly or through the last jump host.
    async fn open(&self, run: &Run, stop: &Stop, via: Option<&Link>) -> Result<Line> {
        let limit = stop.login.connect_timeout;
        let limit = limit.unwrap_or(self.routes.config().connect_timeout);
        let at = stop.at();
        let late = || failure::too_slow(format!("no answer from {at} within {}", seconds(limit)));
        if let Some(link) = via {
            return bounded(
                run,
                limit,
                link.line_to(&stop.login.host, stop.login.port),
                late,
            )
            .await?;
        }
        let connecting = TcpStream::connect((stop.login.host.as_str(), stop.login.port));
        let stream = bounded(run, limit, connecting, late)
            .await?
            .map_err(|error| failure::of_tcp(error, &at))?;
        // Otherwise every small packet waits for the answer to the previous one.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "nodelay");
        }
        Ok(Line::Left(stream))
    }

    async fn exchange_keys(
        &self,
        run: &Run,
        stop: &Stop,
        stream: Tether,
        client: Client,
        observed: &Observed,
    ) -> Result<Handle<Client>> {
        let limit = self.routes.config().login_timeout;
        let address = stop.at();
        let session = self.session(stop, self.garbled.contains(&stop.server.place));
        let connecting = client::connect_stream(session, stream, client);
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
            let failures = self.gates.failures(&stop.server.place);
            failure::of_handshake(error, observed, &stop.server, &address, failures)
        })
    }

    /// Connects to a server and logs in. Returns the key that it proved too.
    async fn reach(
        &self,
        run: &Run,
        stop: &Stop,
        via: Option<Arc<Link>>,
        keys: Keys,
        phase: &ConnectPhase,
    ) -> Result<(Fingerprint, Connection)> {
        let was_garbled = self.garbled.contains(&stop.server.place);
        let mut reached = self
            .reach_unexplained(run, stop, via.clone(), keys, phase)
            .await;
        // Retried once, now that the server's banner is known not to be UTF-8.
        if reached.is_err() && !was_garbled && self.garbled.contains(&stop.server.place) {
            let keys = self.gather(run, &stop.login.identity, phase).await?;
            reached = self.reach_unexplained(run, stop, via, keys, phase).await;
        }
        reached.map_err(|error| {
            let error = stop.explained(error);
            let wait = self.gates.wait(&stop.server.place);
            if error.retry() == Retry::After(None) && !wait.is_zero() {
                error.with_retry(Retry::After(Some(wait)))
            } else {
                error
            }
        })
    }

    async fn reach_unexplained(
        &self,
        run: &Run,
        stop: &Stop,
        via: Option<Arc<Link>>,
        keys: Keys,
        phase: &ConnectPhase,
    ) -> Result<(Fingerprint, Connection)> {
        let limit = self.routes.config().login_timeout;
        let address = stop.at();
        phase.begin(format!("waiting for a turn to log in at {address}"));
        let mut permit = self.gates.enter(run, &stop.server.place, phase).await?;
        phase.begin(format!("dialling {address}"));
        let stream = self.open(run, stop, via.as_deref()).await?;
        permit.reach(Stage::Connected);

        phase.begin(format!("waiting for the SSH banner of {address}"));
        let exchange = format!("exchanging keys with {address}");
        let observed = Arc::new(Observed::telling(phase, exchange));
        let cut = CancellationToken::new();
        let tied = cut.clone().drop_guard();
        let ended = CancellationToken::new();
        let mut stream = Tether::new(stream, cut, observed.clone());
        let accepted = stop.server.trust.accepted.clone();
        let mut client = Client::new(accepted, observed.clone(), ended.clone());
        let keys_of_session = banner::Keys::default();
        let is_garbled = self.garbled.contains(&stop.server.place);
        if is_garbled {
            stream = stream.without_banners(keys_of_session.clone());
            client = client.with_keys(keys_of_session.clone());
        }
        let mut session = self
            .exchange_keys(run, stop, stream, client, &observed)
            .await?;
        let binding = session.agent_session_binding();
        keys_of_session.give(binding.map(|binding| &binding.session_id()[..]));
        let Some(host_key) = observed.accepted() else {
            return Err(failure::no_known_key(&stop.server.name));
        };

        let user = &stop.login.user;
        phase.begin(format!("logging in at {address} as {user}"));
        permit.reach(Stage::LoggingIn);
        let logging_in = login(&mut session, &observed, user, &stop.server, keys);
        let logged_in = bounded(run, limit, logging_in, || {
            failure::too_slow(format!(
                "login at {address} as {user} did not end within {}",
                seconds(limit)
            ))
        });
        if let Err(error) = logged_in.await.flatten() {
            if observed.is_garbled() && !is_garbled {
                self.garbled.note(&stop.server.place);
            }
            return Err(error);
        }
        permit.reach(Stage::LoggedIn);
        let banner = observed.banner();
        tracing::debug!(host = stop.server.name, address, user, banner, "connected");
        let connection = Connection {
            session,
            observed,
            ended,
            tied,
            via,
        };
        Ok((host_key, connection))
    }

    /// The connection to the last of these jump hosts, through those before it.
    fn link<'a>(
        &'a self,
        run: &'a Run,
        chain: &'a [JumpHost],
        phase: &'a ConnectPhase,
    ) -> Linking<'a> {
        Box::pin(async move {
            let Some((last, before)) = chain.split_last() else {
                return Ok(None);
            };
            // Another host's attempt may be opening it.
            phase.begin(format!("waiting for the connection to jump host {last}"));
            let make = || async {
                let via = self.link(run, before, phase).await?;
                let stop = self.jump_stop(run, last, via.as_deref())?;
                let keys = self.gather(run, &stop.login.identity, phase).await?;
                let name = stop.server.name.clone();
                let (_, connection) = self.reach(run, &stop, via, keys, phase).await?;
                Ok(Link::new(name, connection))
            };
            self.links.get(chain, make).await.map(Some)
        })
    }

    fn jump_stop(&self, run: &Run, jump: &JumpHost, via: Option<&Link>) -> Result<Stop> {
        let login = self.routes.of_jump(run, jump)?;
        let files = &self.routes.config().known_hosts;
        let trust = match &login.key_name {
            // As OpenSSH does, whatever the port.
            Some(name) => Trust::files(files, name, 22)?,
            None => Trust::files(files, &login.host, login.port)?,
        };
        let server = Server {
            name: format!("jump host {}", jump.host),
            place: place_behind(via, &login.host, login.port),
            source: Some(self.routes.source_of(jump)),
            trust,
        };
        Ok(Stop {
            login,
            server,
            is_jump: true,
        })
    }

    async fn elevation(&self, run: &Run, user: &str) -> Result<Option<Elevation>> {
        let source = match &self.routes.config().elevate {
            Elevate::Never => return Ok(None),
            Elevate::Others(_) if user == "root" => return Ok(None),
            Elevate::Others(source) | Elevate::Always(source) => source,
        };
        let password = match source {
            Some(source) => Some(secret(run, source, "password for sudo", "sudo_password").await?),
            None => None,
        };
        Elevation::new(user, password).map(Some)
    }

    async fn connect_once(
        &self,
        run: &Run,
        target: &RemoteTarget,
        phase: &ConnectPhase,
    ) -> Result<SshRemote> {
        run.check()?;
        if target.host_keys.is_empty() {
            return Err(failure::no_known_key(target.host.as_str()));
        }
        let (login, chain) = self.routes.of_target(run, target)?;
        let warnings = login.warnings.clone();
        let connecting = self.connect_by(run, target, (login, chain), phase);
        connecting.await.map_err(|error| {
            let lines = warnings.into_iter();
            lines.fold(error, |error, line| error.with_context("warning", line))
        })
    }

    async fn connect_by(
        &self,
        run: &Run,
        target: &RemoteTarget,
        (login, chain): (Login, Vec<JumpHost>),
        phase: &ConnectPhase,
    ) -> Result<SshRemote> {
        let warnings = login.warnings.clone();
        let keys = self.gather(run, &login.identity, phase).await?;
        phase.begin("reading the password for sudo");
        let elevation = self.elevation(run, &login.user).await?;
        let via = self.link(run, &chain, phase).await?;
        let server = Server {
            name: target.host.to_string(),
            place: place_behind(via.as_deref(), &login.host, login.port),
            source: login.detour.clone(),
            trust: Trust::pins(target.host_keys.clone()),
        };
        let stop = Stop {
            login,
            server,
            is_jump: false,
        };
        let user = stop.login.user.clone();
        let (host_key, connection) = self.reach(run, &stop, via, keys, phase).await?;
        self.proven.note(&connection.observed);
        let host = target.host.clone();
        let remote = SshRemote::new(host, host_key, connection, user, elevation);
        Ok(remote.with_warnings(warnings))
    }
}

fn place_behind(via: Option<&Link>, host: &str, port: u16) -> String {
    let place = place(host, port);
    match via {
        Some(link) => format!("{place} through {}", link.name),
        None => place,
    }
}

#[async_trait]
impl Connector for SshConnector {
    /// Connects once. Three deadlines: for the TCP connection, the key exchange and the login; the
    /// same again for each jump host that is not connected yet.
    ///
    /// On failure, and when the future is dropped, the connection is closed. Safe to repeat:
    /// nothing changes on the host.
    async fn connect(&self, run: &Run, target: &RemoteTarget) -> Result<Arc<dyn Remote>> {
        self.connect_telling(run, target, &ConnectPhase::default())
            .await
    }

    async fn connect_telling(
        &self,
        run: &Run,
        target: &RemoteTarget,
        phase: &ConnectPhase,
    ) -> Result<Arc<dyn Remote>> {
        let with_operation = |error: Error| error.with_operation("connect");
        self.connect_once(run, target, phase)
            .await
            .map(|remote| Arc::new(remote) as Arc<dyn Remote>)
            .map_err(with_operation)
    }

    /// Reads the `ssh_config` file, the login keys of the host and of the jump hosts before it, the
    /// known hosts files if there are jump hosts, and the password for sudo. Decrypts the required
    /// keys, so that no connection prompts for them.
    async fn prepare(&self, run: &Run, host: &HostName, aliases: &[String]) -> Result<()> {
        run.check()?;
        let foreseen = self.routes.foreseen(run, host, aliases)?;
        let phase = ConnectPhase::default();
        for jump in &foreseen.jumps {
            Trust::files(&self.routes.config().known_hosts, &jump.host, jump.port)?;
        }
        if let Some(user) = &foreseen.user {
            self.elevation(run, user).await?;
        }
        for identity in foreseen.identities {
            self.prepared
                .keys(&identity, || self.gather(run, &identity, &phase))
                .await?;
        }
        Ok(())
    }
}
