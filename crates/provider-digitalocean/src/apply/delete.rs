//! Deleting: by the ids of the approved plan, tags read again right before, proven gone.

use std::collections::{BTreeMap, BTreeSet};

use stagecraft_core::{
    ApplyReport, Error, ErrorKind, Event, Host, HostId, HostName, HostRef, seconds, tags,
};
use tokio::time::Instant;

use super::{Apply, delete_failure, timeout};
use crate::error::{ApiError, provider_error};
use crate::facts::list_hosts;

impl Apply<'_> {
    /// Deletes hosts and waits until they are gone. What is already gone counts as deleted.
    pub(crate) async fn delete(&self, entries: &[HostRef], report: &mut ApplyReport) {
        if entries.is_empty() {
            return;
        }
        let before = match list_hosts(self.client, self.run, self.environment).await {
            Ok(hosts) => hosts,
            Err(error) => {
                let failed = entries
                    .iter()
                    .map(|host| delete_failure(host, error.duplicate()));
                report.failed.extend(failed);
                return;
            }
        };
        let by_id: BTreeMap<&HostId, &Host> = before.iter().map(|host| (&host.id, host)).collect();
        let mut pending = Vec::new();
        for entry in entries {
            if self.run.check().is_err() {
                report
                    .not_tried
                    .extend(HostName::new(entry.name.clone()).ok());
                continue;
            }
            match self.delete_one(entry, by_id.get(&entry.id).copied()).await {
                Ok(()) => pending.push(entry),
                Err(error) => report.failed.push(delete_failure(entry, error)),
            }
        }
        self.wait_until_gone(pending, report).await;
        self.drop_tags(&before, report).await;
    }

    async fn delete_one(&self, entry: &HostRef, host: Option<&Host>) -> Result<(), Error> {
        // A host that the list does not show is gone, or lost its tags since the plan: by its
        // id alone it must not be deleted.
        if let Some(host) = host {
            if !tags::is_owned(host, self.project, self.environment) {
                return Err(provider_error(
                    ErrorKind::Guard,
                    "it no longer bears the tags of this environment",
                ));
            }
            self.send_delete(&entry.id).await?;
            if let Some(name) = &host.name {
                self.run.emit(Event::HostDeleteAccepted {
                    host: name.clone(),
                    id: entry.id.as_str().to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Sends the delete, again while the droplet has another event pending.
    async fn send_delete(&self, id: &HostId) -> Result<(), Error> {
        let path = format!("/v2/droplets/{id}");
        let started = Instant::now();
        loop {
            match self.client.delete(self.run, &path).await {
                Ok(()) => return Ok(()),
                Err(
                    ref error @ ApiError::Refused {
                        status: 422,
                        ref message,
                        ..
                    },
                ) if message.contains("event") && started.elapsed() < self.poll.deadline.get() => {
                    let pause = self.poll.interval.get();
                    self.client
                        .pause(self.run, "delete", error, pause)
                        .await
                        .map_err(|error| error.into_error("delete_host"))?;
                }
                Err(error) => return Err(error.into_error("delete_host")),
            }
        }
    }

    async fn wait_until_gone(&self, mut pending: Vec<&HostRef>, report: &mut ApplyReport) {
        let started = Instant::now();
        while !pending.is_empty() {
            let left: BTreeSet<HostId> =
                match list_hosts(self.client, self.run, self.environment).await {
                    Ok(hosts) => hosts.into_iter().map(|host| host.id).collect(),
                    Err(error) => return fail_pending(&pending, &error, report),
                };
            pending.retain(|entry| {
                if left.contains(&entry.id) {
                    return true;
                }
                if let Ok(host) = HostName::new(entry.name.clone()) {
                    self.run.emit(Event::HostGone {
                        host,
                        id: entry.id.as_str().to_owned(),
                    });
                }
                report.deleted.push((*entry).clone());
                false
            });
            if pending.is_empty() {
                return;
            }
            let elapsed = started.elapsed();
            if elapsed >= self.poll.deadline.get() {
                let error = timeout(&format!("it is still there after {}", seconds(elapsed)));
                return fail_pending(&pending, &error, report);
            }
            let names: Vec<&str> = pending.iter().map(|entry| entry.name.as_str()).collect();
            self.run.emit(Event::Waiting {
                host: None,
                what: format!("droplets to be gone: {}", names.join(", ")),
                elapsed,
                deadline: self.poll.deadline.get(),
            });
            if let Err(error) = self.run.sleep(self.poll.interval.get()).await {
                return fail_pending(&pending, &error, report);
            }
        }
    }

    /// Removes the tags that only the deleted hosts bore: their pins, and the environment's
    /// own tag with its last host. A tag that stays costs nothing, so a failure is no failure.
    async fn drop_tags(&self, before: &[Host], report: &ApplyReport) {
        let gone: BTreeSet<&HostId> = report.deleted.iter().map(|host| &host.id).collect();
        let (gone, left): (Vec<&Host>, Vec<&Host>) =
            before.iter().partition(|host| gone.contains(&host.id));
        let mut drop: BTreeSet<String> = gone
            .iter()
            .flat_map(|host| host.host_keys())
            .map(|key| key.tag())
            .filter(|tag| !left.iter().any(|host| host.has_tag(tag)))
            .collect();
        if left.is_empty() && !gone.is_empty() {
            drop.insert(tags::environment_tag(self.environment));
        }
        for tag in drop {
            let path = format!("/v2/tags/{tag}");
            if let Err(error) = self.client.delete(self.run, &path).await {
                tracing::warn!(%tag, %error, "a tag was left behind");
            }
        }
    }
}

fn fail_pending(pending: &[&HostRef], error: &Error, report: &mut ApplyReport) {
    let failed = pending
        .iter()
        .map(|entry| delete_failure(entry, error.duplicate()));
    report.failed.extend(failed);
}
