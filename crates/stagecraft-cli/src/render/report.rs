//! What became of an operation.

use std::fmt::Write as _;

use infra_bootstrap::HostReport;
use stagecraft_core::{ApplyReport, HostName, HostRef, InfraPlan, PlanMode, RetagEntry};
use stagecraft_engine::{
    BootstrapReport, DownReport, HostLook, Outcome, Planned, ReplaceReport, RetagReport, UpReport,
};

use super::event::outcome_text;
use super::machines::machines_text;
use super::plan::others_text;
use super::{plural, them};
use crate::output::{RED, RESET, YELLOW};

/// `up` for people. `undo` is the command that deletes what the run made.
/// `next` works again on the hosts that failed.
pub(crate) fn up_text(report: &UpReport, undo: &str, next: &str) -> String {
    let mut text = String::from("\n");
    up_lines(&mut text, report, next);
    // Also a failed create may have left a host.
    if report.outcome() != Outcome::Done && !report.plan.create.is_empty() {
        line(
            &mut text,
            &format!("To delete what this run made instead: {undo}"),
        );
    }
    text
}

fn up_lines(text: &mut String, report: &UpReport, next: &str) {
    let hosts: Vec<&HostReport> = report.hosts.iter().collect();
    machines_text(text, &hosts);
    apply_text(text, &report.apply);
    let failed = report.hosts.iter().filter(|host| !host.is_ok()).count();
    let plan = &report.plan;
    let existing = plan.unchanged.len() + plan.differ.len() + plan.resize.len();
    let mut parts = vec![
        format!("{} created", report.apply.created.len()),
        format!("{existing} existed"),
    ];
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
        parts.push(format!("{} ready", report.hosts.len() - failed));
        parts.push(format!("{changed} changed"));
    }
    let failed = failed + report.apply.failed.len();
    if failed > 0 {
        parts.push(format!("{RED}{failed} failed{RESET}"));
    }
    let not_tried = report.apply.not_tried.len();
    if not_tried > 0 {
        parts.push(format!("{YELLOW}{not_tried} not tried{RESET}"));
    }
    finish(text, report.outcome(), &parts);
    // Where the cloud has done its part, nothing is left for `up`.
    if report.apply.is_complete() {
        next_line(text, &report.hosts, next);
    }
}

/// `bootstrap` for people. `next` works again on the hosts that failed.
pub(crate) fn bootstrap_text(report: &BootstrapReport, is_dry_run: bool, next: &str) -> String {
    let mut text = String::from("\n");
    let hosts: Vec<&HostReport> = report.hosts.iter().collect();
    machines_text(&mut text, &hosts);
    if !report.not_there.is_empty() {
        let names: Vec<&str> = report.not_there.iter().map(HostName::as_str).collect();
        line(
            &mut text,
            &format!(
                "{YELLOW}not there{RESET} {}: create {} by `stagecraft infra up --env {}`",
                names.join(", "),
                them(names.len()),
                report.environment
            ),
        );
    }
    if !report.undeclared.is_empty() {
        let names: Vec<&str> = report
            .undeclared
            .iter()
            .map(|own| own.name.as_str())
            .collect();
        line(
            &mut text,
            &format!(
                "{YELLOW}left alone{RESET} {}: the file does not declare {}",
                names.join(", "),
                them(names.len())
            ),
        );
    }
    let outcome = report.outcome();
    if hosts.is_empty() && outcome == Outcome::Done {
        let environment = &report.environment;
        line(
            &mut text,
            &format!("no hosts to make ready in {environment}: nothing to do"),
        );
        return text;
    }
    if is_dry_run {
        line(&mut text, would_text(&hosts).trim_start());
        line(&mut text, "Dry run: nothing was changed.");
        return text;
    }
    let failed = report.hosts.iter().filter(|host| !host.is_ok()).count();
    let changed = report.hosts.iter().filter(|host| host.is_changed()).count();
    let mut parts = vec![
        format!("{} ready", plural(report.hosts.len() - failed, "host")),
        format!("{changed} changed"),
    ];
    if failed > 0 {
        parts.push(format!("{RED}{failed} failed{RESET}"));
    }
    finish(&mut text, outcome, &parts);
    next_line(&mut text, &report.hosts, next);
    text
}

/// What to type next, if a host failed.
fn next_line(text: &mut String, hosts: &[HostReport], next: &str) {
    if hosts.iter().any(|host| !host.is_ok()) {
        line(text, &format!("Next: {next}"));
    }
}

fn stays(text: &mut String, host: &HostRef, why: &str) {
    let (name, id) = (&host.name, &host.id);
    line(
        text,
        &format!("{YELLOW}stays{RESET} {name} (id {id}): {why}"),
    );
}

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
        line(&mut text, &others);
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
    finish(&mut text, outcome, &parts);
    text
}

