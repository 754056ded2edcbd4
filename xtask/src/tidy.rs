//! The rules about crates that the compiler does not check.

mod circles;
mod error_kinds;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process::{cargo, output, root};

/// A crate, its allowed `[dependencies]`, and packages that it may not depend on even indirectly.
struct Rule {
    name: &'static str,
    direct: &'static [&'static str],
    never: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule {
        name: "stagecraft-core",
        direct: &[
            "async-trait",
            "data-encoding",
            "getrandom",
            "inventory",
            "jiff",
            "schemars",
            "secrecy",
            "serde",
            "serde_json",
            "yaml_serde",
            "sha2",
            "ssh-key",
            "strsim",
            "thiserror",
            "tokio",
            "tokio-util",
        ],
        never: &["reqwest", "russh", "clap", "anyhow"],
    },
    Rule {
        name: "stagecraft-ssh",
        direct: &[
            "stagecraft-core",
            "aes",
            "async-trait",
            "cbc",
            "data-encoding",
            "hmac",
            "md5",
            "pkcs8",
            "ring",
            "russh",
            "rustix",
            "secrecy",
            "sha1",
            "thiserror",
            "tokio",
            "tokio-util",
            "tracing",
        ],
        never: &["reqwest", "clap"],
    },
    Rule {
        name: "provider-digitalocean",
        direct: &[
            "stagecraft-core",
            "async-trait",
            "data-encoding",
            "futures-util",
            "jiff",
            "md5",
            "reqwest",
            "rustls",
            "schemars",
            "secrecy",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "tokio",
            "tracing",
        ],
        never: &["russh", "clap", "provider-tailscale"],
    },
    Rule {
        name: "provider-tailscale",
        direct: &[
            "stagecraft-core",
            "async-trait",
            "schemars",
            "secrecy",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tracing",
            "url",
        ],
        never: &["russh", "clap", "provider-digitalocean"],
    },
    Rule {
        name: "infra-bootstrap",
        direct: &[
            "stagecraft-core",
            "async-trait",
            "schemars",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tracing",
        ],
        never: &[
            "russh",
            "reqwest",
            "clap",
            "provider-digitalocean",
            "provider-tailscale",
        ],
    },
    Rule {
        name: "stagecraft-engine",
        direct: &[
            "stagecraft-core",
            "infra-bootstrap",
            "async-trait",
            "serde",
            "tokio",
        ],
        never: &[
            "russh",
            "reqwest",
            "clap",
            "provider-digitalocean",
            "provider-tailscale",
        ],
    },
    Rule {
        name: "stagecraft-sandbox",
        direct: &[
            "stagecraft-core",
            "async-trait",
            "axum",
            "base64",
            "bollard",
            "futures-util",
            "getrandom",
            "jiff",
            "md5",
            "russh",
            "serde",
            "serde_json",
            "yaml_serde",
            "ssh-key",
            "strsim",
            "tar",
            "tempfile",
            "thiserror",
            "tokio",
            "tokio-util",
            "tracing",
        ],
        never: &["stagecraft-cli", "clap"],
    },
    Rule {
        name: "stagecraft-fuzz",
        direct: &["peak_alloc", "proptest", "serde_json"],
        never: &["stagecraft-core", "stagecraft-cli", "clap"],
    },
    Rule {
        name: "stagecraft-testkit",
        direct: &[
            "stagecraft-core",
            "async-trait",
            "secrecy",
            "serde",
            "serde_json",
            "tokio",
        ],
        never: &["stagecraft-cli", "clap"],
    },
];

/// The longest source file, in lines.
const LONGEST: usize = 500;

#[expect(
    clippy::print_stdout,
    reason = "a developers' tool talks to a terminal"
)]
pub(crate) fn run() -> Result<()> {
    let mut problems = check_direct()?;
    problems.extend(check_below()?);
    problems.extend(check_sources()?);
    problems.extend(check_circles()?);
    problems.extend(check_error_kinds()?);
    if problems.is_empty() {
        println!("tidy: all rules hold");
        return Ok(());
    }
    bail!("tidy:\n  {}", problems.join("\n  "))
}

fn check_direct() -> Result<Vec<String>> {
    let text = output(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&text)?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let mut problems = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        if matches!(name, "stagecraft-cli" | "xtask") {
            continue;
        }
        let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
            problems.push(format!(
                "{name}: no rule in xtask/src/tidy.rs says what it may use"
            ));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = dependency["name"].as_str().unwrap_or_default();
            if dependency["kind"].is_null() && !rule.direct.contains(&used) {
                problems.push(format!("{name}: may not depend on {used}"));
            }
        }
    }
    Ok(problems)
}

fn check_below() -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for rule in RULES {
        let tree = output(cargo().args([
            "tree",
            "--package",
            rule.name,
            "--all-features",
            "--target",
            "all",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ]))?;
        let below: BTreeSet<&str> = tree
            .lines()
            .filter_map(|line| line.split(' ').next())
            .collect();
        for never in rule.never {
            if below.contains(never) {
                problems.push(format!("{}: depends on {never}", rule.name));
            }
        }
    }
    Ok(problems)
}

/// Only `builtin.rs` names the provider crates, and no file is too long.
fn check_sources() -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in sources(&root().join("crates"))?
        .into_iter()
        .chain(sources(&root().join("xtask"))?)
    {
        let text = fs::read_to_string(&path)?;
        let shown = path.strip_prefix(root()).unwrap_or(&path).display();
        if text.lines().count() > LONGEST {
            problems.push(format!("{shown}: longer than {LONGEST} lines"));
        }
        let in_cli = path.starts_with(root().join("crates/stagecraft-cli/src"));
        let names_provider =
            text.contains("provider_digitalocean") || text.contains("provider_tailscale");
        if in_cli && names_provider && !path.ends_with("builtin.rs") {
            problems.push(format!("{shown}: only builtin.rs names provider crates"));
        }
    }
    Ok(problems)
}

/// Files of a crate do not import each other in circles, beside a parent and its own child.
fn check_circles() -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for entry in fs::read_dir(root().join("crates"))? {
        let package = entry?.path();
        let directory = package.join("src");
        let mut files = BTreeMap::new();
        for path in sources(&directory)? {
            // Tests in files of their own look at whatever they test.
            if !path.ends_with("tests.rs") {
                let module = circles::module_of(path.strip_prefix(&directory)?);
                files.insert(module, fs::read_to_string(&path)?);
            }
        }
        let shown = package.strip_prefix(root()).unwrap_or(&package).display();
        for circle in circles::find(&files)? {
            let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
            problems.push(format!(
                "{shown}: these files import each other in a circle: {}",
                names.join(", ")
            ));
        }
    }
    problems.sort();
    Ok(problems)
}

/// Every kind of error must be asserted by a test.
fn check_error_kinds() -> Result<Vec<String>> {
    const DEFINITION: &str = "crates/stagecraft-core/src/error.rs";
    let mut missing = error_kinds::variants(&fs::read_to_string(root().join(DEFINITION))?);
    if missing.is_empty() {
        return Ok(vec![format!("{DEFINITION}: holds no error kinds")]);
    }
    for path in sources(&root().join("crates"))? {
        for kind in error_kinds::asserted(&fs::read_to_string(path)?) {
            missing.remove(&kind);
        }
    }
    let problem = |kind| format!("{DEFINITION}: no test asserts ErrorKind::{kind}");
    Ok(missing.into_iter().map(problem).collect())
}

fn sources(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
