//! Results of hosts: successes first, failures last, where they are seen.

use std::collections::BTreeMap;
use std::time::Duration;

use infra_bootstrap::{HostReport, StepReport};
use stagecraft_core::{FailureCode, StepFailure, StepOutcome, seconds};

use super::event::outcome_text;
use super::text::{line, plural};
use crate::output::{DIM, GREEN, Output, RED, RESET, YELLOW};

/// More successful hosts than this are shown in short form.
const IN_FULL: usize = 8;
/// Most names of hosts on one line.
const NAMED: usize = 20;
/// Shorter durations are not shown.
const WORTH_TELLING: Duration = Duration::from_secs(1);

/// Hosts by name, failures last. Equal failures are shown once.
pub(super) fn machines_text(text: &mut String, hosts: &[&HostReport]) {
    let (fine, failed): (Vec<&HostReport>, Vec<_>) = hosts.iter().partition(|own| own.is_ok());
    if fine.len() <= IN_FULL {
        for host in fine {
            in_full(text, host);
        }
    } else {
        in_short(text, &fine);
        warnings(text, &fine);
    }
    for group in groups(&failed) {
        match group.as_slice() {
            [] => {}
            [host] => in_full(text, host),
            [first, ..] => {
                let count = plural(group.len(), "host");
                let names = names(&group);
                line!(text, "{} {count}: {names}", mark(first));
                let first_name = &first.host;
                line!(
                    text,
                    "   {DIM}on {first_name}, and alike on the others:{RESET}"
                );
                details(text, first);
            }
        }
    }
}

/// Whether a host has no changes and nothing to report.
fn is_quiet(host: &HostReport) -> bool {
    host.is_ok() && host.warnings.is_empty() && host.retries.is_empty() && is_unchanged(host)
}

fn is_unchanged(host: &HostReport) -> bool {
    let mut outcomes = host.steps.iter().map(|step| &step.outcome);
    outcomes.all(|own| matches!(own, StepOutcome::Unchanged | StepOutcome::Skipped { .. }))
}

fn in_full(text: &mut String, host: &HostReport) {
    if is_quiet(host) && !Output::wants_details() {
        let (name, place) = (&host.host, place(host));
        line!(
            text,
            "{GREEN}ok{RESET} {name}  unchanged  {DIM}{place}{RESET}"
        );
        return;
    }
    let mark = mark(host);
    line!(text, "{mark} {}  {DIM}{}{RESET}", host.host, place(host));
    details(text, host);
}

fn mark(host: &HostReport) -> String {
    match host.first_failure() {
        None => format!("{GREEN}ok{RESET}"),
        Some(failure) if failure.code == FailureCode::Interrupted => {
            format!("{YELLOW}interrupted{RESET}")
        }
        Some(_) => format!("{RED}failed{RESET}"),
    }
}

