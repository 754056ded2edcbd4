//! One phase: what is done, what is open, and what comes next.

use std::collections::BTreeSet;

use super::{Counts, code, feature_table, head, line, spec_link, title};
use crate::status::catalogue::{Catalogue, Feature, Phase, Status};

pub(super) fn page(catalogue: &Catalogue, phase: &Phase) -> String {
    let title = title(&phase.id, &phase.title);
    let features = catalogue.of_phase(&phase.id);
    let counts = Counts::of(features.iter().copied());
    let mut page = head(&format!("{title}: analysis"));
    page.push_str("## Summary\n\n");
    line(
        &mut page,
        format_args!(
            "{} of {} features are done ({}): {}.\n",
            counts.done,
            counts.total(),
            counts.share(counts.done),
            counts.word(),
        ),
    );
    page.push_str(&feature_table(catalogue, &features));
    let of = |status| {
        features
            .iter()
            .copied()
            .filter(move |feature| feature.is(status))
    };
    section(&mut page, "Done", of(Status::Done), |page, feature| {
        done(page, feature);
    });
    section(&mut page, "In work", of(Status::Wip), |page, feature| {
        let missing = feature.missing.as_deref().unwrap_or_default();
        line(page, format_args!("- Missing: {}", missing.trim()));
        tests(page, feature);
    });
    section(
        &mut page,
        "Cancelled",
        of(Status::Cancelled),
        |page, feature| {
            let reason = feature.reason.as_deref().unwrap_or_default();
            line(page, format_args!("- Reason: {}", reason.trim()));
        },
    );
    dependencies(&mut page, catalogue, &features);
    next(&mut page, catalogue, &features);
    page
}

fn section<'f>(
    page: &mut String,
    name: &str,
    features: impl Iterator<Item = &'f Feature>,
    mut body: impl FnMut(&mut String, &Feature),
) {
    let mut features = features.peekable();
    if features.peek().is_none() {
        return;
    }
    line(page, format_args!("\n## {name}"));
    for feature in features {
        line(
            page,
            format_args!("\n### {}\n\n{}.\n", feature.id, feature.title.trim()),
        );
        body(page, feature);
    }
}

fn done(page: &mut String, feature: &Feature) {
    if let Some(spec) = &feature.spec {
        line(page, format_args!("- Spec: {}", spec_link(spec)));
    }
    line(
        page,
        format_args!("- Analysis: [{0}.md](../analysis/{0}.md)", feature.id),
    );
    line(
        page,
        format_args!(
            "- Outline: [{0}_IMPLEMENTATION_OUTLINE.md](../outlines/{0}_IMPLEMENTATION_OUTLINE.md)",
            feature.id
        ),
    );
    tests(page, feature);
}

fn tests(page: &mut String, feature: &Feature) {
    if feature.tests.is_empty() {
        return;
    }
    page.push_str("- Tests:\n");
    for test in &feature.tests {
        line(page, format_args!("  - {}", code(test)));
    }
}

/// Dependencies of the phase's open features on other phases, and whether they are done.
fn dependencies(page: &mut String, catalogue: &Catalogue, features: &[&Feature]) {
    let own: BTreeSet<&str> = features.iter().map(|feature| feature.id.as_str()).collect();
    let outside: BTreeSet<&str> = features
        .iter()
        .flat_map(|feature| &feature.depends_on)
        .map(String::as_str)
        .filter(|need| !own.contains(need))
        .collect();
    page.push_str("\n## Dependencies on other phases\n\n");
    if outside.is_empty() {
        page.push_str("None.\n");
    }
    for need in outside {
        let status = catalogue
            .feature(need)
            .map_or("unknown", |found| &found.status);
        let word = if status == "done" {
            "satisfied"
        } else {
            "not satisfied"
        };
        line(page, format_args!("- {}: {word} ({status}).", code(need)));
    }
}

fn next(page: &mut String, catalogue: &Catalogue, features: &[&Feature]) {
    page.push_str("\n## Next\n\n");
    let open: Vec<&&Feature> = features
        .iter()
        .filter(|feature| feature.is_open())
        .collect();
    if open.is_empty() {
        page.push_str("Nothing is left to do in this phase.\n");
        return;
    }
    let (ready, waiting): (Vec<&Feature>, Vec<&Feature>) = open
        .into_iter()
        .partition(|feature| catalogue.open_needs(feature).is_empty());
    let ready = super::analysis::by_weight(catalogue, ready);
    if ready.is_empty() {
        page.push_str("No feature of this phase can start before features of other phases.\n");
    } else {
        page.push_str("Can start now, those that unblock the most first:\n\n");
    }
    for (number, (feature, unblocked)) in ready.iter().enumerate() {
        let unblocked: Vec<String> = unblocked.iter().map(|id| code(id)).collect();
        let effect = if unblocked.is_empty() {
            String::new()
        } else {
            format!(" Unblocks {}.", unblocked.join(", "))
        };
        let verb = if feature.is(Status::Wip) {
            "finish "
        } else {
            ""
        };
        line(
            page,
            format_args!(
                "{}. {verb}{}: {}.{effect}",
                number + 1,
                code(&feature.id),
                feature.title.trim()
            ),
        );
    }
    if !waiting.is_empty() {
        page.push_str("\nWaiting:\n\n");
    }
    for feature in waiting {
        let needs: Vec<String> = catalogue
            .open_needs(feature)
            .iter()
            .map(|id| code(id))
            .collect();
        line(
            page,
            format_args!("- {} waits for {}.", code(&feature.id), needs.join(", ")),
        );
    }
}
