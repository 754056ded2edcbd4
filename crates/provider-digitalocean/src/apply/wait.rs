//! Waits until created hosts are ready: one list per interval for the whole fleet.

use std::collections::BTreeMap;

use stagecraft_core::{
    ApplyReport, EnvironmentName, Error, ErrorKind, Event, Host, HostFailure, HostId, HostName,
    HostRef, HostSink, HostStatus, Result, Retry, seconds, tags,
};
use tokio::time::Instant;

use super::{Apply, fail, failure_of, timeout};
use crate::error::{ApiError, provider_error};
use crate::wire::{ActionEnvelope, DropletEnvelope};

/// A host that exists and is not known to be ready.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) name: HostName,
    pub(super) node: String,
    pub(super) id: HostId,
    pub(super) since: Instant,
    /// The create actions of its request, if this run created it.
    pub(super) actions: Vec<u64>,
    /// Whether the plan creates it.
    pub(super) is_new: bool,
}

impl Pending {
    /// A host that the plan found. `None` if its name does not follow the rule; such hosts are
    /// never declared.
    pub(super) fn existing(host: &HostRef, environment: &EnvironmentName) -> Option<Self> {
        let name = HostName::new(host.name.clone()).ok()?;
        Some(Self {
            node: host.node(environment),
            name,
            id: host.id.clone(),
            since: Instant::now(),
            actions: Vec::new(),
            is_new: false,
        })
    }

    fn failure(&self, cause: Error) -> HostFailure {
        let what = match (cause.kind(), self.is_new) {
            (ErrorKind::Cancelled, _) => "exists and is not ready yet",
            (_, true) => "creation failed",
            (_, false) => "is not usable",
        };
        failure_of(what, &self.name, &self.node, Some(self.id.clone()), cause)
    }
}

