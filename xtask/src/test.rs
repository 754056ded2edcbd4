//! Everything that CI runs, cheapest checks first.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::process::{cargo, output, run, target};
use crate::{coverage, demo, events, examples, features, measure, status, tidy};

/// Programs that the suite needs besides cargo, with their Debian packages.
const PROGRAMS: &[(&str, &str)] = &[
    ("/usr/sbin/sshd", "openssh-server"),
    ("/usr/bin/ssh-agent", "openssh-client"),
    ("/usr/bin/nsenter", "util-linux"),
    ("/usr/bin/gpg", "gnupg"),
    ("/usr/bin/zsh", "zsh"),
    ("/usr/bin/fish", "fish"),
];

/// Tests that need neither the sandbox's hosts nor containers: those beside the code, and the
/// binaries of the library crates.
const QUICK: &[&str] = &[
    "--lib",
    "--bins",
    "--test",
    "it",
    "--test",
    "openssh",
    "--test",
    "agreement",
    "--test",
    "in_process",
    "--test",
    "known_hosts",
    "--test",
    "provider",
];
/// The modules of these binaries that boot hosts.
const HOSTS: &[&str] = &["rotation::", "sandbox::"];

/// Checks to run before the tests: rules, format and lints.
pub(crate) fn check() -> Result<()> {
    tidy::run()?;
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]))
}

/// The quick tests: without the sandbox and container hosts.
pub(crate) fn quick() -> Result<()> {
    install_programs()?;
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--quiet", "--no-fail-fast"]);
    tests.args(QUICK).arg("--");
    for module in HOSTS {
        tests.args(["--skip", module]);
    }
    run(&mut tests)
}

/// All tests except those on container hosts.
pub(crate) fn with_sandbox() -> Result<()> {
    install_programs()?;
    run(cargo().args(["test", "--workspace", "--quiet", "--no-fail-fast"]))
}

/// Everything that CI runs.
pub(crate) fn ci() -> Result<()> {
    install_programs()?;
    status::run(status::Mode::Check)?;
    check()?;
    // Not among all targets, since it runs alone.
    run(cargo().args([
        "clippy",
        "--package",
        "stagecraft-cli",
        "--test",
        "e2e",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]))?;
    features::run()?;
    coverage::check()?;
    run(cargo()
        .args(["doc", "--workspace", "--no-deps", "--quiet"])
        .env("RUSTDOCFLAGS", "-D warnings"))?;
    events::run(status::Mode::Check)?;
    examples::run_all()?;
    // Uses the program that the tests ran, to save another build.
    demo::check_of(&coverage::program())?;
    check_release()
}

/// Checks that the optimized build still has every provider: a linker may drop unnamed crates.
fn check_release() -> Result<()> {
    measure::build()?;
    let binary = target("release").join("stagecraft");
    let listed = output(Command::new(&binary).args(["providers", "--output", "json"]))?;
    let listed: serde_json::Value = serde_json::from_str(&listed)?;
    let ids: Vec<&str> = listed["providers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry["id"].as_str())
        .collect();
    ensure!(
        ids == [
            "digitalocean",
            "tailscale",
            "docker",
            "network",
            "swap",
            "sysctl",
            "system",
            "timezone",
            "unattended_upgrades",
            "users"
        ],
        "the release build lists {ids:?}"
    );
    measure::report()
}

/// The package that Python needs to create a virtual environment, if it is missing.
fn python_package() -> Option<String> {
    let check = Command::new("python3")
        .args(["-c", "import ensurepip, venv"])
        .output();
    let is_there = check.is_ok_and(|check| check.status.success());
    (!is_there).then(|| "python3-venv".to_owned())
}

/// Installs missing programs of the suite, or fails with the command to run.
pub(crate) fn install_programs() -> Result<()> {
    let mut missing: Vec<String> = PROGRAMS
        .iter()
        .filter(|(program, _)| !Path::new(program).exists())
        .map(|(_, package)| (*package).to_owned())
        .collect();
    missing.extend(coverage::package()?);
    missing.extend(python_package());
    if missing.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get install --yes {}", missing.join(" "));
    let may = output(Command::new("id").arg("-u"))?.trim() == "0"
        && Path::new("/usr/bin/apt-get").exists();
    if !may {
        bail!("the suite needs missing programs; run: sudo {line}");
    }
    run(Command::new("apt-get").args(["update", "--quiet", "--quiet"]))?;
    run(Command::new("apt-get")
        .args([
            "install",
            "--yes",
            "--quiet",
            "--quiet",
            "--no-install-recommends",
        ])
        .args(missing)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}
