//! Creates hosts with the fewest calls, and never a second host of one name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use secrecy::ExposeSecret;
use stagecraft_core::{
    ApplyReport, CreateEntry, Error, ErrorKind, Event, Host, HostId, HostKey, HostName, HostSink,
    InfraPlan, Result, Retry, RoleName, Run, tags,
};
use tokio::time::Instant;

use super::resize::is_resizing;
use super::wait::Pending;
use super::{Apply, create_failure, fail};
use crate::error::{ApiError, CreateEffect, provider_error};
use crate::retry::LONGEST_PAUSE;
use crate::settle::settle;
use crate::side_by_side::side_by_side;
use crate::user_data::user_data;
use crate::wire::{CreateDroplets, CreatedDroplets};

/// Most names in one create request.
const BATCH: usize = 10;
/// Most concurrent create requests.
const REQUESTS: usize = 5;
/// Most attempts to create one batch, counting lost answers and refusals.
const ROUNDS: u32 = 4;

impl Apply<'_> {
    /// Tags existing hosts and hands them over, creates missing ones, waits until they are ready,
    /// then resizes one host at a time.
    pub(crate) async fn reconcile(
        &self,
        plan: &InfraPlan,
        ready: &dyn HostSink,
        report: &mut ApplyReport,
    ) {
        let ready: &dyn HostSink = &WithRoles { plan, ready };
        self.retag(plan, report).await;
        let mut roleless: BTreeSet<HostId> = BTreeSet::new();
        for failure in &report.failed {
            let id = failure.id.clone();
            roleless.extend(id.filter(|id| role_to_come(plan, id).is_some()));
        }
        let differing = plan.differ.iter().map(|entry| &entry.host);
        let resizing = plan.retag.iter().filter(|entry| is_resizing(entry));
        let broken_off: BTreeSet<&HostId> = resizing
            .map(|entry| &entry.host.id)
            .chain(plan.power_on.iter().map(|host| &host.id))
            .collect();
        let existing: Vec<Pending> = plan
            .unchanged
            .iter()
            .chain(differing)
            .filter(|host| !broken_off.contains(&host.id))
            // A host that failed to get its role tag must not be handed over with that role.
            .filter(|host| !roleless.contains(&host.id))
            .filter_map(|host| Pending::existing(host, self.environment))
            .collect();
        let mut pending = self.hand_over_ready(existing, ready, report).await;
        self.bring_all_back(plan, ready, report).await;
        if !plan.create.is_empty() {
            self.create(&plan.create, &mut pending, report).await;
        }
        self.wait_until_ready(pending, ready, report).await;
        self.resize(&plan.resize, ready, report).await;
        self.put_into_projects(plan, report).await;
    }

    /// Creates the missing hosts.
    ///
    /// An earlier run may have been killed during a create whose hosts are not listed yet. So,
    /// unless that run released its lease, a host counts as absent only in a list read at least one
    /// list lag after this run's first request.
    async fn create(
        &self,
        entries: &[CreateEntry],
        pending: &mut Vec<Pending>,
        report: &mut ApplyReport,
    ) {
        let settled = match self.settled_hosts().await {
            Ok(hosts) => hosts,
            Err(error) => return fail_all(self.run, entries, &error, report),
        };
        let mut missing = Vec::new();
        for entry in entries {
            match self.own_host(&settled, &entry.spec.name) {
                Some(host) => pending.push(self.adopted(entry, host)),
                None => missing.push(entry),
            }
        }
        let batches = batches(missing).into_iter();
        let batches = batches.map(|batch| async move {
            let (mut pending, mut report) = (Vec::new(), ApplyReport::default());
            if self.run.check().is_err() {
                let names = batch.iter().map(|entry| entry.spec.name.clone());
                report.not_tried.extend(names);
            } else {
                self.create_batch(batch, &mut pending, &mut report).await;
            }
            (pending, report)
        });
        for (accepted, part) in side_by_side(REQUESTS, batches.collect()).await {
            pending.extend(accepted);
            report.failed.extend(part.failed);
            report.not_tried.extend(part.not_tried);
        }
    }

    async fn settled_hosts(&self) -> Result<Vec<Host>> {
        if !self.run.follows_cleanly() {
            let settled = self.since + self.poll.list_lag.get();
            let remaining = settled.saturating_duration_since(Instant::now());
            settle(self.run, self.poll, remaining).await?;
        }
        // Checked before adopting: a run that lost the lease leaves the hosts to the new holder.
        self.run.before_write().await?;
        self.hosts().await
    }

    fn own_host<'h>(&self, hosts: &'h [Host], name: &HostName) -> Option<&'h Host> {
        hosts.iter().find(|host| {
            host.name.as_ref() == Some(name) && tags::is_owned(host, self.project, self.environment)
        })
    }

    fn adopted(&self, entry: &CreateEntry, host: &Host) -> Pending {
        self.accepted(entry, host.id.clone(), Vec::new(), true)
    }

    fn accepted(
        &self,
        entry: &CreateEntry,
        id: HostId,
        actions: Vec<u64>,
        adopted: bool,
    ) -> Pending {
        self.run.emit(Event::HostAccepted {
            host: entry.spec.name.clone(),
            id: id.as_str().to_owned(),
            adopted,
        });
        Pending {
            name: entry.spec.name.clone(),
            node: entry.node.to_string(),
            id,
            since: Instant::now(),
            actions,
            is_new: true,
        }
    }

    async fn create_batch(
        &self,
        mut missing: Vec<&CreateEntry>,
        pending: &mut Vec<Pending>,
        report: &mut ApplyReport,
    ) {
        let patience = self.client.patience();
        let mut pause = self.client.first_pause();
        let mut round = 1;
        loop {
            let error = match self.send_create(&missing).await {
                Ok(created) => {
                    self.take_created(&mut missing, created, pending);
                    let answer = provider_error(
                        ErrorKind::Protocol,
                        "the answer to the create does not name every droplet",
                    );
                    return fail_entries(self.run, &missing, &answer, report);
                }
                Err(SendError::Before(error)) => {
                    return fail_entries(self.run, &missing, &error, report);
                }
                Err(SendError::Api(error)) => error,
            };
            let effect = error.create_effect();
            // Rate limit refusals have their own patience and do not count as attempts.
            let waited = if error.is_rate_limit() {
                patience.after(self.run, "create", error).map(|()| None)
            } else {
                self.pause(error, effect, pause).await.map(Some)
            };
            let last = match waited {
                Ok(last) => last,
                Err(error) => {
                    let error = self.refused_create(missing[0], error).await;
                    return fail_entries(self.run, &missing, &error, report);
                }
            };
            if effect != CreateEffect::None
                && let Err(lookup) = self.adopt(&mut missing, effect, pending).await
            {
                let unknown = provider_error(
                    lookup.kind(),
                    "the answer to the create was lost, and looking for its droplets failed",
                )
                .with_hint("run the command again: it looks for them first")
                .with_source(lookup);
                return fail_entries(self.run, &missing, &unknown, report);
            }
            if missing.is_empty() {
                return;
            }
            let Some(error) = last else { continue };
            if round == ROUNDS || effect == CreateEffect::Accepted {
                let error = error.into_error("create_hosts");
                return fail_entries(self.run, &missing, &error, report);
            }
            round += 1;
            pause *= 2;
        }
    }

    /// Waits before a create is retried and returns its failure. Fails with that failure if the
    /// create must not be retried.
    async fn pause(
        &self,
        error: ApiError,
        effect: CreateEffect,
        usual: Duration,
    ) -> Result<ApiError, ApiError> {
        let delay = match error.retry() {
            Retry::After(wanted) => wanted.unwrap_or(usual),
            Retry::Never | Retry::Exhausted if effect != CreateEffect::None => usual,
            Retry::Never | Retry::Exhausted => return Err(error),
        };
        if delay > LONGEST_PAUSE {
            return Err(error);
        }
        self.client.pause(self.run, "create", &error, delay).await?;
        Ok(error)
    }

    fn take_created(
        &self,
        missing: &mut Vec<&CreateEntry>,
        created: CreatedDroplets,
        pending: &mut Vec<Pending>,
    ) {
        let actions: Vec<u64> = created
            .links
            .actions
            .iter()
            .map(|action| action.id)
            .collect();
        let ids: BTreeMap<String, u64> = created
            .droplets
            .into_iter()
            .map(|droplet| (droplet.name, droplet.id))
            .collect();
        missing.retain(|entry| match ids.get(entry.node.as_str()) {
            Some(id) => {
                let id = HostId::new(id.to_string());
                pending.push(self.accepted(entry, id, actions.clone(), false));
                false
            }
            None => true,
        });
    }

    /// Sends one create for identical hosts, with a new host key and the tag of its fingerprint.
    async fn send_create(&self, entries: &[&CreateEntry]) -> Result<CreatedDroplets, SendError> {
        let key = HostKey::generate().map_err(SendError::Before)?;
        let first = entries[0];
        let options = &first.spec.options;
        let mut made = vec![
            key.fingerprint().tag(),
            tags::run_tag(self.run.id().map_err(SendError::Before)?),
        ];
        let own = options.user_data_sha256.as_ref();
        let own = own.map(|digest| self.making.user_data.0.get(digest).ok_or_else(changed));
        let user_data = user_data(&key, own.transpose()?.map(String::as_str));
        let vpc = options.vpc.as_ref();
        let turn = self.client.turn_to_write(self.run).await;
        let turn = turn.map_err(SendError::Before)?;
        // Computed after the wait, so that the TTL is not shortened.
        made.extend(options.ttl_seconds.map(|ttl| self.expires_tag(ttl)));
        let body = CreateDroplets {
            names: entries.iter().map(|entry| entry.node.as_str()).collect(),
            region: &first.spec.region,
            size: &first.spec.size,
            image: &first.spec.image,
            ssh_keys: first
                .ssh_key_fingerprint
                .iter()
                .map(String::as_str)
                .collect(),
            tags: first.tags.iter().chain(&made).map(String::as_str).collect(),
            user_data: user_data.expose_secret(),
            vpc_uuid: vpc
                .and_then(|vpc| self.making.vpcs.get(vpc))
                .map(String::as_str),
            monitoring: options.monitoring,
            backups: options.backups,
            ipv6: options.ipv6,
        };
        self.run.emit(Event::HostsRequested {
            hosts: entries
                .iter()
                .map(|entry| entry.spec.name.clone())
                .collect(),
        });
        let answer = self.client.post_once(turn, "/v2/droplets", &body).await;
        *self.last_create() = Some(Instant::now());
        answer.map_err(SendError::Api)
    }

    /// Looks for the hosts of a create whose answer was lost, for longer than the list lag; until
    /// the deadline if the create was certainly accepted.
    ///
    /// They were absent from a settled list. So any host with our tags and a missing name was
    /// created by this run, in this attempt or an earlier one.
    async fn adopt(
        &self,
        missing: &mut Vec<&CreateEntry>,
        effect: CreateEffect,
        pending: &mut Vec<Pending>,
    ) -> Result<()> {
        let lag = self.poll.list_lag.get();
        let quick = self.poll.interval.get().min(lag / 4);
        let time = match effect {
            CreateEffect::Accepted => self.poll.deadline.get(),
            CreateEffect::Unknown | CreateEffect::None => lag * 2,
        };
        let started = Instant::now();
        let deadline = started + time;
        loop {
            match self.hosts().await {
                Ok(hosts) => {
                    missing.retain(|entry| match self.own_host(&hosts, &entry.spec.name) {
                        Some(host) => {
                            pending.push(self.adopted(entry, host));
                            false
                        }
                        None => true,
                    });
                    if missing.is_empty() || Instant::now() >= deadline {
                        return Ok(());
                    }
                }
                // Errors that pass are retried; a host counts as absent only in a list that was
                // read.
                Err(error) if error.retry() == Retry::Exhausted && Instant::now() < deadline => {}
                Err(error) => return Err(error),
            }
            // Other batches may be looking too, and all share the API's rate limit.
            let is_late = started.elapsed() > lag * 2;
            let pause = if is_late {
                self.poll.interval.get()
            } else {
                quick
            };
            self.run.sleep(pause).await?;
        }
    }
}

