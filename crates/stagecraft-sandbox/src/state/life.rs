//! Creation and deletion of droplets.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::time::Instant;
use tracing::{debug, warn};

use super::armed::ArmedFailure;
use super::catalog::{Region, Size};
use super::droplet::{Address, Droplet, Options, Phase, Power, Why};
use super::images::Image;
use super::{State, World, imaginary_address, timestamp};
use crate::driver::{BootRequest, DriverError};

/// Inputs of a droplet's creation.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) name: String,
    pub(crate) size: &'static Size,
    pub(crate) region: &'static Region,
    pub(crate) image: Image,
    pub(crate) tags: Vec<String>,
    pub(crate) options: Options,
}

impl World {
    /// Accepts a droplet and starts to boot it; returns its id.
    pub(crate) fn create(self: &Arc<Self>, state: &mut State, order: Order) -> u64 {
        let now = Instant::now();
        let ordinal = u32::try_from(state.droplets.len()).unwrap_or(u32::MAX);
        let id = 512_340_871 + 17 * u64::from(ordinal);
        let create_action =
            state
                .actions
                .start("create", id, order.region, now + state.knobs.read_lag);
        let droplet = Droplet {
            id,
            name: order.name,
            size: order.size,
            disk: order.size.disk,
            region: order.region,
            image: order.image,
            options: order.options,
            tags: BTreeMap::new(),
            created_at: timestamp(),
            listed_from: now + state.knobs.list_lag,
            found_from: now + state.knobs.read_lag,
            phase: Phase::Booting,
            power: Power::On,
            pending: None,
            create_action,
            host: Arc::default(),
            ordinal,
        };
        state.droplets.insert(id, droplet);
        for tag in &order.tags {
            state.tag(id, tag, now);
        }
        let world = Arc::clone(self);
        self.spawn(async move { world.boot(id).await });
        id
    }

    /// Starts to delete a droplet. Does nothing if it is being deleted.
    pub(crate) fn delete(self: &Arc<Self>, state: &mut State, id: u64) {
        let Some(droplet) = state.readable_mut(id) else {
            return;
        };
        let address = match droplet.phase {
            Phase::Booting => None,
            Phase::Active(address) => Some(address),
            Phase::Leaving(_) | Phase::Gone(_) => return,
        };
        droplet.phase = Phase::Leaving(address);
        let (region, create_action) = (droplet.region, droplet.create_action);
        if let Some(pending) = droplet.pending.take() {
            state.actions.end(pending, false);
        }
        let action = state.actions.start("destroy", id, region, Instant::now());
        let world = Arc::clone(self);
        self.spawn(async move {
            let delete_time = world.state().knobs.delete_time;
            tokio::join!(world.pause(delete_time), world.destroy_host(id));
            let mut state = world.state();
            state.actions.end(create_action, false);
            state.actions.end(action, true);
            if let Some(droplet) = state.readable_mut(id) {
                droplet.phase = Phase::Gone(Why::Deleted);
            }
            state.leftovers.release(id);
        });
    }

    /// Removes a droplet at once, with its host, as if it never existed.
    pub(crate) fn vanish(self: &Arc<Self>, state: &mut State, id: u64) {
        if let Some(droplet) = state.readable_mut(id) {
            droplet.phase = Phase::Gone(Why::Vanished);
            let create_action = droplet.create_action;
            let pending = droplet.pending.take();
            state.actions.end(create_action, false);
            if let Some(pending) = pending {
                state.actions.end(pending, false);
            }
            state.leftovers.release(id);
            let world = Arc::clone(self);
            self.spawn(async move { world.destroy_host(id).await });
        }
    }

