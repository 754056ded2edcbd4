//! What became of an operation.

use std::fmt::Write as _;

use infra_bootstrap::HostReport;
use stagecraft_core::{ApplyReport, StepFailure};
use stagecraft_engine::{DownReport, Outcome, UpReport};

use super::event::outcome_text;
use super::plural;
use crate::output::{DIM, GREEN, RED, RESET, YELLOW};

/// `up` for people.
pub(crate) fn up_text(report: &UpReport) -> String {
    let mut text = String::from("\n");
    for host in &report.hosts {
        host_text(&mut text, host);
    }
    apply_text(&mut text, &report.apply);
    let failed = report.hosts.iter().filter(|host| !host.is_ok()).count();
    let existing = report.plan.unchanged.len() + report.plan.differ.len();
    let mut parts = vec![
        format!("{} created", report.apply.created.len()),
        format!("{existing} existed"),
    ];
    if !report.hosts.is_empty() {
        let changed = report.hosts.iter().filter(|host| host.is_changed()).count();
        parts.push(format!("{} ready", report.hosts.len() - failed));
        parts.push(format!("{changed} changed"));
    }
    let bad = failed + report.apply.failed.len() + report.apply.not_tried.len();
    if bad > 0 {
        parts.push(format!("{RED}{bad} failed{RESET}"));
    }
    finish(&mut text, report.outcome(), &parts);
    text
}

/// `down` for people.
pub(crate) fn down_text(report: &DownReport) -> String {
    let mut text = String::from("\n");
    apply_text(&mut text, &report.apply);
    for entry in &report.forgotten {
        line(
            &mut text,
            &format!("{}: network: {}", entry.host, outcome_text(&entry.outcome)),
        );
    }
    for host in &report.plan.unmanaged {
        line(
            &mut text,
            &format!(
                "{YELLOW}stays{RESET} {} (id {}): it bears the environment's tag, but is not ours by its other tags or its name",
                host.name, host.id
            ),
        );
    }
    let mut parts = vec![format!(
        "{} gone",
        plural(report.apply.deleted.len(), "host")
    )];
    if !report.apply.is_complete() {
        let left = report.apply.failed.len() + report.apply.not_tried.len();
        parts.push(format!("{RED}{left} left, which still cost money{RESET}"));
    }
    finish(&mut text, report.outcome(), &parts);
    text
}

/// What a dry run found on the hosts, for people.
pub(crate) fn dry_run_text(reports: &[HostReport]) -> String {
    let mut text = String::new();
    for report in reports {
        host_text(&mut text, report);
    }
    line(&mut text, "Dry run: nothing was changed.");
    text
}

fn host_text(text: &mut String, report: &HostReport) {
    let mark = if report.is_ok() {
        format!("{GREEN}ok{RESET}")
    } else {
        format!("{RED}failed{RESET}")
    };
    let place = report
        .fqdn
        .clone()
        .or_else(|| report.address.map(|address| address.to_string()))
        .unwrap_or_default();
    line(
        text,
        &format!("{mark} {}  {DIM}{place}{RESET}", report.host),
    );
    for step in &report.steps {
        line(
            text,
            &format!("   {}: {}", step.step, outcome_text(&step.outcome)),
        );
    }
    if let Some(failure) = report.first_failure() {
        failure_text(text, failure, report.failure.is_some());
    }
}

fn failure_text(text: &mut String, failure: &StepFailure, with_message: bool) {
    if with_message {
        line(text, &format!("   {} ({})", failure.message, failure.code));
    }
    for evidence in &failure.evidence {
        line(text, &format!("   {DIM}| {evidence}{RESET}"));
    }
}

fn apply_text(text: &mut String, report: &ApplyReport) {
    for failure in &report.failed {
        let mut messages = failure.error.chain().into_iter();
        let id = failure
            .id
            .as_ref()
            .map(|id| format!(" (id {id})"))
            .unwrap_or_default();
        line(
            text,
            &format!(
                "{RED}failed{RESET} {}{id}: {}",
                failure.host,
                messages.next().unwrap_or_default()
            ),
        );
        for cause in messages {
            line(text, &format!("   caused by: {cause}"));
        }
        if let Some(hint) = failure.error.hint() {
            line(text, &format!("   {YELLOW}hint:{RESET} {hint}"));
        }
    }
    for host in &report.not_tried {
        line(text, &format!("{YELLOW}not tried{RESET} {host}"));
    }
}

fn finish(text: &mut String, outcome: Outcome, parts: &[String]) {
    let again = match outcome {
        Outcome::Done => "",
        Outcome::Interrupted => " Interrupted; run the command again to go on.",
        _ => " Run the command again to finish the rest.",
    };
    line(text, &format!("{}.{again}", parts.join(", ")));
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "{content}").expect("writing to a string cannot fail");
}
