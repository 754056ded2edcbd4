//! The provider as its users see it: decisions, real shells, and faults.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows test functions only, not their helpers"
)]

mod build;
mod decide;
mod faults;
mod local;
mod names;
mod packages;
#[cfg(feature = "live-tests")]
mod real;
mod scripts;
mod support;
