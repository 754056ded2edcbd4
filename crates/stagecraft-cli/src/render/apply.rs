//! Results of hosts in the cloud.

use stagecraft_core::{ApplyReport, ErrorKind, HostFailure, HostRef, InfraPlan};

use super::text::{line, plural, price, rows_text};
use crate::output::{RED, RESET, YELLOW};

pub(super) fn apply_text(text: &mut String, report: &ApplyReport) {
    let failed = report.failed.iter();
    let is_told = |own: &&HostFailure| report.exists.is_none() || !is_interruption(own);
    for failure in failed.filter(is_told) {
        let mut messages = failure.error.chain().into_iter();
        let id = failure
            .id
            .as_ref()
            .map(|id| format!(" (id {id})"))
            .unwrap_or_default();
        line!(
            text,
            "{RED}failed{RESET} {}{id}: {}",
            failure.host,
            messages.next().unwrap_or_default()
        );
        for cause in messages {
            line!(text, "   caused by: {cause}");
        }
        if let Some(hint) = failure.error.hint() {
            line!(text, "   {YELLOW}hint:{RESET} {hint}");
        }
    }
    let not_tried = report.not_tried.iter();
    for host in not_tried.filter(|_| report.exists.is_none()) {
        line!(text, "{YELLOW}not tried{RESET} {host}");
    }
}

/// What exists after a cancelled run, with ids and cost. Hosts that the run did not concern are
/// only counted.
pub(super) fn exists_text(text: &mut String, plan: &InfraPlan, report: &ApplyReport) {
    let Some(exists) = &report.exists else { return };
    let environment = &plan.environment;
    let is_listed = |host: &&HostRef| {
        let to_delete = plan.delete.iter().any(|own| own.id == host.id);
        exists.created.contains(&host.id) || to_delete
    };
    let rows: Vec<Vec<String>> = exists
        .hosts
        .iter()
        .filter(is_listed)
        .map(|host| {
            let is_ready = report.created.iter().any(|own| own.id == host.id);
            let state = match (exists.created.contains(&host.id), is_ready) {
                (true, true) => "created",
                (true, false) => "created, not active yet",
                (false, _) => "not deleted yet",
            };
            vec![
                format!("  {}", host.name),
                format!("id {}", host.id),
                host.size.clone(),
                state.to_owned(),
                price(host.monthly, host.hourly),
            ]
        })
        .collect();
    let (monthly, hourly) = exists.cost();
    let hourly = hourly.with_fractions();
    let count = plural(exists.hosts.len(), "host");
    line!(
        text,
        "Now in {environment}: {count}, {monthly} a month, {hourly} an hour."
    );
    text.push_str(&rows_text(&rows));
    let missing = not_created(plan, report);
    if !missing.is_empty() {
        line!(text, "  not created: {}", missing.join(", "));
    }
    if !exists.is_whole {
        line!(
            text,
            "  The cloud could not be read once more: there may be more hosts than these."
        );
    }
}

/// The names of hosts that a cancelled run did not create.
pub(super) fn not_created<'a>(plan: &'a InfraPlan, report: &ApplyReport) -> Vec<&'a str> {
    let Some(exists) = &report.exists else {
        return Vec::new();
    };
    let names = plan.create.iter().map(|entry| entry.spec.name.as_str());
    names
        .filter(|name| !exists.hosts.iter().any(|host| host.name == *name))
        .collect()
}

/// Whether cancellation is why a host is not as planned: not a failure of the host.
pub(super) fn is_interruption(failure: &HostFailure) -> bool {
    failure.error.kind() == ErrorKind::Cancelled
}
