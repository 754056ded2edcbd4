//! The account's owner and status.

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

/// Status of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// Good.
    #[default]
    Active,
    /// Usable, but with a problem, such as a payment.
    Warning,
    /// May only read and delete.
    Locked,
}
