//! Plans: declared hosts compared with observed ones. Pure, and deterministic to the byte.

mod change;
mod compare;
mod compute;
mod entries;
mod facts;
#[cfg(test)]
pub(crate) mod fixtures;
mod host_changes;
mod host_ref;
mod infra_plan;
mod request;
mod saved;
mod stale;

pub use change::{PlanChange, PlanSetting};
pub use compute::plan_hosts;
pub use entries::{
    CreateEntry, Difference, ExpiryChange, FieldDifference, HeldEntry, OtherImage, Remedy,
    ResizeEntry, RetagEntry,
};
pub use facts::{Account, CloudFacts, OperatorKey, SizeOffer};
pub use host_changes::{HostChanges, StepChanges};
pub use host_ref::{HostRef, Protection};
pub use infra_plan::{Cost, InfraPlan, PLAN_VERSION};
pub use request::{Makes, PlanMode, PlanRequest, ResizeMode};
pub use saved::{SAVED_PLAN_LIMIT, SAVED_PLAN_VERSION, SavedPlan};
