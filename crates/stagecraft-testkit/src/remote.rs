//! A fake host with scripted answers.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use stagecraft_core::{
    CommandLine, Error, ErrorKind, Exit, Fingerprint, HostName, Remote, RemoteCommand,
    RemoteOutput, Result, Run, Upload,
};

/// A [`Remote`] that expects commands and uploads in a given order and answers each as scripted.
///
/// Whatever is not expected fails and is remembered; [`finish`](Self::finish) reports it, and
/// what was expected but never came.
///
/// A cancelled run gets [`ErrorKind::Cancelled`] before anything is answered, as from a real
/// connection.
///
/// ```
/// use std::time::Duration;
/// use stagecraft_core::{Remote as _, RemoteCommand, Run};
/// use stagecraft_testkit::{Reply, ScriptedRemote};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let host = ScriptedRemote::new("app-1").expect_command(
///     "the kernel's name",
///     |text| text == "uname -s",
///     Reply::stdout("Linux\n"),
/// );
/// let command = RemoteCommand::argv(["uname", "-s"], Duration::from_secs(5));
/// let output = host.exec(&Run::default(), &command).await.unwrap();
/// assert_eq!(output.stdout, "Linux\n");
/// host.finish();
/// # });
/// ```
pub struct ScriptedRemote {
    host: HostName,
    host_key: Fingerprint,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    expected: VecDeque<Expectation>,
    calls: Vec<Call>,
    unexpected: Vec<String>,
    closed: bool,
}

struct Expectation {
    what: String,
    upload: bool,
    matches: Box<dyn Fn(&str) -> bool + Send + Sync>,
    reply: Reply,
}

/// A call to a [`ScriptedRemote`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Call {
    /// A command.
    Exec(RemoteCommand),
    /// A file.
    Upload(Upload),
}

impl Call {
    /// The script, the arguments joined by spaces, or the path of the file.
    pub fn text(&self) -> String {
        match self {
            Self::Exec(command) => text_of(&command.line),
            Self::Upload(upload) => upload.path.clone(),
        }
    }
}

/// An answer of a [`ScriptedRemote`].
pub enum Reply {
    /// The output of a command. An upload succeeds.
    Output(RemoteOutput),
    /// An error, as if the connection had failed.
    Error(Error),
    /// The result of a function that is called when the command arrives. It may cancel the run, for
    /// example.
    Call(Box<dyn FnOnce() -> Result<RemoteOutput> + Send + Sync>),
}

impl Reply {
    /// A command that exits with 0 after printing `stdout`.
    pub fn stdout(stdout: impl Into<String>) -> Self {
        Self::Output(RemoteOutput {
            exit: Exit::Code(0),
            stdout: stdout.into(),
            stderr: String::new(),
        })
    }

    /// A command that exits with `code` after printing `stderr`.
    pub fn failure(code: u32, stderr: impl Into<String>) -> Self {
        Self::Output(RemoteOutput {
            exit: Exit::Code(code),
            stdout: String::new(),
            stderr: stderr.into(),
        })
    }

    /// A connection that was lost before the exit code was known.
    pub fn lost() -> Self {
        Self::Error(Error::new(ErrorKind::Unavailable, "connection was lost"))
    }

    fn give(self) -> Result<RemoteOutput> {
        match self {
            Self::Output(output) => Ok(output),
            Self::Error(error) => Err(error),
            Self::Call(call) => call(),
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output(output) => f.debug_tuple("Output").field(output).finish(),
            Self::Error(error) => f.debug_tuple("Error").field(error).finish(),
            Self::Call(_) => f.write_str("Call"),
        }
    }
}

impl ScriptedRemote {
    /// Creates a host that expects nothing yet.
    ///
    /// # Panics
    ///
    /// If `host` is not a valid name.
    pub fn new(host: &str) -> Self {
        Self {
            host: HostName::new(host).expect("a valid host name is given"),
            host_key: Fingerprint::of_wire(host.as_bytes()),
            state: Mutex::default(),
        }
    }

    /// Expects, after all earlier expectations, a command whose [text](Call::text) `matches`.
    /// `what` describes it in messages.
    #[must_use]
    pub fn expect_command(
        self,
        what: impl Into<String>,
        matches: impl Fn(&str) -> bool + Send + Sync + 'static,
        reply: Reply,
    ) -> Self {
        self.expect(what.into(), false, Box::new(matches), reply)
    }

