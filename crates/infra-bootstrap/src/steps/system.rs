//! The steps that set up and check a host's system.

mod check;
mod size;
mod swap;
mod sysctl;
mod timezone;
mod upgrades;
pub(crate) mod users;

use std::sync::Arc;

use stagecraft_core::{Change, Decision, FailureCode, HostStep, ProbeFacts, StepFailure};

pub use check::{SystemConfig, SystemStep};
pub use size::ByteSize;
pub use swap::SwapStep;
pub use sysctl::{SysctlConfig, SysctlKey, SysctlStep, SysctlValue};
pub use timezone::{TimeZone, TimezoneStep};
pub use upgrades::UpgradesStep;
pub use users::{AuthorizedKey, LoginName, ShellPath, UserConfig, UsersConfig, UsersStep};

/// The ids of these steps.
pub(crate) mod id {
    pub(crate) const SWAP: &str = "swap";
    pub(crate) const SYSCTL: &str = "sysctl";
    pub(crate) const SYSTEM: &str = "system";
    pub(crate) const TIMEZONE: &str = "timezone";
    pub(crate) const UPGRADES: &str = "unattended_upgrades";
    pub(crate) const USERS: &str = "users";
}

/// The ids of all steps of this module.
pub(crate) const STEPS: [&str; 6] = [
    id::SWAP,
    id::SYSCTL,
    id::SYSTEM,
    id::TIMEZONE,
    id::UPGRADES,
    id::USERS,
];

/// Returns the step that removes what earlier runs gave hosts by the key `id`, for a file that no
/// longer has the key. `None` for keys of which nothing is removed.
pub fn undeclared(id: &str) -> Option<Arc<dyn HostStep>> {
    Some(match id {
        id::SWAP => Arc::new(SwapStep::undeclared()),
        id::SYSCTL => Arc::new(SysctlStep::undeclared()),
        id::TIMEZONE => Arc::new(TimezoneStep::undeclared()),
        id::UPGRADES => Arc::new(UpgradesStep::undeclared()),
        id::USERS => Arc::new(UsersStep::undeclared()),
        _ => return None,
    })
}

/// The prelude of these steps' scripts: how they fail, write files, and keep the record.
pub(crate) const PRELUDE: &str =
    concat!(include_str!("full.sh"), include_str!("system/prelude.sh"));

/// The id of the change that applies the configuration.
const SET: &str = "set";

/// Returns the one change of a step.
fn set(summary: String) -> Decision {
    vec![Change::new(SET, summary)].into()
}

/// Returns the failure of an incomplete probe.
fn check_whole(facts: &ProbeFacts, what: &str) -> Result<(), StepFailure> {
    if facts.code == 0 && facts.output.lines().any(|line| line == "probe=done") {
        return Ok(());
    }
    Err(StepFailure::new(
        FailureCode::SystemVerifyFailed,
        format!("{what} could not be read (exit code {})", facts.code),
    )
    .with_evidence(facts.output.lines().map(ToOwned::to_owned)))
}
