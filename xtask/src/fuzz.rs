//! Long runs of the properties about hostile input.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::process::{cargo, run};

/// The default time of a run.
pub(crate) const DEFAULT: Duration = Duration::from_mins(5);
/// Cases of each property in one round. Expensive properties run a fraction of them.
const CASES: u32 = 1000;

/// The properties: a package each, and which of its tests.
const PROPERTIES: &[&[&str]] = &[
    &["--package", "stagecraft-fuzz", "--tests"],
    &[
        "--package",
        "stagecraft-cli",
        "--test",
        "cli",
        "hostile_config",
    ],
];

/// Name suffix of the tests that try every fault at every request: they are the same in each round.
const EXHAUSTIVE: &str = "single_fault";

/// Runs all properties with fresh random input, round after round, until the time is over. The
/// first round also runs the exhaustive ones. Stops at the first failure, with its smallest input.
#[expect(
    clippy::print_stderr,
    reason = "a developers' tool talks to a terminal"
)]
pub(crate) fn fuzz(time: Duration) -> Result<()> {
    let started = Instant::now();
    let mut rounds = 0;
    while rounds == 0 || started.elapsed() < time {
        for property in PROPERTIES {
            let mut tests = cargo();
            tests.args(["test", "--quiet"]).args(*property);
            if rounds > 0 {
                tests.args(["--", "--skip", EXHAUSTIVE]);
            }
            run(tests.env("PROPTEST_CASES", CASES.to_string()))?;
        }
        rounds += 1;
        eprintln!(
            "fuzz: {rounds} rounds of {CASES} cases in {} s, nothing found",
            started.elapsed().as_secs()
        );
    }
    Ok(())
}

/// Parses a time in seconds.
pub(crate) fn seconds(text: &str) -> Result<Duration> {
    let seconds = text
        .parse()
        .with_context(|| format!("`{text}` is not a number of seconds"))?;
    Ok(Duration::from_secs(seconds))
}
