//! Actions on existing droplets: power, size, name and features.
//!
//! The vendor calls these actions. Its rules:
//! <https://docs.digitalocean.com/reference/api/digitalocean/#tag/Droplet-Actions>. One runs at a
//! time on a droplet, and its effect shows when it has completed. Power concerns the API only: the
//! host behind a droplet keeps running while the API shows the droplet as off, and a reboot does
//! not interrupt it.

use std::sync::Arc;

use tracing::debug;

use super::backups::BackupPolicy;
use super::catalog::{Region, Size, is_sold_out};
use super::droplet::{Droplet, Phase, Power};
use super::{State, World};
use crate::knobs::Knobs;

/// An action on a droplet, with its parameters.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    PowerOff,
    PowerOn,
    Shutdown,
    Reboot,
    PowerCycle,
    PasswordReset,
    Resize { size: &'static Size, disk: bool },
    Rename { name: String },
    EnableBackups(BackupPolicy),
    ChangeBackupPolicy(BackupPolicy),
    DisableBackups,
    EnableIpv6,
    Snapshot { name: String },
}

impl Event {
    /// The `type` of the action.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::PowerOff => "power_off",
            Self::PowerOn => "power_on",
            Self::Shutdown => "shutdown",
            Self::Reboot => "reboot",
            Self::PowerCycle => "power_cycle",
            Self::PasswordReset => "password_reset",
            Self::Resize { .. } => "resize",
            Self::Rename { .. } => "rename",
            Self::EnableBackups(_) => "enable_backups",
            Self::ChangeBackupPolicy(_) => "change_backup_policy",
            Self::DisableBackups => "disable_backups",
            Self::EnableIpv6 => "enable_ipv6",
            Self::Snapshot { .. } => "snapshot",
        }
    }

    /// Checks that a droplet accepts the action now. Fails with the message of the refusal.
    ///
    /// Seen in real answers: the pending event, the power that is off already, and the disk that
    /// would shrink. Other wordings are assumed.
    pub(crate) fn check(&self, droplet: &Droplet, knobs: &Knobs) -> Result<(), &'static str> {
        if droplet.is_busy() {
            return Err("Droplet already has a pending event.");
        }
        let is_on = droplet.power == Power::On;
        match self {
            Self::PowerOff | Self::Shutdown | Self::Reboot if !is_on => {
                Err("Droplet is already powered off")
            }
            Self::PowerOn if is_on => Err("Droplet is already powered on"),
            Self::Resize { size, .. } => check_resize(size, droplet, knobs),
            Self::ChangeBackupPolicy(_) if !droplet.has_feature("backups") => {
                Err("Backups are not enabled for this Droplet")
            }
            Self::EnableIpv6 if !droplet.options.public_networking => {
                Err("IPv6 requires public networking")
            }
            _ => Ok(()),
        }
    }

    fn apply(self, droplet: &mut Droplet) {
        match self {
            Self::PowerOff | Self::Shutdown => droplet.power = Power::Off,
            Self::PowerOn | Self::PowerCycle => droplet.power = Power::On,
            // The caller, which has the images, takes snapshots.
            Self::Reboot | Self::PasswordReset | Self::Snapshot { .. } => {}
            Self::ChangeBackupPolicy(policy) => droplet.options.backup_policy = policy,
            Self::Resize { size, disk } => {
                droplet.size = size;
                if disk {
                    droplet.disk = size.disk;
                }
            }
            Self::Rename { name } => droplet.name = name,
            Self::EnableBackups(policy) => {
                droplet.set_feature("backups", true);
                droplet.options.backup_policy = policy;
            }
            Self::DisableBackups => droplet.set_feature("backups", false),
            Self::EnableIpv6 => droplet.set_feature("ipv6", true),
        }
    }
}

fn check_resize(size: &Size, droplet: &Droplet, knobs: &Knobs) -> Result<(), &'static str> {
    if !is_offered(size, droplet.region, knobs) {
        return Err("Size is not available in this region.");
    }
    if droplet.power == Power::On {
        return Err("Droplet must be powered off before it can be resized.");
    }
    if size.disk < droplet.disk {
        // https://github.com/hashicorp/terraform/pull/7094
        return Err("Size can not decrease size of Droplet's disk image");
    }
    Ok(())
}

fn is_offered(size: &Size, region: &Region, knobs: &Knobs) -> bool {
    size.is_in(region.slug) && !is_sold_out(&knobs.sold_out, size.slug, region.slug)
}

impl World {
    /// Starts an action that a droplet accepts, and returns the action's id.
    ///
    /// It ends as `errored`, without effect, if `errored_actions` says so or the droplet is deleted
    /// meanwhile.
    pub(crate) fn start_event(
        self: &Arc<Self>,
        state: &mut State,
        droplet: u64,
        event: Event,
    ) -> Option<u64> {
        let region = state.readable(droplet)?.region;
        let now = tokio::time::Instant::now();
        let id = state.actions.start(event.kind(), droplet, region, now);
        state.readable_mut(droplet)?.pending = Some(id);
        let world = Arc::clone(self);
        self.spawn(async move {
            let action_time = world.state().knobs.action_time;
            world.pause(action_time).await;
            world.state().finish_event(id, droplet, event);
        });
        Some(id)
    }
}

impl State {
    fn finish_event(&mut self, action: u64, id: u64, event: Event) {
        let errored = &self.knobs.errored_actions;
        let Some(droplet) = self.droplets.get_mut(&id) else {
            return;
        };
        if droplet.pending != Some(action) {
            // A deletion has ended it already.
            return;
        }
        droplet.pending = None;
        let kind = event.kind();
        let is_doomed = errored.iter().any(|entry| match entry.split_once(':') {
            Some((name, wanted)) => name == droplet.name && wanted == kind,
            None => *entry == droplet.name,
        });
        if !is_doomed && matches!(droplet.phase, Phase::Active(_)) {
            if let Event::Snapshot { name } = &event {
                droplet.snapshot(name, &mut self.images);
            }
            event.apply(droplet);
        }
        self.actions.end(action, !is_doomed);
        debug!(droplet = id, kind, is_doomed, "the action ended");
    }
}
