//! The API's types, as far as they are used. Unknown fields are ignored.
//!
//! A field is required only if the object is useless without it. All others have a default, and
//! `null` counts as absent ([`stagecraft_core::json`]).
//!
//! Source: DigitalOcean's `OpenAPI` description of the public API, version 2.

mod around;
mod change;
mod droplet;
mod page;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub(crate) use around::{
    Assigned, Assignment, Associated, AssociatedResource, CloudProject, ProjectsPage,
    ResourcesPage, Vpc, VpcsPage,
};
pub(crate) use change::{
    DropletAction, NamedTag, NewTag, StartedAction, TagEnvelope, Tagged, TaggedResource,
};
pub(crate) use droplet::{
    CreateDroplets, CreatedDroplets, Droplet, DropletEnvelope, DropletImage, DropletsPage,
};
use page::page;
pub(crate) use page::{Concern, Decoded, Element, Listed, Page, Strange, decode_page};

#[derive(Debug, Deserialize)]
pub(crate) struct AccountEnvelope {
    pub(crate) account: Account,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Account {
    pub(crate) uuid: String,
    #[serde(default)]
    pub(crate) email: String,
    /// Absent if the token may not read droplets.
    pub(crate) droplet_limit: Option<u64>,
    /// `active`, `warning` or `locked`.
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) status_message: String,
    pub(crate) team: Option<Team>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Team {
    #[serde(default)]
    pub(crate) uuid: String,
    #[serde(default)]
    pub(crate) name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Meta {
    pub(crate) total: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Links {
    #[serde(default)]
    pub(crate) pages: Option<Pages>,
    #[serde(default)]
    pub(crate) actions: Vec<ActionLink>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Pages {
    pub(crate) next: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ActionLink {
    pub(crate) id: u64,
}

page!(SizesPage, sizes, Size, "size", slug);
page!(RegionsPage, regions, RegionOffer, "region", slug);
page!(KeysPage, ssh_keys, SshKey, "SSH key", id);
page!(TagsPage, tags, Tag, "tag", name);
page!(
    ReservedPage,
    reserved_ips,
    ReservedIp,
    "reserved address",
    ip
);
page!(FirewallsPage, firewalls, ListedFirewall, "firewall", id);
page!(ActionsPage, actions, ListedAction, "action", id);

#[derive(Debug, Deserialize)]
pub(crate) struct Tag {
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct KeyEnvelope {
    pub(crate) ssh_key: SshKey,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SshKey {
    pub(crate) id: u64,
    pub(crate) fingerprint: String,
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Size {
    pub(crate) slug: String,
    pub(crate) price_monthly: f64,
    #[serde(default)]
    pub(crate) price_hourly: f64,
    /// In GB.
    #[serde(default)]
    pub(crate) disk: u64,
    #[serde(default)]
    pub(crate) available: bool,
    #[serde(default)]
    pub(crate) regions: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ReservedIp {
    pub(crate) ip: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RegionOffer {
    pub(crate) slug: String,
    #[serde(default)]
    pub(crate) available: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ImageEnvelope {
    pub(crate) image: Image,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Image {
    #[serde(default)]
    pub(crate) regions: Vec<String>,
    /// In GB.
    #[serde(default)]
    pub(crate) min_disk_size: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ActionEnvelope {
    pub(crate) action: Action,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Action {
    /// `in-progress`, `completed` or `errored`.
    pub(crate) status: String,
    pub(crate) resource_id: Option<u64>,
}

/// An action of a known droplet; only whether it has ended matters.
#[derive(Debug, Deserialize)]
pub(crate) struct ListedAction {
    pub(crate) id: u64,
    pub(crate) status: String,
}

/// The usual body of an error. `POST /v2/tags` has another one, and gateways answer HTML.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ErrorBody {
    #[serde(deserialize_with = "text_or_nothing")]
    pub(crate) id: String,
    #[serde(deserialize_with = "text_or_nothing")]
    pub(crate) message: String,
    #[serde(deserialize_with = "text_or_nothing")]
    pub(crate) error: String,
    #[serde(deserialize_with = "text_or_nothing")]
    pub(crate) request_id: String,
}

/// A text, and nothing for any other type: optional details of messages must not fail decoding.
fn text_or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        _ => String::new(),
    })
}

/// The elements of a list that can be decoded, and nothing for any other type: optional details of
/// answers must not fail decoding.
fn known_elements<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let Value::Array(list) = Value::deserialize(deserializer)? else {
        return Ok(Vec::new());
    };
    let elements = list.into_iter();
    Ok(elements
        .filter_map(|value| stagecraft_core::json::from_value(value).ok())
        .collect())
}

/// A firewall of the account. Most belong to others.
#[derive(Debug, Deserialize)]
pub(crate) struct ListedFirewall {
    pub(crate) id: String,
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FirewallEnvelope {
    pub(crate) firewall: Firewall,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Firewall {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) created_at: String,
    #[serde(default)]
    pub(crate) inbound_rules: Vec<FirewallRule>,
}

/// A create, or a full replacement of a firewall.
#[derive(Debug, Serialize)]
pub(crate) struct NewFirewall {
    pub(crate) name: String,
    pub(crate) inbound_rules: Vec<FirewallRule>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct FirewallRule {
    #[serde(default)]
    pub(crate) protocol: String,
    #[serde(default)]
    pub(crate) ports: String,
    #[serde(default)]
    pub(crate) sources: Targets,
}

#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Targets {
    #[serde(default)]
    pub(crate) addresses: Vec<String>,
}
