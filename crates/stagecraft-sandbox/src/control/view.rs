//! Droplets as they really are.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::state::State;
use crate::state::droplet::{Droplet, Phase, Power, Why};

/// A droplet as it really is, whatever the API shows of it by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropletView {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its size's slug.
    pub size: String,
    /// Its region's slug.
    pub region: String,
    /// Its image's slug, or its id if it belongs to the account.
    pub image: String,
    /// Its tags in their canonical capitalisation, shown yet or not.
    pub tags: Vec<String>,
    /// Where it is in its life.
    pub state: DropletState,
    /// Whether it is powered off.
    pub powered_off: bool,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// The address of its host, shown yet or not.
    pub address: Option<Ipv4Addr>,
    /// Whether lists of the API have it.
    pub listed: bool,
    /// The time of its creation, as the API writes it.
    pub created_at: String,
}

/// Where a droplet is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropletState {
    /// Accepted; its host boots.
    Booting,
    /// It runs.
    Active,
    /// Its deletion runs.
    Leaving,
    /// It was deleted.
    Deleted,
    /// Its creation failed.
    Failed,
    /// It was made to vanish.
    Vanished,
}

impl DropletView {
    pub(super) fn new(droplet: &Droplet, state: &State, now: Instant) -> Self {
        let (life, failure) = match &droplet.phase {
            Phase::Booting => (DropletState::Booting, None),
            Phase::Active(_) => (DropletState::Active, None),
            Phase::Leaving(_) => (DropletState::Leaving, None),
            Phase::Gone(Why::Deleted) => (DropletState::Deleted, None),
            Phase::Gone(Why::Failed(message)) => (DropletState::Failed, Some(message.clone())),
            Phase::Gone(Why::Vanished) => (DropletState::Vanished, None),
        };
        Self {
            id: droplet.id,
            name: droplet.name.clone(),
            size: droplet.size.slug.to_owned(),
            region: droplet.region.slug.to_owned(),
            image: droplet.image.key(),
            tags: droplet
                .tags
                .keys()
                .map(|key| state.tags.spelling(key).to_owned())
                .collect(),
            state: life,
            powered_off: droplet.power == Power::Off,
            failure,
            address: droplet.address().map(|address| address.ip),
            listed: droplet.is_listed(now),
            created_at: droplet.created_at.clone(),
        }
    }
}
