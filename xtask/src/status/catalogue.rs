//! The catalogue, as in its file.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// Where the catalogue is.
pub(crate) const CATALOGUE: &str = "spec/features.yaml";

/// All phases and features, in the order of the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Catalogue {
    pub(crate) phases: Vec<Phase>,
    pub(crate) features: Vec<Feature>,
}

/// A part of the plan.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Phase {
    pub(crate) id: String,
    pub(crate) title: String,
}

/// One feature. Invalid values of closed sets are reported later, all at once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Feature {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) phase: String,
    pub(crate) status: String,
    pub(crate) spec: Option<String>,
    pub(crate) owner: String,
    pub(crate) depends_on: Vec<String>,
    pub(crate) tests: Vec<String>,
    /// Why a feature is cancelled.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    /// What is missing in a feature in work.
    #[serde(default)]
    pub(crate) missing: Option<String>,
}

/// The status of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Todo,
    Wip,
    Done,
    Cancelled,
}

impl Status {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "todo" => Some(Self::Todo),
            "wip" => Some(Self::Wip),
            "done" => Some(Self::Done),
            "cancelled" => Some(Self::Cancelled),
            _ => None,
        }
    }
}

impl Catalogue {
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let text = fs::read_to_string(root.join(CATALOGUE))
            .with_context(|| format!("cannot read {CATALOGUE}"))?;
        serde_yaml::from_str(&text).with_context(|| format!("{CATALOGUE} is not a catalogue"))
    }

    pub(crate) fn feature(&self, id: &str) -> Option<&Feature> {
        self.features.iter().find(|feature| feature.id == id)
    }

    pub(crate) fn of_phase(&self, phase: &str) -> Vec<&Feature> {
        let of_phase = |feature: &&Feature| feature.phase == phase;
        self.features.iter().filter(of_phase).collect()
    }

    /// What a feature depends on.
    pub(crate) fn open_needs<'f>(&self, feature: &'f Feature) -> Vec<&'f str> {
        let is_open = |id: &&String| self.feature(id).is_none_or(|need| !need.is(Status::Done));
        let open = feature.depends_on.iter().filter(is_open);
        open.map(String::as_str).collect()
    }

    /// The features that depend on this one, directly or indirectly.
    pub(crate) fn waiting_for(&self, id: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut queue = vec![id];
        while let Some(next) = queue.pop() {
            for feature in &self.features {
                let waits = feature.depends_on.iter().any(|need| need == next);
                if waits && feature.is_open() && found.insert(feature.id.as_str()) {
                    queue.push(&feature.id);
                }
            }
        }
        found
    }
}

impl Feature {
    pub(crate) fn is(&self, status: Status) -> bool {
        Status::parse(&self.status) == Some(status)
    }

    /// Whether it is still open.
    pub(crate) fn is_open(&self) -> bool {
        self.is(Status::Todo) || self.is(Status::Wip)
    }

    pub(crate) fn analysis(&self) -> String {
        format!("docs/engine/analysis/{}.md", self.id)
    }

    pub(crate) fn outline(&self) -> String {
        format!("docs/engine/outlines/{}_IMPLEMENTATION_OUTLINE.md", self.id)
    }
}