/// Hands hosts over with the plan's roles, even if a list does not show them yet.
#[derive(Debug)]
struct WithRoles<'p> {
    plan: &'p InfraPlan,
    ready: &'p dyn HostSink,
}

impl HostSink for WithRoles<'_> {
    fn ready(&self, mut host: Host) {
        if let Some(role) = role_to_come(self.plan, &host.id) {
            host.role = Some(role);
        }
        self.ready.ready(host);
    }
}

/// The role that the plan assigns to a host with another role or none.
fn role_to_come(plan: &InfraPlan, id: &HostId) -> Option<RoleName> {
    let entry = plan.retag.iter().find(|entry| entry.host.id == *id)?;
    tags::role_of(&entry.add)
}

/// Why a create failed: before or after it was sent.
#[derive(Debug)]
enum SendError {
    /// No host key could be generated, or the lease is lost. Nothing was sent.
    Before(Error),
    Api(ApiError),
}

fn changed() -> SendError {
    let message = "its user data has changed since the plan was made";
    SendError::Before(provider_error(ErrorKind::Guard, message).with_hint("make a new plan"))
}

/// Groups identical hosts, at most [`BATCH`] per group, ordered by name.
fn batches(entries: Vec<&CreateEntry>) -> Vec<Vec<&CreateEntry>> {
    let mut groups: Vec<Vec<&CreateEntry>> = Vec::new();
    for entry in entries {
        let alike = |group: &&mut Vec<&CreateEntry>| {
            let first = group[0];
            group.len() < BATCH
                && (
                    &first.spec.size,
                    &first.spec.region,
                    &first.spec.image,
                    &first.spec.options,
                    &first.tags,
                ) == (
                    &entry.spec.size,
                    &entry.spec.region,
                    &entry.spec.image,
                    &entry.spec.options,
                    &entry.tags,
                )
        };
        match groups.iter_mut().find(alike) {
            Some(group) => group.push(entry),
            None => groups.push(vec![entry]),
        }
    }
    groups
}

fn fail_all(run: &Run, entries: &[CreateEntry], error: &Error, report: &mut ApplyReport) {
    let entries: Vec<&CreateEntry> = entries.iter().collect();
    if error.kind() == ErrorKind::Cancelled {
        let names = entries.iter().map(|entry| entry.spec.name.clone());
        report.not_tried.extend(names);
    } else {
        fail_entries(run, &entries, error, report);
    }
}

fn fail_entries(run: &Run, entries: &[&CreateEntry], error: &Error, report: &mut ApplyReport) {
    for entry in entries {
        let (name, node) = (&entry.spec.name, entry.node.as_str());
        let failure = create_failure(name, node, None, error.duplicate());
        fail(run, failure, report);
    }
}
