//! Logs in, reconnects and changes settings.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use stagecraft_core::{Error, Exit, RemoteCommand, RemoteOutput, Result, Run, Upload};

use crate::classify::classify_up;
use crate::config::LoginServer;
use crate::error::{Failure, transport};
use crate::facts::HostFacts;
use crate::install::{FULL, full};
use crate::session::{SHORT, Session};
use crate::shell::script;
use crate::status::BackendState;

const PREPARE: &str = include_str!("scripts/prepare.sh");
const UP: &str = include_str!("scripts/up.sh");
const START: &str = include_str!("scripts/start.sh");
const SETTINGS: &str = include_str!("scripts/settings.sh");

/// Deadline of `tailscale up`, which gives up by itself after 60 s and is killed after 90 s.
const UP_DEADLINE: Duration = Duration::from_mins(2);

/// Reads the auth key from the configured source.
pub(crate) async fn auth_key(session: &Session<'_>) -> Result<SecretString> {
    let source = session.auth_key;
    let key = session.run.secret(source).await?;
    let key = key.ok_or_else(|| Failure::KeyMissing(source.to_string()))?;
    if key.expose_secret().contains(char::is_whitespace) {
        return Err(Failure::KeyMalformed(source.to_string()).into());
    }
    Ok(key)
}

/// Logs the node in with the auth key and waits until it is connected.
///
/// The key is sent in a file on tmpfs, never in a command line, which every process on the host
/// could read. The script removes the file however it ends. If the script may not have run, a
/// separate command removes the file, also in a cancelled run. The file name is new each time. A
/// later join or [`clean`] removes the files of killed sessions.
pub(crate) async fn join(session: &Session<'_>) -> Result<HostFacts> {
    let key = auth_key(session).await?;
    prepare(session).await?;
    session.run.check()?;
    let path = key_path(session.target.node.name.as_str());
    let upload = Upload {
        path: path.clone(),
        content: key,
        mode: 0o600,
        owner: None,
    };
    let ended = match session.remote.upload(session.run, &upload).await {
        Ok(()) => {
            session
                .script(up(session, &path), UP_DEADLINE, "join")
                .await
        }
        Err(error) => Err(transport(error, "join")),
    };
    // Codes from 128 on may stand for a signal, after which no trap runs.
    let removed_by_script = ended
        .as_ref()
        .is_ok_and(|output| matches!(output.exit, Exit::Code(code) if code < 128));
    let removed = removed_by_script || remove_key(session, &path).await;
    let joined = match ended {
        Ok(output) => finish_login(session, &output).await,
        Err(error) => Err(error),
    };
    joined.map_err(|error| {
        if removed {
            error
        } else {
            error.with_hint(format!(
                "the auth key may still be on the host: remove {path}, or run again 10 minutes later"
            ))
        }
    })
}

/// Removes the auth keys of killed sessions, 10 minutes after they were sent.
pub(crate) async fn clean(session: &Session<'_>) -> Result<HostFacts> {
    prepare(session).await?;
    session.read("join").await
}

/// Creates the directory for the key and removes stale keys.
async fn prepare(session: &Session<'_>) -> Result<()> {
    let text = format!("{FULL}{PREPARE}");
    let prepared = session.script(text, SHORT, "join").await?;
    if prepared.is_success() {
        return Ok(());
    }
    Err(match full(&prepared.stderr) {
        Some(line) => {
            let failure = Failure::NoRoom(session.run.redact(line));
            Error::from(failure).with_operation("join")
        }
        None => Failure::KeyNotStored(last_line(session, &prepared)).into(),
    })
}

/// A path for this session only, so that another one on the same host keeps its own file.
fn key_path(node: &str) -> String {
    // Each state has its own keys, from the system's random numbers.
    let unique = RandomState::new().build_hasher().finish();
    format!("/run/stagecraft/ts-authkey-{node}-{unique:016x}")
}

/// Removes the key file. Returns whether it is certainly gone.
async fn remove_key(session: &Session<'_>, path: &str) -> bool {
    // A separate run: the key must be removed even if this run was cancelled.
    let run = Run::default();
    let command = RemoteCommand::argv(["rm", "-f", "--", path], SHORT);
    let output = session.remote.exec(&run, &command).await;
    output.is_ok_and(|output| output.is_success())
}

