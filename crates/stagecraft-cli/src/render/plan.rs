//! Plans and lists of hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use infra_bootstrap::HostReport;
use stagecraft_core::{
    Account, EnvironmentName, ExpiryChange, HeldEntry, HostOptions, HostRef, HostStatus, InfraPlan,
    MicroUsd, PlanMode, Remedy, tags,
};
use stagecraft_engine::{HostLook, Planned};

use super::plural;
use super::report::{looked_text, would_text};
use crate::output::{BOLD, DIM, GREEN, RED, RESET, YELLOW, one_line};

/// What is known of the changes on hosts that exist.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OnHosts<'a> {
    /// They were not read.
    NotRead,
    /// They are read next, if at all.
    Later,
    /// What was found on them.
    Read(&'a [&'a HostReport]),
}

/// A plan for people.
pub(crate) fn plan_text(planned: &Planned, on_hosts: OnHosts<'_>) -> String {
    let plan = &planned.plan;
    let mut text = String::new();
    let project = plan
        .project
        .as_ref()
        .map(|name| format!("project {name}, "))
        .unwrap_or_default();
    push(
        &mut text,
        format_args!(
            "{BOLD}Plan{RESET} {} for {project}environment {BOLD}{}{RESET}\n{DIM}{} account {} at {}{RESET}\n\n",
            &plan.id()[..12],
            plan.environment,
            plan.provider,
            account_text(&plan.account),
            plan.endpoint
        ),
    );
    text.push_str(&aligned(&lines(planned)));
    if let Some(others) = others_text(plan) {
        push(&mut text, format_args!("  {DIM}{others}{RESET}\n"));
    }
    for finding in &planned.findings {
        let host = finding
            .host
            .as_ref()
            .map(|host| format!("{host}: "))
            .unwrap_or_default();
        push(
            &mut text,
            format_args!("  {RED}!{RESET} {host}{}\n", one_line(&finding.message)),
        );
        if let Some(hint) = &finding.hint {
            push(&mut text, format_args!("      {hint}\n"));
        }
    }
    if let OnHosts::Read(reports) = on_hosts {
        text.push_str(&looked_text(plan, reports));
    }
    let on_hosts = hosts_text(planned, on_hosts);
    push(
        &mut text,
        format_args!("{}{on_hosts}\n", summary(planned, !on_hosts.is_empty())),
    );
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

/// How many hosts are not declared, what they cost, and what deletes them.
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
    // Without a name an undeclared host may be somebody else's.
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

/// What is known of changes on the hosts that exist, as the end of the summary.
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
                super::them(existing)
            )
        }
        OnHosts::Read(reports) => would_text(reports),
    }
}

/// Below a plan that the command which carries it out would refuse.
pub(crate) const REFUSED: &str =
    "The plan cannot be carried out as it is: what is marked `!` has to be settled first.\n";

/// The account as people know it, with its team.
pub(crate) fn account_text(account: &Account) -> String {
    let team = account.team.as_ref();
    let team = team
        .map(|team| format!(" (team {})", one_line(team)))
        .unwrap_or_default();
    format!("{}{team}", one_line(&account.name))
}

/// Where a plan is carried out, for questions.
pub(crate) fn where_text(plan: &InfraPlan) -> String {
    let account = account_text(&plan.account);
    format!("in account {account} at {}", one_line(&plan.endpoint))
}

/// What a plan does, and what changes on the hosts that exist, for questions.
pub(crate) fn work_text(plan: &InfraPlan, look: Option<&HostLook>) -> String {
    let pause = if plan.resize.iter().any(|entry| entry.grow_disk) {
        " (each is off meanwhile; disks grow for good)"
    } else {
        " (each is off meanwhile)"
    };
    let work = [
        (plan.create.len(), "create", ""),
        (plan.resize.len(), "resize", pause),
        (tagged(plan), "change the tags of", ""),
        (moved(plan), "put into a project", ""),
        (plan.power_on.len(), "power on", ""),
    ];
    let work = work.iter().filter(|(count, ..)| *count > 0);
    let mut work: Vec<String> = work
        .map(|(count, verb, note)| format!("{verb} {}{note}", plural(*count, "host")))
        .collect();
    work.extend(look.and_then(changing));
    capital(&work.join(", "))
}

