//! The whole life of three hosts on this machine: no root, no Docker, no account.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process::{cargo, run, run_heard, target};

mod readme;

const CONFIG: &str = include_str!("demo/stagecraft.yml");
const SCRIPT: &str = include_str!("demo/demo.sh");

/// Builds the program, and runs the demonstration in a temporary directory.
pub(crate) fn demo() -> Result<()> {
    demo_of(&build()?).map(drop)
}

/// Does the same, and compares README with the output.
pub(crate) fn check() -> Result<()> {
    check_of(&build()?)
}

/// Compares README with the output of the demonstration, run with a program that is already built.
pub(crate) fn check_of(binary: &Path) -> Result<()> {
    readme::check(&demo_of(binary)?)
}

fn build() -> Result<PathBuf> {
    // With its progress: from nothing it takes minutes.
    run(cargo().args(["build", "--package", "stagecraft-cli"]))?;
    Ok(target("debug").join("stagecraft"))
}

/// Returns the output.
fn demo_of(binary: &Path) -> Result<String> {
    let directory = std::env::temp_dir().join(format!("stagecraft-demo-{}", std::process::id()));
    std::fs::create_dir(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let result = demonstrate(binary, &directory);
    std::fs::remove_dir_all(&directory)
        .with_context(|| format!("cannot remove {}", directory.display()))?;
    result
}

fn demonstrate(binary: &Path, directory: &Path) -> Result<String> {
    for (name, content) in [("stagecraft.yml", CONFIG), ("demo.sh", SCRIPT)] {
        std::fs::write(directory.join(name), content)
            .with_context(|| format!("cannot write to {}", directory.display()))?;
    }
    run_heard(
        Command::new(binary)
            .args(["sandbox", "--", "sh", "demo.sh"])
            .env("PATH", path_with(binary)?)
            // If it counts lines: those of the demonstration count for nothing.
            .env("LLVM_PROFILE_FILE", "/dev/null")
            .current_dir(directory),
    )
}

/// The search path with the program's own directory in front.
#[expect(clippy::disallowed_methods, reason = "this is no library")]
fn path_with(binary: &Path) -> Result<OsString> {
    let directory = binary.parent().map(Path::to_path_buf);
    let old = std::env::var_os("PATH").unwrap_or_default();
    let paths = directory.into_iter().chain(std::env::split_paths(&old));
    std::env::join_paths(paths.collect::<Vec<PathBuf>>()).context("the search path is invalid")
}