impl Apply<'_> {
    /// Checks once, hands over the ready hosts and returns the others.
    pub(super) async fn hand_over_ready(
        &self,
        pending: Vec<Pending>,
        ready: &dyn HostSink,
        report: &mut ApplyReport,
    ) -> Vec<Pending> {
        if pending.is_empty() {
            return pending;
        }
        let hosts = match self.hosts().await {
            Ok(hosts) => hosts,
            Err(error) if self.may_pass(&pending, &error) => return pending,
            Err(error) => {
                self.fail_pending(&pending, &error, report);
                return Vec::new();
            }
        };
        self.tell_doubles(&pending, &hosts, report);
        let hosts: BTreeMap<&HostId, &Host> = hosts.iter().map(|host| (&host.id, host)).collect();
        let mut waiting = Vec::new();
        for host in pending {
            match self.look(&host, hosts.get(&host.id).copied()).await {
                Ok(Some(active)) => {
                    if host.is_new {
                        self.run.emit(Event::HostActive {
                            host: host.name.clone(),
                            id: active.id.as_str().to_owned(),
                            address: active
                                .public_ipv4
                                .map(|ip| ip.to_string())
                                .unwrap_or_default(),
                        });
                        report.created.push(active.clone());
                    }
                    ready.ready(active);
                }
                Ok(None) => waiting.push(host),
                Err(error) => self.fail(&host, error, report),
            }
        }
        waiting
    }

    /// Whether the next check may succeed while one of the hosts still has time.
    fn may_pass(&self, pending: &[Pending], error: &Error) -> bool {
        let deadline = self.poll.deadline.get();
        error.retry() == Retry::Exhausted
            && pending.iter().any(|host| host.since.elapsed() < deadline)
    }

    /// Reports duplicates. Two concurrent runs may both find a host missing and create it; neither
    /// may report success.
    fn tell_doubles(&self, pending: &[Pending], hosts: &[Host], report: &mut ApplyReport) {
        for own in pending.iter().filter(|host| host.is_new) {
            let double = hosts.iter().find(|host| {
                host.id != own.id
                    && host.name.as_ref() == Some(&own.name)
                    && tags::is_owned(host, self.project, self.environment)
            });
            let is_told = report.failed.iter().any(|failure| failure.host == own.name);
            if let Some(double) = double
                && !is_told
            {
                let error = provider_error(
                    ErrorKind::Guard,
                    format!(
                        "droplet '{}' already exists (id {}): another run created it at the same time",
                        own.node, double.id
                    ),
                )
                .with_hint("delete one of the two in the cloud's console");
                self.fail(own, error, report);
            }
        }
    }

    pub(super) async fn wait_until_ready(
        &self,
        mut pending: Vec<Pending>,
        ready: &dyn HostSink,
        report: &mut ApplyReport,
    ) {
        while !pending.is_empty() {
            pending = self.hand_over_ready(pending, ready, report).await;
            let Some(oldest) = pending.iter().map(|host| host.since).min() else {
                break;
            };
            let names: Vec<&str> = pending.iter().map(|host| host.name.as_str()).collect();
            self.run.emit(Event::Waiting {
                host: None,
                what: format!("droplets to become active: {}", names.join(", ")),
                elapsed: oldest.elapsed(),
                deadline: self.poll.deadline.get(),
            });
            if let Err(error) = self.run.sleep(self.poll.interval.get()).await {
                return self.fail_pending(&pending, &error, report);
            }
        }
    }

    /// The host once it is ready, `None` while it may still become so.
    async fn look(&self, pending: &Pending, listed: Option<&Host>) -> Result<Option<Host>> {
        if let Some(host) = listed.filter(|host| host.is_ready()) {
            return Ok(Some(host.clone()));
        }
        if let Some(host) =
            listed.filter(|host| matches!(host.status, HostStatus::Off | HostStatus::Archived))
        {
            return Err(provider_error(
                ErrorKind::Rejected,
                format!("droplet '{}' is switched off", host.node),
            )
            .with_hint("power it on, then run the command again"));
        }
        let elapsed = pending.since.elapsed();
        if listed.is_none() && elapsed > self.poll.list_lag.get() {
            self.check_existence(pending).await?;
        }
        if elapsed < self.poll.deadline.get() {
            return Ok(None);
        }
        let state = match listed {
            None => "it does not show in the list",
            Some(host) if host.public_ipv4.is_none() && host.status == HostStatus::Active => {
                "it is active but has no public address"
            }
            Some(_) => "it is not active",
        };
        Err(timeout(&format!("after {}, {state}", seconds(elapsed))))
    }

    /// Fails if the droplet is gone: a failed create ends as a droplet that answers 404.
    async fn check_existence(&self, pending: &Pending) -> Result<()> {
        let path = format!("/v2/droplets/{}", pending.id);
        match self
            .client
            .get::<DropletEnvelope>(self.run, &path, &[])
            .await
        {
            Ok(_) => return Ok(()),
            Err(ApiError::Refused { status: 404, .. }) => {}
            Err(error) => return Err(error.into_error("read_host")),
        }
        for action in &pending.actions {
            let path = format!("/v2/actions/{action}");
            let answer = self
                .client
                .get::<ActionEnvelope>(self.run, &path, &[])
                .await;
            if let Ok(ActionEnvelope { action }) = answer
                && action.resource_id.map(|id| id.to_string()).as_deref()
                    == Some(pending.id.as_str())
                && action.status == "errored"
            {
                return Err(provider_error(
                    ErrorKind::Rejected,
                    "API error: the create action ended as errored",
                )
                .with_hint("often the region is out of this size: try again, or another region"));
            }
        }
        Err(provider_error(
            ErrorKind::NotFound,
            format!("droplet '{}' not found", pending.node),
        )
        .with_hint("it vanished after the API had accepted it"))
    }

    fn fail(&self, host: &Pending, error: Error, report: &mut ApplyReport) {
        fail(self.run, host.failure(error), report);
    }

    fn fail_pending(&self, pending: &[Pending], error: &Error, report: &mut ApplyReport) {
        for host in pending {
            self.fail(host, error.duplicate(), report);
        }
    }
}
