//! The figures: lines of each crate, and files with low coverage.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::COMMAND;
use super::lcov::Report;
use super::own_lines::TestParts;

/// Where the figures are recorded.
pub(crate) const PATH: &str = "docs/engine/status/coverage.json";
/// Files with less than this share of covered lines, in per cent, are named.
pub(crate) const THIN: u64 = 60;

/// Lines with code, and how many of them ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lines {
    /// All lines with code.
    #[serde(rename = "lines")]
    pub(crate) all: u64,
    /// Those that ran at least once.
    pub(crate) covered: u64,
}

impl Lines {
    fn add(&mut self, other: Self) {
        self.all += other.all;
        self.covered += other.covered;
    }

    /// The covered share in hundredths of a per cent, rounded down. No lines count as all covered.
    pub(crate) fn exact(self) -> u64 {
        (self.covered * 10_000)
            .checked_div(self.all)
            .unwrap_or(10_000)
    }

    /// The covered share in whole per cent, rounded to the nearest.
    pub(crate) fn share(self) -> u64 {
        (self.exact() + 50) / 100
    }
}

/// What was measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figures {
    /// Each crate by its name.
    pub(crate) crates: BTreeMap<String, Lines>,
    /// Each file below [`THIN`] by its path.
    pub(crate) thin: BTreeMap<String, Lines>,
}

impl Figures {
    /// Counts the lines of `crates/NAME/src` below `root`, except tests.
    pub(crate) fn of_report(root: &Path, report: &Report) -> Result<Self> {
        let mut files = BTreeMap::new();
        let mut test_files = BTreeSet::new();
        for (path, counts) in report {
            let Some((name, below)) = of_crate(root, path) else {
                continue;
            };
            let text = fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let tests = TestParts::of(path, &text);
            let mut lines = Lines::default();
            for (line, count) in counts {
                if !tests.contain(*line) {
                    lines.all += 1;
                    lines.covered += u64::from(*count > 0);
                }
            }
            test_files.extend(tests.files);
            files.insert(path.clone(), (name, below, lines));
        }
        let mut figures = Self::default();
        for (path, (name, below, lines)) in files {
            if is_below(&path, &test_files) {
                continue;
            }
            figures.crates.entry(name).or_default().add(lines);
            if lines.exact() < THIN * 100 {
                figures.thin.insert(below, lines);
            }
        }
        Ok(figures)
    }

    /// Reads the recorded figures.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let text = fs::read_to_string(root.join(PATH))
            .with_context(|| format!("cannot read {PATH}; run `{COMMAND}`"))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{PATH} holds no figures; run `{COMMAND}`"))
    }

    /// Records them.
    pub(crate) fn save(&self, root: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        fs::write(root.join(PATH), text + "\n").with_context(|| format!("cannot write {PATH}"))
    }
}

/// The crate of a source file, and the file's path below `root`.
fn of_crate(root: &Path, path: &Path) -> Option<(String, String)> {
    let below = path.strip_prefix(root).ok()?.to_str()?;
    let (name, rest) = below.strip_prefix("crates/")?.split_once('/')?;
    rest.starts_with("src/")
        .then(|| (name.to_owned(), below.to_owned()))
}

/// Whether a file is one of these modules, or inside one.
fn is_below(path: &Path, modules: &BTreeSet<PathBuf>) -> bool {
    modules.contains(path)
        || path
            .ancestors()
            .any(|up| modules.contains(&up.with_extension("rs")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lay(root: &Path, path: &str, text: &str) -> PathBuf {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn lines(all: u64, covered: u64) -> Lines {
        Lines { all, covered }
    }

    #[test]
    fn only_sources_of_crates_count_and_of_them_no_tests() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let source = "fn a() {}\nfn b() {}\nfn c() {}\n#[cfg(test)]\nmod tests;\n";
        let ran = BTreeMap::from([(1, 4), (2, 0), (3, 1)]);
        let report: Report = [
            (
                "crates/a/src/lib.rs",
                "#[cfg(test)]\nmod t {\n}\nfn x() {}\n",
            ),
            ("crates/a/src/up.rs", source),
            ("crates/a/src/up/tests.rs", "fn t() {}"),
            ("crates/a/src/up/tests/deep.rs", "fn t() {}"),
            ("crates/a/tests/suite.rs", source),
            ("crates/a/examples/shown.rs", source),
            ("crates/b/src/lib.rs", source),
            ("xtask/src/main.rs", source),
        ]
        .map(|(path, text)| (lay(root, path, text), ran.clone()))
        .into();
        let mut report = report;
        let last = report.get_mut(&root.join("crates/b/src/lib.rs")).unwrap();
        last.insert(1, 0);
        report
            .get_mut(&root.join("crates/a/src/lib.rs"))
            .unwrap()
            .insert(4, 9);
        let figures = Figures::of_report(root, &report).unwrap();
        assert_eq!(
            figures.crates,
            BTreeMap::from([("a".to_owned(), lines(4, 3)), ("b".to_owned(), lines(3, 1))])
        );
        assert_eq!(
            figures.thin,
            BTreeMap::from([("crates/b/src/lib.rs".to_owned(), lines(3, 1))])
        );
    }

    #[test]
    fn shares_are_rounded_for_readers_only() {
        assert_eq!(lines(3, 2).share(), 67);
        assert_eq!(lines(1000, 796).share(), 80);
        assert_eq!(lines(1000, 796).exact(), 7960);
        assert_eq!(Lines::default().share(), 100);
    }

    #[test]
    fn what_is_saved_is_loaded_and_its_absence_names_the_command() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let missing = Figures::load(root).unwrap_err().to_string();
        assert!(missing.contains("cargo xtask coverage"), "{missing}");
        let figures = Figures {
            crates: BTreeMap::from([("a".to_owned(), lines(4, 3))]),
            thin: BTreeMap::new(),
        };
        fs::create_dir_all(root.join(PATH).parent().unwrap()).unwrap();
        figures.save(root).unwrap();
        assert_eq!(Figures::load(root).unwrap(), figures);
        fs::write(root.join(PATH), "{}").unwrap();
        assert!(Figures::load(root).is_err());
    }
}
