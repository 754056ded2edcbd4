//! Control over a running sandbox: operations that the real cloud does not have.

mod hosts;
mod http;
mod leftovers;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

pub(crate) use self::http::routes;
pub use self::leftovers::PrivateImage;
pub use self::view::{DropletState, DropletView};
use crate::driver::DriverError;
use crate::fault::Fault;
use crate::knobs::Knobs;
use crate::state::catalog::{Region, Size};
use crate::state::droplet::{Options, Phase};
use crate::state::journal::RecordedRequest;
use crate::state::life::Order;
use crate::state::{World, tags};

/// Control over a running sandbox; clones control the same one.
///
/// The same calls are served over HTTP under `/sandbox/`, without a token. A `Control` that
/// outlives its sandbox still answers but has no effect.
#[derive(Debug, Clone)]
pub struct Control {
    world: Arc<World>,
}

/// A droplet that belongs to another user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignDroplet {
    /// Its name, which need not be unique.
    pub name: String,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Its size's slug.
    #[serde(default = "default_size")]
    pub size: String,
    /// Its region's slug.
    #[serde(default = "default_region")]
    pub region: String,
    /// Its image's slug or id.
    #[serde(default = "default_image")]
    pub image: String,
}

fn default_size() -> String {
    "s-1vcpu-1gb".to_owned()
}

fn default_region() -> String {
    "nyc3".to_owned()
}

fn default_image() -> String {
    "ubuntu-24-04-x64".to_owned()
}

impl ForeignDroplet {
    /// The smallest droplet of this name and tags.
    pub fn new(name: &str, tags: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            size: default_size(),
            region: default_region(),
            image: default_image(),
        }
    }
}

/// How a droplet breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breakage {
    /// It is gone at once, with its host, from lists and by id.
    Vanish,
    /// The API shows no public address for it any more; its host keeps running.
    LoseAddress,
}

/// Why a control call had no effect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The droplet does not exist.
    #[error("no droplet `{0}`")]
    NotFound(String),
    /// Several droplets have this name.
    #[error("the name `{name}` stands for the droplets {ids:?}: give the id instead")]
    Ambiguous {
        /// The name.
        name: String,
        /// The ids of the droplets.
        ids: Vec<u64>,
    },
    /// A value is invalid.
    #[error("{0}")]
    Invalid(String),
    /// The droplets have no hosts.
    #[error("this sandbox serves the API only and has no hosts")]
    NoHosts,
    /// The host failed.
    #[error("the host did not run the script")]
    Host(#[source] DriverError),
}

