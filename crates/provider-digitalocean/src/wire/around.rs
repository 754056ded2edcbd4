//! Where droplets are and what they leave behind: networks, projects, volumes, snapshots,
//! addresses.

use serde::{Deserialize, Serialize};

use super::known_elements;
use super::page::page;

page!(VpcsPage, vpcs, Vpc, "VPC", id);
page!(ProjectsPage, projects, CloudProject, "project", id);
page!(ResourcesPage, resources, Resource, "resource", urn);

/// A private network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Vpc {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
    /// The slug of its region.
    #[serde(default)]
    pub(crate) region: String,
}

/// A project of the account, which groups resources.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct CloudProject {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
}

/// Something in a project.
#[derive(Debug, Deserialize)]
pub(crate) struct Resource {
    pub(crate) urn: String,
}

/// The answer to assigning a resource to a project.
#[derive(Debug, Deserialize)]
pub(crate) struct AssignedResource {
    #[serde(default)]
    pub(crate) urn: String,
    /// `ok`, `assigned`, `already_assigned`, or the reason why it failed.
    #[serde(default)]
    pub(crate) status: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Assignment<'a> {
    pub(crate) resources: &'a [String],
}

#[derive(Debug, Deserialize)]
pub(crate) struct Assigned {
    #[serde(default, deserialize_with = "known_elements")]
    pub(crate) resources: Vec<AssignedResource>,
}

/// What deleting a droplet leaves behind.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Associated {
    #[serde(deserialize_with = "known_elements")]
    pub(crate) volumes: Vec<AssociatedResource>,
    #[serde(deserialize_with = "known_elements")]
    pub(crate) volume_snapshots: Vec<AssociatedResource>,
    #[serde(deserialize_with = "known_elements")]
    pub(crate) snapshots: Vec<AssociatedResource>,
    #[serde(deserialize_with = "known_elements")]
    pub(crate) reserved_ips: Vec<AssociatedResource>,
    /// The former name of reserved addresses; contains the same ones.
    #[serde(deserialize_with = "known_elements")]
    pub(crate) floating_ips: Vec<AssociatedResource>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AssociatedResource {
    pub(crate) id: Text,
    #[serde(default)]
    pub(crate) name: String,
    /// Dollars a month.
    pub(crate) cost: Option<Text>,
}

/// A text, or a number in its place: the API's descriptions and answers differ.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Text {
    Text(String),
    Number(serde_json::Number),
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}
