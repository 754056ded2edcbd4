//! Actions: the vendor's term for background operations on a resource.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::catalog::Region;
use super::timestamp;
use crate::knobs::Knobs;

/// An operation on a droplet.
#[derive(Debug)]
pub(crate) struct Action {
    id: u64,
    kind: &'static str,
    status: &'static str,
    started_at: String,
    completed_at: Option<String>,
    pub(crate) droplet: u64,
    region: &'static Region,
    found_from: Instant,
}

impl Action {
    pub(crate) fn to_json(&self, knobs: &Knobs) -> Value {
        json!({
            "id": self.id,
            "status": self.status,
            "type": self.kind,
            "started_at": self.started_at,
            "completed_at": self.completed_at,
            "resource_id": self.droplet,
            "resource_type": "droplet",
            "region": self.region.to_json(&knobs.closed_regions, &knobs.sold_out),
            "region_slug": self.region.slug,
        })
    }
}

/// All actions, which outlive their droplets.
#[derive(Debug, Default)]
pub(crate) struct Actions {
    actions: BTreeMap<u64, Action>,
}

impl Actions {
    /// Starts an action that can be read from a given time on, and returns its id.
    pub(crate) fn start(
        &mut self,
        kind: &'static str,
        droplet: u64,
        region: &'static Region,
        found_from: Instant,
    ) -> u64 {
        let id = 2_300_100_443 + 13 * self.actions.len() as u64;
        let action = Action {
            id,
            kind,
            status: "in-progress",
            started_at: timestamp(),
            completed_at: None,
            droplet,
            region,
            found_from,
        };
        self.actions.insert(id, action);
        id
    }

    /// Ends an action as `completed` or `errored`. An ended one stays as it is.
    pub(crate) fn end(&mut self, id: u64, succeeded: bool) {
        if let Some(action) = self.actions.get_mut(&id)
            && action.completed_at.is_none()
        {
            action.status = if succeeded { "completed" } else { "errored" };
            action.completed_at = Some(timestamp());
        }
    }

    /// Finds an action that can be read already.
    pub(crate) fn find(&self, id: u64, now: Instant) -> Option<&Action> {
        self.actions
            .get(&id)
            .filter(|action| action.found_from <= now)
    }

    /// The actions of a droplet, the latest first.
    pub(crate) fn of(&self, droplet: u64) -> impl Iterator<Item = &Action> {
        self.actions
            .values()
            .rev()
            .filter(move |action| action.droplet == droplet)
    }
}