impl Control {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world }
    }

    /// The current knobs.
    pub fn knobs(&self) -> Knobs {
        self.world.state().knobs.clone()
    }

    /// Replaces all knobs. Running delays keep their length.
    pub fn set_knobs(&self, knobs: Knobs) {
        self.world.state().knobs = knobs;
    }

    /// Changes some knobs atomically and returns all.
    pub fn update_knobs(&self, change: impl FnOnce(&mut Knobs)) -> Knobs {
        let mut state = self.world.state();
        change(&mut state.knobs);
        state.knobs.clone()
    }

    /// Merges a partial JSON object into the knobs and returns all.
    ///
    /// # Errors
    ///
    /// [`ControlError::Invalid`] for an unknown knob or a value of the wrong type; nothing is
    /// changed then.
    pub fn merge_knobs(&self, changes: &Value) -> Result<Knobs, ControlError> {
        let mut state = self.world.state();
        let merged = state.knobs.merged(changes);
        state.knobs = merged.map_err(|error| ControlError::Invalid(error.to_string()))?;
        Ok(state.knobs.clone())
    }

    /// Adds a fault rule after the existing ones.
    pub fn add_fault(&self, fault: Fault) {
        self.world.state().faults.add(fault);
    }

    /// The active rules with their remaining counts.
    pub fn faults(&self) -> Vec<Fault> {
        self.world.state().faults.remaining()
    }

    /// Removes all rules.
    pub fn clear_faults(&self) {
        self.world.state().faults.clear();
    }

    /// The latest requests under `/v2`, the oldest first: at most 10,000, and fewer if their bodies
    /// are large.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.world.state().journal.requests()
    }

    /// The number of requests of each kind, for example `GET /v2/droplets/{id}`.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        self.world.state().journal.counters()
    }

    /// Clears the recorded requests and counters.
    pub fn clear_requests(&self) {
        self.world.state().journal.clear();
    }

    /// All droplets ever created, in their true state, in the order of creation.
    pub fn droplets(&self) -> Vec<DropletView> {
        let (state, now) = (self.world.state(), Instant::now());
        state
            .droplets
            .values()
            .map(|droplet| DropletView::new(droplet, &state, now))
            .collect()
    }

    /// Creates a droplet without the API: no limit, no list lag, any name.
    ///
    /// It boots like any other. All keys of the account may log in.
    ///
    /// # Errors
    ///
    /// [`ControlError::Invalid`] for an unknown size, region or image, or a tag that the API would
    /// refuse.
    pub fn create_droplet(&self, droplet: ForeignDroplet) -> Result<u64, ControlError> {
        let unknown = |what: &str, slug: &str| ControlError::Invalid(format!("no {what} `{slug}`"));
        let size = Size::find(&droplet.size).ok_or_else(|| unknown("size", &droplet.size))?;
        let region =
            Region::find(&droplet.region).ok_or_else(|| unknown("region", &droplet.region))?;
        check_tags(&droplet.tags)?;
        let (mut state, now) = (self.world.state(), Instant::now());
        let image = state.images.find(&droplet.image).cloned();
        let image = image.ok_or_else(|| unknown("image", &droplet.image))?;
        let authorized_keys = state
            .keys
            .visible(now)
            .map(|key| key.openssh.clone())
            .collect();
        let options = Options {
            authorized_keys,
            ..Options::default()
        };
        let ForeignDroplet { name, tags, .. } = droplet;
        let order = Order {
            name,
            size,
            region,
            image,
            tags,
            options,
        };
        let id = self.world.create(&mut state, order);
        if let Some(droplet) = state.readable_mut(id) {
            droplet.listed_from = now;
        }
        Ok(id)
    }

    /// Replaces the tags of a droplet, at once and without tag lag.
    ///
    /// # Errors
    ///
    /// [`ControlError::NotFound`] if the droplet is gone or never existed,
    /// [`ControlError::Invalid`] for a tag that the API would refuse.
    pub fn set_tags(&self, id: u64, tags: &[String]) -> Result<(), ControlError> {
        check_tags(tags)?;
        let (mut state, now) = (self.world.state(), Instant::now());
        state
            .readable(id)
            .ok_or_else(|| ControlError::NotFound(id.to_string()))?;
        let keys = tags
            .iter()
            .map(|tag| (state.ensure_tag(tag), now))
            .collect();
        if let Some(droplet) = state.readable_mut(id) {
            droplet.tags = keys;
        }
        Ok(())
    }

    /// Resizes a droplet at once, as a change by another user.
    ///
    /// # Errors
    ///
    /// [`ControlError::NotFound`] if the droplet is gone or never existed, and
    /// [`ControlError::Invalid`] for an unknown size.
    pub fn resize_droplet(&self, id: u64, size: &str) -> Result<(), ControlError> {
        let size =
            Size::find(size).ok_or_else(|| ControlError::Invalid(format!("no size `{size}`")))?;
        let mut state = self.world.state();
        let droplet = state
            .readable_mut(id)
            .ok_or_else(|| ControlError::NotFound(id.to_string()))?;
        droplet.size = size;
        droplet.disk = size.disk;
        Ok(())
    }

    /// Renames a droplet at once, as a change by another user.
    ///
    /// # Errors
    ///
    /// [`ControlError::NotFound`] if the droplet is gone or never existed.
    pub fn rename_droplet(&self, id: u64, name: &str) -> Result<(), ControlError> {
        let mut state = self.world.state();
        let droplet = state
            .readable_mut(id)
            .ok_or_else(|| ControlError::NotFound(id.to_string()))?;
        name.clone_into(&mut droplet.name);
        Ok(())
    }

    /// Breaks a droplet.
    ///
    /// # Errors
    ///
    /// [`ControlError::NotFound`] if the droplet is gone or never existed, and
    /// [`ControlError::Invalid`] if it would lose an address before it has one.
    pub fn break_droplet(&self, id: u64, breakage: Breakage) -> Result<(), ControlError> {
        let mut state = self.world.state();
        let droplet = state
            .readable_mut(id)
            .ok_or_else(|| ControlError::NotFound(id.to_string()))?;
        match (breakage, &mut droplet.phase) {
            (Breakage::Vanish, _) => self.world.vanish(&mut state, id),
            (Breakage::LoseAddress, Phase::Active(address) | Phase::Leaving(Some(address))) => {
                address.shown_from = None;
            }
            (Breakage::LoseAddress, _) => {
                return Err(ControlError::Invalid(format!(
                    "droplet {id} has no address yet"
                )));
            }
        }
        Ok(())
    }
}

fn check_tags(tags: &[String]) -> Result<(), ControlError> {
    match tags.iter().find(|tag| !tags::is_valid(tag)) {
        Some(tag) => Err(ControlError::Invalid(format!("`{tag}` is no tag"))),
        None => Ok(()),
    }
}
