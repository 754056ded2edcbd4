//! A command of a channel: its input, its output and its end.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use russh::server::{Handle, Msg};
use russh::{ChannelWriteHalf, Sig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::process::namespace::Door;

/// The extended data type of standard error (RFC 4254, section 5.2).
const STDERR: u32 = 1;

/// A command that runs on a channel.
///
/// Dropping it closes the command's input and output, as sshd does when the client disconnects. The
/// command is not killed, but notices at its next read or write.
pub(super) struct Running {
    /// Unbounded on purpose: the library extends the window of a channel as soon as data arrives,
    /// so a command that does not read cannot slow down the client alone.
    input: Option<mpsc::UnboundedSender<Vec<u8>>>,
    tasks: [JoinHandle<()>; 2],
    ended: Arc<AtomicBool>,
}

impl Running {
    /// Starts a command inside the host.
    pub(super) fn start(
        door: &Door,
        argv: &[&str],
        output: ChannelWriteHalf<Msg>,
        handle: Handle,
    ) -> io::Result<Self> {
        let mut child = door
            .command(argv.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (input, received) = mpsc::unbounded_channel();
        let stdin = child.stdin.take();
        let ended = Arc::new(AtomicBool::new(false));
        let tasks = [
            tokio::spawn(write_input(stdin, received)),
            tokio::spawn({
                let ended = Arc::clone(&ended);
                async move {
                    if let Err(error) = carry(child, &output, &handle, &ended).await {
                        tracing::debug!(%error, "the client of a command has gone");
                    }
                }
            }),
        ];
        Ok(Self {
            input: Some(input),
            tasks,
            ended,
        })
    }

    /// Whether the command has ended and its channel is closed from this side.
    ///
    /// The library does not report that the client closes a channel that was closed here before.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Passes input to the command, unless it has stopped reading.
    pub(super) fn feed(&mut self, data: &[u8]) {
        if let Some(input) = &self.input
            && input.send(data.to_vec()).is_err()
        {
            self.input = None;
        }
    }

    /// Closes the command's input after what it was passed so far.
    pub(super) fn end_input(&mut self) {
        self.input = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A command that has ended may still be sending its exit status.
        if !self.has_ended() {
            for task in &self.tasks {
                task.abort();
            }
        }
    }
}

async fn write_input(stdin: Option<ChildStdin>, mut received: mpsc::UnboundedReceiver<Vec<u8>>) {
    let Some(mut stdin) = stdin else { return };
    while let Some(data) = received.recv().await {
        // A command may end, or close its input, before it has read everything.
        if stdin.write_all(&data).await.is_err() {
            return;
        }
    }
}

/// Sends a command's output, then its exit status, in the order that clients expect.
async fn carry(
    mut child: Child,
    output: &ChannelWriteHalf<Msg>,
    handle: &Handle,
    ended: &AtomicBool,
) -> Result<(), russh::Error> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    tokio::try_join!(
        send(stdout, output, None),
        send(stderr, output, Some(STDERR))
    )?;
    let status = child.wait().await?;
    output.eof().await?;
    match ended_by(status) {
        End::Code(code) => output.exit_status(code).await?,
        End::Signal(signal, core_dumped) => {
            handle
                .exit_signal_request(
                    output.id(),
                    signal,
                    core_dumped,
                    String::new(),
                    String::new(),
                )
                .await
                .map_err(|()| russh::Error::SendError)?;
        }
    }
    ended.store(true, Ordering::Release);
    output.close().await
}

async fn send(
    stream: Option<impl AsyncRead + Unpin>,
    output: &ChannelWriteHalf<Msg>,
    extended: Option<u32>,
) -> Result<(), russh::Error> {
    let Some(mut stream) = stream else {
        return Ok(());
    };
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let count = stream.read(&mut buffer).await?;
        let data = buffer.get(..count).unwrap_or_default().to_vec();
        match extended {
            _ if count == 0 => return Ok(()),
            None => output.data_bytes(data).await?,
            Some(kind) => output.extended_data_bytes(kind, data).await?,
        }
    }
}

enum End {
    Code(u32),
    Signal(Sig, bool),
}

fn ended_by(status: ExitStatus) -> End {
    use std::os::unix::process::ExitStatusExt as _;

    match (status.code(), status.signal()) {
        (Some(code), _) => End::Code(u32::try_from(code).unwrap_or(255)),
        (None, Some(number)) => End::Signal(signal(number), status.core_dumped()),
        (None, None) => End::Code(255),
    }
}

/// The name of a signal in the protocol (RFC 4254, section 6.10).
fn signal(number: i32) -> Sig {
    match number {
        1 => Sig::HUP,
        2 => Sig::INT,
        3 => Sig::QUIT,
        4 => Sig::ILL,
        6 => Sig::ABRT,
        8 => Sig::FPE,
        9 => Sig::KILL,
        10 => Sig::USR1,
        11 => Sig::SEGV,
        13 => Sig::PIPE,
        14 => Sig::ALRM,
        15 => Sig::TERM,
        other => Sig::Custom(format!("{other}@sandbox")),
    }
}
