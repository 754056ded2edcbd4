//! One row per host of a plan.

use std::collections::BTreeSet;

use stagecraft_core::{HostOptions, HostRef, HostStatus, Remedy, tags};
use stagecraft_engine::Planned;

use crate::output::{DIM, GREEN, RED, RESET, YELLOW, one_line};
use crate::render::ends::{end_text, held_text, ttl_text};
use crate::render::text::{line, price};

/// The rows of a plan, in columns.
pub(super) fn plan_rows(planned: &Planned) -> String {
    let rows = rows(planned);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.cells.get(column));
        cells
            .map(|cell| one_line(cell).chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.cells.iter().zip(&widths);
        let cells = cells.filter(|(_, width)| **width > 0);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("  {:<width$}", one_line(cell)))
            .collect();
        let (colour, sign) = (row.colour, row.sign);
        line!(text, "  {colour}{sign}{}{RESET}", cells.concat().trim_end());
        if !row.note.is_empty() {
            let note = one_line(&row.note);
            line!(text, "      {DIM}{note}{RESET}");
        }
    }
    text
}

/// One row of the plan: sign, colour, then cells.
struct Row {
    colour: &'static str,
    sign: char,
    cells: Vec<String>,
    /// Text below the row, in its own line.
    note: String,
}

fn rows(planned: &Planned) -> Vec<Row> {
    let plan = &planned.plan;
    let mut rows = Vec::new();
    for entry in &plan.create {
        let spec = &entry.spec;
        rows.push(Row {
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
            rows.push(Row {
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
        // These are shown by their meaning.
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
    // Each of these has its own row, which shows more.
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
        if let Some(row) = rows.iter_mut().find(|row| row.cells[1] == id) {
            let (name, environment) = (&entry.host.name, &plan.environment);
            row.note = format!(
                "image: made from {}, declared {} (not compared; `stagecraft infra replace {name} --env {environment}` makes it from that)",
                entry.actual, entry.declared
            );
        }
    }
    rows
}

/// The options that are set for a new host, by their names in the file.
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

/// Whether a host is off, and its known expiry.
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