fn down_lines(text: &mut String, report: &DownReport) {
    apply_text(text, &report.apply);
    for entry in &report.forgotten {
        line(
            text,
            &format!("{}: network: {}", entry.host, outcome_text(&entry.outcome)),
        );
    }
    for left in &report.apply.leftovers {
        let name = left.name.as_ref();
        let name = name.map(|name| format!(" {name}")).unwrap_or_default();
        let price = left.monthly;
        let price = price
            .map(|amount| format!(", {amount} a month"))
            .unwrap_or_default();
        line(
            text,
            &format!(
                "{YELLOW}left{RESET} of {}: {}{name} (id {}), which still costs money{price}",
                left.host, left.kind, left.id
            ),
        );
    }
}

/// `replace` for people. `next` works again on the new host.
pub(crate) fn replace_text(report: &ReplaceReport, next: &str) -> String {
    let mut text = String::from("\n");
    if let Some(down) = &report.down {
        down_lines(&mut text, down);
    }
    match (&report.up, &report.error) {
        (Some(up), _) => up_lines(&mut text, up, next),
        (None, Some(error)) => {
            for (depth, message) in error.chain().into_iter().enumerate() {
                let text = &mut text;
                if depth == 0 {
                    line(text, &format!("{RED}error:{RESET} {message}"));
                } else {
                    line(text, &format!("   caused by: {message}"));
                }
            }
            let environment = &report.plan.environment;
            line(
                &mut text,
                &format!(
                    "The old host is gone, the new one is not there: stagecraft infra up --env {environment}"
                ),
            );
        }
        (None, None) => {
            let down = report.down.as_ref();
            let end = if down.is_some_and(DownReport::is_refused) {
                "The old host stays, and no new one was made."
            } else {
                "The old host is not proven gone, and no new one was made. Run the command again to finish the rest."
            };
            line(&mut text, end);
        }
    }
    text
}

/// Named hosts of a plan that gives tags which need none.
pub(crate) fn as_wanted_text(planned: &Planned) -> String {
    let why = match planned.plan.mode {
        PlanMode::Adopt => "yours already",
        _ => "not protected",
    };
    let mut text = String::new();
    for host in planned.as_wanted() {
        line(
            &mut text,
            &format!("{} (id {}) is {why}", host.name, host.id),
        );
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
        line(
            &mut text,
            &format!("{RED}refused{RESET}{host}: {}", finding.message),
        );
    }
    let done = match report.plan.mode {
        PlanMode::Adopt => "adopted",
        _ => "unprotected",
    };
    let parts = [format!(
        "{} {done}",
        plural(report.apply.retagged.len(), "host")
    )];
    let outcome = match report.outcome() {
        // What was refused is refused again.
        Outcome::Partial if report.apply.is_complete() => Outcome::Done,
        outcome => outcome,
    };
    finish(&mut text, outcome, &parts);
    if report.plan.mode == PlanMode::Adopt && !report.apply.retagged.is_empty() {
        let environment = &report.plan.environment;
        let hosts = report.apply.retagged.iter();
        let mut names: Vec<&str> = hosts.map(|host| host.name.as_str()).collect();
        names.sort_unstable();
        line(
            &mut text,
            "accept their host keys next, so that `up` works on them:",
        );
        for name in names {
            let command = format!("  stagecraft infra hosts trust {name} --env {environment}");
            line(&mut text, &command);
        }
    }
    text
}

/// What a dry run found on the hosts, for people.
pub(crate) fn dry_run_text(plan: &InfraPlan, reports: &[&HostReport]) -> String {
    let mut text = looked_text(plan, reports);
    if !reports.is_empty() {
        line(&mut text, would_text(reports).trim_start());
    }
    line(&mut text, "Dry run: nothing was changed.");
    text
}

/// What was found on the hosts that exist, for who is asked about it: those that change, and
/// those that could not be read.
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
        line(
            &mut text,
            &format!("{YELLOW}not read{RESET} {names}: not running yet; changed as needed once up"),
        );
    }
    line(&mut text, would_text(&all).trim_start());
    text
}

/// What would be changed on the hosts of a plan, for people.
pub(super) fn looked_text(plan: &InfraPlan, reports: &[&HostReport]) -> String {
    let mut text = String::new();
    machines_text(&mut text, reports);
    if !reports.is_empty() {
        if !plan.create.is_empty() {
            let names: Vec<&str> = plan
                .create
                .iter()
                .map(|entry| entry.spec.name.as_str())
                .collect();
            line(
                &mut text,
                &format!("On creation every step: {}.", names.join(", ")),
            );
        }
    }
    text
}

/// How many hosts will be changed, and how many not, as the end of a line.
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
        // What was refused is refused again.
        Outcome::Done | Outcome::Refused => "",
        Outcome::Interrupted => " Interrupted; run the command again to go on.",
        _ => " Run the command again to finish the rest.",
    };
    line(text, &format!("{}.{again}", parts.join(", ")));
}

pub(super) fn line(text: &mut String, content: &str) {
    writeln!(text, "{content}").expect("writing to a string cannot fail");
}