/// What changes on the hosts that exist, for questions.
pub(crate) fn change_text(look: &HostLook) -> String {
    capital(&changing(look).unwrap_or_default())
}

fn changing(look: &HostLook) -> Option<String> {
    let (found, unread) = (look.changes().len(), look.unread().count());
    let unread = match unread {
        0 => None,
        count => Some(format!(
            "change {} that cannot be read yet as needed",
            plural(count, "host")
        )),
    };
    let found = match found {
        0 => None,
        count => Some(format!("change {}", plural(count, "existing host"))),
    };
    let parts: Vec<String> = found.into_iter().chain(unread).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn tagged(plan: &InfraPlan) -> usize {
    let entries = plan.retag.iter();
    entries.filter(|entry| entry.changes_tags()).count()
}

fn moved(plan: &InfraPlan) -> usize {
    let entries = plan.retag.iter();
    entries.filter(|entry| entry.project.is_some()).count()
}

fn summary(planned: &Planned, tells_hosts: bool) -> String {
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

/// When the next host ends, for who reaps.
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

/// What the environment, or the selected hosts, cost after the plan, and how much more that is.
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

/// What backups cost at most after the plan. Those of resized hosts are left out.
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

/// What is wrong with hosts that stay as they are.
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

/// The sizes that hosts get and of which the cloud tells no price, each once.
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

/// Whether the plan is for some of the hosts only.
fn is_narrow(planned: &Planned) -> bool {
    let request = &planned.request;
    !(request.hosts.is_empty() && request.roles.is_empty() && request.made_by.is_none())
}

/// One line of the plan: sign, colour, then cells.
struct Line {
    colour: &'static str,
    sign: char,
    cells: Vec<String>,
    /// What stands below, in its own line.
    note: String,
}

fn lines(planned: &Planned) -> Vec<Line> {
    let plan = &planned.plan;
    let mut lines = Vec::new();
    for entry in &plan.create {
        let spec = &entry.spec;
        lines.push(Line {
            colour: GREEN,
            sign: '+',
            cells: vec![
                spec.name.to_string(),
                spec.role.to_string(),
                spec.size.clone(),
                spec.region.clone(),
                spec.image.clone(),
                price(entry.monthly, entry.hourly),
            ],
            note: options_text(&spec.options),
        });
    }
    let mut list = |hosts: &[HostRef], colour, sign, note: &str| {
        for host in hosts {
            lines.push(Line {
                colour,
                sign,
                cells: vec![
                    host.name.clone(),
                    format!("id {}", host.id),
                    host.size.clone(),
                    host.region.clone(),
                    [note, &fate(planned, host)].join(" ").trim().to_owned(),
                    price(host.monthly, host.hourly),
                ],
                note: String::new(),
            });
        }
    };
    list(&plan.delete, RED, '-', "");
    for host in &plan.protected {
        let source = match (host.protection.by_file, host.protection.by_tag) {
            (true, true) => "the file and its tag",
            (true, false) => "the file",
            _ => "its tag",
        };
        let note = format!("protected by {source}; the plan is refused");
        list(std::slice::from_ref(host), RED, '!', &note);
    }
    for entry in &plan.held {
        let note = format!("{}; stays", held_text(entry));
        list(std::slice::from_ref(&entry.host), YELLOW, '!', &note);
    }
    for entry in &plan.resize {
        let disk = if entry.grow_disk {
            "disk grows for good"
        } else {
            "disk stays"
        };
        let price = match entry.to_monthly {
            Some(_) => price(entry.to_monthly, entry.to_hourly),
            None => "of unknown price".to_owned(),
        };
        let note = format!("resize to {} ({disk}), then {price}", entry.to);
        list(std::slice::from_ref(&entry.host), YELLOW, '~', &note);
    }
    for entry in &plan.retag {
        // These are shown as what they mean.
        let is_shown = |tag: &&String| !(entry.expiry.is_some() && tags::Expiry::is_tag(tag));
        let added = entry.add.iter().filter(is_shown);
        let added = added.map(|tag| format!("+{tag}"));
        let removed = entry.remove.iter().filter(is_shown);
        let removed = removed.map(|tag| format!("-{tag}"));
        let tags: Vec<String> = added.chain(removed).collect();
        let tags = (!tags.is_empty()).then(|| format!("tags: {}", tags.join(" ")));
        let ttl = entry.ttl_seconds.map(|ttl| {
            let ttl = ttl_text(ttl);
            format!("ttl: has no end, declared {ttl}: ends {ttl} after this run")
        });
        let end = entry.expiry.as_ref().map(end_text);
        let project = entry.project.as_ref();
        let project = project.map(|project| format!("put into project {project}"));
        let note = tags.into_iter().chain(ttl).chain(end).chain(project);
        let note: Vec<String> = note.collect();
        let note = note.join(", ");
        list(std::slice::from_ref(&entry.host), YELLOW, '~', &note);
    }
    list(
        &plan.power_on,
        YELLOW,
        '~',
        "power on: a resize was broken off",
    );
    for entry in &plan.differ {
        for field in &entry.fields {
            let takes = match field.takes {
                Remedy::Resize => "needs a resize",
                Remedy::Replace => "needs a new host",
                Remedy::Manual => "change it in the cloud's console",
                Remedy::Rename => "rename it in the cloud's console",
            };
            let note = format!(
                "{}: is {}, declared {} ({takes})",
                field.field, field.actual, field.declared
            );
            list(std::slice::from_ref(&entry.host), YELLOW, '~', &note);
        }
    }
    // Each of these has its row, which shows more.
    let retagged = plan.retag.iter().map(|entry| &entry.host);
    let changed: BTreeSet<_> = retagged.chain(&plan.power_on).map(|own| &own.id).collect();
    let others = |hosts: &[HostRef]| -> Vec<HostRef> {
        let hosts = hosts.iter().filter(|host| !changed.contains(&host.id));
        hosts.cloned().collect()
    };
    list(&others(&plan.unchanged), "", '=', "unchanged");
    let undeclared = others(&plan.undeclared);
    list(&undeclared, YELLOW, '?', "not declared; stays");
    list(&plan.duplicates, RED, '!', "has a double");
    let unnamed: Vec<HostRef> = plan.unnamed().cloned().collect();
    list(&unnamed, YELLOW, '?', "fits no name pattern; stays");
    let untold = plan.unmanaged.iter().filter(|host| host.owner.is_none());
    let untold: Vec<HostRef> = untold.cloned().collect();
    list(&others(&untold), "", '?', "not ours; stays");
    for entry in &plan.other_image {
        let id = format!("id {}", entry.host.id);
        if let Some(row) = lines.iter_mut().find(|row| row.cells[1] == id) {
            let (name, environment) = (&entry.host.name, &plan.environment);
            row.note = format!(
                "image: made from {}, declared {} (not compared; `stagecraft infra replace {name} --env {environment}` makes it from that)",
                entry.actual, entry.declared
            );
        }
    }
    lines
}

/// The hosts of other projects in one line, without a line's end; `None` if there are none.
pub(crate) fn others_text(plan: &InfraPlan) -> Option<String> {
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

fn aligned(lines: &[Line]) -> String {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.cells.get(column));
        cells
            .map(|cell| one_line(cell).chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for (cell, width) in line
            .cells
            .iter()
            .zip(&widths)
            .filter(|(_, width)| **width > 0)
        {
            push(&mut row, format_args!("  {:<width$}", one_line(cell)));
        }
        let (colour, sign) = (line.colour, line.sign);
        push(
            &mut text,
            format_args!("  {colour}{sign}{}{RESET}\n", row.trim_end()),
        );
        if !line.note.is_empty() {
            let note = one_line(&line.note);
            push(&mut text, format_args!("      {DIM}{note}{RESET}\n"));
        }
    }
    text
}

/// The options of a new host that are set, by their names in the file.
fn options_text(options: &HostOptions) -> String {
    let flag = |name: &str, set: bool| set.then(|| name.to_owned());
    let text = |name: &str, value: Option<&String>| Some(format!("{name}: {}", value?));
    let ttl = options.ttl_seconds.map(ttl_text);
    let data = options.user_data_sha256.as_ref();
    let data = data.map(|sum| format!("SHA-256 {}", sum.get(..12).unwrap_or(sum)));
    let tags = options.own_tags.join(", ");
    let words = [
        flag("protect", options.protect),
        text("ttl", ttl.as_ref()),
        text("vpc", options.vpc.as_ref()),
        text("project", options.cloud_project.as_ref()),
        flag("backups", options.backups),
        flag("ipv6", options.ipv6),
        flag("monitoring", options.monitoring),
        text("user data", data.as_ref()),
        text("tags", Some(&tags).filter(|tags| !tags.is_empty())),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    words.join("; ")
}

/// A time in its largest whole unit.
fn ttl_text(seconds: u64) -> String {
    let units = [(3600, "h"), (60, "m")];
    let unit = units.iter().find(|(size, _)| seconds.is_multiple_of(*size));
    let (size, name) = unit.copied().unwrap_or((1, "s"));
    format!("{}{name}", seconds / size)
}

/// Why a host is not reaped although its time is over by its tag.
pub(crate) fn held_text(entry: &HeldEntry) -> String {
    match (entry.ttl_seconds, entry.ends_at) {
        (Some(ttl), Some(at)) => format!(
            "the file declares ttl {}, which ends {}",
            ttl_text(ttl),
            time_text(at)
        ),
        _ => "the file declares it without a ttl".to_owned(),
    }
}

/// Both ends of a host whose end changes.
fn end_text(change: &ExpiryChange) -> String {
    let from = time_text(change.from);
    match (change.ttl_seconds, change.to) {
        (Some(ttl), Some(to)) if to == change.from => {
            let ttl = ttl_text(ttl);
            format!("ttl: ends {from}, declared {ttl}: the end stays, {ttl} is recorded for it")
        }
        (Some(ttl), Some(to)) => format!(
            "ttl: ends {from}, declared {}: will end {}",
            ttl_text(ttl),
            time_text(to)
        ),
        _ => format!("ttl: ends {from}, declared none: will not end"),
    }
}

fn time_text(at: i64) -> String {
    let at = jiff::Timestamp::from_second(at);
    at.map_or_else(|_| "never".to_owned(), |at| at.to_string())
}

/// Whether a host is off, and what is known of its end.
fn fate(planned: &Planned, host: &HostRef) -> String {
    let mut observed = planned.facts.hosts.iter();
    let is_off = observed.any(|own| own.id == host.id && own.status == HostStatus::Off);
    let expires = host
        .expires_at
        .and_then(|at| jiff::Timestamp::from_second(at).ok());
    let words = [
        is_off.then(|| "off".to_owned()),
        host.is_protected().then(|| "protected".to_owned()),
        expires.map(|at| format!("ends {at}")),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    if words.is_empty() {
        String::new()
    } else {
        format!("({})", words.join(", "))
    }
}

pub(super) fn price(monthly: Option<MicroUsd>, hourly: Option<MicroUsd>) -> String {
    let hourly = hourly.map(|amount| format!(" ({}/hour)", amount.with_fractions()));
    monthly
        .map(|amount| format!("{amount}/month{}", hourly.unwrap_or_default()))
        .unwrap_or_default()
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line)
        .expect("writing to a string cannot fail");
}
