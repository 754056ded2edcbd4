//! Deletes hosts by the ids of the approved plan.
//!
//! Tags are read again right before. A host counts as deleted once the cloud no longer lists it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stagecraft_core::{
    ApplyReport, Error, ErrorKind, Event, Host, HostId, HostName, HostRef, Leftover, PlanMode,
    Result, Retry, seconds, tags,
};
use tokio::time::Instant;

use super::leftover::leaves_behind;
use super::target::Target;
use super::{Apply, delete_failure, fail, timeout};
use crate::client::{Patience, Shown};
use crate::clock::Moment;
use crate::error::{ApiError, provider_error};
use crate::facts::{hosts_once, list_hosts, shown_droplets};
use crate::retry::ATTEMPTS;
use crate::side_by_side::side_by_side;
use crate::wire::{Droplet, DropletEnvelope};

/// Oldest tags on which a delete may rely.
const FRESH: Duration = Duration::from_secs(2);
/// Most concurrent deletes.
const DELETES: usize = 20;
/// Pauses before the first checks whether hosts are gone. Later ones use the poll interval.
const FIRST_LOOKS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// A host that is being deleted.
#[derive(Debug)]
struct Leaving<'p> {
    entry: &'p HostRef,
    is_accepted: bool,
    /// How many deletes of it ended without a reliable answer.
    attempts: u32,
    /// What it leaves behind, once read.
    leftovers: Option<Vec<Leftover>>,
}

/// Tags of single hosts and runs: host key fingerprints, run ids, times.
#[derive(Debug, Default)]
struct Passing {
    /// On hosts that are being deleted.
    left: BTreeSet<String>,
    /// On hosts that stay.
    kept: BTreeSet<String>,
    /// Whether an unshifted list has shown which hosts have which of them.
    is_proven: bool,
}

/// The outcome of one delete request.
#[derive(Debug)]
enum Sent {
    Accepted,
    /// Nothing was sent, or the API refused for now. To be retried with freshly read tags.
    Later,
    /// The effect is unknown. To be retried a limited number of times.
    Unknown(ApiError),
    Refused(Error),
}

