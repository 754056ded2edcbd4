//! A running sandbox.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

use crate::api::connection::{CuttingListener, Scissors};
use crate::control::Control;
use crate::driver::HostDriver;
use crate::knobs::Knobs;
use crate::state::keys::KeyRefused;
use crate::state::{State, World};
use crate::{api, control};

/// How long open connections may take to end when the sandbox stops.
const SERVER_STOP: Duration = Duration::from_secs(2);
/// How long hosts may take to finish booting or leaving when it stops.
const WORK_STOP: Duration = Duration::from_secs(30);

/// Configuration of a sandbox.
#[derive(Debug)]
pub struct SandboxConfig {
    /// The API's listening address: a loopback address. Port 0 chooses a free one.
    pub listen: SocketAddr,
    /// The token that the API expects.
    pub token: String,
    /// SSH keys that the account has from the start: names and public keys in OpenSSH's format.
    pub ssh_keys: Vec<(String, String)>,
    /// The initial behaviour of the API.
    pub knobs: Knobs,
    /// Creates the hosts. Without it droplets are API objects only, with addresses that are
    /// reserved for documentation and tests.
    pub driver: Option<Arc<dyn HostDriver>>,
}

impl Default for SandboxConfig {
    /// A free port on 127.0.0.1, a fixed token of the vendor's format, no keys, default knobs and
    /// no hosts.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            token: format!("dop_v1_{}", "5a9db0c5".repeat(8)),
            ssh_keys: Vec::new(),
            knobs: Knobs::default(),
            driver: None,
        }
    }
}

/// Why the sandbox could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// Other machines could reach it, and its control requires no token.
    #[error("{0} is not a loopback address, and the sandbox's control has no password")]
    NotLoopback(SocketAddr),
    /// The port is taken, or not permitted.
    #[error("could not listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// A key is not an OpenSSH public key.
    #[error("the SSH key `{0}` is not a public key in OpenSSH's form")]
    InvalidKey(String),
    /// The same key under two names.
    #[error("the SSH key `{0}` is there already under another name")]
    DuplicateKey(String),
}

/// A running sandbox. Dropping it stops the server and removes the hosts in the
/// background; [`Sandbox::shutdown`] also waits for that.
#[derive(Debug)]
pub struct Sandbox {
    world: Arc<World>,
    control: Control,
    server: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Starts a sandbox on the current Tokio runtime.
    ///
    /// # Errors
    ///
    /// [`SandboxError`] if it may not or cannot listen there, or a key is invalid.
    pub async fn start(config: SandboxConfig) -> Result<Self, SandboxError> {
        let SandboxConfig {
            listen,
            token,
            ssh_keys,
            knobs,
            driver,
        } = config;
        if !listen.ip().is_loopback() {
            return Err(SandboxError::NotLoopback(listen));
        }
        let mut state = State {
            knobs,
            ..State::default()
        };
        for (name, public_key) in ssh_keys {
            match state.keys.add(&name, &public_key, Instant::now()) {
                Ok(_) => {}
                Err(KeyRefused::Invalid) => return Err(SandboxError::InvalidKey(name)),
                Err(KeyRefused::InUse) => return Err(SandboxError::DuplicateKey(name)),
            }
        }
        let failed = |source| SandboxError::Listen {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let world = Arc::new(World::new(token, address, driver, state));
        let server = tokio::spawn(serve(Arc::clone(&world), listener));
        debug!(%address, "the sandbox listens");
        let control = Control::new(Arc::clone(&world));
        Ok(Self {
            world,
            control,
            server: Some(server),
        })
    }

    /// The API's base URL, for example `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.world.address)
    }

    /// The token that the API expects.
    pub fn token(&self) -> &str {
        &self.world.token
    }

    /// The port on which every host's SSH server listens; `None` without hosts.
    pub fn ssh_port(&self) -> Option<u16> {
        self.world.driver.as_ref().map(|driver| driver.ssh_port())
    }

    /// Control over this sandbox.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Stops the server, lets hosts finish booting or leaving, and removes them all.
    pub async fn shutdown(mut self) {
        self.world.stop.cancel();
        if let Some(server) = self.server.take()
            && let Err(error) = server.await
        {
            warn!(%error, "the sandbox's server ended badly");
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.world.stop.cancel();
    }
}

/// Serves until the sandbox stops, then cleans up.
async fn serve(world: Arc<World>, listener: TcpListener) {
    let routes = api::routes(&world).merge(control::routes(Arc::clone(&world)));
    let service = routes.into_make_service_with_connect_info::<Scissors>();
    let server = axum::serve(CuttingListener(listener), service)
        .with_graceful_shutdown(world.stop.clone().cancelled_owned());
    let mut server = std::pin::pin!(server.into_future());
    let ended = tokio::select! {
        ended = &mut server => Some(ended),
        () = world.stop.cancelled() => timeout(SERVER_STOP, server).await.ok(),
    };
    match ended {
        Some(Err(error)) => warn!(%error, "the sandbox stopped serving"),
        Some(Ok(())) => {}
        None => debug!("connections were still open when the sandbox stopped"),
    }
    let mut work = world.take_work();
    let finish = async { while work.join_next().await.is_some() {} };
    if timeout(WORK_STOP, finish).await.is_err() {
        warn!("hosts were still booting or leaving when the sandbox stopped");
        work.shutdown().await;
    }
    if let Some(driver) = &world.driver {
        driver.destroy_all().await;
    }
}
