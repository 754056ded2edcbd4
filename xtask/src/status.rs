//! The status of features: checks the catalogue and writes the pages about it.

mod catalogue;
mod cfg;
mod macros;
mod pages;
mod sources;
mod tests_index;
mod validate;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::coverage::Figures;
use crate::process::root;
use catalogue::{CATALOGUE, Catalogue};
use tests_index::TestIndex;

/// The command that writes the pages.
pub(crate) const COMMAND: &str = "cargo xtask status";
/// Where the pages are.
const PAGES: &str = "docs/engine/status";

/// Whether pages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Writes outdated pages.
    Write,
    /// Stale pages are an error, and nothing is written.
    Check,
}

/// Checks the catalogue, then writes the pages or compares them.
///
/// All problems are reported at once. Nothing is written while there are any.
#[expect(
    clippy::print_stderr,
    reason = "a developers' tool talks to a terminal"
)]
pub(crate) fn run(mode: Mode) -> Result<()> {
    let root = root();
    let catalogue = Catalogue::load(&root)?;
    let index = TestIndex::of_workspace(&root)?;
    let mut problems = validate::problems(&catalogue, &root, &index);
    let mut pages = pages::all(&catalogue);
    pages.insert(
        pages::COVERAGE.to_owned(),
        pages::coverage(&Figures::load(&root)?),
    );
    if mode == Mode::Check {
        problems.extend(stale(&root, &pages)?);
    }
    if problems.is_empty() {
        if mode == Mode::Write {
            write(&root, &pages)?;
        }
        eprintln!("status: {} pages agree with {CATALOGUE}", pages.len());
        return Ok(());
    }
    for problem in &problems {
        eprintln!("{problem}");
    }
    let count = problems.len();
    let plural = if count == 1 { "" } else { "s" };
    bail!("{count} problem{plural} in {CATALOGUE} and what it names; correct, then run `{COMMAND}`")
}

/// Pages that differ from what the catalogue gives, each by its name.
fn stale(root: &Path, pages: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for (name, text) in pages {
        let found = fs::read_to_string(root.join(PAGES).join(name)).ok();
        if found.as_ref() != Some(text) {
            let what = if found.is_some() { "stale" } else { "missing" };
            problems.push(format!("{PAGES}/{name}: {what}, run `{COMMAND}`"));
        }
    }
    for name in left_over(root, pages)? {
        problems.push(format!("{PAGES}/{name}: left over, run `{COMMAND}`"));
    }
    Ok(problems)
}

fn write(root: &Path, pages: &BTreeMap<String, String>) -> Result<()> {
    let directory = root.join(PAGES);
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    for name in left_over(root, pages)? {
        fs::remove_file(directory.join(&name)).with_context(|| format!("cannot remove {name}"))?;
    }
    for (name, text) in pages {
        fs::write(directory.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}

/// Generated pages that are no longer generated, such as those of a removed phase.
fn left_over(root: &Path, pages: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let Ok(entries) = fs::read_dir(root.join(PAGES)) else {
        return Ok(names);
    };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let is_generated =
            || fs::read_to_string(entry.path()).is_ok_and(|text| text.starts_with(pages::MARK));
        if !pages.contains_key(&name) && is_generated() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> BTreeMap<String, String> {
        [("a.md", "one"), ("b.md", "two")]
            .map(|(name, text)| (name.to_owned(), format!("{}\n{text}\n", pages::MARK)))
            .into()
    }

    #[test]
    fn missing_stale_and_left_over_pages_are_told_by_name() {
        let root = tempfile::tempdir().unwrap();
        let pages = pages();
        assert_eq!(
            stale(root.path(), &pages).unwrap(),
            [
                "docs/engine/status/a.md: missing, run `cargo xtask status`",
                "docs/engine/status/b.md: missing, run `cargo xtask status`",
            ]
        );
        write(root.path(), &pages).unwrap();
        assert!(stale(root.path(), &pages).unwrap().is_empty());

        let directory = root.path().join(PAGES);
        fs::write(directory.join("a.md"), "edited by hand").unwrap();
        fs::write(directory.join("gone.md"), pages::MARK).unwrap();
        fs::write(directory.join("notes.md"), "written by people").unwrap();
        assert_eq!(
            stale(root.path(), &pages).unwrap(),
            [
                "docs/engine/status/a.md: stale, run `cargo xtask status`",
                "docs/engine/status/gone.md: left over, run `cargo xtask status`",
            ]
        );
        write(root.path(), &pages).unwrap();
        assert!(stale(root.path(), &pages).unwrap().is_empty());
        assert!(directory.join("notes.md").exists());
        assert!(!directory.join("gone.md").exists());
    }
}
