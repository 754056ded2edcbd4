//! Compares figures with their goals and with the recorded figures.

use super::figures::{Figures, Lines, PATH};
use super::{COMMAND, GOALS};

/// How far a figure may be from the recorded one, in hundredths of a per cent.
///
/// Not zero: coverage depends a little on timing.
const TOLERANCE: u64 = 300;

/// Crates that miss their goal.
pub(crate) fn below_goal(measured: &Figures) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, goal) in GOALS {
        match measured.crates.get(*name) {
            Some(lines) if lines.exact() >= goal * 100 => {}
            Some(lines) => problems.push(format!(
                "{name}: {} of the lines are covered, the goal is {goal}%; \
                 `{COMMAND}` lists the files that are thin in {PATH}",
                shown(*lines)
            )),
            None => problems.push(format!("{name}: has a goal but no lines")),
        }
    }
    problems
}

/// Crates whose recorded figure is outdated.
pub(crate) fn drifted(measured: &Figures, written: &Figures) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, now) in &measured.crates {
        match written.crates.get(name) {
            Some(then) if now.exact().abs_diff(then.exact()) <= TOLERANCE => {}
            Some(then) => problems.push(format!(
                "{name}: {} of the lines are covered, {PATH} says {}; run `{COMMAND}`",
                shown(*now),
                shown(*then)
            )),
            None => problems.push(format!("{name}: not in {PATH}; run `{COMMAND}`")),
        }
    }
    for name in written.crates.keys() {
        if !measured.crates.contains_key(name) {
            problems.push(format!(
                "{name}: in {PATH}, but there is no such crate; run `{COMMAND}`"
            ));
        }
    }
    problems
}

fn shown(lines: Lines) -> String {
    let tenths = lines.exact() / 10;
    format!("{}.{}%", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(crates: &[(&str, u64)]) -> Figures {
        let crates = crates.iter().map(|(name, covered)| {
            let lines = Lines {
                all: 1000,
                covered: *covered,
            };
            ((*name).to_owned(), lines)
        });
        Figures {
            crates: crates.collect(),
            ..Figures::default()
        }
    }

    #[test]
    fn crate_below_its_goal_is_told_although_its_rounded_share_reaches_it() {
        let measured = figures(&[
            ("provider-digitalocean", 800),
            ("provider-tailscale", 799),
            ("stagecraft-cli", 10),
        ]);
        assert_eq!(
            below_goal(&measured),
            [
                "provider-tailscale: 79.9% of the lines are covered, the goal is 80%; \
                 `cargo xtask coverage` lists the files that are thin in \
                 docs/engine/status/coverage.json",
                "stagecraft-core: has a goal but no lines",
            ]
        );
    }

    #[test]
    fn only_figures_that_moved_far_and_crates_that_came_or_went_are_told() {
        let written = figures(&[("a", 900), ("b", 900), ("c", 900), ("gone", 1)]);
        let measured = figures(&[("a", 870), ("b", 869), ("c", 931), ("new", 1)]);
        assert_eq!(
            drifted(&measured, &written),
            [
                "b: 86.9% of the lines are covered, docs/engine/status/coverage.json says 90.0%; \
                 run `cargo xtask coverage`",
                "c: 93.1% of the lines are covered, docs/engine/status/coverage.json says 90.0%; \
                 run `cargo xtask coverage`",
                "new: not in docs/engine/status/coverage.json; run `cargo xtask coverage`",
                "gone: in docs/engine/status/coverage.json, but there is no such crate; \
                 run `cargo xtask coverage`",
            ]
        );
        assert!(drifted(&written, &written).is_empty());
    }
}
