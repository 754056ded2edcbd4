//! The client and its daemon on a host.

use std::time::Duration;

use stagecraft_core::{Error, RemoteOutput, Result};

use crate::error::Failure;
use crate::facts::System;
use crate::session::{SHORT, Session};
use crate::shell::script;

/// Installs from the vendor's package source, as `scripts/installer.sh` of Tailscale does, but
/// waits for the locks of the package system and retries mirrors that fail briefly.
const INSTALL: &str = include_str!("scripts/install.sh");
/// Checks whether a file system is full.
pub(crate) const FULL: &str = include_str!("scripts/full.sh");
const DAEMON: &str = include_str!("scripts/daemon.sh");

/// Deadline of an installation: five minutes for locks, and the work.
const DEADLINE: Duration = Duration::from_mins(15);

/// Installs the client. Safe to repeat, also after an interrupted installation.
pub(crate) async fn install(session: &Session<'_>, system: &System) -> Result<()> {
    let values = [
        ("os_id", system.id.as_str()),
        ("os_codename", system.codename.as_str()),
    ];
    let output = session
        .script(
            script(&values, &format!("{FULL}{INSTALL}")),
            DEADLINE,
            "install",
        )
        .await?;
    if output.is_success() {
        return Ok(());
    }
    let failure = classify(&output, |line| session.run.redact(line));
    Err(session.evidence(Error::from(failure), "output", &both(&output)))
}

/// Starts the daemon and enables it at boot.
pub(crate) async fn start_daemon(session: &Session<'_>) -> Result<()> {
    let output = session.script(DAEMON.to_owned(), SHORT, "install").await?;
    if output.is_success() {
        return Ok(());
    }
    Err(session.evidence(Error::from(Failure::DaemonSilent), "output", &both(&output)))
}

fn both(output: &RemoteOutput) -> String {
    format!("{}\n{}", output.stdout, output.stderr)
}

/// The last line of a failed script, if it names a full file system.
pub(crate) fn full(stderr: &str) -> Option<&str> {
    let last = stderr.lines().last()?.trim();
    let is_full = [
        "the file system of ",
        "the disk is full",
        "there is no room ",
    ]
    .iter()
    .any(|words| last.starts_with(words));
    is_full.then_some(last)
}

fn classify(output: &RemoteOutput, redact: impl Fn(&str) -> String) -> Failure {
    const LOCK: [&str; 3] = [
        "Could not get lock",
        "Unable to lock",
        "Unable to acquire the dpkg",
    ];
    const FETCH: [&str; 9] = [
        "Could not connect",
        "Couldn't connect",
        "Operation timed out",
        "Temporary failure",
        "Could not resolve",
        "Failed to fetch",
        "Connection timed out",
        "Connection refused",
        "Hash Sum mismatch",
    ];
    let text = both(output);
    let last = output.tail(1).pop().unwrap_or_else(|| "no output".into());
    let line_with = |needles: &[&str]| {
        let found = text
            .lines()
            .find(|line| needles.iter().any(|needle| line.contains(needle)));
        found.map(|line| redact(line.trim()))
    };
    if let Some(line) = full(&output.stderr) {
        Failure::NoRoom(redact(line))
    } else if let Some(line) = line_with(&LOCK) {
        Failure::PackageLock(line)
    } else if let Some(line) = line_with(&FETCH) {
        Failure::Download(line)
    } else {
        Failure::Install(redact(last.trim()))
    }
}

#[cfg(test)]
mod tests {
    use stagecraft_core::Exit;

    use super::*;

    #[test]
    fn what_may_pass_by_itself_is_told_from_what_will_not() {
        for (stderr, expected) in [
            (
                "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7\npackage lists could not be read",
                Failure::PackageLock(
                    "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7".into(),
                ),
            ),
            (
                "curl: (6) Could not resolve host: pkgs.tailscale.com\nno signing key at x",
                Failure::Download("curl: (6) Could not resolve host: pkgs.tailscale.com".into()),
            ),
            (
                "curl: (7) Failed to connect to pkgs.tailscale.com port 443 after 3 ms: Couldn't connect to server\nno signing key at x",
                Failure::Download(
                    "curl: (7) Failed to connect to pkgs.tailscale.com port 443 after 3 ms: Couldn't connect to server".into(),
                ),
            ),
            (
                "curl: (22) The requested URL returned error: 404\nno signing key at x",
                Failure::Install("no signing key at x".into()),
            ),
            (
                "E: Failed to fetch https://x  No space left on device\nthe file system of /var is full (0 of 9 KiB are free): tailscale could not be installed",
                Failure::NoRoom(
                    "the file system of /var is full (0 of 9 KiB are free): tailscale could not be installed".into(),
                ),
            ),
            ("", Failure::Install("no output".into())),
        ] {
            let output = RemoteOutput {
                exit: Exit::Code(1),
                stdout: String::new(),
                stderr: stderr.into(),
            };
            assert_eq!(classify(&output, str::to_owned), expected);
        }
    }
}