/// Verifies the login. The exit code proves nothing: a wrong key may be an error at once or a
/// timeout, and a node may connect right after the timeout.
async fn finish_login(session: &Session<'_>, output: &RemoteOutput) -> Result<HostFacts> {
    let facts = if output.is_success() {
        session.await_connection().await?
    } else {
        session.read("join").await?
    };
    let Some(status) = facts.status() else {
        return Err(Failure::DaemonSilent.into());
    };
    if status.is_connected() {
        // The tags were requested a moment ago: if they are absent, the server refused them.
        let verified = session.target.verify(status);
        verified.map_err(|failure| Error::from(failure).with_operation("verify"))?;
        return Ok(facts);
    }
    if status.is_locked_out() {
        let error = Error::from(session.target.locked_out(status));
        return Err(session.with_health(error, Some(&facts)));
    }
    let failure = if status.state == BackendState::NeedsMachineAuth {
        Failure::NeedsApproval(session.target.node.name.to_string())
    } else {
        let text = format!("{}\n{}", output.stdout, output.stderr);
        let health = status.evidence();
        let health: Vec<String> = health.iter().map(|h| session.run.redact(h)).collect();
        classify_up(&session.run.redact(&text), &health)
    };
    let error = session.evidence(Error::from(failure), "output", &output.stderr);
    Err(session.with_health(error, Some(&facts)))
}

/// Requests the tags with the node's login.
///
/// If the server requires a new login for them, the node loses its login, and the next decision is
/// to join with the key.
pub(crate) async fn retag(session: &Session<'_>) -> Result<HostFacts> {
    let output = session.script(up(session, ""), UP_DEADLINE, "join").await?;
    if !output.is_success() {
        let facts = session.read("join").await?;
        if facts.status().is_some_and(|status| !status.has_login()) {
            return Ok(facts);
        }
        if facts
            .status()
            .is_some_and(|status| status.is_connected() && session.target.verify(status).is_ok())
        {
            return Ok(facts);
        }
        let text = format!("{}\n{}", output.stdout, output.stderr);
        let failure = classify_up(&session.run.redact(&text), &[]);
        return Err(session.evidence(Error::from(failure), "output", &output.stderr));
    }
    finish_login(session, &output).await
}

/// Connects a stopped node again. Needs no key, because the node has a login.
pub(crate) async fn start(session: &Session<'_>) -> Result<HostFacts> {
    let output = session
        .script(START.to_owned(), UP_DEADLINE, "join")
        .await?;
    if output.is_success() {
        return session.await_connection().await;
    }
    let facts = session.read("join").await?;
    // An expired login shows only now. The next decision is to join with the key.
    if facts.status().is_some_and(|status| !status.has_login()) {
        return Ok(facts);
    }
    finish_login(session, &output).await
}

/// Changes the settings with `tailscale set`, which does not log in and keeps unnamed settings.
pub(crate) async fn edit_settings(session: &Session<'_>) -> Result<HostFacts> {
    let output = session
        .script(script(&settings(session), SETTINGS), SHORT, "join")
        .await?;
    if !output.is_success() {
        let text = format!("{}\n{}", output.stdout, output.stderr);
        let failure = classify_up(&session.run.redact(&text), &[]);
        return Err(session.evidence(Error::from(failure), "output", &output.stderr));
    }
    let facts = session.await_connection().await?;
    session.await_name(facts).await
}

/// The `tailscale up` command with every setting: the client refuses it if one is missing.
fn up(session: &Session<'_>, key_file: &str) -> String {
    let config = session.target.config;
    let tags = session.target.tag_list();
    let server = config.login_server.as_ref().map_or("", LoginServer::as_str);
    let [name, accept_dns] = settings(session);
    let values = [
        name,
        accept_dns,
        ("key_file", key_file),
        ("tags", &tags),
        ("login_server", server),
    ];
    script(&values, UP)
}

fn settings<'a>(session: &'a Session<'_>) -> [(&'static str, &'a str); 2] {
    let config = session.target.config;
    let accept_dns = if config.accept_dns { "true" } else { "false" };
    [
        ("node_name", session.target.node.name.as_str()),
        ("accept_dns", accept_dns),
    ]
}

fn last_line(session: &Session<'_>, output: &RemoteOutput) -> String {
    let last = output.tail(1).pop().unwrap_or_else(|| "no output".into());
    session.run.redact(last.trim())
}
