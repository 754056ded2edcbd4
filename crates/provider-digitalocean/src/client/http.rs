//! HTTP connections to the API, kept as long as the provider.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use stagecraft_core::{ErrorKind, Result};

use crate::error::provider_error;
use crate::window::Lane;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections shared by a provider's operations: reading the root certificates and connecting
/// takes longer than most of their requests.
#[derive(Debug, Default)]
pub(crate) struct Http {
    kept: Mutex<Vec<(Use, reqwest::Client)>>,
}

/// The purpose of a connection pool. The lease has its own, so that ordinary requests do not block
/// it.
type Use = (Lane, IsPlain);
type IsPlain = bool;

impl Http {
    /// The connections of a priority: over TLS, or plain to a server on this machine.
    pub(super) fn connections(&self, lane: Lane, is_plain: bool) -> Result<reqwest::Client> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, http)) = kept.iter().find(|(own, _)| *own == (lane, is_plain)) {
            return Ok(http.clone());
        }
        let http = connect(is_plain)?;
        kept.push(((lane, is_plain), http.clone()));
        Ok(http)
    }
}

fn connect(is_plain: bool) -> Result<reqwest::Client> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Fails only if another thread installed it first, which is fine.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
    }
    let mut http = reqwest::Client::builder()
        .user_agent(concat!("stagecraft/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        // A redirect would send the token elsewhere.
        .redirect(reqwest::redirect::Policy::none());
    if is_plain {
        // A proxy would see the token in plain text. No certificate authority is needed for a
        // server on this machine.
        http = http.no_proxy().tls_certs_only([]);
    }
    http.build().map_err(|error| {
        provider_error(ErrorKind::Unavailable, "cannot set up TLS").with_source(error)
    })
}
