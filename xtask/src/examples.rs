//! The examples of the library crates: each one runs and must print the expected output.

use std::process::{Command, Stdio};

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use crate::process::{cargo, metadata, output, run, target};

/// An example, and what it must print.
struct Example {
    package: &'static str,
    name: &'static str,
    /// Whether it needs the variables of a sandbox around it.
    in_sandbox: bool,
    lines: &'static [&'static str],
}

const EXAMPLES: &[Example] = &[
    Example {
        package: "stagecraft-core",
        name: "own_provider",
        in_sandbox: false,
        lines: &["created 2", "a second plan creates 0"],
    },
    Example {
        package: "stagecraft-ssh",
        name: "run_command",
        in_sandbox: false,
        lines: &["connected to app-1", "refused: "],
    },
    Example {
        package: "provider-digitalocean",
        name: "lifecycle",
        in_sandbox: true,
        lines: &["would create example-app-1", "gone: app-1", "hosts left: 0"],
    },
    Example {
        package: "provider-tailscale",
        name: "plan_join",
        in_sandbox: false,
        lines: &["  install tailscale", "  nothing to do"],
    },
    Example {
        package: "infra-bootstrap",
        name: "one_host",
        in_sandbox: false,
        lines: &[
            "first run: docker: install the latest docker",
            "first run: motd: write /etc/motd",
            "second run: motd: Unchanged",
        ],
    },
    Example {
        package: "stagecraft-engine",
        name: "fleet",
        in_sandbox: false,
        lines: &["db-1: ready: true", "to create now: 0", "gone: 2"],
    },
    Example {
        package: "stagecraft-sandbox",
        name: "count_requests",
        in_sandbox: false,
        lines: &["POST /v2/droplets: 2", "droplets: 1"],
    },
    Example {
        package: "stagecraft-testkit",
        name: "step_on_script",
        in_sandbox: false,
        lines: &["good answer: changed", "commands: 3"],
    },
];

#[expect(
    clippy::print_stdout,
    reason = "a developers' tool talks to a terminal"
)]
pub(crate) fn run_all() -> Result<()> {
    let problems = check_packages(&metadata()?);
    if !problems.is_empty() {
        bail!("examples:\n  {}", problems.join("\n  "));
    }
    // All at once, as the tests are built, so that nothing is compiled twice.
    run(cargo().args(["build", "--quiet", "--workspace", "--bins", "--examples"]))?;
    for example in EXAMPLES {
        check(example)?;
    }
    println!(
        "examples: {} ran and printed the expected output",
        EXAMPLES.len()
    );
    Ok(())
}

fn check(example: &Example) -> Result<()> {
    let Example { package, name, .. } = example;
    let binary = target("debug").join("examples").join(name);
    let mut command = if example.in_sandbox {
        let mut command = Command::new(target("debug").join("stagecraft"));
        command
            .args(["sandbox", "--hosts", "none", "--"])
            .arg(&binary);
        command
    } else {
        Command::new(&binary)
    };
    // A configuration in this directory would give the sandbox other names.
    command
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null());
    let printed = output(&mut command)?;
    let missing = missing(&printed, example.lines);
    ensure!(
        missing.is_empty(),
        "example {name} of {package} did not print {missing:?} but:\n{printed}"
    );
    Ok(())
}

/// Those of the given lines with which no line of the text begins.
fn missing<'l>(text: &str, lines: &[&'l str]) -> Vec<&'l str> {
    lines
        .iter()
        .copied()
        .filter(|line| !text.lines().any(|printed| printed.starts_with(line)))
        .collect()
}

/// Every library crate has a README that its manifest names, and all examples are run.
fn check_packages(metadata: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let targets = || package["targets"].as_array().into_iter().flatten();
        let of_kind = |target: &&Value, kind: &str| target["kind"][0] == kind;
        // `publish = false`: not for other programs.
        let is_private = package["publish"].as_array().is_some_and(Vec::is_empty);
        if is_private {
            continue;
        }
        if !targets().any(|target| of_kind(&target, "lib")) {
            continue;
        }
        if package["readme"].as_str().is_none() {
            problems.push(format!("{name}: Cargo.toml names no README"));
        }
        let mut examples = targets()
            .filter(|target| of_kind(target, "example"))
            .peekable();
        if examples.peek().is_none() {
            problems.push(format!("{name}: has no example"));
        }
        for example in examples {
            let example = example["name"].as_str().unwrap_or_default();
            let is_run = |known: &Example| known.package == name && known.name == example;
            if !EXAMPLES.iter().any(is_run) {
                problems.push(format!("{name}: nothing runs the example {example}"));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_library_crate_has_a_readme_and_examples_that_are_run() {
        let metadata = crate::process::metadata().unwrap();
        assert_eq!(check_packages(&metadata), Vec::<String>::new());
        let packages = metadata["packages"].as_array().unwrap();
        let is_public = |package: &&Value| package["publish"].is_null();
        let libraries = packages.iter().filter(is_public).count() - 1;
        assert_eq!(EXAMPLES.len(), libraries, "one for each but the CLI");
    }

    #[test]
    fn crate_without_readme_or_example_and_example_that_nobody_runs_are_told() {
        let target = |kind: &str, name: &str| json!({ "kind": [kind], "name": name });
        let metadata = json!({ "packages": [
            { "name": "bare", "readme": null, "targets": [target("lib", "bare")] },
            {
                "name": "stagecraft-core",
                "readme": "README.md",
                "targets": [
                    target("lib", "stagecraft_core"),
                    target("example", "own_provider"),
                    target("example", "new"),
                ],
            },
            { "name": "program", "readme": null, "targets": [target("bin", "program")] },
        ] });
        assert_eq!(
            check_packages(&metadata),
            [
                "bare: Cargo.toml names no README",
                "bare: has no example",
                "stagecraft-core: nothing runs the example new",
            ]
        );
    }

    #[test]
    fn promised_line_is_found_by_its_beginning() {
        let text = "created 2\ngone: app-1 (id 5)\n";
        assert_eq!(
            missing(text, &["gone: app-1", "created 20"]),
            ["created 20"]
        );
    }
}
