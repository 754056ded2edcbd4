//! A droplet and its representation in the API.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::State;
use super::backups::BackupPolicy;
use super::catalog::{Region, Size};
use super::images::{Image, Images};
use super::tags::Tags;
use super::vpcs::default_vpc;

/// A droplet from its acceptance on. Kept after it is gone.
#[derive(Debug)]
pub(crate) struct Droplet {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) size: &'static Size,
    /// Its disk in GB: that of its first size, until a resize includes the disk.
    pub(crate) disk: u32,
    pub(crate) region: &'static Region,
    pub(crate) image: Image,
    pub(crate) options: Options,
    /// Keys of the tags, and the time from which each shows.
    pub(crate) tags: BTreeMap<String, Instant>,
    pub(crate) created_at: String,
    pub(crate) listed_from: Instant,
    /// The time from which reads by id find it; other calls always do.
    pub(crate) found_from: Instant,
    pub(crate) phase: Phase,
    /// Whether it is powered on; only an active one can be off.
    pub(crate) power: Power,
    /// The action under way, other than its creation and deletion.
    pub(crate) pending: Option<u64>,
    /// The action that creates it.
    pub(crate) create_action: u64,
    /// Whether its host exists; locked while the host is created, armed or removed.
    pub(crate) host: Arc<Mutex<bool>>,
    /// Its index among all droplets ever created, from which its private address follows.
    pub(crate) ordinal: u32,
}

/// The optional part of a create request.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) authorized_keys: Vec<String>,
    pub(crate) user_data: Option<String>,
    /// The requested ones of `backups`, `ipv6` and `monitoring`.
    pub(crate) features: Vec<&'static str>,
    pub(crate) public_networking: bool,
    /// The backup schedule, if backups are on.
    pub(crate) backup_policy: BackupPolicy,
    /// Whether the vendor's agent is installed.
    pub(crate) agent: bool,
    /// Its private network; `None` is the default one of its region.
    pub(crate) vpc: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            authorized_keys: Vec::new(),
            user_data: None,
            features: Vec::new(),
            public_networking: true,
            backup_policy: BackupPolicy::default(),
            agent: true,
            vpc: None,
        }
    }
}

/// Whether a droplet is powered on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    On,
    Off,
}

/// Stage of a droplet's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Accepted; its host is booting.
    Booting,
    /// It runs.
    Active(Address),
    /// It is being deleted; `None` if that began before it was active.
    Leaving(Option<Address>),
    /// It is gone.
    Gone(Why),
}

/// The public address of a droplet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) ip: Ipv4Addr,
    /// The time from which the API shows it; `None` means never (again).
    pub(crate) shown_from: Option<Instant>,
}

/// Why a droplet is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// It was deleted.
    Deleted,
    /// Its creation failed, for this reason.
    Failed(String),
    /// It was made to vanish by the control.
    Vanished,
}

impl Droplet {
    /// Whether the API finds it by its id.
    pub(crate) fn is_readable(&self) -> bool {
        !matches!(self.phase, Phase::Gone(_))
    }

    /// Whether lists contain it.
    pub(crate) fn is_listed(&self, now: Instant) -> bool {
        self.is_readable() && self.listed_from <= now
    }

    /// Whether it has a tag that shows already.
    pub(crate) fn has_tag(&self, key: &str, now: Instant) -> bool {
        self.tags.get(key).is_some_and(|from| *from <= now)
    }

    /// Whether an action runs on it, so that no other can start.
    pub(crate) fn is_busy(&self) -> bool {
        self.pending.is_some() || !matches!(self.phase, Phase::Active(_))
    }

    pub(crate) fn has_feature(&self, feature: &str) -> bool {
        self.options.features.contains(&feature)
    }

    pub(crate) fn set_feature(&mut self, feature: &'static str, is_on: bool) {
        let features = &mut self.options.features;
        features.retain(|other| *other != feature);
        if is_on {
            features.push(feature);
        }
    }

    /// The address of its host, even if not shown.
    pub(crate) fn address(&self) -> Option<Address> {
        match self.phase {
            Phase::Active(address) | Phase::Leaving(Some(address)) => Some(address),
            _ => None,
        }
    }

    /// The address that the API shows now.
    pub(crate) fn public_address(&self, now: Instant) -> Option<Ipv4Addr> {
        let address = self.address()?;
        let is_shown = address.shown_from.is_some_and(|from| from <= now);
        (is_shown && self.options.public_networking).then_some(address.ip)
    }

