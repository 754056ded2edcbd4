//! Hostile input for everything that Stagecraft reads, with memory measured.
//!
//! This crate contains the inputs and the measurement; the properties are its tests.
//! `PROPTEST_CASES` sets how many cases each property runs, and `cargo xtask fuzz` runs many.

mod damage;
mod json;
mod memory;
mod yaml;

use proptest::test_runner::Config;

pub use damage::damaged;
pub use json::{changed_json, hostile_json};
pub use memory::{MEBIBYTE, Measured, measured, measured_async};
pub use yaml::{bombs, configurations};

/// Cases of a property if `PROPTEST_CASES` is not set.
const CASES: u32 = 64;

/// Whether `PROPTEST_CASES` sets the number of cases, as `cargo xtask fuzz` does.
#[expect(
    clippy::disallowed_methods,
    reason = "only to tell whether the number was chosen"
)]
pub fn is_long() -> bool {
    std::env::var_os("PROPTEST_CASES").is_some()
}

/// The number of cases of a property whose cases each cost as much as `weight` cheap ones.
pub fn cases(weight: u32) -> Config {
    let chosen = Config::default();
    let cases = if is_long() { chosen.cases } else { CASES };
    Config {
        cases: (cases / weight).max(1),
        // A failure prints its smallest input, which belongs in a separate test.
        failure_persistence: None,
        ..chosen
    }
}
