//! Requests for plans.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::name::{EnvironmentName, HostName, RoleName};

/// The purpose of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanMode {
    /// Create what is declared and missing. Never deletes.
    Reconcile,
    /// Delete the environment's hosts.
    Destroy,
    /// Delete the environment's hosts that are not declared.
    Prune,
    /// Delete the environment's hosts that have expired.
    Reap,
    /// Adopt existing hosts with the name of a declared one: they get the fleet's tags.
    Adopt,
    /// Remove the protection of hosts.
    Unprotect,
}

impl PlanMode {
    /// Whether plans of this mode delete hosts.
    pub fn deletes(self) -> bool {
        matches!(self, Self::Destroy | Self::Prune | Self::Reap)
    }
}

/// Whether hosts of a size other than declared are resized.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeMode {
    /// They stay as they are.
    #[default]
    Never,
    /// They get processors and memory of the declared size, and keep their disk. Another resize
    /// can undo this.
    KeepDisk,
    /// They also get the disk of the declared size. A disk can never shrink again.
    GrowDisk,
}

/// Which hosts are to be created, so that providers read no more than needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Makes {
    /// Declared hosts that are missing.
    #[default]
    Missing,
    /// Existing hosts too: they are deleted first.
    Anew,
    /// None. A plan still lists the missing ones.
    Nothing,
}

impl Makes {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// A request for a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRequest {
    /// The environment.
    pub environment: EnvironmentName,
    /// The purpose of the plan.
    pub mode: PlanMode,
    /// Only these hosts; all if empty.
    pub hosts: BTreeSet<HostName>,
    /// Only hosts of these roles; all if empty.
    pub roles: BTreeSet<RoleName>,
    /// Only hosts that the run of this id created.
    #[serde(default)]
    pub made_by: Option<String>,
    /// Whether hosts of another size are resized. Only for [`PlanMode::Reconcile`].
    #[serde(default)]
    pub resize: ResizeMode,
    /// Which hosts are to be created. Only for [`PlanMode::Reconcile`]. It affects only the
    /// operator's key in a plan, which is read only for hosts that are created.
    #[serde(default, skip_serializing_if = "Makes::is_usual")]
    pub makes: Makes,
}

impl PlanRequest {
    /// Requests a plan for the whole environment.
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