fn details(text: &mut String, host: &HostReport) {
    for warning in &host.warnings {
        line!(text, "   {YELLOW}warning:{RESET} {warning}");
    }
    for step in &host.steps {
        line!(text, "   {}: {}", step.step, step_text(step));
        if let StepOutcome::Failed(failure) = &step.outcome {
            evidence(text, "     ", failure);
        }
    }
    for retried in &host.retries {
        let times = plural(retried.times as usize, "time");
        let reason = match retried.reason.as_str() {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        let what = &retried.what;
        line!(text, "   {DIM}again {times}: {what}{reason}{RESET}");
    }
    let own = host.failure.as_ref();
    // The mark shows it already.
    if let Some(failure) = own.filter(|own| own.code != FailureCode::Interrupted) {
        line!(text, "   {} ({})", failure.message, failure.code);
        evidence(text, "   ", failure);
    }
}

fn evidence(text: &mut String, indent: &str, failure: &StepFailure) {
    for evidence in &failure.evidence {
        line!(text, "{indent}{DIM}| {evidence}{RESET}");
    }
}

/// All failures of a host: those of its steps, and its own.
fn failures(host: &HostReport) -> impl Iterator<Item = &StepFailure> {
    let of_steps = host.steps.iter().filter_map(|step| match &step.outcome {
        StepOutcome::Failed(failure) => Some(failure),
        _ => None,
    });
    of_steps.chain(&host.failure)
}

/// One line for each warning, with all the hosts that have it.
fn warnings(text: &mut String, hosts: &[&HostReport]) {
    let mut by_warning: BTreeMap<&str, Vec<&HostReport>> = BTreeMap::new();
    for host in hosts {
        for warning in &host.warnings {
            by_warning.entry(warning).or_default().push(host);
        }
    }
    for (warning, hosts) in by_warning {
        let names = names(&hosts);
        line!(text, "{YELLOW}warning:{RESET} {names}: {warning}");
    }
}

/// One line for each host with something to report, one for all others.
fn in_short(text: &mut String, hosts: &[&HostReport]) {
    // Warnings are shown for all hosts together.
    let (quiet, others): (Vec<&HostReport>, Vec<_>) =
        hosts.iter().partition(|host| is_unchanged(host));
    if !quiet.is_empty() {
        let count = plural(quiet.len(), "host");
        line!(text, "{GREEN}ok{RESET} {count} unchanged");
    }
    for host in others {
        let steps: Vec<String> = host
            .steps
            .iter()
            .filter(|step| step.outcome != StepOutcome::Unchanged)
            .map(|step| format!("{} {}", step.step, word(&step.outcome)))
            .collect();
        let (name, steps) = (&host.host, steps.join(", "));
        let (place, time) = (place(host), time_text(host.duration));
        line!(
            text,
            "{GREEN}ok{RESET} {name}  {DIM}{place}{RESET}  {steps}{time}"
        );
    }
}

fn place(host: &HostReport) -> String {
    let address = || host.address.map(|address| address.to_string());
    host.fqdn.clone().or_else(address).unwrap_or_default()
}

fn step_text(step: &StepReport) -> String {
    let text = outcome_text(&step.outcome);
    match step.outcome {
        StepOutcome::Changed { .. } | StepOutcome::Failed(_) => {
            format!("{text}{}", time_text(step.duration))
        }
        _ => text,
    }
}

fn time_text(duration: Duration) -> String {
    if duration < WORTH_TELLING {
        return String::new();
    }
    format!("  {DIM}{}{RESET}", seconds(duration))
}

fn word(outcome: &StepOutcome) -> &'static str {
    match outcome {
        StepOutcome::Unchanged => "unchanged",
        StepOutcome::Changed { .. } => "changed",
        StepOutcome::WouldChange { .. } => "will change",
        StepOutcome::MayChange { .. } => "may change",
        StepOutcome::Skipped { .. } => "skipped",
        StepOutcome::Failed(_) => "failed",
    }
}

