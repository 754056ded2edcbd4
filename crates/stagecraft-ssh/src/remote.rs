//! Runs commands on a host, each in its own channel of one connection.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use russh::client::{Handle, Msg};
use russh::{
    Channel, ChannelMsg, ChannelOpenFailure, ChannelReadHalf, ChannelWriteHalf, Disconnect,
};
use stagecraft_core::{
    Error, ErrorKind, Exit, Fingerprint, HostName, Login, OUTPUT_LIMIT, Remote, RemoteCommand,
    RemoteOutput, Result, Retry, Run, Upload, seconds,
};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::capture::Capture;
use crate::client::{Client, Observed};
use crate::connection::{Connection, Link};
use crate::failure;
use crate::printable::printable;
use crate::quote::{Wire, wire};
use crate::sudo::Elevation;
use crate::{start, upload};

/// Most concurrent channels. OpenSSH's server accepts 10 (`MaxSessions` of `sshd_config(5)`), and
/// an abandoned command keeps its own until it ends.
const CHANNEL_LIMIT: usize = 8;
/// How long, and how often, a channel is retried on a host without a free session.
const BUSY_LIMIT: Duration = Duration::from_secs(10);
const BUSY_PAUSE: Duration = Duration::from_millis(50);
/// Timeout of closing messages, which may be lost without harm.
const FAREWELL: Duration = Duration::from_secs(1);
/// `SSH_EXTENDED_DATA_STDERR` of RFC 4254, section 5.2.
const STDERR: u32 = 1;

/// One host over one connection.
pub(crate) struct SshRemote {
    host: HostName,
    host_key: Fingerprint,
    session: Handle<Client>,
    observed: Arc<Observed>,
    ended: CancellationToken,
    tied: Mutex<Option<DropGuard>>,
    _via: Option<Arc<Link>>,
    permits: Semaphore,
    abandoned: Abandoned,
    elevation: Option<Elevation>,
    /// The login user.
    user: String,
    /// Whether sudo has run a command on this connection.
    is_elevated: AtomicBool,
    warnings: Vec<String>,
    /// Whether a channel was opened on this connection.
    is_used: AtomicBool,
}

/// Channels of abandoned commands, still to be closed. Closing has to wait for the connection,
/// which a dropped future cannot.
type Abandoned = Mutex<Vec<ChannelWriteHalf<Msg>>>;

/// Received output. Outlives the future that reads it.
struct Streams {
    stdout: Capture,
    stderr: Capture,
}

impl Streams {
    /// Adds the last line of both streams as evidence.
    fn attach_to(&self, run: &Run, error: Error) -> Error {
        let add = |error: Error, name, stream: &Capture| match stream.last_line() {
            // It has begun, and printed nothing since.
            Some(line) if line == start::BEGUN => error,
            Some(line) => error.with_context(name, printable(&run.redact(&line))),
            None => error,
        };
        let error = add(error, "last output", &self.stdout);
        add(error, "last error output", &self.stderr)
    }
}

impl SshRemote {
    pub(crate) fn new(
        host: HostName,
        host_key: Fingerprint,
        connection: Connection,
        user: String,
        elevation: Option<Elevation>,
    ) -> Self {
        Self {
            host,
            host_key,
            session: connection.session,
            observed: connection.observed,
            ended: connection.ended,
            tied: Mutex::new(Some(connection.tied)),
            _via: connection.via,
            permits: Semaphore::new(CHANNEL_LIMIT),
            abandoned: Mutex::default(),
            elevation,
            user,
            is_elevated: AtomicBool::new(false),
            warnings: Vec::new(),
            is_used: AtomicBool::new(false),
        }
    }

    pub(crate) fn with_warnings(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }

    /// Runs one command line with its input. The deadline begins when a channel is free.
    pub(crate) async fn perform(
        &self,
        run: &Run,
        command: Wire,
        deadline: Duration,
    ) -> Result<RemoteOutput> {
        run.check()?;
        let command = start::wrap(command, self.elevation.as_ref())?;
        let cancelled = run.cancellation().cancelled();
        tokio::pin!(cancelled);
        let _permit = tokio::select! {
            biased;
            () = &mut cancelled => return Err(Error::cancelled()),
            permit = self.permits.acquire() => {
                permit.map_err(|_| failure::closed(&self.host, &self.observed))?
            }
        };

        let mut streams = Streams {
            stdout: Capture::new(OUTPUT_LIMIT),
            stderr: Capture::new(OUTPUT_LIMIT),
        };
        let talk = tokio::time::timeout(deadline, self.talk(run, command, &mut streams));
        let ended = tokio::select! {
            biased;
            () = cancelled => Err(Error::cancelled()),
            ended = talk => ended.unwrap_or_else(|_| Err(self.overdue(deadline))),
        };
        match ended {
            Ok(exit) => {
                let output = RemoteOutput {
                    exit,
                    stdout: streams.stdout.into_text(),
                    stderr: streams.stderr.into_text(),
                };
                self.elevated(start::begun(&self.host, &self.user, output)?)
            }
            Err(error) => {
                self.close_abandoned().await;
                Err(streams.attach_to(run, error))
            }
        }
    }

    /// The output, unless sudo refused. Once sudo has run a command, it is not checked again.
    fn elevated(&self, output: RemoteOutput) -> Result<RemoteOutput> {
        let Some(elevation) = &self.elevation else {
            return Ok(output);
        };
        if !self.is_elevated.load(Ordering::Relaxed) {
            if let Some(refusal) = elevation.refusal(&self.host, &output) {
                return Err(refusal);
            }
            self.is_elevated.store(true, Ordering::Relaxed);
        }
        Ok(output)
    }

    fn overdue(&self, deadline: Duration) -> Error {
        Error::new(
            ErrorKind::Timeout,
            format!(
                "command on {} did not end within {}",
                self.host,
                seconds(deadline)
            ),
        )
    }

    async fn talk(&self, run: &Run, command: Wire, streams: &mut Streams) -> Result<Exit> {
        self.close_abandoned().await;
        let (read, write) = self.open(run).await?.split();
        let write = Closing {
            write: Some(write),
            abandoned: &self.abandoned,
        };
        let exit = self.converse(command, read, &write, streams).await?;
        write.done();
        Ok(exit)
    }

    /// Sends the input and reads the output concurrently: either may have to wait for the other.
    /// Reads until the channel closes, since output may follow the exit status.
    async fn converse(
        &self,
        command: Wire,
        mut read: ChannelReadHalf,
        write: &Closing<'_>,
        streams: &mut Streams,
    ) -> Result<Exit> {
        let Some(write) = write.write.as_ref() else {
            return Err(failure::closed(&self.host, &self.observed));
        };
        let send = async {
            write.exec(true, command.line).await?;
            write.data_bytes(command.stdin).await?;
            write.eof().await
        };
        tokio::pin!(send);
        let mut sending = true;
        let mut exit = None;
        loop {
            let message = tokio::select! {
                result = &mut send, if sending => {
                    sending = false;
                    // A command may end without reading its input. If the connection ended instead,
                    // the read half returns the error.
                    if let Err(error) = result {
                        tracing::debug!(host = %self.host, %error, "input was not read");
                    }
                    continue;
                }
                message = read.wait() => message,
            };
            match message {
                Some(ChannelMsg::Data { data }) => streams.stdout.push(&data),
                Some(ChannelMsg::ExtendedData { data, ext: STDERR }) => streams.stderr.push(&data),
                Some(ChannelMsg::ExitStatus { exit_status }) => {
                    exit = Some(Exit::Code(exit_status));
                }
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    exit = Some(Exit::Signal(signal(&signal_name)));
                }
                Some(ChannelMsg::Failure) => {
                    return Err(Error::new(
                        ErrorKind::Rejected,
                        format!("{} refused to run a command", self.host),
                    ));
                }
                Some(ChannelMsg::Close) | None => break,
                Some(_) => {}
            }
        }
        exit.ok_or_else(|| failure::lost(&self.host, &self.observed))
    }

    /// Opens a channel. Retries for a while if all sessions of the host are in use: it frees one
    /// only some time after the end of its command, and nothing has begun yet.
    async fn open(&self, run: &Run) -> Result<Channel<Msg>> {
        let started = Instant::now();
        loop {
            let opened = self.session.channel_open_session().await;
            match opened {
                Err(russh::Error::ChannelOpenFailure(
                    ChannelOpenFailure::ConnectFailed | ChannelOpenFailure::ResourceShortage,
                )) if self.is_used.load(Ordering::Relaxed) && started.elapsed() < BUSY_LIMIT => {
                    run.sleep(BUSY_PAUSE).await?;
                }
                Ok(channel) => {
                    self.is_used.store(true, Ordering::Relaxed);
                    return Ok(channel);
                }
                Err(error) => return Err(self.not_opened(error)),
            }
        }
    }

    fn not_opened(&self, error: russh::Error) -> Error {
        match error {
            russh::Error::ChannelOpenFailure(_) if !self.is_used.load(Ordering::Relaxed) => Error::new(
                ErrorKind::Rejected,
                format!("{} lets in, but refuses every command", self.host),
            )
            .with_hint("MaxSessions of its sshd_config(5) must be above 0 for this user, see its Match blocks too")
            .with_source(error),
            russh::Error::ChannelOpenFailure(_) => Error::new(
                ErrorKind::Unavailable,
                format!("{} refused a further command on its connection", self.host),
            )
            .with_retry(Retry::After(None))
            .with_source(error),
            _ => failure::closed(&self.host, &self.observed),
        }
    }

    async fn close_abandoned(&self) {
        let channels = std::mem::take(
            &mut *self
                .abandoned
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for channel in channels {
            let closing = tokio::time::timeout(FAREWELL, channel.close());
            if !matches!(closing.await, Ok(Ok(()))) {
                tracing::debug!(host = %self.host, "channel stays open");
            }
        }
    }
}

