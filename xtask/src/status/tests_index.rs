//! Every test that the suite compiles, found by following the modules of every target.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;

use super::sources::{ChildModule, Source};
use crate::lab;
use crate::process::{cargo, output};

/// What cargo compiles into one test program.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The file that it begins with.
    pub(crate) root: PathBuf,
    /// The features of its crate that the suite enables.
    pub(crate) features: BTreeSet<String>,
    /// Why the suite does not run it, if it does not.
    pub(crate) barrier: Option<String>,
}

/// The tests of every file that a target compiles.
#[derive(Debug, Default)]
pub(crate) struct TestIndex {
    /// By file, then by name: why it does not run. A test that runs in any target runs.
    files: BTreeMap<PathBuf, BTreeMap<String, Option<String>>>,
}

impl TestIndex {
    /// Finds the tests of all crates.
    pub(crate) fn of_workspace(root: &Path) -> Result<Self> {
        let metadata = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
        Ok(Self::of_targets(
            root,
            &targets(&serde_json::from_str(&metadata)?),
        ))
    }

    /// Finds the tests of these targets. Files are kept by their path below `root`.
    pub(crate) fn of_targets(root: &Path, targets: &[Target]) -> Self {
        let mut index = Self::default();
        for target in targets {
            let directory = target.root.parent().unwrap_or(root).to_path_buf();
            index.add(
                root,
                target,
                &target.root,
                &directory,
                target.barrier.as_deref(),
            );
        }
        index
    }

    fn add(
        &mut self,
        root: &Path,
        target: &Target,
        file: &Path,
        directory: &Path,
        barrier: Option<&str>,
    ) {
        let parsed = fs::read_to_string(file)
            .ok()
            .and_then(|text| Source::parse(&text, &target.features, barrier));
        let Some(source) = parsed else { return };
        let below = file.strip_prefix(root).unwrap_or(file).to_path_buf();
        let mut own = BTreeMap::new();
        for test in source.tests {
            // Two with one name in one file: both must run.
            let known: &mut Option<String> = own.entry(test.name).or_default();
            *known = known.take().or(test.barrier);
        }
        let tests = self.files.entry(below).or_default();
        for (name, barrier) in own {
            let known = tests.entry(name).or_insert_with(|| barrier.clone());
            if barrier.is_none() {
                *known = None;
            }
        }
        for module in source.modules {
            if let Some((file, directory)) = place(file, directory, &module) {
                self.add(root, target, &file, &directory, module.barrier.as_deref());
            }
        }
    }

    /// Reports what is wrong with a reference such as `crates/a/tests/b.rs::name`.
    pub(crate) fn problem(&self, root: &Path, reference: &str) -> Option<String> {
        let Some((file, name)) = reference.split_once(".rs::") else {
            return Some("is not a file and a test, as in `crates/a/src/lib.rs::name`".to_owned());
        };
        let file = format!("{file}.rs");
        let Some(tests) = self.files.get(Path::new(&file)) else {
            return Some(if root.join(&file).is_file() {
                format!("does not run: no target compiles {file}")
            } else {
                format!("does not exist: there is no file {file}")
            });
        };
        match tests.get(name) {
            None => Some(format!("does not exist: {file} has no test `{name}`")),
            Some(Some(barrier)) => Some(format!("does not run: {barrier}")),
            Some(None) => None,
        }
    }
}

/// The file of a module, and the directory of the modules in it.
fn place(file: &Path, directory: &Path, module: &ChildModule) -> Option<(PathBuf, PathBuf)> {
    if let Some(path) = &module.path {
        let file = file.parent()?.join(path);
        let directory = file.parent()?.to_path_buf();
        return Some((file, directory));
    }
    let own: PathBuf = directory.join(module.names.iter().collect::<PathBuf>());
    let file = own.with_extension("rs");
    if file.is_file() {
        return Some((file, own));
    }
    let file = own.join("mod.rs");
    file.is_file().then_some((file, own))
}

/// The targets in the output of `cargo metadata`.
fn targets(metadata: &Value) -> Vec<Target> {
    let mut targets = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let features = default_features(&package["features"]);
        for target in package["targets"].as_array().into_iter().flatten() {
            let missing = target["required-features"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .find(|feature| !features.contains(*feature));
            // `cargo xtask ci` runs this one alone.
            let is_run = target["test"] == true || target["name"] == lab::SUITE;
            let barrier = if is_run {
                missing.map(|feature| format!("its target needs the feature `{feature}`"))
            } else {
                Some("its target is not tested".to_owned())
            };
            let Some(root) = target["src_path"].as_str() else {
                continue;
            };
            targets.push(Target {
                root: root.into(),
                features: features.clone(),
                barrier,
            });
        }
    }
    targets
}

