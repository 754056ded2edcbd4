//! One connection: authentication and requests.

use std::collections::HashMap;

use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, ChannelWriteHalf, Pty};
use tokio_util::sync::CancellationToken;

use crate::process::namespace::Door;
use crate::ssh_server::AuthorizedKeys;
use crate::ssh_server::command::Running;

/// Most channels of one connection, as in sshd's defaults.
const MAX_SESSIONS: usize = 10;

/// The state of a connection. Dropping it closes its commands' input and output.
pub(super) struct Session {
    door: Door,
    authorized: AuthorizedKeys,
    channels: HashMap<ChannelId, Stage>,
    stop: CancellationToken,
}

/// Progress of a channel.
enum Stage {
    Open(ChannelWriteHalf<Msg>),
    Running(Running),
}

impl Session {
    pub(super) fn new(door: Door, authorized: AuthorizedKeys, stop: CancellationToken) -> Self {
        Self {
            door,
            authorized,
            channels: HashMap::new(),
            stop,
        }
    }

    fn allowed(&self, user: &str, key: &ssh_key::PublicKey) -> Auth {
        if self.authorized.allow(user, key) && !self.stop.is_cancelled() {
            Auth::Accept
        } else {
            Auth::reject()
        }
    }

    /// Starts a command on a channel that has none yet.
    fn start(
        &mut self,
        channel: ChannelId,
        argv: &[&str],
        session: &mut russh::server::Session,
    ) -> Result<(), russh::Error> {
        let Some(Stage::Open(output)) = self.channels.remove(&channel) else {
            return session.channel_failure(channel);
        };
        match Running::start(&self.door, argv, output, session.handle()) {
            Ok(running) => {
                self.channels.insert(channel, Stage::Running(running));
                session.channel_success(channel)
            }
            Err(error) => {
                tracing::warn!(%error, "a command could not be started");
                session.channel_failure(channel)
            }
        }
    }
}

impl Handler for Session {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(self.allowed(user, offer.public_key))
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(self.allowed(user, key.public_key))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        self.channels
            .retain(|_, stage| !matches!(stage, Stage::Running(running) if running.has_ended()));
        if self.channels.len() >= MAX_SESSIONS {
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
            return Ok(());
        }
        // Input is handled in `data` below: a reader that lags behind would stop the whole
        // connection, and with it the output that the client must read before its command reads
        // more input.
        let (_input, output) = channel.split();
        self.channels.insert(output.id(), Stage::Open(output));
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        match std::str::from_utf8(data) {
            Ok(command) => self.start(channel, &["/bin/sh", "-c", command], session),
            Err(_) => session.channel_failure(channel),
        }
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        self.start(channel, &["/bin/sh", "-l"], session)
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _col_width: u32,
        _row_height: u32,
        _pix_width: u32,
        _pix_height: u32,
        _modes: &[(Pty, u32)],
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _variable_name: &str,
        _variable_value: &str,
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        _session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        if let Some(Stage::Running(running)) = self.channels.get_mut(&channel) {
            running.feed(data);
        }
        Ok(())
    }

    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        _session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        if let Some(Stage::Running(running)) = self.channels.get_mut(&channel) {
            running.end_input();
        }
        Ok(())
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        self.channels.remove(&channel);
        Ok(())
    }
}
