//! Whose account it is, and how it stands.

use serde::{Deserialize, Serialize};

/// The team that an account belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// The team's id.
    pub uuid: String,
    /// The team's name.
    pub name: String,
}

impl Default for Team {
    fn default() -> Self {
        Self {
            uuid: "5df3e3004a17e242b7c20ca6c9fc25b701a47ece".to_owned(),
            name: "Sandbox".to_owned(),
        }
    }
}

/// How an account stands with the vendor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// Well.
    #[default]
    Active,
    /// It can be used, but something is the matter, as a payment.
    Warning,
    /// It may only read and delete any more.
    Locked,
}