/// The default features, with those that they imply.
fn default_features(table: &Value) -> BTreeSet<String> {
    let mut enabled = BTreeSet::new();
    let mut queue = vec!["default".to_owned()];
    while let Some(feature) = queue.pop() {
        for next in table[&feature].as_array().into_iter().flatten() {
            if let Some(next) = next.as_str()
                && enabled.insert(next.to_owned())
            {
                queue.push(next.to_owned());
            }
        }
    }
    enabled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lay(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn target(root: &Path, file: &str, barrier: Option<&str>) -> Target {
        Target {
            root: root.join(file),
            features: BTreeSet::new(),
            barrier: barrier.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn tests_are_found_in_every_file_that_a_target_compiles() {
        let root = lay(&[
            ("a/src/lib.rs", "mod plan; #[test] fn top() {}"),
            ("a/src/plan.rs", "mod deep;"),
            ("a/src/plan/deep.rs", "#[test] fn below() {}"),
            ("a/tests/suite/main.rs", "mod support; mod one;"),
            ("a/tests/suite/one.rs", "#[test] fn first() {}"),
            ("a/tests/suite/support/mod.rs", "mod lab;"),
            ("a/tests/suite/support/lab.rs", "#[test] fn lab() {}"),
            ("a/src/orphan.rs", "#[test] fn lost() {}"),
        ]);
        let path = root.path();
        let index = TestIndex::of_targets(
            path,
            &[
                target(path, "a/src/lib.rs", None),
                target(path, "a/tests/suite/main.rs", None),
            ],
        );
        for good in [
            "a/src/lib.rs::top",
            "a/src/plan/deep.rs::below",
            "a/tests/suite/one.rs::first",
            "a/tests/suite/support/lab.rs::lab",
        ] {
            assert_eq!(index.problem(path, good), None, "{good}");
        }
        for (bad, problem) in [
            (
                "a/src/orphan.rs::lost",
                "does not run: no target compiles a/src/orphan.rs",
            ),
            (
                "a/src/gone.rs::x",
                "does not exist: there is no file a/src/gone.rs",
            ),
            (
                "a/src/lib.rs::x",
                "does not exist: a/src/lib.rs has no test `x`",
            ),
            (
                "top",
                "is not a file and a test, as in `crates/a/src/lib.rs::name`",
            ),
        ] {
            assert_eq!(index.problem(path, bad).as_deref(), Some(problem));
        }
    }

    #[test]
    fn test_of_a_target_that_is_not_run_counts_only_if_another_one_runs_it() {
        let root = lay(&[
            ("a/tests/live.rs", "mod support; #[test] fn live() {}"),
            ("a/tests/usual.rs", "mod support;"),
            ("a/tests/support/mod.rs", "#[test] fn shared() {}"),
        ]);
        let path = root.path();
        let index = TestIndex::of_targets(
            path,
            &[
                target(path, "a/tests/live.rs", Some("its target is not tested")),
                target(path, "a/tests/usual.rs", None),
            ],
        );
        assert_eq!(
            index.problem(path, "a/tests/live.rs::live").as_deref(),
            Some("does not run: its target is not tested")
        );
        assert_eq!(index.problem(path, "a/tests/support/mod.rs::shared"), None);
    }

    #[test]
    fn targets_are_read_with_their_default_features() {
        let metadata = serde_json::json!({ "packages": [{
            "features": { "default": ["yaml"], "yaml": ["dep:serde_yaml", "text"], "text": [], "live": [] },
            "targets": [
                { "src_path": "/a/lib.rs", "test": true },
                { "src_path": "/a/live.rs", "test": true, "required-features": ["live"] },
                { "src_path": "/a/example.rs", "test": false },
                { "src_path": "/a/e2e.rs", "test": false, "name": "e2e" },
            ],
        }]});
        let targets = targets(&metadata);
        assert!(targets[0].features.contains("text") && !targets[0].features.contains("live"));
        let barriers: Vec<_> = targets.iter().map(|t| t.barrier.as_deref()).collect();
        assert_eq!(
            barriers,
            [
                None,
                Some("its target needs the feature `live`"),
                Some("its target is not tested"),
                None,
            ]
        );
    }
}
