//! The overview: progress, features in work, features that can be started, and those that wait.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::{Counts, cell, code, head, line, phase_table};
use crate::status::catalogue::{Catalogue, Feature, Status};

pub(super) fn page(catalogue: &Catalogue) -> String {
    let counts = Counts::of(&catalogue.features);
    let mut page = head("Feature completion analysis");
    page.push_str("## Summary\n\n");
    line(
        &mut page,
        format_args!(
            "{} of {} features are done ({}), {} are in work, {} are planned.",
            counts.done,
            counts.total(),
            counts.share(counts.done),
            counts.wip,
            counts.todo,
        ),
    );
    let complete: Vec<&str> = catalogue
        .phases
        .iter()
        .filter(|phase| Counts::of(catalogue.of_phase(&phase.id)).word() == "complete")
        .map(|phase| phase.title.as_str())
        .collect();
    if !complete.is_empty() {
        line(
            &mut page,
            format_args!("Complete phases: {}.", complete.join(", ")),
        );
    }
    page.push_str("\n## By phase\n\n");
    page.push_str(&phase_table(catalogue));

    let open = || {
        catalogue
            .features
            .iter()
            .filter(|feature| feature.is_open())
    };
    page.push_str("\n## In work\n\n| feature | title | missing |\n|---|---|---|\n");
    for feature in open().filter(|feature| feature.is(Status::Wip)) {
        let missing = cell(feature.missing.as_deref().unwrap_or_default());
        let title = cell(&feature.title);
        line(
            &mut page,
            format_args!("| {} | {title} | {missing} |", code(&feature.id)),
        );
    }

    page.push_str("\n## Can start now\n\nFeatures that unblock the most come first.\n\n");
    page.push_str("| feature | title | phase | unblocks |\n|---|---|---|---|\n");
    let ready = open()
        .filter(|feature| feature.is(Status::Todo) && catalogue.open_needs(feature).is_empty());
    for (feature, unblocked) in by_weight(catalogue, ready.collect()) {
        line(
            &mut page,
            format_args!(
                "| {} | {} | {} | {} |",
                code(&feature.id),
                cell(&feature.title),
                feature.phase,
                unblocked.len()
            ),
        );
    }

    page.push_str("\n## Waiting\n\n| feature | title | waits for |\n|---|---|---|\n");
    for feature in open().filter(|feature| feature.is(Status::Todo)) {
        let needs: Vec<String> = catalogue
            .open_needs(feature)
            .iter()
            .map(|id| code(id))
            .collect();
        if !needs.is_empty() {
            let title = cell(&feature.title);
            let needs = needs.join(", ");
            line(
                &mut page,
                format_args!("| {} | {title} | {needs} |", code(&feature.id)),
            );
        }
    }

    page.push_str("\n## Cancelled\n\n| feature | title | reason |\n|---|---|---|\n");
    for feature in catalogue
        .features
        .iter()
        .filter(|feature| feature.is(Status::Cancelled))
    {
        let reason = cell(feature.reason.as_deref().unwrap_or_default());
        let title = cell(&feature.title);
        line(
            &mut page,
            format_args!("| {} | {title} | {reason} |", code(&feature.id)),
        );
    }
    page
}

/// Features with all that depend on them: most first, otherwise in the catalogue's order.
pub(super) fn by_weight<'c>(
    catalogue: &'c Catalogue,
    features: Vec<&'c Feature>,
) -> Vec<(&'c Feature, BTreeSet<&'c str>)> {
    let mut weighed: Vec<_> = features
        .into_iter()
        .map(|feature| (feature, catalogue.waiting_for(&feature.id)))
        .collect();
    weighed.sort_by_key(|(_, waiting)| Reverse(waiting.len()));
    weighed
}
