//! Totals of a plan: host counts and cost.

use std::collections::BTreeSet;

use stagecraft_core::{HostRef, InfraPlan, MicroUsd, PlanMode};
use stagecraft_engine::Planned;

use crate::output::{GREEN, RED, RESET, YELLOW, one_line};
use crate::render::text::plural;

pub(super) fn summary(planned: &Planned, tells_hosts: bool) -> String {
    let plan = &planned.plan;
    if plan.is_empty() && !plan.protected.is_empty() {
        let count = plural(plan.protected.len(), "host");
        return format!("\n{RED}{count} protected.{RESET}");
    }
    if plan.is_empty() {
        return match plan.mode {
            PlanMode::Reconcile => nothing_to_create(plan, tells_hosts),
            PlanMode::Destroy | PlanMode::Prune | PlanMode::Reap => nothing_to_delete(planned),
            PlanMode::Adopt | PlanMode::Unprotect => format!("\n{GREEN}No changes.{RESET}"),
        };
    }
    let work = [
        (plan.create.len(), "to create"),
        (plan.delete.len(), "to delete"),
        (plan.resize.len(), "to resize"),
        (tagged(plan), "to tag"),
        (moved(plan), "to put into a project"),
        (plan.power_on.len(), "to power on"),
        (plan.held.len(), "kept by the file"),
    ];
    let work: Vec<String> = work
        .iter()
        .filter(|(count, _)| *count > 0)
        .enumerate()
        .map(|(index, (count, what))| match index {
            0 => format!("{} {what}", plural(*count, "host")),
            _ => format!("{count} {what}"),
        })
        .chain(odd(plan))
        .collect();
    let next = next_text(planned);
    format!("\n{}. {}{next}", work.join(", "), cost_text(planned))
}

pub(super) fn tagged(plan: &InfraPlan) -> usize {
    let entries = plan.retag.iter();
    entries.filter(|entry| entry.changes_tags()).count()
}

pub(super) fn moved(plan: &InfraPlan) -> usize {
    let entries = plan.retag.iter();
    entries.filter(|entry| entry.project.is_some()).count()
}

/// Next expiry, shown by `reap`.
fn next_text(planned: &Planned) -> String {
    if planned.plan.mode != PlanMode::Reap {
        return String::new();
    }
    let next = planned.next_end();
    let time = |host: &HostRef| jiff::Timestamp::from_second(host.expires_at?).ok();
    match next.and_then(|host| Some((host, time(host)?))) {
        Some((host, at)) => format!(" The next one is {}, at {at}.", one_line(&host.name)),
        None => " No other host has an end.".to_owned(),
    }
}

/// The cost of the environment, or of the selected hosts, after the plan, and the increase.
fn cost_text(planned: &Planned) -> String {
    let cost = &planned.plan.cost;
    let whose = if is_narrow(planned) {
        "Cost of these hosts"
    } else {
        "Cost"
    };
    let delta = cost.monthly_after - cost.monthly_before;
    let sign = if delta > MicroUsd(0) { "+" } else { "" };
    let without = if planned.plan.leaves_backups_out(&planned.facts) {
        " without backups"
    } else {
        ""
    };
    let backups = backups_monthly(&planned.plan);
    let with = if backups > MicroUsd(0) {
        format!(", {backups} of it for backups")
    } else {
        String::new()
    };
    let unknown = unpriced(&planned.plan);
    if !unknown.is_empty() {
        return format!(
            "{whose} without the unknown price of {}: {} a month, {} an hour.",
            unknown.join(", "),
            cost.monthly_after,
            cost.hourly_after.with_fractions()
        );
    }
    format!(
        "{whose}{without}: {} a month ({sign}{delta}{with}), {} an hour.",
        cost.monthly_after,
        cost.hourly_after.with_fractions()
    )
}

/// The highest cost of backups after the plan, without those of resized hosts.
fn backups_monthly(plan: &InfraPlan) -> MicroUsd {
    let created = plan.create.iter();
    let created = created.filter_map(|entry| entry.backups_monthly);
    let goes = |host: &HostRef| plan.delete.iter().any(|own| own.id == host.id);
    let kept = plan.existing().chain(plan.adopted());
    let kept = kept.filter(|host| !goes(host));
    created
        .chain(kept.filter_map(|host| host.backups_monthly))
        .sum()
}

/// The drift of hosts that stay as they are.
fn odd(plan: &InfraPlan) -> Vec<String> {
    let (renamed, differ): (Vec<_>, Vec<_>) =
        plan.differ.iter().partition(|entry| entry.is_name_only());
    let odd = [
        (differ.len(), "not as declared"),
        (renamed.len(), "with an old name"),
        (plan.duplicates.len(), "with a double"),
    ];
    odd.iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect()
}

fn nothing_to_create(plan: &InfraPlan, tells_hosts: bool) -> String {
    let odd = odd(plan);
    let hosts = plural(plan.unchanged.len(), "host");
    if odd.is_empty() {
        let whole = if tells_hosts { " in the cloud" } else { "" };
        format!("\n{GREEN}No changes{whole}.{RESET} {hosts}.")
    } else {
        format!(
            "\n{YELLOW}Nothing to create{RESET}, {hosts} unchanged, {}.",
            odd.join(", ")
        )
    }
}

/// The sizes of hosts without a price from the cloud, each once.
fn unpriced(plan: &InfraPlan) -> Vec<&str> {
    let created = plan.create.iter();
    let created = created.map(|entry| (&entry.spec.size, entry.monthly));
    let resized = plan.resize.iter();
    let resized = resized.map(|entry| (&entry.to, entry.to_monthly));
    let sizes = created.chain(resized).filter(|(_, price)| price.is_none());
    let sizes: BTreeSet<&str> = sizes.map(|(size, _)| size.as_str()).collect();
    sizes.into_iter().collect()
}

fn nothing_to_delete(planned: &Planned) -> String {
    let plan = &planned.plan;
    let environment = &plan.environment;
    let nothing = format!("\n{GREEN}Nothing to delete.{RESET}");
    if let Some(run) = &planned.request.made_by {
        return format!("{nothing} No host of {environment} was made by run {run}.");
    }
    match plan.mode {
        PlanMode::Prune => return format!("{nothing} The file declares every host."),
        PlanMode::Reap if !plan.held.is_empty() => {
            let held = plural(plan.held.len(), "host");
            let next = next_text(planned);
            return format!(
                "\n{YELLOW}Nothing to delete{RESET} without asking: the time of {held} is over by the tag, but not by the file.{next}"
            );
        }
        PlanMode::Reap => {
            let next = next_text(planned);
            return format!("{nothing} No host's time is over.{next}");
        }
        _ => {}
    }
    if is_narrow(planned) {
        return format!("{nothing} None of the selected hosts exists.");
    }
    let unmanaged = plan.unmanaged.len() - plan.of_others().count();
    let left = plan.undeclared.len() + unmanaged + plan.duplicates.len();
    if left == 0 {
        format!("{nothing} No host of {environment} is left.")
    } else {
        format!(
            "\n{YELLOW}Nothing to delete{RESET}, but left with the tag of {environment}, and maybe costing money: {}.",
            plural(left, "host")
        )
    }
}

/// Whether the plan concerns only some of the hosts.
fn is_narrow(planned: &Planned) -> bool {
    let request = &planned.request;
    !(request.hosts.is_empty() && request.roles.is_empty() && request.made_by.is_none())
}
