//! Hostile input for everything that Stagecraft reads, with memory measured.
//!
//! The properties are this crate's tests; here are the inputs and the measure.
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

/// How many cases a property runs if `PROPTEST_CASES` does not say.
const CASES: u32 = 64;

/// Whether `PROPTEST_CASES` says how long to try, as `cargo xtask fuzz` does.
#[expect(
    clippy::disallowed_methods,
    reason = "only to tell whether the number was chosen"
)]
pub fn is_long() -> bool {
    std::env::var_os("PROPTEST_CASES").is_some()
}

/// How many cases to run of a property, of which one costs as much as `weight` cheap ones.
pub fn cases(weight: u32) -> Config {
    let chosen = Config::default();
    let cases = if is_long() { chosen.cases } else { CASES };
    Config {
        cases: (cases / weight).max(1),
        // A failure prints its smallest input, which belongs into a test of its own.
        failure_persistence: None,
        ..chosen
    }
}
