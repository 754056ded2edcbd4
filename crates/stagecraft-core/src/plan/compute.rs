//! The pure function from declared and observed hosts to a plan.

mod difference;
mod retag;

use std::collections::BTreeMap;

use self::difference::{differences, name_difference};
use self::retag::{retag, sorted, spellings, wanted_tags};
use super::entries::{
    CreateEntry, Difference, HeldEntry, OtherImage, Remedy, ResizeEntry, RetagEntry,
};
use super::facts::CloudFacts;
use super::host_ref::HostRef;
use super::infra_plan::InfraPlan;
use super::request::{PlanMode, PlanRequest, ResizeMode};
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, HostSpec, HostStatus};
use crate::name::HostName;
use crate::naming::Naming;
use crate::tags::{self, Expiry, HostOwner};

/// Computes a plan. The order of `declared` and of the facts does not matter.
///
/// [`PlanMode::Destroy`] deletes all our hosts, including duplicates and undeclared ones. Without
/// a project's name it deletes only declared ones, since others may belong to another file. The
/// same holds in [`PlanMode::Reap`], for hosts that have expired by the cloud's clock. Hosts that
/// the file or their tag protects are never deleted. [`PlanMode::Reap`] also keeps hosts whose end
/// the file does not declare: they are [held](InfraPlan::held).
///
/// # Errors
///
/// [`ErrorKind::Config`] if the whole name of a host breaks a rule, for example is too long,
/// [`ErrorKind::Protocol`] if the cloud's time is unknown in [`PlanMode::Reap`].
pub fn plan_hosts(
    provider: &str,
    naming: &Naming,
    declared: &[HostSpec],
    facts: &CloudFacts,
    request: &PlanRequest,
) -> Result<InfraPlan> {
    let declared: BTreeMap<&HostName, &HostSpec> =
        declared.iter().map(|spec| (&spec.name, spec)).collect();

    if request.mode == PlanMode::Reap && facts.time.is_none() {
        return Err(Error::new(
            ErrorKind::Protocol,
            format!("{provider} provider: the cloud does not tell its time, by which hosts end"),
        ));
    }
    let project = naming.project();
    let mut plan = InfraPlan::new(provider, naming, facts, request);
    let mut owned: BTreeMap<HostName, Vec<&Host>> = BTreeMap::new();
    let mut strangers: BTreeMap<&HostName, Vec<&Host>> = BTreeMap::new();
    for host in &facts.hosts {
        match &host.name {
            Some(name) if tags::is_owned(host, project, &request.environment) => {
                owned.entry(name.clone()).or_default().push(host);
            }
            name => {
                plan.unmanaged.push(HostRef {
                    owner: owner_of(host, naming, request),
                    ..facts.reference(&request.environment, host)
                });
                if let Some(name) = name {
                    strangers.entry(name).or_default().push(host);
                }
            }
        }
    }

    for (name, hosts) in &owned {
        let spec = declared.get(name);
        if !selects(request, name, spec, hosts) {
            continue;
        }
        let hosts: Vec<&Host> = hosts
            .iter()
            .copied()
            .filter(|host| is_of_run(request, host))
            .collect();
        place(&mut plan, naming, facts, request, spec, &hosts);
    }
    for (name, spec) in &declared {
        match (request.mode, strangers.get(*name).map(Vec::as_slice)) {
            _ if owned.contains_key(*name) || !selects(request, name, Some(spec), &[]) => {}
            (PlanMode::Reconcile, _) => {
                let entry = create_entry(naming, facts, request, spec)?;
                plan.create.push(entry);
            }
            (PlanMode::Adopt, Some([host]))
                if !tags::is_foreign(host, project, &request.environment) =>
            {
                plan.retag.extend(retag(naming, facts, request, host, spec));
            }
            _ => {}
        }
    }

    sort(&mut plan);
    plan.cost = plan.costs();
    Ok(plan)
}

