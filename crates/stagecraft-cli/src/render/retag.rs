//! Results of `adopt` or `unprotect`.

use stagecraft_core::PlanMode;
use stagecraft_engine::{Outcome, Planned, RetagReport};

use super::advice::{advice, finish};
use super::apply::apply_text;
use super::text::{line, plural};
use crate::output::{RED, RESET};

/// The named hosts of a retagging plan that need no change.
pub(crate) fn as_wanted_text(planned: &Planned) -> String {
    let mut text = String::new();
    for host in planned.as_wanted() {
        let why = match planned.plan.mode {
            PlanMode::Adopt => "is yours already",
            _ if host.protection.by_file => "bears no tag of protection",
            _ => "is not protected",
        };
        line!(text, "{} (id {}) {why}", host.name, host.id);
    }
    text
}

/// `adopt` or `unprotect` for people.
pub(crate) fn retag_text(report: &RetagReport) -> String {
    let mut text = String::from("\n");
    apply_text(&mut text, &report.apply);
    for finding in &report.refused {
        let host = finding.host.as_ref();
        let host = host.map(|host| format!(" {host}")).unwrap_or_default();
        line!(text, "{RED}refused{RESET}{host}: {}", finding.message);
    }
    let done = match report.plan.mode {
        PlanMode::Adopt => "adopted",
        _ => "unprotected",
    };
    let retagged = &report.apply.retagged;
    let mut parts = vec![format!("{} {done}", plural(retagged.len(), "host"))];
    let by_file = retagged.iter().filter(|host| host.protection.by_file);
    let by_file = by_file.count();
    if by_file > 0 && report.plan.mode == PlanMode::Unprotect {
        parts = vec![format!(
            "tag of protection removed from {}, {by_file} still protected by the file",
            plural(retagged.len(), "host")
        )];
    }
    let outcome = match report.outcome() {
        // What was refused is refused again.
        Outcome::Partial if report.apply.is_complete() => Outcome::Done,
        outcome => outcome,
    };
    finish(&mut text, outcome, &parts, advice(&report.apply, &[]));
    if report.plan.mode == PlanMode::Adopt && !report.apply.retagged.is_empty() {
        let environment = &report.plan.environment;
        let hosts = report.apply.retagged.iter();
        let mut names: Vec<&str> = hosts.map(|host| host.name.as_str()).collect();
        names.sort_unstable();
        line!(
            text,
            "accept their host keys next, so that `up` works on them:"
        );
        for name in names {
            line!(
                text,
                "  stagecraft infra hosts trust {name} --env {environment}"
            );
        }
    }
    text
}
