#![doc = include_str!("../README.md")]

mod adopt;
mod bootstrap;
mod broken_off;
mod down;
mod dry_run;
mod engine;
mod exists;
mod lease;
mod outcome;
mod planned;
mod replace;
mod retag;
mod selection;
mod trust;
mod unnamed;
mod up;

pub use bootstrap::{BootstrapReport, Existing};
pub use down::{DownReport, Forgotten, PruneOptions};
pub use dry_run::{DryRunReport, HostLook};
pub use engine::Engine;
pub use lease::LeaseState;
pub use outcome::Outcome;
pub use planned::Planned;
pub use replace::{ReplaceReport, Replacement};
pub use retag::RetagReport;
pub use trust::TrustReport;
pub use up::{UpOptions, UpReport};
