//! The list of disagreements, each with its reason.

use std::collections::BTreeMap;
use std::fmt::Write as _;

const LIST: &str = include_str!("differences.txt");

/// Lines `name: reason`; others begin with `#`.
fn listed() -> BTreeMap<&'static str, &'static str> {
    let lines = LIST
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            line.split_once(": ")
                .unwrap_or_else(|| panic!("a reason is missing: {line}"))
        })
        .collect()
}

/// Prints the rate, and fails for a disagreement that is not listed, one that is listed and is
/// none, and a rate below the goal. Names of the list begin with that of the program.
pub(crate) fn check(program: &str, count: usize, found: &[(String, String)], goal: f64) {
    let listed = listed();
    let mut problems = String::new();
    for (name, what) in found {
        let key = format!("{program} {name}");
        if !listed.contains_key(key.as_str()) {
            writeln!(problems, "not listed: {key}: {what}").expect("a text");
        }
    }
    for key in listed.keys() {
        let name = key.strip_prefix(program).map(str::trim_start);
        if let Some(name) = name.filter(|name| found.iter().all(|(known, _)| known != name)) {
            writeln!(problems, "listed, but agrees or is gone: {program} {name}").expect("a text");
        }
    }
    let agreed = count - found.len();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let rate = 100.0 * agreed as f64 / count as f64;
    #[expect(clippy::print_stdout, reason = "the rate is to be seen")]
    {
        println!("agreement with {program}: {agreed} of {count}, {rate:.1} %");
    }
    assert!(problems.is_empty(), "{rate:.1} %\n{problems}");
    assert!(rate >= goal, "{rate:.1} % is below {goal} %");
}
