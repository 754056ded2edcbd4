//! What deleted hosts leave behind that still costs money.

use stagecraft_core::{HostName, Leftover, MicroUsd};

use super::Apply;
use super::target::Target;
use crate::wire::{Associated, AssociatedResource, Droplet};

/// Whether a droplet shows anything that would outlive it.
pub(super) fn leaves_behind(droplet: &Droplet) -> bool {
    // A reserved address is listed as a second public one.
    let public = droplet.networks.v4.iter();
    let public = public.filter(|network| network.kind == "public").count();
    let has = |ids: &Option<Vec<_>>| ids.as_ref().is_some_and(|ids| !ids.is_empty());
    has(&droplet.volume_ids) || has(&droplet.snapshot_ids) || public > 1
}

impl Apply<'_> {
    /// Reads what a host would leave behind. An error does not prevent the delete.
    pub(super) async fn leftovers(&self, target: &Target) -> Vec<Leftover> {
        let path = format!(
            "/v2/droplets/{}/destroy_with_associated_resources",
            target.id
        );
        match self.client.get::<Associated>(self.run, &path, &[]).await {
            Ok(found) => leftovers_of(&target.name, found),
            Err(error) => {
                tracing::warn!(host = %target.node, %error, "what it leaves behind is not known");
                Vec::new()
            }
        }
    }
}

fn leftovers_of(host: &HostName, found: Associated) -> Vec<Leftover> {
    let lists = [
        ("volume", found.volumes),
        ("volume_snapshot", found.volume_snapshots),
        ("snapshot", found.snapshots),
        ("reserved_ip", found.reserved_ips),
        ("reserved_ip", found.floating_ips),
    ];
    let mut leftovers: Vec<Leftover> = Vec::new();
    for (kind, list) in lists {
        for resource in list {
            let own = leftover(host, kind, resource);
            let is_told = leftovers
                .iter()
                .any(|other| (other.kind, &other.id) == (kind, &own.id));
            if !is_told {
                leftovers.push(own);
            }
        }
    }
    leftovers
}

fn leftover(host: &HostName, kind: &'static str, resource: AssociatedResource) -> Leftover {
    let cost = resource.cost.map(|cost| cost.to_string());
    let cost = cost.and_then(|cost| cost.trim().trim_start_matches('$').parse::<f64>().ok());
    Leftover {
        host: host.clone(),
        kind,
        id: resource.id.to_string(),
        name: Some(resource.name).filter(|name| !name.is_empty()),
        monthly: cost.map(MicroUsd::from_dollars),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_read_as_texts_and_as_numbers_and_addresses_once() {
        let answer = r#"{
            "volumes": [{"id": "v", "name": "data", "cost": "$1.50"}],
            "volume_snapshots": [{"id": "s", "name": "", "cost": 0.25}],
            "snapshots": [{"id": 7, "name": "old", "cost": "soon"}],
            "reserved_ips": [{"id": "192.0.2.1", "name": "192.0.2.1"}],
            "floating_ips": [{"id": "192.0.2.1", "name": "192.0.2.1", "cost": "5"}]
        }"#;
        let found: Associated = serde_json::from_str(answer).unwrap();
        let told: Vec<_> = leftovers_of(&HostName::new("db-1").unwrap(), found)
            .into_iter()
            .map(|own| (own.kind, own.id, own.name, own.monthly))
            .collect();
        let dollars = |dollars| Some(MicroUsd::from_dollars(dollars));
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(
            told,
            [
                ("volume", "v".to_owned(), name("data"), dollars(1.5)),
                ("volume_snapshot", "s".to_owned(), None, dollars(0.25)),
                ("snapshot", "7".to_owned(), name("old"), None),
                (
                    "reserved_ip",
                    "192.0.2.1".to_owned(),
                    name("192.0.2.1"),
                    None
                ),
            ]
        );
        let empty: Associated = serde_json::from_str("{}").unwrap();
        assert!(leftovers_of(&HostName::new("db-1").unwrap(), empty).is_empty());
    }
}
