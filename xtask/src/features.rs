//! Checks that each library crate compiles with each of its features alone, and does not depend
//! on packages that the features exclude.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::process::{cargo, metadata, output};

/// What a crate may not depend on: the enabled feature, and the packages.
const LEFT_OUT: &[(&str, &[&str])] = &[
    ("", &["inventory", "schemars", "yaml_serde"]),
    ("schema", &["inventory", "yaml_serde"]),
    ("yaml", &["inventory"]),
];

#[expect(
    clippy::print_stdout,
    reason = "a developers' tool talks to a terminal"
)]
pub(crate) fn run() -> Result<()> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let mut checked = 0;
    for package in packages.iter().filter(|package| is_library(package)) {
        let name = package["name"].as_str().context("a nameless package")?;
        let sets = feature_sets(package);
        for feature in &sets {
            check(name, feature)?;
            checked += 1;
        }
        for (feature, never) in LEFT_OUT {
            // The sandbox itself parses the YAML of cloud-init.
            if sets.contains(*feature) && name != "stagecraft-sandbox" {
                check_below(name, feature, never)?;
            }
        }
    }
    println!("features: {checked} sets compile without warnings");
    Ok(())
}

fn is_library(package: &Value) -> bool {
    package["targets"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|target| target["kind"] == serde_json::json!(["lib"]))
}

/// No feature, and each alone. All other builds compile `default`.
fn feature_sets(package: &Value) -> BTreeSet<String> {
    let features = package["features"].as_object();
    features
        .into_iter()
        .flat_map(serde_json::Map::keys)
        .filter(|feature| *feature != "default")
        .cloned()
        .chain([String::new()])
        .collect()
}

/// `--quiet` prints only warnings and errors.
fn check(package: &str, feature: &str) -> Result<()> {
    let mut command = cargo();
    command.args(["check", "--quiet", "--package", package]);
    let result = command.args(only(feature)).output()?;
    ensure!(
        result.status.success() && result.stderr.is_empty(),
        "{package} with {}:\n{}",
        shown(feature),
        String::from_utf8_lossy(&result.stderr)
    );
    Ok(())
}

fn check_below(package: &str, feature: &str, never: &[&str]) -> Result<()> {
    let mut command = cargo();
    command.args(["tree", "--package", package, "--target", "all"]);
    command.args(["--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let tree = output(command.args(only(feature)))?;
    let found = below(&tree, never);
    if !found.is_empty() {
        bail!(
            "{package} with {} depends on {}",
            shown(feature),
            found.join(", ")
        );
    }
    Ok(())
}

/// Which of the packages are in the output of `cargo tree`.
fn below<'n>(tree: &str, packages: &[&'n str]) -> Vec<&'n str> {
    let names: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    packages
        .iter()
        .copied()
        .filter(|package| names.contains(package))
        .collect()
}

fn only(feature: &str) -> Vec<&str> {
    let mut arguments = vec!["--no-default-features"];
    if !feature.is_empty() {
        arguments.extend(["--features", feature]);
    }
    arguments
}

fn shown(feature: &str) -> String {
    if feature.is_empty() {
        "no features".to_owned()
    } else {
        format!("the feature `{feature}` alone")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_feature_is_checked_alone_and_none_at_all() {
        let package =
            json!({ "features": { "default": ["yaml"], "yaml": ["schema"], "schema": [] } });
        let sets: Vec<String> = feature_sets(&package).into_iter().collect();
        assert_eq!(sets, ["", "schema", "yaml"]);
        assert_eq!(only(""), ["--no-default-features"]);
        assert_eq!(
            only("yaml"),
            ["--no-default-features", "--features", "yaml"]
        );
    }

    #[test]
    fn package_below_is_found_by_its_whole_name() {
        let tree = "provider v0.1.0 (/x)\nschemars_derive v1.2.3 (proc-macro)\ninventory v0.3.25\n";
        assert_eq!(below(tree, &["schemars", "inventory"]), ["inventory"]);
    }

    #[test]
    fn provider_of_an_embedder_brings_neither_yaml_nor_schemas_nor_inventory() {
        for package in [
            "provider-digitalocean",
            "provider-tailscale",
            "infra-bootstrap",
        ] {
            for (feature, never) in LEFT_OUT {
                check_below(package, feature, never).unwrap();
            }
        }
    }
}
