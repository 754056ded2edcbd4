//! What was found on hosts before any change.

use infra_bootstrap::HostReport;
use stagecraft_core::InfraPlan;
use stagecraft_engine::HostLook;

use super::machines::machines_text;
use super::text::{line, plural};
use crate::output::{RED, RESET, YELLOW};

/// What a dry run found on the hosts, for people.
pub(crate) fn dry_run_text(plan: &InfraPlan, reports: &[&HostReport]) -> String {
    let mut text = looked_text(plan, reports);
    if !reports.is_empty() {
        line!(text, "{}", would_text(reports).trim_start());
    }
    line!(text, "Dry run: nothing was changed.");
    text
}

/// What was found on the existing hosts, for the confirmation: those that change, and those that
/// could not be read.
pub(crate) fn found_text(look: &HostLook) -> String {
    let mut text = String::new();
    let all = look.reports();
    let told = all.iter().copied();
    let told: Vec<_> = told
        .filter(|own| !own.is_ok() || own.would_change())
        .collect();
    machines_text(&mut text, &told);
    let unread: Vec<&str> = look.unread().collect();
    if !unread.is_empty() {
        let names = unread.join(", ");
        line!(
            text,
            "{YELLOW}not read{RESET} {names}: not running yet; changed as needed once up"
        );
    }
    line!(text, "{}", would_text(&all).trim_start());
    text
}

/// What would change on the hosts of a plan, for people.
pub(super) fn looked_text(plan: &InfraPlan, reports: &[&HostReport]) -> String {
    let mut text = String::new();
    machines_text(&mut text, reports);
    if !reports.is_empty() && !plan.create.is_empty() {
        let created = plan.create.iter();
        let names: Vec<&str> = created.map(|entry| entry.spec.name.as_str()).collect();
        let names = names.join(", ");
        line!(text, "On creation every step: {names}.");
    }
    text
}

/// How many hosts will change, and how many not, as the end of a line.
pub(super) fn would_text(reports: &[&HostReport]) -> String {
    if reports.is_empty() {
        return String::new();
    }
    let count = |is: &dyn Fn(&HostReport) -> bool| reports.iter().filter(|own| is(own)).count();
    let failed = count(&|own| !own.is_ok());
    let will = count(&|own| own.is_ok() && own.would_change());
    let mut parts = vec![
        format!("{} will change", plural(will, "host")),
        format!("{} as wanted", reports.len() - failed - will),
    ];
    if failed > 0 {
        parts.push(format!("{RED}{failed} failed{RESET}"));
    }
    format!(" {}.", parts.join(", "))
}
