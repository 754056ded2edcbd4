//! Results of a bootstrap.

use infra_bootstrap::HostReport;
use stagecraft_core::{ApplyReport, FailureCode, HostName};
use stagecraft_engine::{BootstrapReport, Outcome};

use super::advice::{advice, finish, next_line};
use super::look::would_text;
use super::machines::machines_text;
use super::text::{line, plural, them};
use crate::output::{RED, RESET, YELLOW};

/// `bootstrap` for people. `next` retries the failed hosts.
pub(crate) fn bootstrap_text(report: &BootstrapReport, is_dry_run: bool, next: &str) -> String {
    let mut text = String::from("\n");
    let hosts: Vec<&HostReport> = report.hosts.iter().collect();
    machines_text(&mut text, &hosts);
    if !report.not_there.is_empty() {
        let names: Vec<&str> = report.not_there.iter().map(HostName::as_str).collect();
        line!(
            text,
            "{YELLOW}not there{RESET} {}: create {} by `stagecraft infra up --env {}`",
            names.join(", "),
            them(names.len()),
            report.environment
        );
    }
    if !report.undeclared.is_empty() {
        let names: Vec<&str> = report
            .undeclared
            .iter()
            .map(|own| own.name.as_str())
            .collect();
        line!(
            text,
            "{YELLOW}left alone{RESET} {}: the file does not declare {}",
            names.join(", "),
            them(names.len())
        );
    }
    let outcome = report.outcome();
    if hosts.is_empty() && outcome == Outcome::Done {
        let environment = &report.environment;
        line!(
            text,
            "no hosts to make ready in {environment}: nothing to do"
        );
        return text;
    }
    if is_dry_run {
        line!(text, "{}", would_text(&hosts).trim_start());
        line!(text, "Dry run: nothing was changed.");
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

/// How many hosts failed, and how many are not ready because of cancellation.
pub(super) fn not_ready(hosts: &[HostReport]) -> (usize, usize) {
    let failures = hosts.iter().filter_map(HostReport::first_failure);
    let (interrupted, failed): (Vec<_>, Vec<_>) =
        failures.partition(|failure| failure.code == FailureCode::Interrupted);
    (failed.len(), interrupted.len())
}
