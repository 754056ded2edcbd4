//! Changes the tags of hosts: one call per tag, for many hosts.

use std::collections::BTreeMap;

use reqwest::Method;
use stagecraft_core::{
    ApplyReport, Error, ErrorKind, Host, HostId, InfraPlan, PlanMode, Result, RetagEntry, tags,
    tags::Expiry,
};

use super::resize::is_resizing;
use super::target::Target;
use super::{Apply, fail};
use crate::error::provider_error;
use crate::facts::{list_all_hosts, list_tags};
use crate::tagging::{self, BATCH};

const FAILED: &str = "was not given its tags";

/// Tags to add and remove, with their hosts.
#[derive(Debug, Default)]
struct Changes<'p> {
    put: BTreeMap<String, Vec<&'p HostId>>,
    take: BTreeMap<String, Vec<&'p HostId>>,
}

impl Apply<'_> {
    /// Gives the hosts of a plan their tags. Safe to repeat: existing tags stay.
    ///
    /// The hosts are read again right before. A host with a new owner or name is left alone.
    pub(crate) async fn retag(&self, plan: &InfraPlan, report: &mut ApplyReport) {
        let all: Vec<(&RetagEntry, Target)> = plan
            .retag
            .iter()
            .filter_map(|entry| Some((entry, Target::of(&entry.host, self.environment)?)))
            .collect();
        if all.is_empty() {
            return;
        }
        let hosts = match plan.mode {
            PlanMode::Adopt => list_all_hosts(self.client, self.run, self.scope(), true).await,
            _ => self.hosts().await,
        };
        let hosts = match hosts {
            Ok(hosts) => hosts,
            Err(error) => {
                for (_, target) in &all {
                    fail(self.run, target.failure(FAILED, error.duplicate()), report);
                }
                return;
            }
        };
        let mut left = Vec::new();
        for (entry, target) in all {
            match self.check_retag(plan.mode, entry, &target, &hosts) {
                Ok(host) => left.push((entry, target, host)),
                Err(error) => fail(self.run, target.failure(FAILED, error), report),
            }
        }
        let changes = self.changes(&left);
        let failed = self.send_tags(&changes).await;
        for (entry, target, _) in left {
            match failed.get(&target.id) {
                Some(error) if error.kind() == ErrorKind::Cancelled => {
                    report.not_tried.push(target.name);
                }
                Some(error) => fail(self.run, target.failure(FAILED, error.duplicate()), report),
                // Done once the host is known to run, or is in its project.
                None if is_resizing(entry) || entry.project.is_some() => {}
                None => report.retagged.push(entry.host.clone()),
            }
        }
    }

    fn check_retag<'h>(
        &self,
        mode: PlanMode,
        entry: &RetagEntry,
        target: &Target,
        hosts: &'h [Host],
    ) -> Result<&'h Host> {
        let host = hosts.iter().find(|host| host.id == target.id);
        let host = host.ok_or_else(|| {
            provider_error(
                ErrorKind::NotFound,
                format!("droplet '{}' not found", target.node),
            )
        })?;
        let is_meant = match mode {
            PlanMode::Adopt => {
                host.name.as_ref() == Some(&target.name)
                    && !tags::is_foreign(host, self.project, self.environment)
            }
            _ => tags::is_owned(host, self.project, self.environment),
        };
        if !is_meant {
            let message = "its name or its tags have changed since the plan was made";
            return Err(provider_error(ErrorKind::Guard, message));
        }
        let from = entry.expiry.map(|expiry| expiry.from);
        if from.is_some() && from != tags::expires_at(&host.tags) {
            let message = "its end has changed since the plan was made";
            return Err(provider_error(ErrorKind::Guard, message));
        }
        Ok(host)
    }

    fn changes<'p>(&self, entries: &'p [(&RetagEntry, Target, &Host)]) -> Changes<'p> {
        let mut changes = Changes::default();
        for (entry, target, host) in entries {
            let mut put: Vec<String> = entry.add.clone();
            // An expiry that was set in the meantime stays.
            let ttl = entry.ttl_seconds;
            let ttl = ttl.filter(|_| tags::expires_at(&host.tags).is_none());
            put.extend(ttl.map(|ttl| self.expires_tag(ttl)));
            for tag in put {
                changes.put.entry(tag).or_default().push(&target.id);
            }
            // The resize tag is removed once the host is known to run.
            let take = entry.remove.iter();
            let take = take.filter(|tag| !tag.eq_ignore_ascii_case(tags::RESIZING_TAG));
            for tag in take {
                changes
                    .take
                    .entry(tag.clone())
                    .or_default()
                    .push(&target.id);
            }
        }
        changes
    }

    /// The expiry tag, counted from now.
    pub(super) fn expires_tag(&self, ttl_seconds: u64) -> String {
        Expiry::starting_at(self.making.clock.now(), ttl_seconds).tag()
    }

    /// Sends all changes. Returns the errors of hosts that failed.
    async fn send_tags(&self, changes: &Changes<'_>) -> BTreeMap<HostId, Error> {
        let mut failed: BTreeMap<HostId, Error> = BTreeMap::new();
        let known = if changes.put.is_empty() {
            Ok(Vec::new())
        } else {
            // A tag that cannot be decoded is created again, which changes nothing.
            let listed = list_tags(self.client, self.run).await;
            listed.map(|(tags, _)| tags)
        };
        let mut put: Vec<(&String, &Vec<&HostId>)> = changes.put.iter().collect();
        put.sort_by_key(|(tag, _)| tags::order(tag));
        for (tag, ids) in put {
            // A host without the earlier tags must not become ours by the later ones.
            let mut ids = ids.clone();
            ids.retain(|id| !failed.contains_key(*id));
            for ids in ids.chunks(BATCH) {
                let sent = match &known {
                    Err(error) => Err(error.duplicate()),
                    Ok(known) => {
                        let own = known.iter().find(|own| own.name.eq_ignore_ascii_case(tag));
                        match own {
                            Some(own) => self.send_tag(Method::POST, &own.name, ids).await,
                            None => self.put_tag(tag, ids).await,
                        }
                    }
                };
                note(&mut failed, ids, sent);
            }
        }
        for (tag, ids) in &changes.take {
            // An old role stays until the new one is set.
            let mut ids = ids.clone();
            ids.retain(|id| !failed.contains_key(*id));
            for ids in ids.chunks(BATCH) {
                let sent = self.take_tag(tag, ids).await;
                note(&mut failed, ids, sent);
            }
        }
        failed
    }

    /// Puts a tag on hosts and creates it if it is missing.
    pub(super) async fn put_tag(&self, tag: &str, ids: &[&HostId]) -> Result<()> {
        tagging::put_tag(self.client, self.run, tag, ids).await
    }

    /// Removes a tag, in the account's spelling, from hosts.
    pub(super) async fn take_tag(&self, tag: &str, ids: &[&HostId]) -> Result<()> {
        self.send_tag(Method::DELETE, tag, ids).await
    }

    async fn send_tag(&self, method: Method, tag: &str, ids: &[&HostId]) -> Result<()> {
        tagging::send_tag(self.client, self.run, method, tag, ids).await
    }
}

fn note(failed: &mut BTreeMap<HostId, Error>, ids: &[&HostId], sent: Result<()>) {
    if let Err(error) = sent {
        for id in ids {
            failed
                .entry((*id).clone())
                .or_insert_with(|| error.duplicate());
        }
    }
}