#[async_trait]
impl Remote for SshRemote {
    fn host(&self) -> &HostName {
        &self.host
    }

    fn host_key(&self) -> Fingerprint {
        self.host_key
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    fn login(&self) -> Option<Login> {
        self.observed.login()
    }

    async fn exec(&self, run: &Run, command: &RemoteCommand) -> Result<RemoteOutput> {
        let work = async {
            let wire = wire(&command.line)?;
            self.perform(run, wire, command.deadline).await
        };
        work.await.map_err(|error| error.with_operation("exec"))
    }

    async fn upload(&self, run: &Run, upload: &Upload) -> Result<()> {
        let work = async {
            let command = upload::command(upload)?;
            let ended = self.perform(run, command, upload::DEADLINE).await;
            upload::written(upload, &self.host, ended)
        };
        work.await.map_err(|error| error.with_operation("upload"))
    }

    async fn close(&self) {
        self.permits.close();
        let goodbye = async {
            let said = self
                .session
                .disconnect(Disconnect::ByApplication, "", "")
                .await;
            if said.is_ok() {
                self.ended.cancelled().await;
            }
        };
        if tokio::time::timeout(FAREWELL, goodbye).await.is_err() {
            tracing::debug!(host = %self.host, "connection is cut");
        }
        let tied = self
            .tied
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(tied);
        // Now only a command whose future is not polled can block the session's task.
        let over = tokio::time::timeout(FAREWELL, self.ended.cancelled());
        if over.await.is_err() {
            tracing::debug!(host = %self.host, "connection ends later");
        }
    }
}

impl fmt::Debug for SshRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshRemote")
            .field("host", &self.host)
            .field("host_key", &self.host_key)
            .finish_non_exhaustive()
    }
}

/// A channel that we have to close unless the host has closed it.
struct Closing<'a> {
    write: Option<ChannelWriteHalf<Msg>>,
    abandoned: &'a Abandoned,
}

impl Closing<'_> {
    fn done(mut self) {
        self.write = None;
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        if let Some(write) = self.write.take() {
            self.abandoned
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(write);
        }
    }
}

/// The name of a signal as RFC 4254 writes it, without `SIG`.
fn signal(signal: &russh::Sig) -> String {
    match signal {
        russh::Sig::Custom(name) => printable(name),
        known => format!("{known:?}"),
    }
}
