//! Results of `down`, `prune` or `reap`.

use stagecraft_core::{HostRef, InfraPlan};
use stagecraft_engine::{DownReport, Outcome};

use super::advice::{advice, finish};
use super::apply::{apply_text, exists_text};
use super::ends::held_text;
use super::event::outcome_text;
use super::plan::others_text;
use super::text::{line, plural};
use crate::output::{RED, RESET, YELLOW};

/// `down`, `prune` or `reap` for people.
pub(crate) fn down_text(report: &DownReport) -> String {
    let mut text = String::from("\n");
    down_lines(&mut text, report);
    let plan = &report.plan;
    for host in plan.unmanaged.iter().filter(|host| host.owner.is_none()) {
        let why = "it bears the environment's tag, but is not ours by its other tags";
        stays(&mut text, host, why);
    }
    for host in plan.unnamed() {
        let why = "it bears our tags, but its name fits no name pattern of the file";
        stays(&mut text, host, why);
    }
    if let Some(others) = others_text(plan) {
        line!(text, "{others}");
    }
    let mut parts = vec![format!(
        "{} gone",
        plural(report.apply.deleted.len(), "host")
    )];
    if !report.apply.is_complete() {
        let left = report.apply.failed.len() + report.apply.not_tried.len();
        parts.push(format!("{RED}{left} left, which still cost money{RESET}"));
    }
    let outcome = match report.outcome() {
        Outcome::Partial if report.is_refused() => Outcome::Refused,
        outcome => outcome,
    };
    finish(&mut text, outcome, &parts, advice(&report.apply, &[]));
    text
}

/// Hosts that `reap` kept because the file does not expire them, with advice for each.
pub(crate) fn held_hosts_text(plan: &InfraPlan) -> String {
    let mut text = String::new();
    for entry in &plan.held {
        let (name, environment) = (&entry.host.name, &plan.environment);
        let held = held_text(entry);
        line!(
            text,
            "{YELLOW}stays{RESET} {name} (id {}): its time is over by its tag, but {held}; `stagecraft infra up --env {environment}` gives it the declared end, `stagecraft infra down --host {name} --env {environment}` deletes it",
            entry.host.id
        );
    }
    text
}

pub(super) fn down_lines(text: &mut String, report: &DownReport) {
    apply_text(text, &report.apply);
    exists_text(text, &report.plan, &report.apply);
    for entry in &report.forgotten {
        line!(
            text,
            "{}: network: {}",
            entry.host,
            outcome_text(&entry.outcome)
        );
    }
    for left in &report.apply.leftovers {
        let name = left.name.as_ref();
        let name = name.map(|name| format!(" {name}")).unwrap_or_default();
        let price = left.monthly;
        let price = price
            .map(|amount| format!(", {amount} a month"))
            .unwrap_or_default();
        line!(
            text,
            "{YELLOW}left{RESET} of {}: {}{name} (id {}), which still costs money{price}",
            left.host,
            left.kind,
            left.id
        );
    }
}

fn stays(text: &mut String, host: &HostRef, why: &str) {
    let (name, id) = (&host.name, &host.id);
    line!(text, "{YELLOW}stays{RESET} {name} (id {id}): {why}");
}
