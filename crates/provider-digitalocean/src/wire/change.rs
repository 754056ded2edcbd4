//! Changes of existing droplets: tags and actions.

use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize)]
pub(crate) struct NewTag<'a> {
    pub(crate) name: &'a str,
}

/// The droplets that get or lose a tag.
#[derive(Debug, Serialize)]
pub(crate) struct Tagged<'a> {
    pub(crate) resources: Vec<TaggedResource<'a>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct TaggedResource<'a> {
    /// The number as a text, as the API requires.
    pub(crate) resource_id: &'a str,
    pub(crate) resource_type: &'static str,
}

/// An action to run on a droplet.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct DropletAction<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<&'a str>,
    /// Whether the disk grows too, permanently.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disk: Option<bool>,
}

impl DropletAction<'_> {
    /// An action without parameters.
    pub(crate) fn plain(kind: &'static str) -> Self {
        Self {
            kind,
            size: None,
            disk: None,
        }
    }

    /// The status that the action requires of a droplet.
    pub(crate) fn needs(&self) -> &'static str {
        match self.kind {
            "shutdown" | "power_off" => "active",
            _ => "off",
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct StartedAction {
    pub(crate) action: StartedActionId,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StartedActionId {
    pub(crate) id: u64,
}

/// The answer to creating a tag.
#[derive(Debug, Deserialize)]
pub(crate) struct NamedTag {
    pub(crate) tag: super::Tag,
}

/// One tag, with its resources.
#[derive(Debug, Deserialize)]
pub(crate) struct TagEnvelope {
    pub(crate) tag: UsedTag,
}

/// A tag with its resources.
#[derive(Debug, Deserialize)]
pub(crate) struct UsedTag {
    pub(crate) resources: TagUse,
}

/// How many resources of all kinds have a tag.
#[derive(Debug, Deserialize)]
pub(crate) struct TagUse {
    pub(crate) count: u64,
}
