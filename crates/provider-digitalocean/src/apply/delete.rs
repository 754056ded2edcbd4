//! Deleting: by the ids of the approved plan, tags read again right before, proven gone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stagecraft_core::{
    ApplyReport, Error, ErrorKind, Event, Host, HostId, HostName, HostRef, Result, seconds, tags,
};
use tokio::time::Instant;

use super::{Apply, delete_failure, fail, timeout};
use crate::error::{ApiError, provider_error};
use crate::facts::list_all_hosts;
use crate::wire::TagEnvelope;

/// How old the tags may be on which a delete rests.
const FRESH: Duration = Duration::from_secs(2);

/// A host on its way out.
#[derive(Debug)]
struct Leaving<'p> {
    entry: &'p HostRef,
    is_accepted: bool,
}

impl Apply<'_> {
    /// Deletes hosts and waits until they are gone. What is already gone counts as deleted.
    pub(crate) async fn delete(&self, entries: &[HostRef], report: &mut ApplyReport) {
        let started = Instant::now();
        let mut pins = BTreeSet::new();
        let mut leaving: Vec<Leaving<'_>> = entries
            .iter()
            .map(|entry| Leaving {
                entry,
                is_accepted: false,
            })
            .collect();
        while !leaving.is_empty() {
            // Every host of the account, so that one which lost its tags is not taken for gone.
            let hosts = match list_all_hosts(self.client, self.run, self.environment).await {
                Ok(hosts) => hosts,
                Err(error) => return self.fail_all(&leaving, &error, report),
            };
            self.drop_gone(&mut leaving, &hosts, report);
            self.send_deletes(&mut leaving, &hosts, &mut pins, report)
                .await;
            if leaving.is_empty() {
                break;
            }
            if self.run.check().is_err() {
                return self.interrupted(leaving, report);
            }
            let elapsed = started.elapsed();
            if elapsed >= self.poll.deadline.get() {
                let error = timeout(&format!("it is still there after {}", seconds(elapsed)));
                return self.fail_all(&leaving, &error, report);
            }
            let names: Vec<&str> = leaving
                .iter()
                .map(|host| host.entry.name.as_str())
                .collect();
            self.run.emit(Event::Waiting {
                host: None,
                what: format!("droplets to be gone: {}", names.join(", ")),
                elapsed,
                deadline: self.poll.deadline.get(),
            });
            if self.run.sleep(self.poll.interval.get()).await.is_err() {
                return self.interrupted(leaving, report);
            }
        }
        self.drop_pins(pins).await;
    }

    fn drop_gone(&self, leaving: &mut Vec<Leaving<'_>>, hosts: &[Host], report: &mut ApplyReport) {
        let left: BTreeSet<&HostId> = hosts.iter().map(|host| &host.id).collect();
        leaving.retain(|host| {
            let entry = host.entry;
            if left.contains(&entry.id) {
                return true;
            }
            if let Ok(host) = HostName::new(entry.name.clone()) {
                self.run.emit(Event::HostGone {
                    host,
                    id: entry.id.as_str().to_owned(),
                });
            }
            report.deleted.push(entry.clone());
            false
        });
    }

    /// Sends the deletes that were not accepted yet, as long as the tags are fresh.
    async fn send_deletes(
        &self,
        leaving: &mut Vec<Leaving<'_>>,
        hosts: &[Host],
        pins: &mut BTreeSet<String>,
        report: &mut ApplyReport,
    ) {
        let read = Instant::now();
        let by_id: BTreeMap<&HostId, &Host> = hosts.iter().map(|host| (&host.id, host)).collect();
        let mut kept = Vec::new();
        for mut host in leaving.drain(..) {
            let Some(found) = by_id.get(&host.entry.id).filter(|_| !host.is_accepted) else {
                kept.push(host);
                continue;
            };
            if self.run.check().is_err() || read.elapsed() > FRESH {
                kept.push(host);
                continue;
            }
            match self.send_delete(found).await {
                Ok(is_accepted) => {
                    host.is_accepted = is_accepted;
                    pins.extend(found.tags.iter().filter(|tag| is_pin(tag)).cloned());
                    kept.push(host);
                }
                Err(error) => {
                    let failure = delete_failure(self.environment, host.entry, error);
                    fail(self.run, failure, report);
                }
            }
        }
        *leaving = kept;
    }

    /// Sends one delete. `false`: the droplet has another event pending, so try again later.
    async fn send_delete(&self, host: &Host) -> Result<bool> {
        if !tags::is_owned(host, self.project, self.environment) {
            return Err(provider_error(
                ErrorKind::Guard,
                "it no longer bears the tags of this environment",
            ));
        }
        self.run.before_write().await?;
        let path = format!("/v2/droplets/{}", host.id);
        match self.client.delete(self.run, &path).await {
            Ok(()) => {
                if let Some(name) = &host.name {
                    self.run.emit(Event::HostDeleteAccepted {
                        host: name.clone(),
                        id: host.id.as_str().to_owned(),
                    });
                }
                Ok(true)
            }
            Err(ApiError::Refused {
                status: 422,
                message,
                ..
            }) if message.contains("event") => Ok(false),
            Err(error) => Err(error.into_error("delete_host")),
        }
    }

    /// What was accepted goes on without us; nothing was sent for the others.
    fn interrupted(&self, leaving: Vec<Leaving<'_>>, report: &mut ApplyReport) {
        for host in leaving {
            if host.is_accepted {
                let failure = delete_failure(self.environment, host.entry, Error::cancelled());
                fail(self.run, failure, report);
            } else {
                let name = HostName::new(host.entry.name.clone());
                report.not_tried.extend(name.ok());
            }
        }
    }

    fn fail_all(&self, leaving: &[Leaving<'_>], error: &Error, report: &mut ApplyReport) {
        for host in leaving {
            let failure = delete_failure(self.environment, host.entry, error.duplicate());
            fail(self.run, failure, report);
        }
    }

    /// Removes pins that no droplet bears any more. The environment's own tag stays: deleting
    /// a tag takes it from droplets too, also from one that no list shows yet. A tag that is
    /// left behind costs nothing, so a failure here is no failure.
    async fn drop_pins(&self, pins: BTreeSet<String>) {
        for tag in pins {
            let path = format!("/v2/tags/{tag}");
            let result = match self.client.get::<TagEnvelope>(self.run, &path, &[]).await {
                Ok(found) if found.tag.resources.count == 0 => {
                    self.client.delete(self.run, &path).await
                }
                Ok(_) => continue,
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                tracing::warn!(%tag, %error, "a tag was left behind");
            }
        }
    }
}

fn is_pin(tag: &str) -> bool {
    stagecraft_core::Fingerprint::from_tag(tag).is_some()
}
