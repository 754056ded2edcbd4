//! The lock on a host: a run meets what an earlier one left running there.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stagecraft_core::{
    CommandLine, Error, ErrorKind, Exit, Fingerprint, HostName, Remote, RemoteCommand,
    RemoteOutput, Result, Run, Upload, seconds,
};

use crate::quote::quote;

/// The lock's file on a host. In `/run`, where only root can make or replace it.
pub const LOCK_PATH: &str = "/run/stagecraft.lock";

/// What the wrapper prints when it gives up, before the holder.
const HELD: &str = "stagecraft-lock-held: ";
const HELD_CODE: u32 = 75;

/// A connection whose commands run one at a time on the host, whoever sends them.
///
/// A command that outlives the program which sent it (a laptop that was closed, a second
/// Ctrl-C) keeps the lock until it ends, so a rerun never works beside its own predecessor.
/// The lock is `flock(2)`'s: it cannot be left behind. What a command starts in the background
/// does not inherit it. Uploads are not locked, since they are atomic.
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

    fn wrap(&self, line: &CommandLine) -> String {
        let body = match line {
            CommandLine::Script(script) => script.clone(),
            CommandLine::Argv(argv) => {
                let words: Vec<String> = argv.iter().map(|word| quote(word)).collect();
                words.join(" ")
            }
        };
        let label = quote(&self.label);
        let wait = self.wait.as_secs().max(1);
        format!(
            "exec 9>>{LOCK_PATH} || exit 1\n\
             if ! flock -w {wait} 9; then\n\
             read -r holder <{LOCK_PATH}\n\
             echo \"{HELD}$holder\" >&2\n\
             exit {HELD_CODE}\n\
             fi\n\
             echo \"$$\" {label} >{LOCK_PATH}\n\
             (\n{body}\n) 9>&- </dev/null\n"
        )
    }
}

#[async_trait]
impl Remote for LockedRemote {
    fn host(&self) -> &HostName {
        self.inner.host()
    }

    fn host_key(&self) -> Fingerprint {
        self.inner.host_key()
    }

    /// As the wrapped connection's, under the lock.
    ///
    /// # Errors
    ///
    /// Also [`ErrorKind::Timeout`], with the holder, if the lock was not free in time: the
    /// command was not run.
    async fn exec(&self, run: &Run, command: &RemoteCommand) -> Result<RemoteOutput> {
        let wrapped = RemoteCommand::script(self.wrap(&command.line), command.deadline + self.wait);
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
            .with_context("held by", format!("process {}", holder.trim())));
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
