//! What a plan is asked for.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::name::{EnvironmentName, HostName, RoleName};

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanMode {
    /// Create what is declared and missing. Never deletes.
    Reconcile,
    /// Delete the environment's hosts.
    Destroy,
    /// Delete the environment's hosts that are not declared.
    Prune,
    /// Delete the environment's hosts whose time is over.
    Reap,
    /// Make hosts ours that have the name of a declared one: they get the fleet's tags.
    Adopt,
    /// Take the protection of hosts away.
    Unprotect,
}

impl PlanMode {
    /// Whether plans of this mode delete hosts.
    pub fn deletes(self) -> bool {
        matches!(self, Self::Destroy | Self::Prune | Self::Reap)
    }
}

/// Whether hosts of another size than declared are resized.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeMode {
    /// They stay as they are.
    #[default]
    Never,
    /// They get processors and memory of the declared size, and keep their disk. This can be
    /// undone by another resize.
    KeepDisk,
    /// They get the disk of the declared size too. It can never become smaller again.
    GrowDisk,
}

/// Which hosts are made, so that providers read no more than that takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Makes {
    /// Those that are declared and missing.
    #[default]
    Missing,
    /// Those that exist too: they are going to be deleted before.
    Anew,
    /// None. A plan tells all the same which are missing.
    Nothing,
}

impl Makes {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// What a plan is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRequest {
    /// The environment.
    pub environment: EnvironmentName,
    /// What the plan is for.
    pub mode: PlanMode,
    /// Only these hosts; all if empty.
    pub hosts: BTreeSet<HostName>,
    /// Only hosts of these roles; all if empty.
    pub roles: BTreeSet<RoleName>,
    /// Only hosts that the run of this id made.
    #[serde(default)]
    pub made_by: Option<String>,
    /// Whether hosts of another size are resized. Counts in [`PlanMode::Reconcile`] only.
    #[serde(default)]
    pub resize: ResizeMode,
    /// Which hosts are made. Counts in [`PlanMode::Reconcile`] only, and changes no plan but for
    /// the operator's key, which is not read for hosts that nobody makes.
    #[serde(default, skip_serializing_if = "Makes::is_usual")]
    pub makes: Makes,
}

impl PlanRequest {
    /// Asks for a plan for the whole environment.
    pub fn new(environment: EnvironmentName, mode: PlanMode) -> Self {
        Self {
            environment,
            mode,
            hosts: BTreeSet::new(),
            roles: BTreeSet::new(),
            made_by: None,
            resize: ResizeMode::Never,
            makes: Makes::Missing,
        }
    }
}
