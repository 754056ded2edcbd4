//! The steps that set up and check a host's system.

mod check;
mod size;
mod swap;
mod sysctl;
mod timezone;
mod upgrades;
mod users;

use stagecraft_core::{Change, Decision, FailureCode, ProbeFacts, StepFailure};

pub use check::{SystemConfig, SystemStep};
pub use size::ByteSize;
pub use swap::SwapStep;
pub use sysctl::{SysctlConfig, SysctlKey, SysctlStep, SysctlValue};
pub use timezone::{TimeZone, TimezoneStep};
pub use upgrades::UpgradesStep;
pub use users::{AuthorizedKey, LoginName, ShellPath, UserConfig, UsersConfig, UsersStep};

/// The ids of these steps.
pub(super) mod id {
    pub(in crate::steps) const SWAP: &str = "swap";
    pub(in crate::steps) const SYSCTL: &str = "sysctl";
    pub(in crate::steps) const SYSTEM: &str = "system";
    pub(in crate::steps) const TIMEZONE: &str = "timezone";
    pub(in crate::steps) const UPGRADES: &str = "unattended_upgrades";
    pub(in crate::steps) const USERS: &str = "users";
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

/// What the scripts of these steps begin with.
const PRELUDE: &str = include_str!("system/prelude.sh");

/// The id of the change that makes it as the configuration says.
const SET: &str = "set";

/// The one change that this step has to make.
fn set(summary: String) -> Decision {
    vec![Change::new(SET, summary)].into()
}

/// The failure of a probe that did not come to its end.
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
