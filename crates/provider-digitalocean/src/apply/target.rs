//! An existing host that an apply changes by itself.

use reqwest::Method;
use stagecraft_core::{
    EnvironmentName, Error, ErrorKind, Event, Host, HostFailure, HostId, HostName, HostRef, Result,
    seconds,
};
use std::time::Duration;
use tokio::time::Instant;

use super::{Apply, failure_of, timeout};
use crate::error::{ApiError, provider_error};
use crate::facts::hosts_of;
use crate::wire::{ActionEnvelope, Droplet, DropletAction, DropletEnvelope, StartedAction};

#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) name: HostName,
    pub(super) node: String,
    pub(super) id: HostId,
}

impl Target {
    /// A host that the plan found. `None` if its name does not follow the rule; such hosts are
    /// never declared.
    pub(super) fn of(host: &HostRef, environment: &EnvironmentName) -> Option<Self> {
        let name = HostName::new(host.name.clone()).ok()?;
        Some(Self {
            node: host.node(environment),
            name,
            id: host.id.clone(),
        })
    }

    pub(super) fn failure(&self, what: &str, cause: Error) -> HostFailure {
        failure_of(what, &self.name, &self.node, Some(self.id.clone()), cause)
    }
}

impl Apply<'_> {
    /// Reads the current state of one host.
    pub(super) async fn read_host(&self, target: &Target) -> Result<Host> {
        let droplet = self.read_droplet(target).await?;
        let hosts = hosts_of(self.client, self.run, vec![droplet], self.scope());
        let host = hosts.await?.pop();
        Ok(host.expect("one droplet is one host"))
    }

    async fn read_droplet(&self, target: &Target) -> Result<Droplet> {
        let path = format!("/v2/droplets/{}", target.id);
        let answer: Result<DropletEnvelope, ApiError> = self.client.get(self.run, &path, &[]).await;
        answer
            .map(|envelope| envelope.droplet)
            .map_err(|error| error.into_error("read_host"))
    }

    /// Runs an action on a droplet and waits until it is `reached`. Does nothing if it already is.
    ///
    /// The droplet's state decides, not the action's answer, so lost answers and actions of a
    /// killed run do no harm. Waits while another action runs on the droplet.
    pub(super) async fn reach(
        &self,
        target: &Target,
        action: DropletAction<'_>,
        what: &str,
        time: Duration,
        reached: impl Fn(&Droplet) -> bool,
    ) -> Result<()> {
        let started = Instant::now();
        let mut sent = None;
        loop {
            let droplet = self.read_droplet(target).await?;
            if reached(&droplet) && !droplet.locked {
                return Ok(());
            }
            match sent {
                Some(id) => self.check_action(id, action.kind).await?,
                None if !droplet.locked && droplet.status == action.needs() => {
                    sent = self.start(target, action).await?;
                }
                None => {}
            }
            let elapsed = started.elapsed();
            if elapsed >= time {
                let error = timeout(&format!("after {}, it is not {what}", seconds(elapsed)));
                return Err(error);
            }
            self.run.emit(Event::Waiting {
                host: Some(target.name.clone()),
                what: format!("droplet '{}' to be {what}", target.node),
                elapsed,
                deadline: time,
            });
            self.run.sleep(self.poll.interval.get()).await?;
        }
    }

    /// Fails if the action ended without effect. An action that cannot be read yet counts as
    /// running.
    async fn check_action(&self, id: u64, kind: &str) -> Result<()> {
        let path = format!("/v2/actions/{id}");
        let answer: Result<ActionEnvelope, ApiError> = self.client.get(self.run, &path, &[]).await;
        match answer {
            Ok(envelope) if envelope.action.status == "errored" => Err(provider_error(
                ErrorKind::Rejected,
                format!("API error: the {kind} action ended as errored"),
            )),
            Err(ApiError::Cancelled) => Err(ApiError::Cancelled.into_error("read_action")),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Sends an action. Returns `None` if another action runs on the droplet, or the state is
    /// reached already.
    async fn start(&self, target: &Target, action: DropletAction<'_>) -> Result<Option<u64>> {
        self.run.before_write().await?;
        let path = format!("/v2/droplets/{}/actions", target.id);
        let answer = self
            .client
            .dated::<StartedAction>(self.run, Method::POST, &path, Some(&action))
            .await;
        let error = match answer {
            Ok(started) => return Ok(Some(started.body.action.id)),
            Err(error) => error,
        };
        let hint = match &error {
            ApiError::Refused {
                status: 422,
                message,
                ..
            } => {
                // The first also answers an action that is retried after a lost answer.
                if message.contains("event") || message.contains("already powered") {
                    return Ok(None);
                }
                // https://github.com/digitalocean/api-v2/issues/117
                let is_full = message.contains("too large to fit");
                is_full.then_some("its machine has no room for this size: replace the host, or choose a smaller size")
            }
            _ => None,
        };
        let error = error.into_error("change_host");
        Err(match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        })
    }
}
