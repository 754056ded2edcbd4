//! Selection of hosts for a plan. A name that selects nothing is a mistake, not an empty plan.

use std::collections::BTreeSet;

use stagecraft_core::config::nearest;
use stagecraft_core::{
    CloudFacts, EnvironmentName, Error, ErrorKind, HostName, HostSpec, InfraPlan, PlanMode,
    PlanRequest, Result, RoleName, tags,
};

/// Refuses names of hosts and roles that are neither declared nor those of an existing host.
///
/// # Errors
///
/// [`ErrorKind::Config`], with the known names and the nearest one.
pub(crate) fn check(
    declared: &[HostSpec],
    facts: &CloudFacts,
    plan: &InfraPlan,
    request: &PlanRequest,
) -> Result<()> {
    let hosts = candidates(declared, facts, plan, request);
    let environment = &plan.environment;
    let names = hosts.iter().map(|(name, _)| name.as_str()).collect();
    let selected = request.hosts.iter().map(HostName::as_str);
    known("host", selected, &names, environment)?;
    let roles = hosts.iter().filter_map(|(_, role)| *role);
    let roles = roles.map(RoleName::as_str).collect();
    let selected = request.roles.iter().map(RoleName::as_str);
    known("role", selected, &roles, environment)?;
    let has_both = hosts.iter().any(|(name, role)| {
        (request.hosts.is_empty() || request.hosts.contains(*name))
            && (request.roles.is_empty() || role.is_some_and(|role| request.roles.contains(role)))
    });
    if has_both || hosts.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Config,
        "no host has both a selected name and a selected role",
    )
    .with_hint("give --host or --role, or names of hosts of that role"))
}

/// Expands names that match no host but an entry of several numbered hosts to the declared ones
/// of them: `web` to `web-1`, `web-2` and so on. Pure.
pub(crate) fn with_groups(
    declared: &[HostSpec],
    facts: &CloudFacts,
    request: &PlanRequest,
) -> PlanRequest {
    let is_host = |name: &HostName| {
        let mut declared = declared.iter().map(|spec| &spec.name);
        let mut existing = facts.hosts.iter().filter_map(|host| host.name.as_ref());
        declared.any(|own| own == name) || existing.any(|own| own == name)
    };
    let members = |group: &HostName| {
        let names = declared.iter().map(|spec| &spec.name);
        let members = names.filter(|name| is_numbered(name.as_str(), group.as_str()));
        members.cloned().collect::<Vec<_>>()
    };
    let hosts = request.hosts.iter().flat_map(|name| {
        let members = if is_host(name) {
            Vec::new()
        } else {
            members(name)
        };
        if members.is_empty() {
            vec![name.clone()]
        } else {
            members
        }
    });
    PlanRequest {
        hosts: hosts.collect(),
        ..request.clone()
    }
}

/// Whether a name is that of a group followed by a number.
fn is_numbered(name: &str, group: &str) -> bool {
    let number = name
        .strip_prefix(group)
        .and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Returns every selectable host with its role. A host that is declared and exists may appear
/// twice.
fn candidates<'a>(
    declared: &'a [HostSpec],
    facts: &'a CloudFacts,
    plan: &InfraPlan,
    request: &PlanRequest,
) -> Vec<(&'a HostName, Option<&'a RoleName>)> {
    let existing = facts.hosts.iter().filter(|host| {
        // Hosts to be adopted belong to others.
        request.mode == PlanMode::Adopt
            || tags::is_owned(host, plan.project.as_ref(), &plan.environment)
    });
    let existing = existing.filter_map(|host| Some((host.name.as_ref()?, host.role.as_ref())));
    let declared = declared.iter().map(|spec| (&spec.name, Some(&spec.role)));
    declared.chain(existing).collect()
}

/// Refuses the name of a host that is not declared.
///
/// # Errors
///
/// [`ErrorKind::Config`], with the known names and the nearest one.
pub(crate) fn check_declared(
    declared: &[HostSpec],
    environment: &EnvironmentName,
    host: &HostName,
) -> Result<()> {
    let names = declared.iter().map(|spec| spec.name.as_str()).collect();
    let selected = std::iter::once(host.as_str());
    known("declared host", selected, &names, environment)
}

fn known<'a>(
    what: &str,
    mut selected: impl Iterator<Item = &'a str>,
    known: &BTreeSet<&str>,
    environment: &EnvironmentName,
) -> Result<()> {
    let Some(name) = selected.find(|name| !known.contains(name)) else {
        return Ok(());
    };
    let list: Vec<&str> = known.iter().copied().collect();
    let list = if list.is_empty() {
        "none at all".to_owned()
    } else {
        list.join(", ")
    };
    let error = Error::new(
        ErrorKind::Config,
        format!("there is no {what} `{name}` in {environment}, known: {list}"),
    );
    Err(match nearest(name, known.iter().copied()) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None => error,
    })
}
