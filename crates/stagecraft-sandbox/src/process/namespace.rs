//! The namespaces of one host, managed with util-linux's tools.
//!
//! Two user namespaces are nested. The outer one owns the process, network, IPC and host name
//! namespaces and builds the file system. The inner one, in which everything of the host runs, owns
//! nothing but its own copy of the mounts, so its root can neither undo them nor configure what
//! belongs to the outer one.

use std::net::Ipv4Addr;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::driver::DriverError;
use crate::process::identity::Identities;

/// Builds the file system; see the comments there.
const SETUP: &str = include_str!("setup.sh");

/// The script of the host's first process.
const INIT: &str = include_str!("init.sh");

/// The search path, both outside during set-up and inside.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Deadline of creating a host.
const SETUP_DEADLINE: Duration = Duration::from_secs(30);

/// Deadline of a host's own shutdown.
const END_DEADLINE: Duration = Duration::from_secs(2);

/// A host's namespaces, which end when this is dropped.
#[derive(Debug)]
pub(crate) struct Namespaces {
    unshare: Child,
    /// The host ends when this pipe closes, also if this process dies.
    lifeline: Option<ChildStdin>,
    door: Door,
}

/// Enters a host's namespaces.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    /// The process that created the outer user namespace and stayed in it.
    outer_pid: u32,
    /// The host's first process, as seen from outside.
    inner_pid: u32,
    /// The user that owns the namespaces, if it is not our own.
    id: Option<u32>,
}

impl Namespaces {
    /// Creates namespaces for a host; returns when its first process waits.
    ///
    /// Dropping the future removes everything that was created.
    pub(crate) async fn create(
        name: &str,
        address: Ipv4Addr,
        identities: Identities,
    ) -> Result<Self, DriverError> {
        let id = identities.of(address);
        let mut command = unprivileged("unshare", id);
        command
            .args(["--user", "--map-root-user", "--mount", "--pid", "--ipc"])
            .args(["--net", "--uts", "--cgroup", "--fork", "--"])
            .args(["/bin/sh", "-c", SETUP, "setup", name, INIT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut unshare = command.spawn().map_err(|error| DriverError {
            message: format!("unshare (of util-linux) could not be started: {error}"),
        })?;
        let lifeline = unshare.stdin.take();
        let outer_pid = unshare.id().unwrap_or_default();
        let made = tokio::time::timeout(SETUP_DEADLINE, wait_until_ready(&mut unshare)).await;
        let inner_pid = made.map_err(|_| DriverError {
            message: format!(
                "the namespaces of a host were not ready after {} s",
                SETUP_DEADLINE.as_secs()
            ),
        })??;
        let door = Door {
            outer_pid,
            inner_pid,
            id,
        };
        Ok(Self {
            unshare,
            lifeline,
            door,
        })
    }

    /// The way in. It may be kept; entering fails once the host has ended.
    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    /// Ends the host and every process in it.
    pub(crate) async fn end(mut self) {
        drop(self.lifeline.take());
        if self.has_ended().await {
            return;
        }
        // A process inside can stop the one that watches the lifeline. No process inside can
        // survive this.
        let mut kill = unprivileged("/bin/sh", self.door.id);
        kill.args(["-c", "kill -KILL \"$1\"", "sh"])
            .arg(self.door.inner_pid.to_string());
        if let Err(error) = kill.status().await {
            tracing::warn!(%error, "a host could not be killed");
        }
        if !self.has_ended().await {
            tracing::warn!(pid = self.door.inner_pid, "a host did not end");
        }
    }

    async fn has_ended(&mut self) -> bool {
        tokio::time::timeout(END_DEADLINE, self.unshare.wait())
            .await
            .is_ok()
    }
}

impl Door {
    /// Prepares a command that runs inside the host as its root.
    ///
    /// The environment is that of a login. Standard input is empty and output is discarded unless
    /// the caller sets them.
    pub(crate) fn command<'a>(&self, argv: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = unprivileged("nsenter", self.id);
        command
            .args(["--user", "--preserve-credentials"])
            .args(["--net", "--ipc", "--uts", "--cgroup"])
            .arg(format!("--target={}", self.outer_pid))
            .arg(format!(
                "--pid=/proc/{}/ns/pid_for_children",
                self.outer_pid
            ))
            .args([
                "--",
                "nsenter",
                "--user",
                "--preserve-credentials",
                "--mount",
            ])
            .arg(format!("--target={}", self.inner_pid))
            // The working directory can only be changed after entering.
            .args([
                "--",
                "/bin/sh",
                "-c",
                "cd /root 2>/dev/null; unset OLDPWD; exec \"$@\"",
                "sh",
            ])
            .args(argv)
            .env("HOME", "/root")
            .env("USER", "root")
            .env("LOGNAME", "root")
            .env("SHELL", "/bin/sh");
        command
    }

    /// Runs a shell script inside. It is passed on standard input and so appears in no argument
    /// list.
    pub(crate) async fn feed(&self, script: &str) -> Result<Output, DriverError> {
        let failed = |error: std::io::Error| DriverError {
            message: format!("a script could not be run inside a host: {error}"),
        };
        let mut child = self
            .command(["/bin/sh", "-s"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A script that exits early may leave the rest unread.
            if let Err(error) = stdin.write_all(script.as_bytes()).await {
                tracing::debug!(%error, "a script was not read to its end");
            }
        }
        child.wait_with_output().await.map_err(failed)
    }
}

/// Turns a failed run into an error that shows its last lines.
pub(crate) fn check(what: &str, output: &Output) -> Result<(), DriverError> {
    if output.status.success() {
        return Ok(());
    }
    Err(DriverError {
        message: format!(
            "{what} failed ({}): {}",
            describe(output.status),
            String::from_utf8_lossy(&output.stderr).trim()
        ),
    })
}

fn describe(status: ExitStatus) -> String {
    status
        .code()
        .map_or_else(|| status.to_string(), |code| format!("exit code {code}"))
}

/// A command with a clean environment, under a host's user.
fn unprivileged(program: &str, id: Option<u32>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", "C.UTF-8")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(id) = id {
        // Setting the user also drops the supplementary groups.
        command.uid(id).gid(id);
    }
    command
}

/// Reads the first process's id, then waits until it reports that it is ready.
async fn wait_until_ready(unshare: &mut Child) -> Result<u32, DriverError> {
    let (Some(stdout), Some(mut stderr)) = (unshare.stdout.take(), unshare.stderr.take()) else {
        return Err(DriverError {
            message: "unshare has no output".to_owned(),
        });
    };
    let mut pid = None;
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match line.parse::<u32>() {
            Ok(number) => pid = Some(number),
            Err(_) if line == "ready" => {
                return pid.ok_or_else(|| DriverError {
                    message: "a host did not say its process id".to_owned(),
                });
            }
            Err(_) => tracing::debug!(line, "unexpected output while a host was made"),
        }
    }
    let mut complaint = String::new();
    if let Err(error) = stderr.read_to_string(&mut complaint).await {
        tracing::debug!(%error, "the complaint could not be read");
    }
    Err(DriverError {
        message: complaint.trim().to_owned(),
    })
}
