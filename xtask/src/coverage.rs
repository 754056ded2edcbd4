//! How many lines of each crate the suite runs.
//!
//! The suite runs once, with the crates of this workspace instrumented. Programs that tests
//! start count too; each process writes its own profile, and incomplete ones of killed processes
//! are ignored.

mod compare;
mod figures;
mod lcov;
mod own_lines;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::process::{cargo, output, root, run, target};
use crate::{lab, status};
#[cfg(test)]
pub(crate) use figures::Lines;
pub(crate) use figures::{Figures, PATH, THIN};
pub(crate) use tools::package;

/// The command that measures.
pub(crate) const COMMAND: &str = "cargo xtask coverage";
/// The crates with a goal for the share of covered lines, in per cent.
pub(crate) const GOALS: &[(&str, u64)] = &[
    ("provider-digitalocean", 80),
    ("provider-tailscale", 80),
    ("stagecraft-core", 80),
];

/// The goal of a crate.
pub(crate) fn goal(name: &str) -> Option<u64> {
    let of_crate = GOALS.iter().find(|goal| goal.0 == name);
    of_crate.map(|goal| goal.1)
}

/// Runs the suite, writes the figures and their page, then reports missed goals.
pub(crate) fn write() -> Result<()> {
    let measured = measure()?;
    measured.save(&root())?;
    status::run(status::Mode::Write)?;
    report(&compare::below_goal(&measured))
}

/// Runs the suite and compares the figures with the recorded ones.
pub(crate) fn check() -> Result<()> {
    let measured = measure()?;
    let written = Figures::load(&root())?;
    let mut problems = compare::below_goal(&measured);
    problems.extend(compare::drifted(&measured, &written));
    report(&problems)
}

/// Makes a call of cargo compile with instrumentation, in a separate directory.
///
/// Dependencies are compiled as usual: cargo calls the wrapper for this workspace only.
fn instrumented(command: &mut Command) -> &mut Command {
    command
        .env("CARGO_TARGET_DIR", directory())
        .env("RUSTC_WORKSPACE_WRAPPER", wrapper())
        .env("LLVM_PROFILE_FILE", profiles().join("%p-%m.profraw"))
}

/// Stagecraft, as the tests ran it.
pub(crate) fn program() -> PathBuf {
    directory().join("debug/stagecraft")
}

fn directory() -> PathBuf {
    target("coverage")
}

fn profiles() -> PathBuf {
    directory().join("profiles")
}

fn wrapper() -> PathBuf {
    root().join("xtask/src/coverage/rustc.sh")
}

#[expect(
    clippy::print_stdout,
    reason = "a developers' tool talks to a terminal"
)]
fn measure() -> Result<Figures> {
    let tools = tools::find()?;
    let profiles = profiles();
    if profiles.exists() {
        fs::remove_dir_all(&profiles)?;
    }
    fs::create_dir_all(&profiles)?;
    let mirror = lab::start()?;
    run(instrumented(cargo().args([
        "test",
        "--workspace",
        "--no-fail-fast",
    ])))?;
    for pass in lab::PASSES {
        run(instrumented(&mut lab::suite(&mirror, pass)))?;
    }
    let merged = merge(&tools, &profiles)?;
    let report = export(&tools, &merged)?;
    let figures = Figures::of_report(&root(), &lcov::parse(&report))?;
    for (name, lines) in &figures.crates {
        println!("{name:24} {:>3}% of {:>5} lines", lines.share(), lines.all);
    }
    Ok(figures)
}

/// Merges the profiles of all processes.
fn merge(tools: &tools::Tools, profiles: &Path) -> Result<PathBuf> {
    let mut list = String::new();
    for entry in fs::read_dir(profiles)? {
        let path = entry?.path();
        // An empty profile comes from a process that was killed before it could write.
        if fs::metadata(&path)?.len() > 0 {
            list.push_str(path.to_str().context("a path is not UTF-8")?);
            list.push('\n');
        }
    }
    ensure!(!list.is_empty(), "no program left a profile");
    let inputs = directory().join("profiles.txt");
    let merged = directory().join("suite.profdata");
    fs::write(&inputs, list)?;
    // Quiet, since it warns about every incomplete file of a killed process.
    output(
        Command::new(&tools.profdata)
            .args(["merge", "--sparse", "--failure-mode=all", "--input-files"])
            .arg(&inputs)
            .arg("--output")
            .arg(&merged),
    )?;
    fs::remove_dir_all(profiles)?;
    Ok(merged)
}

fn export(tools: &tools::Tools, merged: &Path) -> Result<String> {
    let programs = programs()?;
    let [first, rest @ ..] = programs.as_slice() else {
        bail!("cargo reports no test program");
    };
    let mut command = Command::new(&tools.cov);
    command
        .args(["export", "--format=lcov", "--skip-expansions"])
        .arg("--instr-profile")
        .arg(merged)
        .arg(first);
    for program in rest {
        command.arg("--object").arg(program);
    }
    output(command.arg("--sources").arg(root().join("crates")))
}

/// Every program of the suite; they are already compiled.
fn programs() -> Result<Vec<PathBuf>> {
    let told = output(instrumented(cargo().args([
        "test",
        "--workspace",
        "--no-run",
        "--quiet",
        "--message-format=json",
    ])))?;
    let mut programs = Vec::new();
    for line in told.lines() {
        let message: Value = serde_json::from_str(line).context("cargo's message is not JSON")?;
        if let Some(program) = message["executable"].as_str() {
            programs.push(PathBuf::from(program));
        }
    }
    programs.sort();
    programs.dedup();
    Ok(programs)
}

fn report(problems: &[String]) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    bail!("coverage:\n  {}", problems.join("\n  "))
}
