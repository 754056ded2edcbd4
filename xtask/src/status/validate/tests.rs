//! Each rule, broken once.

use std::fs;
use std::path::Path;

use super::*;
use crate::status::tests_index::Target;

/// Two done features, a feature in work, a planned and a cancelled one: nothing is wrong.
const GOOD: &str = "\
phases:
  - { id: '0', title: Foundation }
features:
  - id: BASE
    title: Base
    phase: '0'
    status: done
    spec: spec/base.md
    owner: core
    depends_on: []
    tests: [a/src/lib.rs::base_holds]
  - id: TOP
    title: Top
    phase: '0'
    status: done
    spec: spec/base.md#top-and-more
    owner: core
    depends_on: [BASE]
    tests: [a/src/lib.rs::top_holds]
  - { id: HALF, title: Half, phase: '0', status: wip, spec: null, owner: core, depends_on: [TOP], tests: [], missing: the rest }
  - { id: LATER, title: Later, phase: '0', status: todo, spec: null, owner: core, depends_on: [HALF], tests: [] }
  - { id: NEVER, title: Never, phase: '0', status: cancelled, spec: null, owner: core, depends_on: [], tests: [], reason: not ours }
";

const FILES: &[(&str, &str)] = &[
    (
        "spec/base.md",
        "---\nfeatures: [BASE, TOP]\nstatus: done\n---\n# Base\n## Top, and more\n",
    ),
    ("docs/engine/analysis/BASE.md", "# BASE"),
    ("docs/engine/analysis/TOP.md", "# TOP"),
    (
        "docs/engine/outlines/BASE_IMPLEMENTATION_OUTLINE.md",
        "# BASE",
    ),
    (
        "docs/engine/outlines/TOP_IMPLEMENTATION_OUTLINE.md",
        "# TOP",
    ),
    (
        "a/src/lib.rs",
        "#[test] fn base_holds() {} #[test] fn top_holds() {} #[test] #[ignore] fn slow() {}",
    ),
];

struct Lab {
    root: tempfile::TempDir,
    catalogue: String,
}

impl Lab {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in FILES {
            write(root.path(), path, text);
        }
        Self {
            root,
            catalogue: GOOD.to_owned(),
        }
    }

    /// Changes the catalogue, which must contain the text to change.
    fn with(mut self, from: &str, to: &str) -> Self {
        assert!(self.catalogue.contains(from), "{from}");
        self.catalogue = self.catalogue.replacen(from, to, 1);
        self
    }

    fn with_file(self, path: &str, text: &str) -> Self {
        write(self.root.path(), path, text);
        self
    }

    fn without_file(self, path: &str) -> Self {
        fs::remove_file(self.root.path().join(path)).unwrap();
        self
    }

    fn problems(&self) -> Vec<String> {
        let root = self.root.path();
        let target = Target {
            root: root.join("a/src/lib.rs"),
            features: BTreeSet::new(),
            barrier: None,
        };
        write(root, "spec/features.yaml", &self.catalogue);
        let catalogue = Catalogue::load(root).unwrap();
        problems(&catalogue, root, &TestIndex::of_targets(root, &[target]))
    }
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn catalogue_that_keeps_all_rules_has_no_problem() {
    assert_eq!(Lab::new().problems(), Vec::<String>::new());
}

#[test]
fn doubled_ids_are_refused() {
    let lab = Lab::new().with("id: LATER", "id: HALF");
    assert!(
        lab.problems()
            .contains(&"HALF: there are two features of this id".to_owned())
    );
    let lab = Lab::new().with("phases:\n", "phases:\n  - { id: '0', title: Again }\n");
    assert_eq!(lab.problems(), ["0: there are two phases of this id"]);
}

#[test]
fn unknown_status_phase_and_dependency_are_refused_together() {
    let lab = Lab::new()
        .with("status: todo", "status: soon")
        .with("title: Half, phase: '0'", "title: Half, phase: '9'")
        .with("depends_on: [HALF]", "depends_on: [HLAF]");
    assert_eq!(
        lab.problems(),
        [
            "HALF: unknown phase `9`",
            "LATER: unknown status `soon`, known: todo, wip, done, cancelled",
            "LATER: depends on `HLAF`, which is unknown",
        ]
    );
}

#[test]
fn circle_of_dependencies_is_told_once_with_its_way() {
    let lab = Lab::new()
        .with("depends_on: [TOP]", "depends_on: [LATER]")
        .with(
            "depends_on: []\n    tests: [a/src/lib.rs::base",
            "depends_on: [BASE]\n    tests: [a/src/lib.rs::base",
        );
    assert_eq!(
        lab.problems(),
        [
            "BASE: depends on itself: BASE -> BASE",
            "HALF: depends on itself: HALF -> LATER -> HALF",
        ]
    );
}