fn names(hosts: &[&HostReport]) -> String {
    let shown: Vec<&str> = hosts
        .iter()
        .take(NAMED)
        .map(|own| own.host.as_str())
        .collect();
    let shown = shown.join(", ");
    match hosts.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Groups hosts with equal failures, in the order of their first ones.
fn groups<'a>(hosts: &[&'a HostReport]) -> Vec<Vec<&'a HostReport>> {
    let mut groups: Vec<(String, Vec<&HostReport>)> = Vec::new();
    for host in hosts {
        let likeness = likeness(host);
        match groups.iter_mut().find(|(own, _)| *own == likeness) {
            Some((_, group)) => group.push(host),
            None => groups.push((likeness, vec![host])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The common part of equal failures: without the host's own names, and numbers, which are
/// addresses, times and processes.
fn likeness(host: &HostReport) -> String {
    let mut parts: Vec<String> = host
        .steps
        .iter()
        .map(|step| format!("{} {}", step.step, word(&step.outcome)))
        .collect();
    for failure in failures(host) {
        parts.push(failure.code.to_string());
        parts.push(failure.message.clone());
        parts.extend(failure.evidence.iter().cloned());
    }
    let text = parts.join("\n").replace(host.host.as_str(), "@");
    let mut likeness = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            digit if digit.is_ascii_digit() => {
                if !likeness.ends_with('#') {
                    likeness.push('#');
                }
            }
            other => likeness.push(other),
        }
    }
    likeness
}

#[cfg(test)]
mod tests {
    use infra_bootstrap::Retried;
    use stagecraft_core::{HostId, HostName};

    use super::*;

    fn host(number: u8, outcome: StepOutcome) -> HostReport {
        HostReport {
            host: HostName::new(format!("app-{number}")).unwrap(),
            id: HostId::new(number.to_string()),
            address: Some([192, 0, 2, number].into()),
            fqdn: None,
            system: None,
            steps: vec![StepReport {
                step: "docker",
                outcome,
                duration: Duration::from_secs(12),
            }],
            failure: None,
            warnings: Vec::new(),
            retries: Vec::new(),
            duration: Duration::from_secs(15),
        }
    }

    fn changed() -> StepOutcome {
        StepOutcome::Changed {
            changes: vec!["install docker".to_owned()],
        }
    }

    /// Without colours.
    fn shown(hosts: &[HostReport]) -> String {
        let hosts: Vec<&HostReport> = hosts.iter().collect();
        let mut text = String::new();
        machines_text(&mut text, &hosts);
        anstream::adapter::strip_str(&text).to_string()
    }

    fn lost(number: u8) -> HostReport {
        let mut lost = host(number, StepOutcome::Unchanged);
        lost.steps.clear();
        let message = format!("waited {number}s for an SSH session with 192.0.2.{number}");
        let failure = StepFailure::new(FailureCode::SshFailed, message);
        lost.failure = Some(failure.with_evidence(["connection refused".to_owned()]));
        lost.retries = vec![Retried {
            what: "connect".to_owned(),
            times: 7,
            reason: "connection refused".to_owned(),
        }];
        lost
    }

    #[test]
    fn fifty_hosts_of_which_five_fail_fit_on_a_screen_with_the_failures_last() {
        let mut hosts: Vec<HostReport> = (0..45).map(|n| host(n, StepOutcome::Unchanged)).collect();
        hosts[3] = host(3, changed());
        for number in [3, 7] {
            hosts[number].warnings = vec!["the first boot failed in part".to_owned()];
        }
        hosts.extend((45..49).map(lost));
        let failure = StepFailure::new(FailureCode::DockerInstallFailed, "no");
        hosts.push(host(49, StepOutcome::Failed(failure)));
        let expected = "\
ok 44 hosts unchanged
ok app-3  192.0.2.3  docker changed  15s
warning: app-3, app-7: the first boot failed in part
failed 4 hosts: app-45, app-46, app-47, app-48
   on app-45, and alike on the others:
   again 7 times: connect: connection refused
   waited 45s for an SSH session with 192.0.2.45 (ssh_failed)
   | connection refused
failed app-49  192.0.2.49
   docker: failed (docker_install_failed): no  12s
";
        assert_eq!(shown(&hosts), expected);
    }

    #[test]
    fn few_hosts_are_told_step_by_step_with_the_time_that_each_took() {
        let mut slow = host(1, changed());
        slow.retries = lost(1).retries;
        slow.warnings = vec!["the first boot failed in part".to_owned()];
        let expected = "\
ok app-1  192.0.2.1
   warning: the first boot failed in part
   docker: changed: install docker  12s
   again 7 times: connect: connection refused
ok app-2  unchanged  192.0.2.2
";
        assert_eq!(shown(&[slow, host(2, StepOutcome::Unchanged)]), expected);
    }

    #[test]
    fn the_evidence_of_every_failed_step_is_below_its_own_line() {
        let failed = |step, code, evidence: &str| StepReport {
            step,
            outcome: StepOutcome::Failed(
                StepFailure::new(code, "no").with_evidence([evidence.to_owned()]),
            ),
            duration: Duration::ZERO,
        };
        let mut host = host(1, StepOutcome::Unchanged);
        host.steps = vec![
            failed("docker", FailureCode::DockerInstallFailed, "no space left"),
            host.steps.remove(0),
            failed("users", FailureCode::SystemChangeFailed, "no group ops"),
        ];
        host.steps[1].step = "network";
        let expected = "\
failed app-1  192.0.2.1
   docker: failed (docker_install_failed): no
     | no space left
   network: unchanged
   users: failed (system_change_failed): no
     | no group ops
";
        assert_eq!(shown(&[host]), expected);
    }

    #[test]
    fn hosts_whose_second_failures_differ_are_told_apart() {
        let failed = |number, message: &str| {
            let mut failed = host(
                number,
                StepOutcome::Failed(StepFailure::new(FailureCode::DockerInstallFailed, "no")),
            );
            let failure = StepFailure::new(FailureCode::SystemChangeFailed, message);
            failed.steps.push(StepReport {
                step: "users",
                outcome: StepOutcome::Failed(failure),
                duration: Duration::ZERO,
            });
            failed
        };
        let text = shown(&[failed(1, "no group ops"), failed(2, "no shell zsh")]);
        assert!(
            text.contains("no group ops") && text.contains("no shell zsh"),
            "{text}"
        );
    }

    #[test]
    fn failures_that_differ_in_more_than_numbers_are_told_apart() {
        let mut other = lost(2);
        other.failure = Some(StepFailure::new(FailureCode::SshFailed, "wrong key"));
        let text = shown(&[lost(1), other]);
        assert_eq!(text.matches("failed app-").count(), 2, "{text}");
        let all: Vec<HostReport> = (0..100).map(lost).collect();
        let text = shown(&all);
        assert!(text.contains("app-19 and 80 more"), "{text}");
    }
}
