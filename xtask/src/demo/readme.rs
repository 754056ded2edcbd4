//! Compares the demonstration in README with its output.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, bail};

use crate::process::root;

/// The heading of the demonstration in README.
const HEADING: &str = "## What you see";

/// Fails with the lines in which README differs from the output.
///
/// Compares the set of lines per command, since hosts are bootstrapped concurrently.
pub(super) fn check(printed: &str) -> Result<()> {
    let path = root().join("README.md");
    let readme = std::fs::read_to_string(&path).context("README.md cannot be read")?;
    let block = block(&readme).with_context(|| format!("no console block below {HEADING:?}"))?;
    let differences = differences(block, printed);
    if differences.is_empty() {
        return Ok(());
    }
    bail!(
        "README.md does not show what the demonstration prints (-: only there, +: only printed):\n{}",
        differences.join("\n")
    )
}

fn block(readme: &str) -> Option<&str> {
    let (_, below) = readme.split_once(HEADING)?;
    let (_, block) = below.split_once("```console\n")?;
    Some(block.split_once("```")?.0)
}

/// Lines that only one side has, except for what README omits: whole commands, and what the
/// command before has already shown.
fn differences(readme: &str, printed: &str) -> Vec<String> {
    let mut printed = sections(printed).into_iter();
    let mut differences = Vec::new();
    let mut before = BTreeSet::new();
    for (command, shown) in sections(readme) {
        let Some((_, lines)) = printed.by_ref().find(|(own, _)| *own == command) else {
            differences.push(format!("- $ {command}"));
            break;
        };
        let missing = lines
            .difference(&shown)
            .filter(|own| !before.contains(*own));
        differences.extend(shown.difference(&lines).map(|own| format!("- {own}")));
        differences.extend(missing.map(|own| format!("+ {own}")));
        before = lines;
    }
    differences
}

/// Each command with its output.
fn sections(text: &str) -> Vec<(&str, BTreeSet<String>)> {
    let mut sections: Vec<(&str, BTreeSet<String>)> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            sections.push((command, BTreeSet::new()));
        } else if let Some((_, lines)) = sections.last_mut()
            && !is_chance(line)
        {
            lines.insert(steady(line));
        }
    }
    sections
}

/// Whether a line depends on the load of the machine; empty lines are only for the eye.
fn is_chance(line: &str) -> bool {
    line.trim().is_empty()
        || ["waiting for ", "again "]
            .iter()
            .any(|own| line.contains(own))
}

/// A line without the parts that differ from run to run.
fn steady(line: &str) -> String {
    let words = line.split_whitespace().filter(|word| !is_volatile(word));
    words.collect::<Vec<_>>().join(" ")
}

/// Whether a word is a time, an address, an id, a plan's number or a fingerprint.
fn is_volatile(word: &str) -> bool {
    let word = word.trim_matches(|c: char| "(),:".contains(c));
    let is_time = ["ms", "s", "m"].iter().any(|unit| {
        let number = word.strip_suffix(unit);
        number.is_some_and(|number| number.parse::<f64>().is_ok())
    });
    let is_id = word.len() >= 9 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_address = word.parse::<Ipv4Addr>().is_ok() || word.starts_with("http://127.");
    is_time || is_id || is_address || word.starts_with("SHA256:")
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "\
$ stagecraft infra plan
Plan 632fa5764cb4 at http://127.0.0.1:38153
  +  app-1  s-2vcpu-4gb

$ stagecraft infra up --yes
   0.1s  waiting for droplets (10ms of at most 10m)
   2.1s  app-1: active at 127.111.146.150, 10.102.0.2
   2.2s  app-1: connected, host key SHA256:RoJFLf0GImbL/UqsqG0rx2
1 ready.
";

    #[test]
    fn other_times_ids_addresses_orders_and_cut_commands_are_no_difference() {
        let printed = "\
$ cat stagecraft.yml
project: { name: demo }

$ stagecraft infra plan
Plan 032fa5764cb5 at http://127.0.0.1:5
  +  app-1    s-2vcpu-4gb

$ stagecraft infra up --yes
Plan 032fa5764cb5 at http://127.0.0.1:5
  +  app-1    s-2vcpu-4gb
   4.2s  app-1: connected, host key SHA256:other  1.2s
   3.1s  app-1: active at 127.1.1.1, 10.102.0.3
1 ready.

$ stagecraft infra up --yes
1 unchanged.
";
        assert_eq!(differences(README, printed), [""; 0]);
    }

    #[test]
    fn lines_and_commands_that_only_one_side_has_are_told() {
        let printed = README
            .replace("1 ready.", "1 as wanted.")
            .replace("app-1  s-2vcpu-4gb", "app-1  s-4vcpu-8gb");
        let expected = [
            "- + app-1 s-2vcpu-4gb",
            "+ + app-1 s-4vcpu-8gb",
            "- 1 ready.",
            "+ 1 as wanted.",
        ];
        assert_eq!(differences(README, &printed), expected);
        let other = README.replace("infra up", "infra apply");
        assert_eq!(
            differences(README, &other),
            ["- $ stagecraft infra up --yes"]
        );
    }

    #[test]
    fn the_block_of_readme_is_found() {
        let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
        let block = block(&readme).unwrap();
        assert!(
            block.starts_with("$ stagecraft config validate\n"),
            "{block}"
        );
    }
}
