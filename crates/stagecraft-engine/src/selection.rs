//! Which hosts a plan is for. A name that selects nothing is a mistake, not an empty plan.

use std::collections::BTreeSet;

use stagecraft_core::config::nearest;
use stagecraft_core::{
    CloudFacts, EnvironmentName, Error, ErrorKind, HostName, HostSpec, InfraPlan, PlanMode,
    PlanRequest, Result, tags,
};

/// Refuses names of hosts and roles that are neither declared nor those of a host that exists.
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
    let existing = || {
        facts.hosts.iter().filter(|host| {
            // To be adopted are those of others.
            request.mode == PlanMode::Adopt
                || tags::is_owned(host, plan.project.as_ref(), &plan.environment)
        })
    };
    let names = existing().filter_map(|host| host.name.as_ref());
    let names: BTreeSet<&str> = names
        .chain(declared.iter().map(|spec| &spec.name))
        .map(|name| name.as_str())
        .collect();
    let roles = existing().filter_map(|host| host.role.as_ref());
    let roles: BTreeSet<&str> = roles
        .chain(declared.iter().map(|spec| &spec.role))
        .map(|role| role.as_str())
        .collect();
    let hosts = request.hosts.iter().map(|name| name.as_str());
    let environment = &plan.environment;
    known("host", hosts, &names, environment)?;
    let selected = request.roles.iter().map(|role| role.as_str());
    known("role", selected, &roles, environment)?;
    if !request.hosts.is_empty() && !request.roles.is_empty() {
        let is_selected = |name: &str, role: Option<&str>| {
            request.hosts.iter().any(|own| own.as_str() == name)
                && request.roles.iter().any(|own| Some(own.as_str()) == role)
        };
        let declares = |spec: &HostSpec| is_selected(spec.name.as_str(), Some(spec.role.as_str()));
        let mut named = existing().filter_map(|host| {
            let name = host.name.as_ref()?;
            let spec = declared.iter().find(|spec| spec.name == *name);
            let role = host.role.as_ref().or(spec.map(|spec| &spec.role));
            Some((name.as_str(), role.map(|role| role.as_str())))
        });
        if !declared.iter().any(declares) && !named.any(|(name, role)| is_selected(name, role)) {
            return Err(Error::new(
                ErrorKind::Config,
                "no host has both a selected name and a selected role",
            )
            .with_hint("give --host or --role, or names of hosts of that role"));
        }
    }
    Ok(())
}

/// Refuses the name of a host that is not declared.
///
/// # Errors
///
/// [`ErrorKind::Config`], with the known names and the nearest one.
pub(crate) fn declares(
    declared: &[HostSpec],
    environment: &EnvironmentName,
    host: &HostName,
) -> Result<()> {
    let names = declared.iter().map(|spec| spec.name.as_str()).collect();
    known(
        "declared host",
        [host.as_str()].into_iter(),
        &names,
        environment,
    )
}

fn known<'a>(
    what: &str,
    selected: impl Iterator<Item = &'a str>,
    known: &BTreeSet<&str>,
    environment: &EnvironmentName,
) -> Result<()> {
    for name in selected.filter(|name| !known.contains(name)) {
        let error = Error::new(
            ErrorKind::Config,
            if known.is_empty() {
                format!("there is no {what} `{name}` in {environment}, which has none at all")
            } else {
                let list: Vec<&str> = known.iter().copied().collect();
                format!(
                    "there is no {what} `{name}` in {environment}, known: {}",
                    list.join(", ")
                )
            },
        );
        return Err(match nearest(name, known.iter().copied()) {
            Some(near) => error.with_hint(format!("did you mean `{near}`?")),
            None => error,
        });
    }
    Ok(())
}
