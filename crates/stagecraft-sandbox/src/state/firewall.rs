//! Firewalls: stored and shown, never applied.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Value, json};

use super::timestamp;

/// Most rules of a firewall, and most addresses of a rule, by the vendor's documentation.
const MOST_RULES: usize = 50;
const MOST_ADDRESSES: usize = 1000;

/// The firewalls of the account. Names are unique.
#[derive(Debug, Default)]
pub(crate) struct Firewalls {
    made: u64,
    by_id: BTreeMap<String, Firewall>,
}

#[derive(Debug)]
pub(crate) struct Firewall {
    pub(crate) id: String,
    created_at: String,
    wanted: Wanted,
}

/// The body of a create or a replacement.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    inbound_rules: Option<Vec<Rule>>,
    #[serde(default)]
    outbound_rules: Option<Vec<Rule>>,
    #[serde(default)]
    droplet_ids: Option<Vec<u64>>,
    #[serde(default)]
    pub(crate) tags: Option<Vec<String>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Rule {
    protocol: String,
    #[serde(default)]
    ports: Option<String>,
    #[serde(default, alias = "destinations")]
    sources: Option<Targets>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Targets {
    #[serde(default)]
    addresses: Option<Vec<String>>,
    #[serde(default)]
    tags: Option<Vec<String>>,
}

/// Why a firewall cannot be created or changed this way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    NameTaken,
    Invalid(String),
}

impl Firewalls {
    pub(crate) fn list(&self) -> impl Iterator<Item = &Firewall> {
        self.by_id.values()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Firewall> {
        self.by_id.get(id)
    }

    pub(crate) fn remove(&mut self, id: &str) -> bool {
        self.by_id.remove(id).is_some()
    }

    /// Creates a firewall with an id that was never used.
    pub(crate) fn create(&mut self, wanted: Wanted) -> Result<&Firewall, Refused> {
        self.check(&wanted, None)?;
        self.made += 1;
        let id = format!("bb4b2611-3d72-467b-8602-{:012x}", self.made);
        let firewall = Firewall {
            id: id.clone(),
            created_at: timestamp(),
            wanted,
        };
        Ok(self.by_id.entry(id).or_insert(firewall))
    }

    /// Replaces all settable fields of a firewall. `None` if the id is unknown.
    pub(crate) fn replace(
        &mut self,
        id: &str,
        wanted: Wanted,
    ) -> Option<Result<&Firewall, Refused>> {
        self.by_id.get(id)?;
        if let Err(refused) = self.check(&wanted, Some(id)) {
            return Some(Err(refused));
        }
        let firewall = self.by_id.get_mut(id)?;
        firewall.wanted = wanted;
        Some(Ok(firewall))
    }

    fn check(&self, wanted: &Wanted, own: Option<&str>) -> Result<(), Refused> {
        wanted.check().map_err(Refused::Invalid)?;
        let taken =
            |other: &Firewall| other.wanted.name == wanted.name && own != Some(other.id.as_str());
        if self.by_id.values().any(taken) {
            return Err(Refused::NameTaken);
        }
        Ok(())
    }
}

impl Wanted {
    fn check(&self) -> Result<(), String> {
        let mut letters = self.name.chars();
        let is_name = letters.next().is_some_and(|c| c.is_ascii_alphanumeric())
            && self.name.len() > 1
            && letters.all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
        if !is_name {
            return Err("invalid name".to_owned());
        }
        let rules = self.rules();
        if rules.is_empty() {
            return Err("a firewall must have at least one rule".to_owned());
        }
        if rules.len() > MOST_RULES {
            return Err(format!("a firewall has at most {MOST_RULES} rules"));
        }
        rules.into_iter().try_for_each(Rule::check)
    }

    fn rules(&self) -> Vec<&Rule> {
        let inbound = self.inbound_rules.iter().flatten();
        inbound
            .chain(self.outbound_rules.iter().flatten())
            .collect()
    }

    /// The tags that it names, which must exist.
    pub(crate) fn all_tags(&self) -> Vec<&String> {
        let targets = self
            .rules()
            .into_iter()
            .filter_map(|rule| rule.sources.as_ref());
        let of_rules = targets.flat_map(|targets| targets.tags.iter().flatten());
        of_rules.chain(self.tags.iter().flatten()).collect()
    }
}

impl Rule {
    fn check(&self) -> Result<(), String> {
        if !["tcp", "udp", "icmp"].contains(&self.protocol.as_str()) {
            return Err(format!("invalid protocol: {}", self.protocol));
        }
        if self.protocol != "icmp" && self.ports.as_deref().is_none_or(str::is_empty) {
            return Err("ports are required".to_owned());
        }
        let targets = self.sources.clone().unwrap_or_default();
        let addresses = targets.addresses.unwrap_or_default();
        if addresses.len() > MOST_ADDRESSES {
            return Err(format!("a rule has at most {MOST_ADDRESSES} addresses"));
        }
        if addresses.is_empty() && targets.tags.unwrap_or_default().is_empty() {
            return Err("a rule must have a source or destination".to_owned());
        }
        match addresses.iter().find(|address| !is_address(address)) {
            Some(bad) => Err(format!("invalid address: {bad}")),
            None => Ok(()),
        }
    }

    fn to_json(&self, side: &str) -> Value {
        // The API returns "0" for all ports and for icmp.
        let ports = match self.ports.as_deref() {
            None | Some("all") => "0",
            Some(ports) => ports,
        };
        let targets = self.sources.clone().unwrap_or_default();
        let mut shown = json!({});
        if let Some(addresses) = targets.addresses {
            shown["addresses"] = json!(addresses);
        }
        if let Some(tags) = targets.tags {
            shown["tags"] = json!(tags);
        }
        json!({"protocol": self.protocol, "ports": ports, side: shown})
    }
}

fn is_address(text: &str) -> bool {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    length.is_none_or(|length| length.parse::<u8>().is_ok_and(|length| length <= most))
}

impl Firewall {
    pub(crate) fn to_json(&self) -> Value {
        let Wanted {
            name,
            inbound_rules,
            outbound_rules,
            droplet_ids,
            tags,
        } = &self.wanted;
        // The description declares each of these lists as nullable.
        let rules = |rules: &Option<Vec<Rule>>, side: &str| -> Option<Vec<Value>> {
            let rules = rules.as_ref()?.iter();
            Some(rules.map(|rule| rule.to_json(side)).collect())
        };
        json!({
            "id": self.id,
            "name": name,
            "status": "succeeded",
            "created_at": self.created_at,
            "pending_changes": [],
            "inbound_rules": rules(inbound_rules, "sources"),
            "outbound_rules": rules(outbound_rules, "destinations"),
            "droplet_ids": droplet_ids,
            "tags": tags,
        })
    }
}
