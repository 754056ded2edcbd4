//! The size and the start-up time of the release build.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::process::{cargo, run, target};

const RUNS: usize = 100;
/// The size limit of the program, in bytes. It was 10 MB until logins gained the
/// key exchanges and key formats of restricted servers, and completions the names of the file.
const LARGEST: u64 = 11_000_000;

pub(crate) fn run_all() -> Result<()> {
    build()?;
    report()
}

pub(crate) fn build() -> Result<()> {
    run(cargo().args([
        "build",
        "--release",
        "--quiet",
        "--package",
        "stagecraft-cli",
    ]))
}

/// Prints both figures, with the start-up time of `true` for comparison, since machines differ.
#[expect(
    clippy::print_stdout,
    reason = "a developers' tool talks to a terminal"
)]
#[expect(clippy::cast_precision_loss, reason = "a size in MB needs no more")]
pub(crate) fn report() -> Result<()> {
    let binary = target("release").join("stagecraft");
    let size = std::fs::metadata(&binary)
        .context("no release build")?
        .len();
    let own = median(Command::new(&binary).arg("version"))?;
    let peer = median(&mut Command::new("true"))?;
    println!("size: {:.1} MB", size as f64 / 1e6);
    ensure!(
        size <= LARGEST,
        "the release build is larger than {LARGEST} bytes"
    );
    println!(
        "start-up (`stagecraft version`, median of {RUNS}): {:.2} ms; `true`: {:.2} ms",
        own.as_secs_f64() * 1e3,
        peer.as_secs_f64() * 1e3
    );
    Ok(())
}

fn median(command: &mut Command) -> Result<Duration> {
    command.stdout(std::process::Stdio::null());
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let started = Instant::now();
        let status = command.status()?;
        times.push(started.elapsed());
        ensure!(status.success(), "{command:?} ended with {status}");
    }
    times.sort();
    Ok(times[RUNS / 2])
}