    /// Expects, after all earlier expectations, a file whose path `matches`.
    #[must_use]
    pub fn expect_upload(
        self,
        what: impl Into<String>,
        matches: impl Fn(&str) -> bool + Send + Sync + 'static,
        reply: Reply,
    ) -> Self {
        self.expect(what.into(), true, Box::new(matches), reply)
    }

    fn expect(
        self,
        what: String,
        upload: bool,
        matches: Box<dyn Fn(&str) -> bool + Send + Sync>,
        reply: Reply,
    ) -> Self {
        self.state().expected.push_back(Expectation {
            what,
            upload,
            matches,
            reply,
        });
        self
    }

    /// Takes all calls so far, in order.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state().calls)
    }

    /// Checks that all expected calls arrived, and no others.
    ///
    /// # Panics
    ///
    /// If a call was missing or unexpected; the message lists them.
    pub fn finish(&self) {
        let state = self.state();
        let missing: Vec<&str> = state.expected.iter().map(|e| e.what.as_str()).collect();
        assert!(
            missing.is_empty() && state.unexpected.is_empty(),
            "host {}: expected but never came: {missing:?}; unexpected: {:?}",
            self.host,
            state.unexpected,
        );
    }

    fn answer(&self, call: Call) -> Result<RemoteOutput> {
        let text = call.text();
        let upload = matches!(call, Call::Upload(_));
        let mut state = self.state();
        state.calls.push(call);
        if state.closed {
            return Err(Error::new(ErrorKind::Unavailable, "connection is closed"));
        }
        let fits = state
            .expected
            .front()
            .is_some_and(|next| next.upload == upload && (next.matches)(&text));
        let expectation = if fits {
            state.expected.pop_front()
        } else {
            None
        };
        let Some(expectation) = expectation else {
            let next = state.expected.front().map_or("nothing", |next| &next.what);
            let message = format!("unexpected: {text:?} instead of {next}");
            state.unexpected.push(message.clone());
            return Err(Error::new(ErrorKind::Protocol, message));
        };
        // A reply may call this host itself.
        drop(state);
        expectation.reply.give()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ScriptedRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedRemote")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Remote for ScriptedRemote {
    fn host(&self) -> &HostName {
        &self.host
    }

    fn host_key(&self) -> Fingerprint {
        self.host_key
    }

    async fn exec(&self, run: &Run, command: &RemoteCommand) -> Result<RemoteOutput> {
        run.check()?;
        self.answer(Call::Exec(command.clone()))
    }

    async fn upload(&self, run: &Run, upload: &Upload) -> Result<()> {
        run.check()?;
        let call = Call::Upload(Upload {
            path: upload.path.clone(),
            content: upload.content.clone(),
            mode: upload.mode,
            owner: upload.owner.clone(),
        });
        self.answer(call)?.success()?;
        Ok(())
    }

    async fn close(&self) {
        self.state().closed = true;
    }
}

fn text_of(line: &CommandLine) -> String {
    match line {
        CommandLine::Argv(argv) => argv.join(" "),
        CommandLine::Script(script) => script.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn command(word: &str) -> RemoteCommand {
        RemoteCommand::argv([word], Duration::from_secs(1))
    }

    #[tokio::test(flavor = "current_thread")]
    async fn answers_in_order_and_records_every_call() {
        let host = ScriptedRemote::new("app-1")
            .expect_command("one", |text| text == "one", Reply::stdout("1"))
            .expect_command("two", |text| text == "two", Reply::failure(7, "no"));
        let run = Run::default();
        assert_eq!(host.exec(&run, &command("one")).await.unwrap().stdout, "1");
        let second = host.exec(&run, &command("two")).await.unwrap();
        assert_eq!(second.exit, Exit::Code(7));
        host.finish();
        let texts: Vec<String> = host.take_calls().iter().map(Call::text).collect();
        assert_eq!(texts, ["one", "two"]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn unexpected_command_fails_and_is_reported() {
        let host = ScriptedRemote::new("app-1").expect_command(
            "the first",
            |text| text == "one",
            Reply::stdout(""),
        );
        let error = host
            .exec(&Run::default(), &command("two"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("instead of the first"));
        let report = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| host.finish()));
        assert!(report.is_err());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn cancelled_run_and_closed_connection_get_no_answer() {
        let host = ScriptedRemote::new("app-1");
        let run = Run::default();
        run.cancellation().cancel();
        let error = host.exec(&run, &command("one")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        host.close().await;
        let error = host
            .exec(&Run::default(), &command("one"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}
