//! The API's own shapes, as far as they are used. Unknown fields are passed over.
//!
//! Source: DigitalOcean's `OpenAPI` description of the public API, version 2.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
pub(crate) struct AccountEnvelope {
    pub(crate) account: Account,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Account {
    pub(crate) uuid: String,
    #[serde(default)]
    pub(crate) email: String,
    /// Left out if the token may not read droplets.
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
    pub(crate) uuid: String,
    pub(crate) name: String,
}

/// One page of any list.
pub(crate) trait Page: for<'de> Deserialize<'de> {
    type Item;

    /// What tells an item from all others of the list.
    fn key(item: &Self::Item) -> String;

    fn into_parts(self) -> (Vec<Self::Item>, Links, Option<Meta>);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Meta {
    pub(crate) total: u64,
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

macro_rules! page {
    ($name:ident, $field:ident, $item:ty, $key:ident) => {
        #[derive(Debug, Deserialize)]
        pub(crate) struct $name {
            $field: Vec<$item>,
            #[serde(default)]
            links: Links,
            meta: Option<Meta>,
        }

        impl Page for $name {
            type Item = $item;

            fn key(item: &$item) -> String {
                item.$key.to_string()
            }

            fn into_parts(self) -> (Vec<$item>, Links, Option<Meta>) {
                (self.$field, self.links, self.meta)
            }
        }
    };
}

page!(DropletsPage, droplets, Droplet, id);
page!(SizesPage, sizes, Size, slug);
page!(RegionsPage, regions, RegionOffer, slug);
page!(KeysPage, ssh_keys, SshKey, id);
page!(TagsPage, tags, Tag, name);
page!(ReservedPage, reserved_ips, ReservedIp, ip);
page!(FirewallsPage, firewalls, Firewall, id);
page!(ActionsPage, actions, Action, id);
mod around;
mod change;

pub(crate) use around::{
    Assigned, Assignment, Associated, AssociatedResource, CloudProject, ProjectsPage,
    ResourcesPage, Vpc, VpcsPage,
};
pub(crate) use change::{
    DropletAction, NamedTag, NewTag, StartedAction, TagEnvelope, Tagged, TaggedResource,
};

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
    #[serde(default)]
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
pub(crate) struct DropletEnvelope {
    pub(crate) droplet: Droplet,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Droplet {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) size_slug: String,
    /// In GB.
    pub(crate) disk: Option<u64>,
    pub(crate) features: Option<Vec<String>>,
    pub(crate) region: Option<Region>,
    /// It is shown only, so an odd one counts as absent.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) image: Option<DropletImage>,
    #[serde(default)]
    pub(crate) networks: Networks,
    /// Left out, not empty, if the token may not read tags.
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) vpc_uuid: Option<String>,
    /// Whether an action runs on it.
    #[serde(default)]
    pub(crate) locked: bool,
    /// Of these and the next it matters only whether there are any.
    pub(crate) volume_ids: Option<Vec<IgnoredAny>>,
    pub(crate) snapshot_ids: Option<Vec<IgnoredAny>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DropletImage {
    pub(crate) id: Option<u64>,
    /// Absent for private images, and public ones whose slug is that of a newer image.
    pub(crate) slug: Option<String>,
    pub(crate) public: Option<bool>,
}

/// What matters to nobody but a reader: of the wrong type it is absent.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

#[derive(Debug, Deserialize)]
pub(crate) struct Region {
    pub(crate) slug: String,
}

/// Real answers have `{}` right after a create.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Networks {
    #[serde(default)]
    pub(crate) v4: Vec<NetworkV4>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct NetworkV4 {
    pub(crate) ip_address: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct CreateDroplets<'a> {
    pub(crate) names: Vec<&'a str>,
    pub(crate) region: &'a str,
    pub(crate) size: &'a str,
    pub(crate) image: &'a str,
    pub(crate) ssh_keys: Vec<&'a str>,
    pub(crate) tags: Vec<&'a str>,
    pub(crate) user_data: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vpc_uuid: Option<&'a str>,
    #[serde(skip_serializing_if = "is_off")]
    pub(crate) monitoring: bool,
    #[serde(skip_serializing_if = "is_off")]
    pub(crate) backups: bool,
    #[serde(skip_serializing_if = "is_off")]
    pub(crate) ipv6: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_off(switch: &bool) -> bool {
    !switch
}

/// The answer to a create of several names: also used for one, so that there is one shape.
#[derive(Debug, Deserialize)]
pub(crate) struct CreatedDroplets {
    pub(crate) droplets: Vec<Droplet>,
    #[serde(default)]
    pub(crate) links: Links,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ActionEnvelope {
    pub(crate) action: Action,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Action {
    pub(crate) id: u64,
    /// `in-progress`, `completed` or `errored`.
    pub(crate) status: String,
    pub(crate) resource_id: Option<u64>,
}

/// The usual body of an error. `POST /v2/tags` has another one, gateways answer HTML.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrorBody {
    #[serde(default)]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) error: String,
    #[serde(default)]
    pub(crate) request_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FirewallEnvelope {
    pub(crate) firewall: Firewall,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Firewall {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) created_at: String,
    #[serde(default)]
    pub(crate) inbound_rules: Vec<FirewallRule>,
}

/// A create, or a replacement of all that a firewall has.
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
