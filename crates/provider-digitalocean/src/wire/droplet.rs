//! Droplets; ours decide about creating and deleting.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::Links;
use super::page::{Element, Strange, page};

page!(DropletsPage, droplets, Droplet);

#[derive(Debug, Deserialize)]
pub(crate) struct DropletEnvelope {
    pub(crate) droplet: Droplet,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Droplet {
    pub(crate) id: u64,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) size_slug: String,
    /// In GB.
    pub(crate) disk: Option<u64>,
    pub(crate) features: Option<Vec<String>>,
    pub(crate) region: Option<Region>,
    /// Only shown, so an unreadable one counts as absent.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) image: Option<DropletImage>,
    #[serde(default)]
    pub(crate) networks: Networks,
    /// Absent, not empty, if the token may not read tags.
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) vpc_uuid: Option<String>,
    /// Whether an action runs on it.
    #[serde(default)]
    pub(crate) locked: bool,
    /// For this and the next field only whether they are empty matters.
    pub(crate) volume_ids: Option<Vec<IgnoredAny>>,
    pub(crate) snapshot_ids: Option<Vec<IgnoredAny>>,
    /// Why the rest could not be decoded. Id and name are right, and tags are those that could be
    /// decoded.
    #[serde(skip)]
    pub(crate) flaw: Option<String>,
}

impl Element for Droplet {
    const WHAT: &'static str = "droplet";

    fn key(&self) -> String {
        self.id.to_string()
    }

    /// Keeps a droplet with its name: its owner is decided where names and tags are understood.
    fn salvage(strange: &Strange) -> Option<Self> {
        let texts = |list: &Vec<Value>| {
            let texts = list.iter().filter_map(Value::as_str);
            texts.map(ToOwned::to_owned).collect()
        };
        Some(Self {
            id: strange.get("id")?.as_u64()?,
            name: strange.get("name")?.as_str()?.to_owned(),
            status: String::new(),
            size_slug: String::new(),
            disk: None,
            features: None,
            region: None,
            image: None,
            networks: Networks::default(),
            tags: strange
                .get("tags")
                .map(|tags| tags.as_array().map(texts).unwrap_or_default()),
            vpc_uuid: None,
            locked: false,
            volume_ids: None,
            snapshot_ids: None,
            flaw: Some(strange.flaw().to_owned()),
        })
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct DropletImage {
    pub(crate) id: Option<u64>,
    /// Absent for private images, and for public ones whose slug moved to a newer image.
    pub(crate) slug: Option<String>,
    pub(crate) public: Option<bool>,
}

/// Decodes an optional detail; absent if it has the wrong type.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Region {
    #[serde(default)]
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
    #[serde(default)]
    pub(crate) ip_address: String,
    #[serde(rename = "type", default)]
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

/// The answer to a create of several names. Also used for one, so that there is one type.
#[derive(Debug, Deserialize)]
pub(crate) struct CreatedDroplets {
    pub(crate) droplets: Vec<CreatedDroplet>,
    #[serde(default)]
    pub(crate) links: Links,
}

/// A droplet that was just accepted; only its id and name are used.
#[derive(Debug, Deserialize)]
pub(crate) struct CreatedDroplet {
    pub(crate) id: u64,
    pub(crate) name: String,
}
