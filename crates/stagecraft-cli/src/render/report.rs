//! What became of an operation.

use std::fmt::Write as _;

use infra_bootstrap::HostReport;
use stagecraft_core::{
    Advice, ApplyReport, ErrorKind, FailureCode, HostFailure, HostName, HostRef, InfraPlan,
    PlanMode, RetagEntry,
};
use stagecraft_engine::{
    BootstrapReport, DownReport, HostLook, Outcome, Planned, ReplaceReport, RetagReport, UpReport,
};

use super::event::outcome_text;
use super::machines::machines_text;
use super::plan::{held_text, others_text, price};
use super::{plural, rows_text, them};
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
        parts.push(format!(
            "{} ready",
            report.hosts.len() - failed - interrupted
        ));
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
    let (failed, interrupted) = not_ready(&report.hosts);
    let changed = report.hosts.iter().filter(|host| host.is_changed()).count();
    let ready = report.hosts.len() - failed - interrupted;
    let mut parts = vec![
        format!("{} ready", plural(ready, "host")),
        format!("{changed} changed"),
    ];
    if failed > 0 {
        parts.push(format!("{RED}{failed} failed{RESET}"));
    }
    let none = ApplyReport::default();
    finish(&mut text, outcome, &parts, advice(&none, &report.hosts));
    next_line(&mut text, &report.hosts, next);
    text
}

/// What to type next, if a host failed.
fn next_line(text: &mut String, hosts: &[HostReport], next: &str) {
    let none = ApplyReport::default();
    match advice(&none, hosts) {
        None => {}
        Some(Advised::ChangeFirst) => line(text, &format!("After that: {next}")),
        Some(Advised::RunAgain | Advised::Both) => line(text, &format!("Next: {next}")),
    }
}

/// What helps after all failures of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Advised {
    RunAgain,
    ChangeFirst,
    /// Some failures may pass, others do not.
    Both,
}

/// What helps after these failures, `None` if there are none. All advice of the program's end is
/// derived here, from the kind of each error and the advice of each host's failure.
fn advice(apply: &ApplyReport, hosts: &[HostReport]) -> Option<Advised> {
    let in_cloud = apply.failed.iter();
    let in_cloud = in_cloud.map(|failure| Advice::of_kind(failure.error.kind()));
    let not_tried = apply.not_tried.iter().map(|_| Advice::RunAgain);
    let on_hosts = hosts.iter().filter_map(HostReport::first_failure);
    let on_hosts = on_hosts.map(|failure| failure.advice);
    let mut all: Vec<Advice> = in_cloud.chain(not_tried).chain(on_hosts).collect();
    all.sort_unstable();
    all.dedup();
    match all.as_slice() {
        [] => None,
        [Advice::RunAgain] => Some(Advised::RunAgain),
        [Advice::ChangeFirst] => Some(Advised::ChangeFirst),
        _ => Some(Advised::Both),
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
    finish(&mut text, outcome, &parts, advice(&report.apply, &[]));
    text
}

/// Hosts that `reap` kept since the file does not end them, with what to do about each.
pub(crate) fn held_hosts_text(plan: &InfraPlan) -> String {
    let mut text = String::new();
    for entry in &plan.held {
        let (name, environment) = (&entry.host.name, &plan.environment);
        let held = held_text(entry);
        line(
            &mut text,
            &format!(
                "{YELLOW}stays{RESET} {name} (id {}): its time is over by its tag, but {held}; `stagecraft infra up --env {environment}` gives it the declared end, `stagecraft infra down --host {name} --env {environment}` deletes it",
                entry.host.id
            ),
        );
    }
    text
}

fn down_lines(text: &mut String, report: &DownReport) {
    apply_text(text, &report.apply);
    exists_text(text, &report.plan, &report.apply);
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
                "The old host is not proven gone, and no new one was made"
            };
            if down.is_some_and(DownReport::is_refused) {
                line(&mut text, end);
            } else {
                let advised = down.and_then(|down| advice(&down.apply, &[]));
                finish(&mut text, report.outcome(), &[end.to_owned()], advised);
            }
        }
    }
    text
}