/// Adds the hosts of one name to the matching lists.
fn place(
    plan: &mut InfraPlan,
    naming: &Naming,
    facts: &CloudFacts,
    request: &PlanRequest,
    spec: Option<&&HostSpec>,
    hosts: &[&Host],
) {
    let spec = spec.copied();
    let has_project = naming.project().is_some();
    let mut rest = Vec::new();
    for host in hosts {
        let own = facts.reference_to(&request.environment, host, spec);
        let goes = match request.mode {
            PlanMode::Destroy => spec.is_some() || has_project,
            PlanMode::Prune => spec.is_none() && has_project,
            PlanMode::Reap => (spec.is_some() || has_project) && is_over(host, facts.time),
            PlanMode::Reconcile | PlanMode::Adopt | PlanMode::Unprotect => false,
        };
        if !goes {
            rest.push(*host);
        } else if let Some(held) = held(request, spec, host, &own, facts.time) {
            plan.held.push(held);
        } else if own.is_protected() {
            plan.protected.push(own.clone());
        } else {
            plan.delete.push(own.clone());
        }
        if request.mode == PlanMode::Unprotect && own.protection.by_tag {
            plan.retag.push(RetagEntry {
                host: own,
                add: Vec::new(),
                remove: spellings(host, &[tags::PROTECT_TAG]),
                ttl_seconds: None,
                expiry: None,
                project: None,
            });
        }
    }
    match (spec, rest.as_slice()) {
        (None, rest) => {
            let references = rest.iter();
            let references = references.map(|host| facts.reference(&request.environment, host));
            plan.undeclared.extend(references);
        }
        (Some(_), []) => {}
        (Some(spec), [host]) => compare(plan, naming, facts, request, spec, host),
        (Some(spec), several) => {
            let references = several.iter();
            let references =
                references.map(|host| facts.reference_to(&request.environment, host, Some(spec)));
            plan.duplicates.extend(references);
        }
    }
}

/// Compares a host with its declaration.
fn compare(
    plan: &mut InfraPlan,
    naming: &Naming,
    facts: &CloudFacts,
    request: &PlanRequest,
    spec: &HostSpec,
    host: &Host,
) {
    let own = facts.reference_to(&request.environment, host, Some(spec));
    let mut fields = differences(spec, host);
    fields.extend(name_difference(naming, request, spec, host));
    fields.sort_by(|a, b| a.field.cmp(&b.field));
    let resizes = request.mode == PlanMode::Reconcile && request.resize != ResizeMode::Never;
    let is_resize = resizes
        && fields.iter().any(|field| field.takes == Remedy::Resize)
        && fields
            .iter()
            .all(|field| matches!(field.takes, Remedy::Resize | Remedy::Rename));
    if fields.is_empty() {
        plan.unchanged.push(own.clone());
    } else if is_resize {
        let price = facts.price(&spec.size, host.has_backups());
        plan.resize.push(ResizeEntry {
            host: own.clone(),
            to: spec.size.clone(),
            grow_disk: request.resize == ResizeMode::GrowDisk,
            to_monthly: price.map(|price| price.monthly()),
            to_hourly: price.map(|price| price.hourly()),
        });
    } else {
        plan.differ.push(Difference {
            host: own.clone(),
            fields,
        });
    }
    if request.mode != PlanMode::Reconcile {
        return;
    }
    if let Some(actual) = host.image.as_ref().filter(|own| **own != spec.image) {
        plan.other_image.push(OtherImage {
            host: own.clone(),
            declared: spec.image.clone(),
            actual: actual.clone(),
        });
    }
    plan.retag.extend(retag(naming, facts, request, host, spec));
    let is_broken_off = host.has_tag(tags::RESIZING_TAG) && host.status == HostStatus::Off;
    if is_broken_off && !plan.resize.iter().any(|entry| entry.host == own) {
        plan.power_on.push(own);
    }
}

