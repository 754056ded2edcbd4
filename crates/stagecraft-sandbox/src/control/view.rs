//! True state of droplets.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::state::State;
use crate::state::droplet::{Droplet, Phase, Power, Why};

/// The true state of a droplet, whatever the API shows at the moment.
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
    /// Its tags in their canonical capitalisation, including those not shown yet.
    pub tags: Vec<String>,
    /// Its stage of life.
    pub state: DropletState,
    /// Whether it is powered off.
    pub powered_off: bool,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// The address of its host, even if not shown yet.
    pub address: Option<Ipv4Addr>,
    /// Whether the API lists it.
    pub listed: bool,
    /// The time of its creation, as the API writes it.
    pub created_at: String,
}

/// Stage of a droplet's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropletState {
    /// Accepted; its host is booting.
    Booting,
    /// It runs.
    Active,
    /// It is being deleted.
    Leaving,
    /// It was deleted.
    Deleted,
    /// Its creation failed.
    Failed,
    /// It was made to vanish by the control.
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
