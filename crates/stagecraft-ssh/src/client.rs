//! Client side of the SSH session: checks the host key and refuses every channel that the host
//! opens.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use russh::ChannelOpenFailure::AdministrativelyProhibited;
use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, Error, Names};
use stagecraft_core::{ConnectPhase, Fingerprint, Login};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::banner::{Keys, Secret};
use crate::known_hosts::PublicKeyLine;
use crate::printable::printable;

/// Most bytes kept from before the key exchange.
const FIRST_BYTES_LIMIT: usize = 512;
/// Most bytes kept of the host's banner.
const BANNER_LIMIT: usize = 2000;

/// Observations of a session that the library's errors can mask.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// The phase to report once the banner has arrived.
    at_banner: Mutex<Option<(ConnectPhase, String)>>,
    first_bytes: Mutex<Vec<u8>>,
    accepted: OnceLock<Fingerprint>,
    refused: OnceLock<Fingerprint>,
    shown: OnceLock<PublicKeyLine>,
    end: OnceLock<String>,
    /// The banner of the host, sent before it decided about the login.
    banner: Mutex<String>,
    /// Whether the library could not parse the host's data.
    is_garbled: AtomicBool,
    login: OnceLock<Login>,
}

impl Observed {
    /// Begins the phase `what` once the host's banner has arrived.
    pub(crate) fn telling(phase: &ConnectPhase, what: String) -> Self {
        Self {
            at_banner: Mutex::new(Some((phase.clone(), what))),
            ..Self::default()
        }
    }

    /// Records bytes from the host.
    pub(crate) fn received(&self, bytes: &[u8]) {
        if bytes.is_empty() || self.accepted.get().is_some() {
            return;
        }
        let mut first = self
            .first_bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let room = FIRST_BYTES_LIMIT - first.len();
        first.extend_from_slice(&bytes[..room.min(bytes.len())]);
        drop(first);
        if self.has_banner() {
            let told = self.at_banner.lock();
            let told = told.unwrap_or_else(PoisonError::into_inner).take();
            if let Some((phase, what)) = told {
                phase.begin(what);
            }
        }
    }

    /// The first line that the host sent, printable characters only.
    pub(crate) fn first_line(&self) -> Option<String> {
        let first = self
            .first_bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let line = first.split(|byte| *byte == b'\n').next()?;
        let line: String = String::from_utf8_lossy(line)
            .chars()
            .filter(|character| !character.is_control())
            .take(120)
            .collect();
        (!line.is_empty()).then_some(line)
    }

    /// Whether the host has sent an SSH banner.
    pub(crate) fn has_banner(&self) -> bool {
        let first = self
            .first_bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        first
            .split(|byte| *byte == b'\n')
            .any(|line| line.starts_with(b"SSH-"))
    }

    /// Records the user and key of the login.
    pub(crate) fn logged_in(&self, login: Login) {
        self.login.get_or_init(|| login);
    }

    /// The user and key of the login.
    pub(crate) fn login(&self) -> Option<Login> {
        self.login.get().cloned()
    }

    /// The key that the host proved, if it is one of the expected.
    pub(crate) fn accepted(&self) -> Option<Fingerprint> {
        self.accepted.get().copied()
    }

    /// The public key that the host proved first.
    pub(crate) fn shown_key(&self) -> Option<PublicKeyLine> {
        self.shown.get().cloned()
    }

    /// The key that the host proved, if it is none of the expected.
    pub(crate) fn refused(&self) -> Option<Fingerprint> {
        self.refused.get().copied()
    }

    /// The host's text before it decided about the login: `Banner` of its `sshd_config(5)`, or why
    /// PAM refuses logins. On one line.
    pub(crate) fn banner(&self) -> Option<String> {
        let banner = self.banner.lock().unwrap_or_else(PoisonError::into_inner);
        let words: Vec<&str> = banner.split_whitespace().collect();
        (!words.is_empty()).then(|| printable(&words.join(" ")))
    }