    /// The `status` that the API shows.
    pub(crate) fn status(&self) -> &'static str {
        match self.phase {
            Phase::Booting | Phase::Leaving(None) => "new",
            _ if self.power == Power::Off => "off",
            Phase::Active(_) | Phase::Leaving(Some(_)) | Phase::Gone(_) => "active",
        }
    }

    /// The names of the tags that show already.
    pub(crate) fn tag_names<'a>(&'a self, tags: &'a Tags, now: Instant) -> Vec<&'a str> {
        let shown = self.tags.iter().filter(|(_, from)| **from <= now);
        shown.map(|(key, _)| tags.spelling(key)).collect()
    }

    /// The id of its private network.
    pub(crate) fn vpc(&self) -> String {
        let chosen = self.options.vpc.clone();
        chosen.unwrap_or_else(|| default_vpc(self.region))
    }

    /// Its URN in projects.
    pub(crate) fn urn(&self) -> String {
        format!("do:droplet:{}", self.id)
    }

    /// Takes a snapshot of it, in its region; returns the image's id.
    pub(crate) fn snapshot(&self, name: &str, images: &mut Images) -> u64 {
        images.add_snapshot(name, self.id, &self.image, self.disk, self.region)
    }

    /// The time of the next backup; `null` if there is none.
    pub(crate) fn next_backup_window(&self) -> Value {
        if self.has_feature("backups") {
            self.options.backup_policy.next_window(Timestamp::now())
        } else {
            Value::Null
        }
    }

    /// The API's object.
    pub(crate) fn to_json(&self, state: &State, now: Instant) -> Value {
        let knobs = &state.knobs;
        let mut droplet = json!({
            "id": self.id,
            "name": self.name,
            "memory": self.size.memory,
            "vcpus": self.size.vcpus,
            "disk": self.disk,
            "disk_info": self.size.disk_info(self.disk),
            "locked": self.is_busy(),
            "status": self.status(),
            "kernel": null,
            "created_at": self.created_at,
            "features": self.features(),
            "backup_ids": [],
            "next_backup_window": self.next_backup_window(),
            "snapshot_ids": state.images.snapshots_of(self.id),
            "image": self.image.to_json(),
            "volume_ids": state.leftovers.volumes_of(self.id),
            "size": self.size.to_json(&knobs.sold_out),
            "size_slug": self.size.slug,
            "networks": self.networks(state, now),
            "region": self.region.to_json(&knobs.closed_regions, &knobs.sold_out),
            "tags": self.tag_names(&state.tags, now),
            "vpc_uuid": self.vpc(),
        });
        if let Some(gpu) = self.size.gpu() {
            droplet["gpu_info"] = gpu.to_json();
        }
        if let Some(fields) = droplet.as_object_mut() {
            fields.retain(|field, _| {
                let scope = SCOPED.iter().find(|(scoped, _)| scoped == field);
                scope.is_none_or(|(_, scope)| knobs.has_scope(scope))
            });
        }
        droplet
    }

    fn features(&self) -> Vec<&'static str> {
        let chosen = self.options.features.iter().copied();
        chosen
            .chain(self.options.agent.then_some("droplet_agent"))
            .chain(["private_networking"])
            .collect()
    }

    /// `{}` until it is active, as captured from the real API.
    fn networks(&self, state: &State, now: Instant) -> Value {
        if self.status() == "new" {
            return Value::Object(Map::new());
        }
        let mut v4 = Vec::new();
        if let Some(vpc) = state.vpcs.get(&self.vpc()) {
            v4.push(json!({
                "ip_address": vpc.address(self.ordinal).to_string(),
                "netmask": vpc.netmask().to_string(),
                // The real API sends this too; clients must not parse it.
                "gateway": "<nil>",
                "type": "private",
            }));
        }
        // A reserved address looks like the droplet's own, in no fixed order.
        let reserved = state.leftovers.reserved_of(self.id);
        let own = self.public_address(now).map(public_v4);
        let reserved = reserved.map(|reserved| public_v4(reserved.ip));
        if state.knobs.reserved_first {
            v4.extend(reserved.into_iter().chain(own));
        } else {
            v4.extend(own.into_iter().chain(reserved));
        }
        let mut v6 = Vec::new();
        if self.has_feature("ipv6") {
            v6.push(json!({
                "ip_address": format!("2001:db8::{:x}", self.ordinal + 2),
                "netmask": 64,
                "gateway": "2001:db8::1",
                "type": "public",
            }));
        }
        json!({"v4": v4, "v6": v6})
    }
}

/// Fields that are hidden from a token without the scope.
const SCOPED: &[(&str, &str)] = &[
    ("backup_ids", "image:read"),
    ("image", "image:read"),
    ("snapshot_ids", "image:read"),
    ("tags", "tag:read"),
    ("volume_ids", "block_storage:read"),
    ("vpc_uuid", "vpc:read"),
];

fn public_v4(ip: Ipv4Addr) -> Value {
    let [a, b, c, _] = ip.octets();
    json!({
        "ip_address": ip.to_string(),
        "netmask": "255.255.240.0",
        "gateway": Ipv4Addr::new(a, b, c & 0xf0, 1).to_string(),
        "type": "public",
    })
}