    /// Boots the host, arms its failures and shows the droplet as active.
    async fn boot(self: Arc<Self>, id: u64) {
        let (host, boot_time) = {
            let state = self.state();
            let Some(droplet) = state.droplets.get(&id) else {
                return;
            };
            (Arc::clone(&droplet.host), state.knobs.boot_time)
        };
        let (booted, ()) = tokio::join!(
            async {
                let mut is_there = host.lock().await;
                self.boot_host(id, &mut is_there).await
            },
            self.pause(boot_time)
        );
        let failure = {
            let mut state = self.state();
            let address_from = Instant::now() + state.knobs.address_delay;
            let Some(droplet) = state.droplets.get(&id) else {
                return;
            };
            if droplet.phase != Phase::Booting {
                // It was deleted meanwhile; the deletion removes the host.
                return;
            }
            let hidden = state.knobs.no_address.contains(&droplet.name);
            let create_action = droplet.create_action;
            let (phase, failure) = match booted {
                Ok(ip) => {
                    let shown_from = (!hidden).then_some(address_from);
                    (Phase::Active(Address { ip, shown_from }), None)
                }
                Err(DriverError { message }) => {
                    (Phase::Gone(Why::Failed(message.clone())), Some(message))
                }
            };
            state.actions.end(create_action, failure.is_none());
            if let Some(droplet) = state.droplets.get_mut(&id) {
                droplet.phase = phase;
            }
            if failure.is_some() {
                state.leftovers.release(id);
            }
            failure
        };
        if let Some(message) = failure {
            warn!(droplet = id, message, "the droplet could not be created");
            self.destroy_host(id).await;
        } else {
            debug!(droplet = id, "the droplet is active");
        }
    }

    async fn boot_host(&self, id: u64, is_there: &mut bool) -> Result<Ipv4Addr, DriverError> {
        let (request, ordinal) = {
            let state = self.state();
            let Some(droplet) = state.droplets.get(&id) else {
                return Err(DriverError {
                    message: "the droplet is unknown".to_owned(),
                });
            };
            if droplet.phase != Phase::Booting {
                return Err(DriverError {
                    message: "the droplet was deleted".to_owned(),
                });
            }
            if let Some(message) = doom(&state, droplet) {
                return Err(DriverError { message });
            }
            let request = BootRequest {
                id,
                name: droplet.name.clone(),
                image: droplet.image.base().to_owned(),
                user_data: droplet.options.user_data.clone(),
                authorized_keys: droplet.options.authorized_keys.clone(),
            };
            (request, droplet.ordinal)
        };
        let Some(driver) = &self.driver else {
            return Ok(imaginary_address(ordinal));
        };
        let name = request.name.clone();
        let address = driver.boot(request).await?;
        *is_there = true;
        let armed: Vec<(String, ArmedFailure)> = {
            let state = self.state();
            let here = state
                .armed
                .iter()
                .filter(|((host, _), _)| *host == name || host == "*");
            here.map(|((_, program), failure)| (program.clone(), failure.clone()))
                .collect()
        };
        for (program, failure) in armed {
            driver.run(id, &failure.script(&program)).await?;
        }
        Ok(address)
    }

    async fn destroy_host(&self, id: u64) {
        let Some(driver) = &self.driver else { return };
        let host = self
            .state()
            .droplets
            .get(&id)
            .map(|droplet| Arc::clone(&droplet.host));
        if let Some(host) = host {
            // A running boot may finish: a driver may not tolerate interruption.
            let mut is_there = host.lock().await;
            driver.destroy(id).await;
            *is_there = false;
        }
    }
}

/// Why a creation will fail, if it will.
fn doom(state: &State, droplet: &Droplet) -> Option<String> {
    if state.knobs.errored_creates.contains(&droplet.name) {
        return Some("the name is among `errored_creates`".to_owned());
    }
    // https://github.com/digitalocean/terraform-provider-digitalocean/issues/767
    let user_data = droplet.options.user_data.as_deref().unwrap_or_default();
    let is_beyond_bmp = |c: char| u32::from(c) > 0xffff;
    user_data
        .contains(is_beyond_bmp)
        .then(|| "the user data has characters outside the basic multilingual plane".to_owned())
}