    /// Adds to the host's text. Decodes it as UTF-8, or else each byte as Latin-1.
    pub(crate) fn said(&self, text: &[u8]) {
        let latin = || text.iter().copied().map(char::from).collect();
        let text = std::str::from_utf8(text).map_or_else(|_| latin(), str::to_owned);
        let mut said = self.banner.lock().unwrap_or_else(PoisonError::into_inner);
        let room = BANNER_LIMIT.saturating_sub(said.len());
        said.extend(text.chars().take(room));
        said.push('\n');
    }

    /// Whether the library could not parse the host's data: a banner that is not UTF-8, before the
    /// login.
    pub(crate) fn is_garbled(&self) -> bool {
        self.is_garbled.load(Ordering::Relaxed)
    }

    /// Why the session ended, once it has.
    pub(crate) fn end(&self) -> Option<&str> {
        self.end.get().map(String::as_str)
    }
}

/// Handles the host's requests.
pub(crate) struct Client {
    expected: Vec<Fingerprint>,
    observed: Arc<Observed>,
    /// Receives the keys of the session, if wanted.
    keys: Option<Keys>,
    // Dropped with the session's task.
    _ended: DropGuard,
}

impl Client {
    /// Creates a client. `ended` is cancelled when the session is over.
    pub(crate) fn new(
        expected: Vec<Fingerprint>,
        observed: Arc<Observed>,
        ended: CancellationToken,
    ) -> Self {
        Self {
            expected,
            observed,
            keys: None,
            _ended: ended.drop_guard(),
        }
    }

    /// Passes on the result of the first key exchange.
    pub(crate) fn with_keys(self, keys: Keys) -> Self {
        Self {
            keys: Some(keys),
            ..self
        }
    }

    fn is_expected(&self, shown: Fingerprint) -> bool {
        // A later key exchange must prove the same key as the first.
        match self.observed.accepted() {
            Some(first) => first == shown,
            None => self.expected.contains(&shown),
        }
    }
}

impl Handler for Client {
    type Error = Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Error> {
        let wire = shown.public_key().to_bytes()?;
        let fingerprint = Fingerprint::of_wire(&wire);
        if let Ok(key) = PublicKeyLine::of_wire(wire) {
            self.observed.shown.get_or_init(|| key);
        }
        let good = shown.certificate().is_none() && self.is_expected(fingerprint);
        let slot = if good {
            &self.observed.accepted
        } else {
            &self.observed.refused
        };
        slot.get_or_init(|| fingerprint);
        Ok(good)
    }

    async fn kex_done(
        &mut self,
        shared: Option<&[u8]>,
        names: &Names,
        _: &mut Session,
    ) -> Result<(), Error> {
        if let (Some(keys), Some(shared)) = (self.keys.take(), shared) {
            keys.agreed(Secret::new(names, shared));
        }
        Ok(())
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut Session) -> Result<(), Error> {
        self.observed.said(banner.as_bytes());
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Error>) -> Result<(), Error> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                self.observed
                    .end
                    .get_or_init(|| format!("the host said: {}", info.message));
                Ok(())
            }
            DisconnectReason::Error(error) => {
                if matches!(error, Error::SshEncoding(_)) {
                    self.observed.is_garbled.store(true, Ordering::Relaxed);
                }
                self.observed.end.get_or_init(|| error.to_string());
                Err(error)
            }
        }
    }

    // We request no forwarding, so every channel that a host opens to us is unwanted. The library's
    // default is to accept it.

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        reply.reject(AdministrativelyProhibited).await;
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        reply.reject(AdministrativelyProhibited).await;
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        reply.reject(AdministrativelyProhibited).await;
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        reply.reject(AdministrativelyProhibited).await;
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        reply.reject(AdministrativelyProhibited).await;
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        reply.reject(AdministrativelyProhibited).await;
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        reply.reject(AdministrativelyProhibited).await;
        Ok(())
    }
}
