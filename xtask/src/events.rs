//! `--output json`: `docs/events.md` and the committed schema, both generated from the binary.

mod fields;
mod page;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process::{cargo, output, root, run as run_command, target};
use crate::status::Mode;

/// The command that writes the files.
const COMMAND: &str = "cargo xtask events";
const PAGE: &str = "docs/events.md";
const SCHEMA: &str = "docs/events.schema.json";

/// Builds the program, then writes the schema and the page of `--output json`, or compares them.
#[expect(
    clippy::print_stderr,
    reason = "a developers' tool talks to a terminal"
)]
pub(crate) fn run(mode: Mode) -> Result<()> {
    run_command(cargo().args(["build", "--quiet", "--package", "stagecraft-cli"]))?;
    let binary = target("debug").join("stagecraft");
    let printed = output(Command::new(binary).args(["events", "schema"]))?;
    let schema: Value = serde_json::from_str(&printed).context("the schema is no JSON")?;
    let files = [
        (
            SCHEMA,
            format!("{}\n", serde_json::to_string_pretty(&schema)?),
        ),
        (PAGE, page::page(&schema)?),
    ];
    if mode == Mode::Write {
        for (name, text) in &files {
            fs::write(root().join(name), text).with_context(|| format!("cannot write {name}"))?;
        }
    } else if let Some(problem) = stale(&root(), &files) {
        bail!("{problem}");
    }
    eprintln!("events: {SCHEMA} and {PAGE} agree with the program");
    Ok(())
}

/// Which of the files differ from what the program generates.
fn stale(root: &Path, files: &[(&str, String)]) -> Option<String> {
    let mut names = Vec::new();
    for (name, text) in files {
        let found = fs::read_to_string(root.join(name)).ok();
        if found.as_ref() != Some(text) {
            names.push(*name);
        }
    }
    (!names.is_empty()).then(|| {
        format!(
            "the output for programs has changed, but not {}: run `{COMMAND}` and read the diff",
            names.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_and_missing_files_are_told_by_name() {
        let root = tempfile::tempdir().unwrap();
        let files = [("a.json", "{}\n".to_owned()), ("b.md", "text\n".to_owned())];
        fs::write(root.path().join("a.json"), "{}\n").unwrap();
        let problem = stale(root.path(), &files).unwrap();
        assert!(
            problem.contains("not b.md: run `cargo xtask events`"),
            "{problem}"
        );
        fs::write(root.path().join("b.md"), "text\n").unwrap();
        assert_eq!(stale(root.path(), &files), None);
        fs::write(root.path().join("a.json"), "{ }\n").unwrap();
        assert!(stale(root.path(), &files).unwrap().contains("a.json"));
    }
}
