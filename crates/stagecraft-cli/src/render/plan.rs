//! Plans.

mod question;
mod rows;
mod summary;

use std::collections::BTreeMap;

use infra_bootstrap::HostReport;
use stagecraft_core::{EnvironmentName, InfraPlan, MicroUsd, PlanMode};
use stagecraft_engine::Planned;

pub(crate) use self::question::{change_text, where_text, work_text};
use self::rows::plan_rows;
use self::summary::summary;
use super::look::{looked_text, would_text};
use super::text::{account_text, line, plural, them};
use crate::output::{BOLD, DIM, RED, RESET, YELLOW, one_line};

/// What is known of the changes on existing hosts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OnHosts<'a> {
    /// They were not read.
    NotRead,
    /// They are read next, if at all.
    Later,
    /// What was found on them.
    Read(&'a [&'a HostReport]),
}

/// Shown below a plan that the command which applies it would refuse.
pub(crate) const REFUSED: &str =
    "The plan cannot be carried out as it is: what is marked `!` has to be settled first.\n";

/// A plan for people.
pub(crate) fn plan_text(planned: &Planned, on_hosts: OnHosts<'_>) -> String {
    let plan = &planned.plan;
    let mut text = String::new();
    let project = plan
        .project
        .as_ref()
        .map(|name| format!("project {name}, "))
        .unwrap_or_default();
    line!(
        text,
        "{BOLD}Plan{RESET} {} for {project}environment {BOLD}{}{RESET}\n{DIM}{} account {} at {}{RESET}\n",
        &plan.id()[..12],
        plan.environment,
        plan.provider,
        account_text(&plan.account),
        plan.endpoint
    );
    text.push_str(&plan_rows(planned));
    if let Some(others) = others_text(plan) {
        line!(text, "  {DIM}{others}{RESET}");
    }
    for finding in &planned.findings {
        let host = finding
            .host
            .as_ref()
            .map(|host| format!("{host}: "))
            .unwrap_or_default();
        line!(text, "  {RED}!{RESET} {host}{}", one_line(&finding.message));
        if let Some(hint) = &finding.hint {
            line!(text, "      {hint}");
        }
    }
    if let OnHosts::Read(reports) = on_hosts {
        text.push_str(&looked_text(plan, reports));
    }
    let on_hosts = hosts_text(planned, on_hosts);
    line!(text, "{}{on_hosts}", summary(planned, !on_hosts.is_empty()));
    if plan.mode == PlanMode::Reconcile && !plan.undeclared.is_empty() {
        let costs = plan.undeclared_monthly();
        let count = plan.undeclared.len();
        let has_project = plan.project.is_some();
        text.push_str(&undeclared_text(
            count,
            Some(costs),
            &plan.environment,
            "prune",
            has_project,
        ));
    }
    text
}

/// How many hosts are not declared, their cost, and the command that deletes them.
pub(crate) fn undeclared_text(
    count: usize,
    monthly: Option<MicroUsd>,
    environment: &EnvironmentName,
    verb: &str,
    has_project: bool,
) -> String {
    let (are, cost, them) = match count {
        1 => ("is", "costs", "it"),
        _ => ("are", "cost", "them"),
    };
    let price = monthly.map(|monthly| format!(" and {cost} {monthly} a month"));
    let price = price.unwrap_or_default();
    // Without a project name an undeclared host may belong to another owner.
    let first = if has_project {
        ""
    } else {
        ", once the file has project.name and they are adopted"
    };
    format!(
        "{YELLOW}{} {are} not declared{RESET}{price}; `stagecraft infra {verb} --env {environment}` deletes {them}{first}.\n",
        plural(count, "host")
    )
}

/// What is known of changes on the existing hosts, as the end of the summary.
fn hosts_text(planned: &Planned, on_hosts: OnHosts<'_>) -> String {
    let plan = &planned.plan;
    let existing = plan.unchanged.len() + plan.differ.len() + plan.resize.len();
    if plan.mode != PlanMode::Reconcile || existing == 0 {
        return String::new();
    }
    match on_hosts {
        OnHosts::Later => String::new(),
        OnHosts::NotRead => {
            let (count, are) = match existing {
                1 => ("The existing host".to_owned(), "was"),
                many => (format!("The {many} existing hosts"), "were"),
            };
            format!(
                " {count} {are} not read: --hosts shows what would change on {}.",
                them(existing)
            )
        }
        OnHosts::Read(reports) => would_text(reports),
    }
}

/// The hosts of other projects in one line, without a newline; `None` if there are none.
pub(super) fn others_text(plan: &InfraPlan) -> Option<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, owner) in plan.of_others() {
        let project = owner.project.as_ref();
        let name = project.map_or_else(|| "without a name".to_owned(), ToString::to_string);
        *counts.entry(name).or_default() += 1;
    }
    let all: usize = counts.values().sum();
    let counts = counts.iter().map(|(name, count)| format!("{name} {count}"));
    let counts: Vec<String> = counts.collect();
    let whose = match counts.len() {
        0 => return None,
        1 => "another project",
        _ => "other projects",
    };
    let (hosts, stay) = (plural(all, "host"), if all == 1 { "stays" } else { "stay" });
    Some(format!("{hosts} of {whose} {stay}: {}", counts.join(", ")))
}