#[test]
fn done_feature_depends_on_done_features_only() {
    let lab = Lab::new().with("depends_on: [BASE]", "depends_on: [BASE, LATER, NEVER]");
    assert!(
        lab.problems()
            .contains(&"TOP: done, but depends on LATER, which is todo".to_owned())
    );
    assert!(
        lab.problems()
            .contains(&"TOP: done, but depends on NEVER, which is cancelled".to_owned())
    );
}

#[test]
fn open_feature_does_not_wait_for_a_cancelled_one() {
    let lab = Lab::new().with("depends_on: [HALF]", "depends_on: [NEVER]");
    assert_eq!(
        lab.problems(),
        ["LATER: depends on NEVER, which is cancelled"]
    );
}

#[test]
fn done_feature_without_tests_is_refused() {
    let lab = Lab::new().with("[a/src/lib.rs::top_holds]", "[]");
    assert_eq!(lab.problems(), ["TOP: done, but names no test"]);
}

#[test]
fn missing_and_ignored_and_doubled_tests_are_refused_by_name() {
    let lab = Lab::new().with(
        "[a/src/lib.rs::top_holds]",
        "[a/src/lib.rs::top_hold, a/src/lib.rs::slow, b.rs::x, b.rs::x]",
    );
    assert_eq!(
        lab.problems(),
        [
            "TOP: test `a/src/lib.rs::top_hold` does not exist: a/src/lib.rs has no test `top_hold`",
            "TOP: test `a/src/lib.rs::slow` does not run: it is ignored",
            "TOP: test `b.rs::x` does not exist: there is no file b.rs",
            "TOP: test `b.rs::x` is named twice",
            "TOP: test `b.rs::x` does not exist: there is no file b.rs",
        ]
    );
}

#[test]
fn test_named_by_a_feature_that_is_not_done_must_exist_too() {
    let lab = Lab::new().with("tests: [], missing", "tests: [a/src/lib.rs::half], missing");
    assert_eq!(
        lab.problems(),
        ["HALF: test `a/src/lib.rs::half` does not exist: a/src/lib.rs has no test `half`"]
    );
}

#[test]
fn done_feature_needs_its_spec() {
    let without = Lab::new().with("spec: spec/base.md#top-and-more", "spec: null");
    assert_eq!(
        without.problems(),
        [
            "TOP: done, but has no spec",
            "spec/base.md: names TOP, whose spec in the catalogue is not this page",
        ]
    );
    let gone = Lab::new().without_file("spec/base.md");
    assert_eq!(
        gone.problems(),
        [
            "BASE: its spec spec/base.md does not exist",
            "TOP: its spec spec/base.md does not exist",
        ]
    );
    let elsewhere = Lab::new().with("spec: spec/base.md\n", "spec: README.md\n");
    assert!(
        elsewhere
            .problems()
            .contains(&"BASE: its spec README.md is not a page in spec/".to_owned())
    );
    let anchor = Lab::new().with("#top-and-more", "#bottom");
    assert_eq!(
        anchor.problems(),
        ["TOP: its spec spec/base.md has no heading for #bottom"]
    );
}

#[test]
fn front_matter_agrees_with_the_catalogue() {
    for (text, expected) in [
        (
            "# Base\n",
            "BASE: its spec spec/base.md has no front matter",
        ),
        (
            "---\nfeatures: [BASE, TOP]\nstatus: todo\n---\n# Base\n",
            "BASE: is done, but its spec spec/base.md says todo",
        ),
        (
            "---\nfeatures: [TOP]\nstatus: done\n---\n# Base\n",
            "BASE: its spec spec/base.md does not name it in its front matter",
        ),
        (
            "---\nfeatures: [BASE, TOP, LATER]\nstatus: done\n---\n# Base\n## Top and more\n",
            "spec/base.md: names LATER, whose spec in the catalogue is not this page",
        ),
    ] {
        let problems = Lab::new().with_file("spec/base.md", text).problems();
        assert!(problems.contains(&expected.to_owned()), "{problems:?}");
    }
}

#[test]
fn done_feature_needs_its_analysis_and_outline() {
    let lab = Lab::new()
        .without_file("docs/engine/analysis/TOP.md")
        .with_file("docs/engine/outlines/BASE_IMPLEMENTATION_OUTLINE.md", "");
    assert_eq!(
        lab.problems(),
        [
            "BASE: done, but its outline docs/engine/outlines/BASE_IMPLEMENTATION_OUTLINE.md is missing or does not name it",
            "TOP: done, but its analysis docs/engine/analysis/TOP.md is missing or does not name it",
        ]
    );
}

#[test]
fn reason_and_missing_belong_to_their_status() {
    let lab = Lab::new()
        .with(", reason: not ours", "")
        .with(", missing: the rest", "");
    assert_eq!(
        lab.problems(),
        [
            "HALF: `missing` belongs to each feature in work and to no other",
            "NEVER: a `reason` belongs to each cancelled feature and to no other",
        ]
    );
}

#[test]
fn feature_without_owner_is_refused() {
    let lab = Lab::new().with("owner: core", "owner: ''");
    assert_eq!(lab.problems(), ["BASE: has no owner or no title"]);
}
