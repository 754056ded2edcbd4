//! Resizes one host at a time and leaves none switched off.

use std::time::Duration;

use stagecraft_core::{
    ApplyReport, ErrorKind, Event, Host, HostName, HostSink, HostStatus, InfraPlan, PollPolicy,
    ResizeEntry, Result, Run, tags,
};

use tokio::time::Instant;

use super::target::Target;
use super::{Apply, fail};
use crate::error::provider_error;
use crate::wire::{ActionsPage, Concern, Droplet, DropletAction};

/// How long a host may take to shut down before it is powered off.
const SHUTDOWN_TIME: Duration = Duration::from_mins(1);

/// Why a host that was switched off by hand is not resized, and what to do.
pub(crate) const SWITCHED_OFF: &str = "it is switched off, and a resize would power it on";
pub(crate) const POWER_ON: &str = "power it on, then run the command again";

impl Apply<'_> {
    /// Resizes hosts one after the other. Stops after a failure, since the same problem would
    /// switch off further hosts.
    pub(super) async fn resize(
        &self,
        entries: &[ResizeEntry],
        ready: &dyn HostSink,
        report: &mut ApplyReport,
    ) {
        let mut entries = entries.iter();
        for entry in entries.by_ref() {
            let Some(target) = Target::of(&entry.host, self.environment) else {
                continue;
            };
            if self.run.check().is_err() {
                report.not_tried.push(target.name);
                break;
            }
            match self.resize_one(&target, entry).await {
                Ok(Some(host)) => {
                    report.resized.push(entry.host.clone());
                    ready.ready(host);
                }
                Ok(None) => {
                    report.not_tried.push(target.name);
                    break;
                }
                Err(error) => {
                    fail(self.run, target.failure("resize failed", error), report);
                    break;
                }
            }
        }
        let rest = entries.map(|entry| HostName::new(entry.host.name.clone()));
        report.not_tried.extend(rest.flatten());
    }

    /// Resizes one host. Once begun it completes: if the run is cancelled, the host is powered on
    /// again. Returns `None` if the run was cancelled before the size was changed.
    async fn resize_one(&self, target: &Target, entry: &ResizeEntry) -> Result<Option<Host>> {
        let shielded = self.run.shielded();
        let calm = Apply {
            run: &shielded,
            ..*self
        };
        let host = calm.read_host(target).await?;
        if !tags::is_owned(&host, self.project, self.environment) {
            return Err(provider_error(
                ErrorKind::Guard,
                "it no longer bears the tags of this environment",
            ));
        }
        if host.status == HostStatus::Off && !host.has_tag(tags::RESIZING_TAG) {
            // Otherwise it would be powered on afterwards, as if this run had switched it off.
            return Err(provider_error(ErrorKind::Guard, SWITCHED_OFF).with_hint(POWER_ON));
        }
        if host.has_tag(tags::RESIZING_TAG) {
            calm.let_land(target).await?;
        }
        // Tagged first: the tag says what to do with a host that is found switched off.
        calm.put_tag(tags::RESIZING_TAG, &[&target.id]).await?;
        let changed = calm.change_size(self.run, target, entry).await;
        let back = calm.bring_back(target).await;
        match (changed, back) {
            (Ok(true), Ok(host)) => Ok(Some(host)),
            (Ok(false), Ok(_)) => Ok(None),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
            (Err(error), Err(back)) => Err(provider_error(
                back.kind(),
                format!("it could not be powered on again: {back}"),
            )
            .with_hint("run the command again: it powers the host on")
            .with_source(error)),
        }
    }

    /// Changes the size. Returns `false` if the run `outer` was cancelled before.
    async fn change_size(&self, outer: &Run, target: &Target, entry: &ResizeEntry) -> Result<bool> {
        let deadline = self.poll.deadline.get();
        let is_off = |droplet: &Droplet| droplet.status == "off";
        if outer.check().is_err() {
            return Ok(false);
        }
        let shutdown = DropletAction::plain("shutdown");
        let time = SHUTDOWN_TIME.min(deadline);
        match self
            .reach(target, shutdown, "shut down", time, is_off)
            .await
        {
            Ok(()) => {}
            // The API's documentation says that it may fail; or the host ignores it.
            Err(error) if matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Rejected) => {
                let cut = DropletAction::plain("power_off");
                self.reach(target, cut, "off", deadline, is_off).await?;
            }
            Err(error) => return Err(error),
        }
        if outer.check().is_err() {
            return Ok(false);
        }
        let resize = DropletAction {
            kind: "resize",
            size: Some(&entry.to),
            disk: Some(entry.grow_disk),
        };
        let what = format!("of size {}", entry.to);
        let is_resized = |droplet: &Droplet| droplet.size_slug == entry.to;
        self.reach(target, resize, &what, deadline, is_resized)
            .await?;
        Ok(true)
    }

    /// Ensures that a host runs, whatever was begun on it, and that it has no resize tag.
    async fn bring_back(&self, target: &Target) -> Result<Host> {
        let power_on = DropletAction::plain("power_on");
        let deadline = self.poll.deadline.get();
        let is_active = |droplet: &Droplet| droplet.status == "active";
        self.reach(target, power_on, "active again", deadline, is_active)
            .await?;
        let policy = PollPolicy {
            interval: self.poll.interval.get(),
            deadline,
        };
        let what = format!("droplet '{}' to have a public address", target.node);
        let look = || async { Ok(Some(self.read_host(target).await?).filter(Host::is_ready)) };
        let host = self.run.poll(policy, Some(&target.name), &what, look);
        let host = host.await?;
        for tag in &host.tags {
            if tag.eq_ignore_ascii_case(tags::RESIZING_TAG)
                && let Err(error) = self.take_tag(tag, &[&target.id]).await
            {
                tracing::warn!(%tag, %error, "the tag stays until the next run");
            }
        }
        Ok(host)
    }

    /// Waits until the actions of a killed run have ended: a power-off that was in flight would
    /// otherwise take effect after the tag is removed.
    async fn let_land(&self, target: &Target) -> Result<()> {
        let lag = self.poll.list_lag.get();
        let remaining = (self.since + lag).saturating_duration_since(Instant::now());
        // Acquiring the lease waited until earlier requests had arrived.
        if !remaining.is_zero() && !self.run.follows_cleanly() {
            self.run.emit(Event::Waiting {
                host: Some(target.name.clone()),
                what: "what an earlier run has sent to arrive".to_owned(),
                elapsed: lag.saturating_sub(remaining),
                deadline: lag,
            });
            self.run.sleep(remaining).await?;
        }
        let policy = PollPolicy {
            interval: self.poll.interval.get(),
            deadline: self.poll.deadline.get(),
        };
        let what = format!("the actions on droplet '{}' to end", target.node);
        let path = format!("/v2/droplets/{}/actions", target.id);
        let look = || async {
            let actions = self
                .client
                .list::<ActionsPage>(self.run, &path, &[], Concern::Every)
                .await;
            let actions = actions.map_err(|error| error.into_error("read_host"))?;
            let is_done = actions.iter().all(|action| action.status != "in-progress");
            Ok(is_done.then_some(()))
        };
        self.run.poll(policy, Some(&target.name), &what, look).await
    }

    /// Completes interrupted resizes: powers on hosts that are off, and hosts that may still be
    /// switched off by an action in flight.
    pub(super) async fn bring_all_back(
        &self,
        plan: &InfraPlan,
        ready: &dyn HostSink,
        report: &mut ApplyReport,
    ) {
        let retagged = plan.retag.iter().filter(|entry| is_resizing(entry));
        let targets = plan
            .power_on
            .iter()
            .chain(retagged.map(|entry| &entry.host));
        for own in targets.filter(|own| !is_to_be_resized(plan, own)) {
            let Some(target) = Target::of(own, self.environment) else {
                continue;
            };
            if self.run.check().is_err() {
                report.not_tried.push(target.name);
                continue;
            }
            let landed = async {
                self.let_land(&target).await?;
                self.read_host(&target).await
            };
            let was_off = match landed.await {
                Ok(host) => host.status == HostStatus::Off,
                Err(error) if error.kind() == ErrorKind::Cancelled => {
                    report.not_tried.push(target.name);
                    continue;
                }
                Err(error) => {
                    fail(self.run, target.failure("is not usable", error), report);
                    continue;
                }
            };
            match self.bring_back(&target).await {
                Ok(host) => {
                    if was_off {
                        report.powered_on.push(own.clone());
                    }
                    if !plan.power_on.contains(own) {
                        report.retagged.push(own.clone());
                    }
                    ready.ready(host);
                }
                Err(error) => fail(self.run, target.failure("is not usable", error), report),
            }
        }
    }
}

/// Whether the plan completes an interrupted resize of the host, which is active.
pub(super) fn is_resizing(entry: &stagecraft_core::RetagEntry) -> bool {
    let mut gone = entry.remove.iter();
    gone.any(|tag| tag.eq_ignore_ascii_case(tags::RESIZING_TAG))
}

fn is_to_be_resized(plan: &InfraPlan, host: &stagecraft_core::HostRef) -> bool {
    plan.resize.iter().any(|entry| entry.host.id == host.id)
}
