//! Results of `up`.

use infra_bootstrap::HostReport;
use stagecraft_core::RetagEntry;
use stagecraft_engine::{Outcome, UpReport};

use super::advice::{advice, finish, next_line};
use super::apply::{apply_text, exists_text, is_interruption, not_created};
use super::bootstrap::not_ready;
use super::machines::machines_text;
use super::text::line;
use crate::output::{RED, RESET, YELLOW};

/// `up` for people. `undo` is the command that deletes what the run created. `next` retries the
/// failed hosts.
pub(crate) fn up_text(report: &UpReport, undo: &str, next: &str) -> String {
    let mut text = String::from("\n");
    up_lines(&mut text, report, next);
    // Even a failed create may have left a host.
    if report.outcome() != Outcome::Done && !report.plan.create.is_empty() {
        line!(text, "To delete what this run made instead: {undo}");
    }
    text
}

pub(super) fn up_lines(text: &mut String, report: &UpReport, next: &str) {
    let hosts: Vec<&HostReport> = report.hosts.iter().collect();
    machines_text(text, &hosts);
    apply_text(text, &report.apply);
    exists_text(text, &report.plan, &report.apply);
    let (failed, interrupted) = not_ready(&report.hosts);
    let plan = &report.plan;
    let existing = plan.unchanged.len() + plan.differ.len() + plan.resize.len();
    let exists = report.apply.exists.as_ref();
    let created = exists.map_or(report.apply.created.len(), |exists| exists.created.len());
    let mut parts = vec![format!("{created} created"), format!("{existing} existed")];
    let done = |is_meant: &dyn Fn(&RetagEntry) -> bool| {
        let entries = plan.retag.iter().filter(|entry| is_meant(entry));
        let retagged = &report.apply.retagged;
        entries.filter(|own| retagged.contains(&own.host)).count()
    };
    let further = [
        (report.apply.resized.len(), "resized"),
        (done(&|entry| entry.changes_tags()), "tagged"),
        (done(&|entry| entry.project.is_some()), "put into a project"),
        (report.apply.powered_on.len(), "powered on"),
    ];
    for (count, what) in further.into_iter().filter(|(count, _)| *count > 0) {
        parts.push(format!("{count} {what}"));
    }
    if !report.hosts.is_empty() {
        let changed = report.hosts.iter().filter(|host| host.is_changed()).count();
        let ready = report.hosts.len() - failed - interrupted;
        parts.push(format!("{ready} ready"));
        parts.push(format!("{changed} changed"));
    }
    let failures = report.apply.failed.iter();
    let failed = failed + failures.filter(|own| !is_interruption(own)).count();
    if failed > 0 {
        parts.push(format!("{RED}{failed} failed{RESET}"));
    }
    let not_created = not_created(&report.plan, &report.apply).len();
    if not_created > 0 {
        parts.push(format!("{YELLOW}{not_created} not created{RESET}"));
    }
    let not_tried = report.apply.not_tried.len();
    if not_tried > 0 && exists.is_none() {
        parts.push(format!("{YELLOW}{not_tried} not tried{RESET}"));
    }
    finish(
        text,
        report.outcome(),
        &parts,
        advice(&report.apply, &report.hosts),
    );
    // If the cloud is complete, nothing is left for `up`.
    if report.apply.is_complete() {
        next_line(text, &report.hosts, next);
    }
}