/// Named hosts of a plan that gives tags which need none.
pub(crate) fn as_wanted_text(planned: &Planned) -> String {
    let mut text = String::new();
    for host in planned.as_wanted() {
        let why = match planned.plan.mode {
            PlanMode::Adopt => "is yours already",
            _ if host.protection.by_file => "bears no tag of protection",
            _ => "is not protected",
        };
        line(&mut text, &format!("{} (id {}) {why}", host.name, host.id));
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
    if !reports.is_empty() && !plan.create.is_empty() {
        let created = plan.create.iter();
        let names: Vec<&str> = created.map(|entry| entry.spec.name.as_str()).collect();
        let names = names.join(", ");
        line(&mut text, &format!("On creation every step: {names}."));
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

/// How many hosts failed, and how many an interruption kept from being ready.
fn not_ready(hosts: &[HostReport]) -> (usize, usize) {
    let failures = hosts.iter().filter_map(HostReport::first_failure);
    let (interrupted, failed): (Vec<_>, Vec<_>) =
        failures.partition(|failure| failure.code == FailureCode::Interrupted);
    (failed.len(), interrupted.len())
}

/// Whether the interruption is why a host is not as planned: no failure of the host.
fn is_interruption(failure: &HostFailure) -> bool {
    failure.error.kind() == ErrorKind::Cancelled
}

/// The names of hosts that were to be created and do not exist after an interrupted run.
fn not_created<'a>(plan: &'a InfraPlan, report: &ApplyReport) -> Vec<&'a str> {
    let Some(exists) = &report.exists else {
        return Vec::new();
    };
    let names = plan.create.iter().map(|entry| entry.spec.name.as_str());
    names
        .filter(|name| !exists.hosts.iter().any(|host| host.name == *name))
        .collect()
}

/// What exists after an interrupted run, with ids and cost. Hosts that the run had nothing to do
/// with are only counted.
fn exists_text(text: &mut String, plan: &InfraPlan, report: &ApplyReport) {
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
    line(
        text,
        &format!("Now in {environment}: {count}, {monthly} a month, {hourly} an hour."),
    );
    text.push_str(&rows_text(&rows));
    let missing = not_created(plan, report);
    if !missing.is_empty() {
        line(text, &format!("  not created: {}", missing.join(", ")));
    }
    if !exists.is_whole {
        line(
            text,
            "  The cloud could not be read once more: there may be more hosts than these.",
        );
    }
}

fn apply_text(text: &mut String, report: &ApplyReport) {
    let failed = report.failed.iter();
    let is_told = |own: &&HostFailure| report.exists.is_none() || !is_interruption(own);
    for failure in failed.filter(is_told) {
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
    let not_tried = report.not_tried.iter();
    for host in not_tried.filter(|_| report.exists.is_none()) {
        line(text, &format!("{YELLOW}not tried{RESET} {host}"));
    }
}

fn finish(text: &mut String, outcome: Outcome, parts: &[String], advised: Option<Advised>) {
    let again = match (outcome, advised) {
        // What was refused is refused again.
        (Outcome::Done | Outcome::Refused, _) => "",
        (Outcome::Interrupted, _) => " Interrupted; run the command again to go on.",
        (_, Some(Advised::ChangeFirst)) => {
            " To run the command again does not help before that is changed."
        }
        (_, Some(Advised::Both)) => {
            " Run the command again to finish the rest; some failures stay until that is changed."
        }
        (_, Some(Advised::RunAgain) | None) => " Run the command again to finish the rest.",
    };
    line(text, &format!("{}.{again}", parts.join(", ")));
}

pub(super) fn line(text: &mut String, content: &str) {
    writeln!(text, "{content}").expect("writing to a string cannot fail");
}
