//! The lock on a host: it serializes a run with commands that an earlier one left running.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stagecraft_core::{
    CommandLine, Error, ErrorKind, Exit, Fingerprint, HostName, Login, Remote, RemoteCommand,
    RemoteOutput, Result, Run, Upload, seconds, shell_quote,
};

/// The lock's file on a host. In `/run`, where only root can create or replace it. Others may not
/// read it either: any process with the file open could lock it, and would hold up every run.
pub const LOCK_PATH: &str = "/run/stagecraft.lock";

/// The wrapper's output before the holder, when its wait for the lock ended.
const HELD: &str = "stagecraft-lock-held: ";
/// The wrapper's output before the reason, which may be empty, when no lock is available.
const LOCKLESS: &str = "stagecraft-lock-missing: ";
const HELD_CODE: u32 = 75;
/// The wrapper's output when it has terminated the command.
const LATE: &str = "stagecraft-lock-late: ";
/// The exit codes of `timeout -k` at its limit: after SIGTERM, of GNU and of uutils before 0.8
/// (Ubuntu 25.10, <https://github.com/uutils/coreutils/pull/11392>), and after SIGKILL.
const LATE_CODES: [u32; 3] = [124, 125, 137];
/// Checks whether a file system is full.
const FULL: &str = include_str!("steps/full.sh");
/// Removes what killed commands have left on the host.
const SWEEP: &str = include_str!("lock/sweep.sh");
/// The lines of output that show its progress.
const LATE_LINES: usize = 5;

/// A connection whose commands run one at a time on the host, whichever run sends them.
///
/// A command that outlives its sender (a laptop that was closed, a second Ctrl-C) keeps the
/// lock until it ends, so a rerun never runs concurrently with its predecessor. The lock is
/// `flock(2)`'s: it cannot be left behind. Background processes of a command do not inherit
/// it. Uploads are not locked, since they are atomic.
///
/// Before each command, with the lock held, leftovers of killed ones are removed from the host.
///
/// The host itself terminates a command shortly before its deadline, with its whole process
/// group, so that a hanging one does not keep the lock when nothing waits for it any more.
#[derive(Debug)]
pub struct LockedRemote {
    inner: Arc<dyn Remote>,
    label: String,
    wait: Duration,
}

impl LockedRemote {
    /// Wraps a connection. `label` names the holder of the lock to others; `wait` is the longest
    /// wait of a command for the lock, in addition to its own deadline.
    pub fn new(inner: Arc<dyn Remote>, label: impl Into<String>, wait: Duration) -> Self {
        Self {
            inner,
            label: label.into(),
            wait,
        }
    }

    fn wrap(&self, command: &RemoteCommand) -> String {
        let body = match &command.line {
            CommandLine::Script(script) => script.clone(),
            CommandLine::Argv(argv) => {
                let words: Vec<String> = argv.iter().map(|word| shell_quote(word)).collect();
                words.join(" ")
            }
        };
        let label = shell_quote(&self.label);
        let wait = self.wait.as_secs().max(1);
        let limit = limit(command.deadline);
        let end = end_word(&body);
        let late = LATE_CODES.map(|code| code.to_string()).join(" | ");
        // The script stays on standard input, where no process list shows it, and is read as a
        // whole before any of it runs.
        format!(
            "{FULL}{SWEEP}\
             if ! {{ (umask 077 && : >>{LOCK_PATH}) && chmod 600 {LOCK_PATH}; }}; then\n\
             echo \"{LOCKLESS}$(full /run/)\" >&2\n\
             exit {HELD_CODE}\n\
             fi\n\
             exec 9>>{LOCK_PATH} || exit 1\n\
             if ! flock -w {wait} 9; then\n\
             read -r holder <{LOCK_PATH}\n\
             echo \"{HELD}$holder\" >&2\n\
             exit {HELD_CODE}\n\
             fi\n\
             {{ echo \"$$\" {label} >{LOCK_PATH}; }} 2>/dev/null\n\
             sweep >/dev/null 2>&1\n\
             began=$(date +%s)\n\
             timeout -k {KILL_AFTER} {limit} sh -s 9>&- <<'{end}'\n\
             {{ :; {body}\n}} </dev/null\n\
             {end}\n\
             code=$?\n\
             case $code in {late})\n\
             if [ $(($(date +%s) - began)) -ge {limit} ]; then echo '{LATE}{limit}' >&2; fi ;;\n\
             esac\n\
             exit $code\n"
        )
    }
}