impl Apply<'_> {
    /// Deletes hosts and waits until they are gone. Deleting a missing host succeeds.
    pub(crate) async fn delete(&self, entries: &[HostRef], report: &mut ApplyReport) {
        let started = Instant::now();
        let patience = self.client.patience();
        let mut looks = FIRST_LOOKS.into_iter();
        let mut passing = Passing::default();
        let mut leaving: Vec<Leaving<'_>> = entries
            .iter()
            .map(|entry| Leaving {
                entry,
                is_accepted: false,
                attempts: 0,
                leftovers: None,
            })
            .collect();
        // Read at least once: a tag is deleted only if no droplet, GPU or other, has it.
        let mut with_gpus = true;
        while !leaving.is_empty() {
            let elapsed = started.elapsed();
            let has_time = elapsed < self.poll.deadline.get();
            // Every host of the account, so that a host that lost its tags does not count as gone.
            let listed = self.all_hosts(&mut leaving, with_gpus).await;
            match listed {
                Ok(shown) => {
                    let hosts = shown.items;
                    passing.is_proven |= shown.is_whole;
                    if shown.is_whole {
                        let left = hosts.iter().map(|host| &host.id).collect();
                        self.drop_gone(&mut leaving, &left, report);
                    }
                    passing.kept.extend(passing_of_others(&leaving, &hosts));
                    with_gpus = self.has_gpus;
                    let before = leaving.iter().filter(|host| host.is_accepted).count();
                    self.send_deletes(&mut leaving, &hosts, &patience, &mut passing, report)
                        .await;
                    if leaving.iter().filter(|host| host.is_accepted).count() > before {
                        looks = FIRST_LOOKS.into_iter();
                    }
                    if !shown.is_whole {
                        self.ask_for_absent(&mut leaving, &hosts, report).await;
                    }
                }
                Err(error) => {
                    let is_under_way = leaving.iter().any(|host| host.is_accepted);
                    if !(has_time && is_under_way && error.retry() == Retry::Exhausted) {
                        return self.fail_all(&leaving, &error, report);
                    }
                }
            }
            if leaving.is_empty() {
                break;
            }
            if self.run.check().is_err() {
                return self.interrupted(leaving, report);
            }
            if !has_time {
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
            let interval = self.poll.interval.get();
            let pause = looks.next().map_or(interval, |look| look.min(interval));
            if self.run.sleep(pause).await.is_err() {
                return self.interrupted(leaving, report);
            }
        }
        self.drop_tags(passing).await;
    }

    /// Lists every host of the account. For each host about to be deleted that shows leftovers,
    /// reads them once and then lists again, since deletes rely on fresh tags.
    async fn all_hosts(&self, leaving: &mut [Leaving<'_>], with_gpus: bool) -> Result<Shown<Host>> {
        let droplets = shown_droplets(self.client, self.run, with_gpus).await?;
        let rich: BTreeSet<String> = droplets
            .items
            .iter()
            .filter(|droplet| leaves_behind(droplet))
            .map(|droplet| droplet.id.to_string())
            .collect();
        let asked = leaving.iter_mut().filter(|host| {
            let is_rich = rich.contains(host.entry.id.as_str());
            is_rich && !host.is_accepted && host.leftovers.is_none()
        });
        let tasks: Vec<_> = asked
            .filter_map(|host| {
                let target = Target::of(host.entry, self.environment)?;
                Some(async move { host.leftovers = Some(self.leftovers(&target).await) })
            })
            .collect();
        if tasks.is_empty() {
            return self.hosts_of_shown(droplets);
        }
        side_by_side(DELETES, tasks).await;
        let droplets = shown_droplets(self.client, self.run, with_gpus).await?;
        self.hosts_of_shown(droplets)
    }

    fn hosts_of_shown(&self, droplets: Shown<Droplet>) -> Result<Shown<Host>> {
        Ok(Shown {
            items: hosts_once(droplets.items, self.scope())?,
            is_whole: droplets.is_whole,
        })
    }

    /// Reads each host that a shifting list did not show. A missing one is gone.
    async fn ask_for_absent(
        &self,
        leaving: &mut Vec<Leaving<'_>>,
        hosts: &[Host],
        report: &mut ApplyReport,
    ) {
        let shown: BTreeSet<&HostId> = hosts.iter().map(|host| &host.id).collect();
        let absent = leaving.iter().map(|host| &host.entry.id);
        let tasks = absent
            .filter(|id| !shown.contains(id))
            .map(|id| async move {
                let path = format!("/v2/droplets/{id}");
                let answer = self.client.get::<DropletEnvelope>(self.run, &path, &[]);
                // A host that cannot be read now stays unknown until the next check.
                let is_gone = matches!(answer.await, Err(ApiError::Refused { status: 404, .. }));
                is_gone.then_some(id)
            });
        let gone = side_by_side(DELETES, tasks.collect()).await;
        let gone: BTreeSet<&HostId> = gone.into_iter().flatten().collect();
        let left = leaving.iter().map(|host| &host.entry.id);
        let left = left.filter(|id| !gone.contains(id)).collect();
        self.drop_gone(leaving, &left, report);
    }

    fn drop_gone(
        &self,
        leaving: &mut Vec<Leaving<'_>>,
        left: &BTreeSet<&HostId>,
        report: &mut ApplyReport,
    ) {
        leaving.retain_mut(|host| {
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
            report
                .leftovers
                .extend(host.leftovers.take().unwrap_or_default());
            false
        });
    }

    /// Sends the deletes that are not accepted yet, concurrently, while the tags are fresh.
    async fn send_deletes(
        &self,
        leaving: &mut Vec<Leaving<'_>>,
        hosts: &[Host],
        patience: &Patience<'_>,
        passing: &mut Passing,
        report: &mut ApplyReport,
    ) {
        let read = Moment::now();
        let by_id: BTreeMap<&HostId, &Host> = hosts.iter().map(|host| (&host.id, host)).collect();
        let mut unknown = None;
        let mut kept = Vec::new();
        let mut tasks = Vec::new();
        let mut tried = Vec::new();
        for host in leaving.drain(..) {
            match by_id.get(&host.entry.id) {
                Some(found) if !host.is_accepted => {
                    tasks.push(self.send_delete(host.entry, found, read, patience));
                    tried.push((host, *found));
                }
                _ => kept.push(host),
            }
        }
        let results = side_by_side(DELETES, tasks).await;
        for ((mut host, found), result) in tried.into_iter().zip(results) {
            let error = match result {
                Sent::Accepted => {
                    host.is_accepted = true;
                    passing.left.extend(passing_of(found));
                    kept.push(host);
                    continue;
                }
                Sent::Later => {
                    kept.push(host);
                    continue;
                }
                Sent::Unknown(error) => {
                    host.attempts += 1;
                    if host.attempts < ATTEMPTS {
                        unknown = Some(error);
                        kept.push(host);
                        continue;
                    }
                    error.into_error("delete_host")
                }
                Sent::Refused(error) => error,
            };
            passing.kept.extend(passing_of(found));
            let failure = delete_failure(self.environment, host.entry, error);
            fail(self.run, failure, report);
        }
        if let Some(error) = unknown {
            self.run.emit(Event::Retrying {
                host: None,
                what: "DELETE /v2/droplets".to_owned(),
                reason: error.to_string(),
                delay: self.poll.interval.get().min(FIRST_LOOKS[0]),
            });
        }
        *leaving = kept;
    }

    /// Refuses to delete a host that differs from the confirmed one, by what was read right before.
    fn check_delete(&self, entry: &HostRef, host: &Host) -> Result<()> {
        let refusal = |message: String| provider_error(ErrorKind::Guard, message);
        if !tags::is_owned(host, self.project, self.environment) {
            let message = "it no longer bears the tags of this environment";
            return Err(refusal(message.to_owned()));
        }
        if host.has_tag(tags::PROTECT_TAG) {
            let error = refusal("it was protected since the plan was made".to_owned());
            let hint = "remove the protection first: `stagecraft infra unprotect`";
            return Err(error.with_hint(hint));
        }
        let name = host.shown_name();
        if name != entry.name {
            return Err(refusal(format!(
                "it is named `{name}` since the plan was made"
            )));
        }
        if self.mode == PlanMode::Reap && tags::expires_at(&host.tags) != entry.expires_at {
            let message = "its end has changed since the plan was made";
            return Err(refusal(message.to_owned()));
        }
        // The plan has none of these, but no wrong plan may delete a protected host.
        let mut protected = self.protected_by_file.iter();
        if protected.any(|own| own.as_str() == name) {
            let error = refusal("the file declares `protect: true` for it".to_owned());
            return Err(error.with_hint("remove `protect: true` from the file first"));
        }
        Ok(())
    }

    /// Sends one delete, relying on tags that were read at `read`.
    async fn send_delete(
        &self,
        entry: &HostRef,
        host: &Host,
        read: Moment,
        patience: &Patience<'_>,
    ) -> Sent {
        if let Err(refusal) = self.check_delete(entry, host) {
            return Sent::Refused(refusal);
        }
        if self.run.check().is_err() {
            return Sent::Later;
        }
        let turn = match self.client.turn_to_write(self.run).await {
            Ok(turn) => turn,
            Err(error) if error.kind() == ErrorKind::Cancelled => return Sent::Later,
            Err(error) => return Sent::Refused(error),
        };
        // The permit, or the renewal before it, may have taken long.
        if !read.is_within(FRESH) {
            return Sent::Later;
        }
        let path = format!("/v2/droplets/{}", host.id);
        let error = match self.client.delete_once(turn, &path).await {
            Ok(()) => {
                if let Some(name) = &host.name {
                    self.run.emit(Event::HostDeleteAccepted {
                        host: name.clone(),
                        id: host.id.as_str().to_owned(),
                    });
                }
                return Sent::Accepted;
            }
            Err(error) => error,
        };
        match patience.after(self.run, "delete", error) {
            Ok(()) => Sent::Later,
            // The droplet has another event pending.
            Err(ApiError::Refused {
                status: 422,
                message,
                ..
            }) if message.contains("event") => Sent::Later,
            Err(error) if matches!(error.retry(), Retry::After(_)) => Sent::Unknown(error),
            Err(error) => Sent::Refused(error.into_error("delete_host")),
        }
    }

    /// Accepted deletes continue in the cloud. Nothing was sent for the other hosts.
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

    /// Deletes tags of single hosts and runs that no droplet has any more.
    ///
    /// The environment's own tag stays: deleting a tag removes it from droplets too, even from one
    /// that no list shows yet. The tags here are only on droplets of one create, one run or one
    /// second. A remaining tag costs nothing, so errors are ignored.
    async fn drop_tags(&self, passing: Passing) {
        let Passing {
            left,
            kept,
            is_proven,
        } = passing;
        // The API's tags ignore case.
        let kept: BTreeSet<String> = kept.iter().map(|tag| tag.to_ascii_lowercase()).collect();
        let unused = left
            .into_iter()
            .filter(|tag| !kept.contains(&tag.to_ascii_lowercase()));
        let tasks = unused.map(|tag| async move {
            if !is_proven && !self.is_borne_by_nobody(&tag).await {
                return;
            }
            // A run that lost the lease leaves them to the new holder.
            if let Err(error) = self.run.before_write().await {
                tracing::warn!(%tag, %error, "a tag was left behind");
                return;
            }
            let path = format!("/v2/tags/{tag}");
            if let Err(error) = self.client.delete(self.run, &path).await {
                tracing::warn!(%tag, %error, "a tag was left behind");
            }
        });
        side_by_side(DELETES, tasks.collect()).await;
    }

    async fn is_borne_by_nobody(&self, tag: &str) -> bool {
        let hosts = list_hosts(self.client, self.run, self.scope(), tag, true).await;
        hosts.is_ok_and(|hosts| hosts.is_empty())
    }
}

fn passing_of(host: &Host) -> Vec<String> {
    let own = host.tags.iter();
    own.filter(|tag| tags::is_passing(tag)).cloned().collect()
}

/// Tags of single hosts and runs on all hosts that stay.
fn passing_of_others(leaving: &[Leaving<'_>], hosts: &[Host]) -> Vec<String> {
    let leaving: BTreeSet<&HostId> = leaving.iter().map(|host| &host.entry.id).collect();
    let staying = hosts.iter().filter(|host| !leaving.contains(&host.id));
    staying.flat_map(passing_of).collect()
}
