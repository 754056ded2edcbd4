//! The lock on a host: a run meets what an earlier one left running there.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stagecraft_core::{
    CommandLine, Error, ErrorKind, Exit, Fingerprint, HostName, Login, Remote, RemoteCommand,
    RemoteOutput, Result, Run, Upload, seconds, shell_quote,
};

/// The lock's file on a host. In `/run`, where only root can make or replace it. Nobody else may
/// read it either: who has a file open may lock it, and would hold up every run.
pub const LOCK_PATH: &str = "/run/stagecraft.lock";

/// What the wrapper prints when it gives up, before the holder.
const HELD: &str = "stagecraft-lock-held: ";
/// What the wrapper prints when there is no lock to be had, before the reason, which may be empty.
const LOCKLESS: &str = "stagecraft-lock-missing: ";
const HELD_CODE: u32 = 75;
/// What the wrapper prints when it has ended the command.
const LATE: &str = "stagecraft-lock-late: ";
/// How `timeout -k` ends that was late: after SIGTERM, of GNU and of uutils before 0.8 (Ubuntu 25.10,
/// <https://github.com/uutils/coreutils/pull/11392>), and after SIGKILL.
const LATE_CODES: [u32; 3] = [124, 125, 137];
/// Finds out whether a file system is full.
const FULL: &str = include_str!("steps/full.sh");
/// Removes what killed commands have left on the host.
const SWEEP: &str = include_str!("lock/sweep.sh");
/// The lines of output that tell how far it came.
const LATE_LINES: usize = 5;

/// A connection whose commands run one at a time on the host, whoever sends them.
///
/// A command that outlives the program which sent it (a laptop that was closed, a second
/// Ctrl-C) keeps the lock until it ends, so a rerun never works beside its own predecessor.
/// The lock is `flock(2)`'s: it cannot be left behind. What a command starts in the background
/// does not inherit it. Uploads are not locked, since they are atomic.
///
/// Before each command, the lock held, what killed ones have left on the host is removed.
///
/// The host itself ends a command shortly before its deadline, with all that belongs to its
/// process group, so that a hanging one does not keep the lock after nobody waits for it.
#[derive(Debug)]
pub struct LockedRemote {
    inner: Arc<dyn Remote>,
    label: String,
    wait: Duration,
}

impl LockedRemote {
    /// Wraps a connection. `label` tells others who holds the lock; `wait` is the longest time
    /// that a command waits for it, on top of the command's own deadline.
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

/// The holder, which could not leave its name if `/run` was full.
fn held_by(holder: &str) -> String {
    match holder {
        "" => "an unknown process".to_owned(),
        holder => format!("process {holder}"),
    }
}

/// The error of a host on which the lock's file cannot be made. Only a full file system is known
/// to stay so.
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

/// Seconds from the request to end a command to its certain end.
const KILL_AFTER: u64 = 5;

/// The whole seconds after which the host ends a command: a tenth before the deadline, at most
/// 10 s, so that its answer still arrives.
fn limit(deadline: Duration) -> u64 {
    let margin = (deadline / 10).min(Duration::from_secs(10));
    deadline.saturating_sub(margin).as_secs().max(1)
}

/// A word that is no line of the text.
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

    /// As the wrapped connection's, under the lock.
    ///
    /// # Errors
    ///
    /// Also [`ErrorKind::Timeout`], with the holder, if the lock was not free in time: the
    /// command was not run; or with the last output, if the host has ended the command.
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