/// Returns the holder, which could not leave its name if `/run` was full.
fn held_by(holder: &str) -> String {
    match holder {
        "" => "an unknown process".to_owned(),
        holder => format!("process {holder}"),
    }
}

/// Returns the error of a host where the lock's file cannot be created. Only a full file system is
/// known to stay so.
fn no_lock(run: &Run, output: &RemoteOutput, reason: &str) -> Error {
    let what = format!("cannot create the lock {LOCK_PATH} on the host");
    if !reason.is_empty() {
        return Error::new(
            ErrorKind::Rejected,
            format!("{what}: {}", run.redact(reason)),
        );
    }
    let lines = output.tail(LATE_LINES);
    lines
        .iter()
        .filter(|line| !line.starts_with(LOCKLESS.trim_end()))
        .fold(Error::new(ErrorKind::CommandFailed, what), |error, line| {
            error.with_context("last output", run.redact(line))
        })
}

/// The longest time, in seconds, from SIGTERM to SIGKILL.
const KILL_AFTER: u64 = 5;

/// Returns the whole seconds after which the host terminates a command: a tenth before the
/// deadline, at most 10 s, so that its answer still arrives.
fn limit(deadline: Duration) -> u64 {
    let margin = (deadline / 10).min(Duration::from_secs(10));
    deadline.saturating_sub(margin).as_secs().max(1)
}

/// Returns a word that is not a line of the text.
fn end_word(text: &str) -> String {
    let mut word = "STAGECRAFT_END".to_owned();
    while text.lines().any(|line| line == word) {
        word.push('_');
    }
    word
}

#[async_trait]
impl Remote for LockedRemote {
    fn host(&self) -> &HostName {
        self.inner.host()
    }

    fn host_key(&self) -> Fingerprint {
        self.inner.host_key()
    }

    fn warnings(&self) -> Vec<String> {
        self.inner.warnings()
    }

    fn login(&self) -> Option<Login> {
        self.inner.login()
    }

    /// Runs the command like the wrapped connection, under the lock.
    ///
    /// # Errors
    ///
    /// Also [`ErrorKind::Timeout`], with the holder, if the lock was not free in time and the
    /// command did not run; or with the last output, if the host has terminated the command.
    /// [`ErrorKind::Rejected`] if `/run` is full and the lock's file does not exist yet.
    async fn exec(&self, run: &Run, command: &RemoteCommand) -> Result<RemoteOutput> {
        let wrapped = RemoteCommand::script(self.wrap(command), command.deadline + self.wait);
        let output = self.inner.exec(run, &wrapped).await?;
        let holder = output
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix(HELD));
        if let (Exit::Code(HELD_CODE), Some(holder)) = (&output.exit, holder) {
            return Err(Error::new(
                ErrorKind::Timeout,
                format!(
                    "waited {} for an earlier run on this host to end",
                    seconds(self.wait)
                ),
            )
            .with_context("lock", LOCK_PATH)
            .with_context("held by", held_by(holder.trim())));
        }
        let lockless = output
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix(LOCKLESS));
        if let (Exit::Code(HELD_CODE), Some(reason)) = (&output.exit, lockless) {
            return Err(no_lock(run, &output, reason.trim()));
        }
        let late = output
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix(LATE));
        let is_late = matches!(&output.exit, Exit::Code(code) if LATE_CODES.contains(code));
        if let Some(limit) = late.filter(|_| is_late) {
            let error = Error::new(
                ErrorKind::Timeout,
                format!("command was ended on the host after {limit}s"),
            );
            let lines = output.tail(LATE_LINES);
            return Err(lines
                .iter()
                .filter(|line| !line.starts_with(LATE))
                .fold(error, |error, line| {
                    error.with_context("last output", run.redact(line))
                }));
        }
        Ok(output)
    }

    async fn upload(&self, run: &Run, upload: &Upload) -> Result<()> {
        self.inner.upload(run, upload).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