/// Returns the entry of a host that has expired by its tag although the file declares a later end
/// or none. An end without a recorded duration is assumed to be of the declared one.
fn held(
    request: &PlanRequest,
    spec: Option<&HostSpec>,
    host: &Host,
    own: &HostRef,
    now: Option<i64>,
) -> Option<HeldEntry> {
    let spec = spec.filter(|_| request.mode == PlanMode::Reap && !own.is_protected())?;
    let ttl_seconds = spec.options.ttl_seconds;
    let ends_at = ttl_seconds.and_then(|ttl| Some(Expiry::of(&host.tags)?.with_ttl(ttl).at));
    let is_over = ends_at.zip(now).is_some_and(|(at, now)| at <= now);
    (!is_over).then(|| HeldEntry {
        host: own.clone(),
        ttl_seconds,
        ends_at,
    })
}

fn is_over(host: &Host, now: Option<i64>) -> bool {
    let expires_at = tags::expires_at(&host.tags);
    expires_at.zip(now).is_some_and(|(at, now)| at <= now)
}

/// The run that created a host counts only for deletion: for other modes the host simply exists.
fn is_of_run(request: &PlanRequest, host: &Host) -> bool {
    let run = request.made_by.as_ref().filter(|_| request.mode.deletes());
    run.is_none_or(|run| host.has_tag(&tags::run_tag(run)))
}

/// Whether the request selects the hosts of a name and its declaration: all of them, or none.
/// The role may be the declared one or that of any of the hosts, which may be an earlier one.
fn selects(
    request: &PlanRequest,
    name: &HostName,
    spec: Option<&&HostSpec>,
    hosts: &[&Host],
) -> bool {
    let mut roles = hosts
        .iter()
        .filter_map(|host| host.role.as_ref())
        .chain(spec.map(|spec| &spec.role));
    (request.hosts.is_empty() || request.hosts.contains(name))
        && (request.roles.is_empty() || roles.any(|role| request.roles.contains(role)))
}

fn create_entry(
    naming: &Naming,
    facts: &CloudFacts,
    request: &PlanRequest,
    spec: &HostSpec,
) -> Result<CreateEntry> {
    let node = naming
        .node(&request.environment, &spec.name)
        .map_err(|error| {
            Error::new(
                ErrorKind::Config,
                format!("host `{}` cannot be named", spec.name),
            )
            .with_source(error)
        })?;
    let mut tags = wanted_tags(naming, request, spec);
    tags.extend(naming.tag());
    let price = facts.price(&spec.size, spec.options.backups);
    Ok(CreateEntry {
        spec: spec.clone(),
        node,
        tags: sorted(tags),
        ssh_key_fingerprint: facts
            .operator_key
            .as_ref()
            .map(|key| key.fingerprint.clone()),
        monthly: price.map(|price| price.monthly()),
        hourly: price.map(|price| price.hourly()),
        backups_monthly: price.and_then(|price| price.backups_monthly()),
    })
}

/// Returns the owner of a host that is not managed.
fn owner_of(host: &Host, naming: &Naming, request: &PlanRequest) -> Option<HostOwner> {
    let is_whole =
        |owner: &HostOwner| owner.project.is_some() || host.has_tag(tags::STAGECRAFT_TAG);
    let owner = tags::owner_of(host).filter(is_whole)?;
    let is_own = owner.project.as_ref() == naming.project()
        && owner.environment.as_ref() == Some(&request.environment);
    // A host with only some of our tags is not owned: a run may have been killed while tagging.
    let is_owned = tags::is_owned(host, naming.project(), &request.environment);
    (is_own == is_owned).then_some(owner)
}

fn sort(plan: &mut InfraPlan) {
    plan.create.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    plan.differ.sort_by(|a, b| a.host.cmp(&b.host));
    plan.held.sort();
    plan.other_image.sort();
    plan.resize.sort_by(|a, b| a.host.cmp(&b.host));
    plan.retag.sort_by(|a, b| a.host.cmp(&b.host));
    for list in [
        &mut plan.delete,
        &mut plan.protected,
        &mut plan.power_on,
        &mut plan.undeclared,
        &mut plan.unchanged,
        &mut plan.unmanaged,
        &mut plan.duplicates,
    ] {
        list.sort();
    }
}

#[cfg(test)]
mod tests;
