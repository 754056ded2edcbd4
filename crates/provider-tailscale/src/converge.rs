//! Brings one host into the network: reads it, decides and acts until nothing is left to do.

use stagecraft_core::{Error, Joined, Result};

use crate::decide::Action;
use crate::error::Failure;
use crate::facts::HostFacts;
use crate::session::Session;
use crate::{install, join};

/// Acts until nothing is left to do. Takes each action at most once.
///
/// Reads the host again before every action. So needless actions are skipped, and a key is never
/// sent to a node with a valid login.
pub(crate) async fn converge(session: &Session<'_>) -> Result<(Joined, Vec<Action>)> {
    let mut done = Vec::new();
    let mut facts = session.read("verify").await?;
    loop {
        let pending = session.target.decide(&facts)?;
        let Some(&action) = pending.first() else {
            return Ok((joined(session, &facts)?, done));
        };
        if done.contains(&action) {
            let summary = action.change(&session.target).summary;
            return Err(Failure::DidNotLast(summary).into());
        }
        if pending.contains(&Action::Join) {
            // A missing key is reported before anything is changed.
            join::auth_key(session).await?;
        }
        session.run.check()?;
        facts = perform(session, action, &facts).await?;
        done.push(action);
    }
}

/// Installs and starts the client, if it is missing or does not answer.
pub(crate) async fn converge_client(session: &Session<'_>) -> Result<Vec<Action>> {
    let mut done = Vec::new();
    let mut facts = session.read("install").await?;
    while let Some(action) = session.target.decide_client(&facts)? {
        if done.contains(&action) {
            let summary = action.change(&session.target).summary;
            return Err(Error::from(Failure::DidNotLast(summary)).with_operation("install"));
        }
        session.run.check()?;
        facts = perform(session, action, &facts).await?;
        done.push(action);
    }
    Ok(done)
}

async fn perform(session: &Session<'_>, action: Action, facts: &HostFacts) -> Result<HostFacts> {
    tracing::debug!(host = %session.remote.host(), action = action.id(), "changing");
    match action {
        Action::Install => {
            install::install(session, &facts.system).await?;
            session.read_settled().await
        }
        Action::Daemon => {
            install::start_daemon(session).await?;
            session.read_settled().await
        }
        Action::Start => join::start(session).await,
        Action::Reconnect => session.await_connection().await,
        Action::Join => join::join(session).await,
        Action::Clean => join::clean(session).await,
        Action::Retag => join::retag(session).await,
        Action::Settings => join::edit_settings(session).await,
    }
}

fn joined(session: &Session<'_>, facts: &HostFacts) -> Result<Joined> {
    let status = facts.status().ok_or(Failure::DaemonSilent)?;
    let joined = session.target.verify(status);
    joined.map_err(|failure| Error::from(failure).with_operation("verify"))
}
