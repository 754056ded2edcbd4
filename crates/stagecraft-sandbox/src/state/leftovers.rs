//! Resources that outlive a droplet and still cost money: volumes and reserved addresses.
//!
//! Snapshots do so as well; they are images.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::catalog::Region;
use super::timestamp;

/// A volume.
#[derive(Debug)]
pub(crate) struct Volume {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) region: &'static Region,
    pub(crate) size_gigabytes: u32,
    /// The droplet to which it is attached.
    pub(crate) droplet: Option<u64>,
    created_at: String,
}

/// An address reserved for the account.
#[derive(Debug)]
pub(crate) struct Reserved {
    pub(crate) ip: Ipv4Addr,
    pub(crate) region: &'static Region,
    /// The droplet to which it is assigned.
    pub(crate) droplet: Option<u64>,
}

/// Volumes and reserved addresses.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    pub(crate) volumes: BTreeMap<String, Volume>,
    pub(crate) reserved: BTreeMap<Ipv4Addr, Reserved>,
    made: u32,
}

impl Leftovers {
    /// Creates a volume, and attaches it at once if a droplet is given.
    pub(crate) fn add_volume(
        &mut self,
        name: &str,
        region: &'static Region,
        size_gigabytes: u32,
        droplet: Option<u64>,
    ) -> String {
        self.made += 1;
        let id = format!("506f78a4-e098-11e5-ad9f-{:012x}", self.made);
        let volume = Volume {
            id: id.clone(),
            name: name.to_owned(),
            region,
            size_gigabytes,
            droplet,
            created_at: timestamp(),
        };
        self.volumes.insert(id.clone(), volume);
        id
    }

    /// Reserves an address from the ranges of RFC 5737 and RFC 2544.
    pub(crate) fn reserve(&mut self, region: &'static Region, droplet: Option<u64>) -> Ipv4Addr {
        self.made += 1;
        let [_, _, high, low] = self.made.to_be_bytes();
        let ip = if high == 0 && low < 255 {
            Ipv4Addr::new(192, 0, 2, low)
        } else {
            Ipv4Addr::new(198, 19, high, low)
        };
        let reserved = Reserved {
            ip,
            region,
            droplet,
        };
        self.reserved.insert(ip, reserved);
        ip
    }

    /// The ids of the volumes attached to a droplet.
    pub(crate) fn volumes_of(&self, droplet: u64) -> Vec<&str> {
        let all = self.volumes.values();
        let attached = all.filter(|volume| volume.droplet == Some(droplet));
        attached.map(|volume| volume.id.as_str()).collect()
    }

    /// The reserved address assigned to a droplet: one at most.
    pub(crate) fn reserved_of(&self, droplet: u64) -> Option<&Reserved> {
        let mut all = self.reserved.values();
        all.find(|reserved| reserved.droplet == Some(droplet))
    }

    /// Detaches the resources of a deleted droplet; all of them stay.
    pub(crate) fn release(&mut self, droplet: u64) {
        for volume in self.volumes.values_mut() {
            volume.droplet.take_if(|id| *id == droplet);
        }
        for reserved in self.reserved.values_mut() {
            reserved.droplet.take_if(|id| *id == droplet);
        }
    }
}

impl Volume {
    pub(crate) fn to_json(&self, region: &Value) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "description": "",
            "region": region,
            "droplet_ids": self.droplet.iter().collect::<Vec<_>>(),
            "size_gigabytes": self.size_gigabytes,
            "created_at": self.created_at,
            "filesystem_type": "",
            "filesystem_label": "",
            "tags": [],
        })
    }
}
