//! What droplets are in and leave behind: networks, projects, volumes, snapshots, addresses.

use serde::{Deserialize, Serialize};

use super::{Links, Meta, Page};

page!(VpcsPage, vpcs, Vpc, id);
page!(ProjectsPage, projects, CloudProject, id);
page!(ResourcesPage, resources, Resource, urn);

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

/// A project of the account, in which people sort what they have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct CloudProject {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
}

/// Something in a project, or the answer to putting it there.
#[derive(Debug, Deserialize)]
pub(crate) struct Resource {
    pub(crate) urn: String,
    /// `ok`, `assigned`, `already_assigned`, or why it was not.
    #[serde(default)]
    pub(crate) status: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Assignment<'a> {
    pub(crate) resources: &'a [String],
}

#[derive(Debug, Deserialize)]
pub(crate) struct Assigned {
    #[serde(default)]
    pub(crate) resources: Vec<Resource>,
}

/// What deleting a droplet leaves behind.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Associated {
    pub(crate) volumes: Vec<AssociatedResource>,
    pub(crate) volume_snapshots: Vec<AssociatedResource>,
    pub(crate) snapshots: Vec<AssociatedResource>,
    pub(crate) reserved_ips: Vec<AssociatedResource>,
    /// The former name of reserved addresses: the same ones again.
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
