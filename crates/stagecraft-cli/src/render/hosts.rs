//! Lists of hosts.

use stagecraft_core::{Host, HostSpec, tags};

use super::text::table;

/// The environment's hosts for people. Rare properties have a column only if a host has them.
pub(crate) fn hosts_text(hosts: &[Host], declared: &[HostSpec]) -> String {
    let protection = |host: &Host| {
        let mut own = declared.iter().filter(|spec| spec.options.protect);
        let by_file = own.any(|spec| host.name.as_ref() == Some(&spec.name));
        match (by_file, host.has_tag(tags::PROTECT_TAG)) {
            (true, true) => Some("file, tag"),
            (true, false) => Some("file"),
            (false, true) => Some("tag"),
            (false, false) => None,
        }
    };
    let dash = || "-".to_owned();
    let mut head = vec![
        "NAME", "ROLE", "STATUS", "PUBLIC", "PRIVATE", "SIZE", "REGION", "ID",
    ];
    let has_protected = hosts.iter().any(|host| protection(host).is_some());
    let has_end = hosts
        .iter()
        .any(|host| tags::expires_at(&host.tags).is_some());
    let is_declared = |host: &Host| {
        declared
            .iter()
            .any(|spec| host.name.as_ref() == Some(&spec.name))
    };
    let has_undeclared = !hosts.iter().all(is_declared);
    let further = [
        (has_undeclared, "DECLARED"),
        (has_protected, "PROTECTED"),
        (has_end, "EXPIRES"),
    ];
    head.extend(
        further
            .iter()
            .filter(|(is_there, _)| *is_there)
            .map(|own| own.1),
    );
    let rows: Vec<Vec<String>> = hosts
        .iter()
        .map(|host| {
            let mut row = vec![
                host.shown_name(),
                host.role.as_ref().map_or_else(dash, ToString::to_string),
                format!("{:?}", host.status).to_lowercase(),
                host.public_ipv4.map_or_else(dash, |ip| ip.to_string()),
                host.private_ipv4.map_or_else(dash, |ip| ip.to_string()),
                host.size.clone(),
                host.region.clone(),
                host.id.to_string(),
            ];
            if has_undeclared {
                row.push(if is_declared(host) { "yes" } else { "no" }.to_owned());
            }
            if has_protected {
                row.push(protection(host).map_or_else(dash, ToOwned::to_owned));
            }
            if has_end {
                let at = tags::expires_at(&host.tags);
                let at = at.and_then(|at| jiff::Timestamp::from_second(at).ok());
                row.push(at.map_or_else(dash, |at| at.to_string()));
            }
            row
        })
        .collect();
    table(&head, &rows)
}
