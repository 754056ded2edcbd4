//! The rules of the catalogue. All violations are reported at once, by name.

mod documents;

use std::collections::BTreeSet;
use std::path::Path;

use super::catalogue::{Catalogue, Feature, Status};
use super::tests_index::TestIndex;

/// Everything that is wrong, in the order of the catalogue.
pub(crate) fn problems(catalogue: &Catalogue, root: &Path, index: &TestIndex) -> Vec<String> {
    let mut problems = Problems::default();
    let mut seen = BTreeSet::new();
    let mut phases = BTreeSet::new();
    for phase in &catalogue.phases {
        if !phases.insert(phase.id.as_str()) {
            problems.add(&phase.id, "there are two phases of this id");
        }
    }
    for feature in &catalogue.features {
        if !seen.insert(feature.id.as_str()) {
            problems.add(&feature.id, "there are two features of this id");
        }
        if !phases.contains(feature.phase.as_str()) {
            problems.add(&feature.id, format!("unknown phase `{}`", feature.phase));
        }
        if feature.owner.trim().is_empty() || feature.title.trim().is_empty() {
            problems.add(&feature.id, "has no owner or no title");
        }
        check_status(feature, &mut problems);
        check_needs(catalogue, feature, &mut problems);
        check_tests(feature, root, index, &mut problems);
        documents::check(feature, root, &mut problems);
    }
    for cycle in cycles(catalogue) {
        problems.add(
            &cycle[0],
            format!("depends on itself: {}", cycle.join(" -> ")),
        );
    }
    documents::check_specs(catalogue, root, &mut problems);
    problems.0
}

/// All problems, each with the id that it is about.
#[derive(Debug, Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, id: &str, problem: impl std::fmt::Display) {
        self.0.push(format!("{id}: {problem}"));
    }
}

fn check_status(feature: &Feature, problems: &mut Problems) {
    let id = &feature.id;
    let Some(status) = Status::parse(&feature.status) else {
        let status = &feature.status;
        return problems.add(
            id,
            format!("unknown status `{status}`, known: todo, wip, done, cancelled"),
        );
    };
    if (status == Status::Cancelled) != feature.reason.is_some() {
        problems.add(
            id,
            "a `reason` belongs to each cancelled feature and to no other",
        );
    }
    if (status == Status::Wip) != feature.missing.is_some() {
        problems.add(
            id,
            "`missing` belongs to each feature in work and to no other",
        );
    }
    if status == Status::Done && feature.tests.is_empty() {
        problems.add(id, "done, but names no test");
    }
}

fn check_needs(catalogue: &Catalogue, feature: &Feature, problems: &mut Problems) {
    for need in &feature.depends_on {
        let Some(found) = catalogue.feature(need) else {
            problems.add(
                &feature.id,
                format!("depends on `{need}`, which is unknown"),
            );
            continue;
        };
        if feature.is(Status::Done) && !found.is(Status::Done) {
            let status = &found.status;
            problems.add(
                &feature.id,
                format!("done, but depends on {need}, which is {status}"),
            );
        } else if feature.is_open() && found.is(Status::Cancelled) {
            problems.add(
                &feature.id,
                format!("depends on {need}, which is cancelled"),
            );
        }
    }
}

fn check_tests(feature: &Feature, root: &Path, index: &TestIndex, problems: &mut Problems) {
    let mut named = BTreeSet::new();
    for test in &feature.tests {
        if !named.insert(test) {
            problems.add(&feature.id, format!("test `{test}` is named twice"));
        }
        if let Some(problem) = index.problem(root, test) {
            problems.add(&feature.id, format!("test `{test}` {problem}"));
        }
    }
}

/// Each cycle of dependencies once, from its first id in the alphabet back to it.
fn cycles(catalogue: &Catalogue) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    let mut finished = BTreeSet::new();
    for feature in &catalogue.features {
        follow(
            catalogue,
            &feature.id,
            &mut Vec::new(),
            &mut finished,
            &mut found,
        );
    }
    found
}

fn follow<'c>(
    catalogue: &'c Catalogue,
    id: &'c str,
    path: &mut Vec<&'c str>,
    finished: &mut BTreeSet<&'c str>,
    found: &mut BTreeSet<Vec<String>>,
) {
    if let Some(start) = path.iter().position(|earlier| *earlier == id) {
        let mut cycle = path[start..].to_vec();
        let first = (0..cycle.len())
            .min_by_key(|index| cycle[*index])
            .unwrap_or(0);
        cycle.rotate_left(first);
        cycle.push(cycle[0]);
        found.insert(cycle.into_iter().map(ToOwned::to_owned).collect());
        return;
    }
    if finished.contains(id) {
        return;
    }
    path.push(id);
    for need in catalogue
        .feature(id)
        .iter()
        .flat_map(|feature| &feature.depends_on)
    {
        follow(catalogue, need, path, finished, found);
    }
    path.pop();
    finished.insert(id);
}

#[cfg(test)]
mod tests;
