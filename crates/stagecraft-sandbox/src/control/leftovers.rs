//! Adds leftovers of droplets, and private images, to the account.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{Control, ControlError, default_image};
use crate::state::State;
use crate::state::catalog::Region;
use crate::state::droplet::Droplet;

/// An image that belongs to the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivateImage {
    /// Its name, which need not be unique.
    pub name: String,
    /// The slug of the vendor's image that it was created from.
    #[serde(default = "default_image")]
    pub base: String,
    /// The smallest disk that it fits on, in GB.
    #[serde(default = "default_disk")]
    pub min_disk_size: u32,
    /// The slugs of its regions; `None` means all.
    #[serde(default)]
    pub regions: Option<Vec<String>>,
}

fn default_disk() -> u32 {
    25
}

impl PrivateImage {
    /// An image of this name in all regions, for disks from 25 GB.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            base: default_image(),
            min_disk_size: default_disk(),
            regions: None,
        }
    }
}

impl Control {
    /// Adds an image to the account and returns its id, its only identifier.
    ///
    /// # Errors
    ///
    /// [`ControlError::Invalid`] for an unknown base or region.
    pub fn add_image(&self, image: &PrivateImage) -> Result<u64, ControlError> {
        let unknown = |what: &str, slug: &str| ControlError::Invalid(format!("no {what} `{slug}`"));
        let find = |slug: &String| {
            let region = Region::find(slug).ok_or_else(|| unknown("region", slug))?;
            Ok(region.slug)
        };
        let regions = image.regions.as_ref();
        let regions = regions
            .map(|slugs| slugs.iter().map(find).collect::<Result<Vec<_>, _>>())
            .transpose()?;
        let mut state = self.world.state();
        let base = state.images.find(&image.base).cloned();
        let base = base.ok_or_else(|| unknown("image", &image.base))?;
        Ok(state
            .images
            .add(&image.name, &base, image.min_disk_size, regions))
    }

    /// Creates a volume of this size in GB, attaches it to a droplet, and returns its id.
    ///
    /// It outlives the droplet.
    ///
    /// # Errors
    ///
    /// [`ControlError::NotFound`] if the droplet is gone or never existed.
    pub fn attach_volume(
        &self,
        droplet: u64,
        name: &str,
        size_gigabytes: u32,
    ) -> Result<String, ControlError> {
        let mut state = self.world.state();
        let region = droplet_of(&state, droplet)?.region;
        let leftovers = &mut state.leftovers;
        Ok(leftovers.add_volume(name, region, size_gigabytes, Some(droplet)))
    }

    /// Takes a snapshot of a droplet at once, and returns its id.
    ///
    /// It outlives the droplet, and is an image for new droplets.
    ///
    /// # Errors
    ///
    /// [`ControlError::NotFound`] if the droplet is gone or never existed.
    pub fn take_snapshot(&self, droplet: u64, name: &str) -> Result<u64, ControlError> {
        let mut guard = self.world.state();
        let state = &mut *guard;
        let found = state.droplets.get(&droplet);
        let found = found.filter(|droplet| droplet.is_readable());
        let found = found.ok_or_else(|| ControlError::NotFound(droplet.to_string()))?;
        Ok(found.snapshot(name, &mut state.images))
    }

    /// Reserves an address, assigns it to a droplet, and returns it.
    ///
    /// It outlives the droplet. A droplet that has one keeps it.
    ///
    /// # Errors
    ///
    /// [`ControlError::NotFound`] if the droplet is gone or never existed.
    pub fn assign_reserved_address(&self, droplet: u64) -> Result<Ipv4Addr, ControlError> {
        let mut state = self.world.state();
        let region = droplet_of(&state, droplet)?.region;
        if let Some(reserved) = state.leftovers.reserved_of(droplet) {
            return Ok(reserved.ip);
        }
        Ok(state.leftovers.reserve(region, Some(droplet)))
    }
}

fn droplet_of(state: &State, id: u64) -> Result<&Droplet, ControlError> {
    let droplet = state.readable(id);
    droplet.ok_or_else(|| ControlError::NotFound(id.to_string()))
}
