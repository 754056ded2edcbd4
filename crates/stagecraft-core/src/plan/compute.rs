//! The pure function from (declared, observed) to a plan.

use std::collections::BTreeMap;

use super::{
    CloudFacts, Cost, CreateEntry, Difference, FieldDifference, HostRef, InfraPlan, PLAN_VERSION,
    PlanMode, PlanRequest, Remedy,
};
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, HostSpec};
use crate::money::MicroUsd;
use crate::name::{HostName, NodeName, ProjectName, RoleName};
use crate::tags;

/// Computes a plan. The order of `declared` and of the facts does not matter.
///
/// In [`PlanMode::Destroy`] all hosts of ours go, duplicates and undeclared ones too; without
/// a project's name only declared ones, since undeclared ones may be somebody else's.
///
/// # Errors
///
/// [`ErrorKind::Config`] if environment and host name together are too long.
pub fn plan_hosts(
    provider: &str,
    project: Option<&ProjectName>,
    declared: &[HostSpec],
    facts: &CloudFacts,
    request: &PlanRequest,
) -> Result<InfraPlan> {
    let mut declared: BTreeMap<&HostName, &HostSpec> =
        declared.iter().map(|spec| (&spec.name, spec)).collect();
    let known_role = |name: &HostName| declared.get(name).map(|spec| spec.role.clone());

    let mut owned: BTreeMap<HostName, Vec<&Host>> = BTreeMap::new();
    let mut unmanaged = Vec::new();
    for host in &facts.hosts {
        match &host.name {
            Some(name) if tags::is_owned(host, project, &request.environment) => {
                let role = host.role.clone().or_else(|| known_role(name));
                if selects(request, name, role.as_ref()) {
                    owned.entry(name.clone()).or_default().push(host);
                }
            }
            _ => unmanaged.push(reference(facts, host)),
        }
    }
    declared.retain(|name, spec| selects(request, name, Some(&spec.role)));

    let mut plan = InfraPlan {
        version: PLAN_VERSION,
        mode: request.mode,
        project: project.cloned(),
        environment: request.environment.clone(),
        provider: provider.to_owned(),
        account: facts.account.clone(),
        endpoint: facts.endpoint.clone(),
        create: Vec::new(),
        delete: Vec::new(),
        undeclared: Vec::new(),
        differ: Vec::new(),
        unchanged: Vec::new(),
        unmanaged,
        duplicates: Vec::new(),
        cost: Cost {
            monthly_before: MicroUsd(0),
            monthly_after: MicroUsd(0),
        },
    };

    for (name, hosts) in &owned {
        let spec = declared.get(name);
        let references = hosts.iter().map(|host| reference(facts, host));
        match request.mode {
            PlanMode::Destroy if spec.is_some() || project.is_some() => {
                plan.delete.extend(references);
            }
            PlanMode::Prune if spec.is_none() && project.is_some() => {
                plan.delete.extend(references);
            }
            _ => match (spec, hosts.as_slice()) {
                (None, _) => plan.undeclared.extend(references),
                (Some(spec), [host]) => {
                    let fields = differences(spec, host);
                    let reference = reference(facts, host);
                    if fields.is_empty() {
                        plan.unchanged.push(reference);
                    } else {
                        plan.differ.push(Difference {
                            host: reference,
                            fields,
                        });
                    }
                }
                (Some(_), _) => plan.duplicates.extend(references),
            },
        }
    }
    if request.mode == PlanMode::Reconcile {
        for (name, spec) in &declared {
            if !owned.contains_key(*name) {
                plan.create
                    .push(create_entry(project, facts, request, spec)?);
            }
        }
    }

    sort(&mut plan);
    plan.cost = cost(&plan);
    Ok(plan)
}

fn selects(request: &PlanRequest, name: &HostName, role: Option<&RoleName>) -> bool {
    (request.hosts.is_empty() || request.hosts.contains(name))
        && (request.roles.is_empty() || role.is_some_and(|role| request.roles.contains(role)))
}

fn create_entry(
    project: Option<&ProjectName>,
    facts: &CloudFacts,
    request: &PlanRequest,
    spec: &HostSpec,
) -> Result<CreateEntry> {
    let node = NodeName::of(&request.environment, &spec.name).map_err(|error| {
        Error::new(
            ErrorKind::Config,
            format!(
                "environment and host name of `{}` do not fit together",
                spec.name
            ),
        )
        .with_source(error)
    })?;
    Ok(CreateEntry {
        spec: spec.clone(),
        node,
        tags: tags::fleet_tags(project, &request.environment, &spec.role),
        ssh_key_fingerprint: facts
            .operator_key
            .as_ref()
            .map(|key| key.fingerprint.clone()),
        monthly: facts.sizes.get(&spec.size).map(|offer| offer.monthly),
    })
}

/// The image is not compared: a slug moves from one image to the next.
fn differences(spec: &HostSpec, host: &Host) -> Vec<FieldDifference> {
    let field = |field: &str, declared: &str, actual: &str, takes| {
        (declared != actual).then(|| FieldDifference {
            field: field.to_owned(),
            declared: declared.to_owned(),
            actual: actual.to_owned(),
            takes,
        })
    };
    [
        field("region", &spec.region, &host.region, Remedy::Replace),
        field("size", &spec.size, &host.size, Remedy::Resize),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn reference(facts: &CloudFacts, host: &Host) -> HostRef {
    HostRef {
        name: host.shown_name(),
        id: host.id.clone(),
        size: host.size.clone(),
        region: host.region.clone(),
        monthly: facts.sizes.get(&host.size).map(|offer| offer.monthly),
    }
}

fn sort(plan: &mut InfraPlan) {
    plan.create.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    plan.differ.sort_by(|a, b| a.host.cmp(&b.host));
    for list in [
        &mut plan.delete,
        &mut plan.undeclared,
        &mut plan.unchanged,
        &mut plan.unmanaged,
        &mut plan.duplicates,
    ] {
        list.sort();
    }
}

fn cost(plan: &InfraPlan) -> Cost {
    let sum = |list: &[HostRef]| -> MicroUsd { list.iter().filter_map(|host| host.monthly).sum() };
    let differing: MicroUsd = plan
        .differ
        .iter()
        .filter_map(|entry| entry.host.monthly)
        .sum();
    let kept = [
        sum(&plan.unchanged),
        sum(&plan.undeclared),
        sum(&plan.duplicates),
        differing,
    ];
    let kept: MicroUsd = kept.into_iter().sum();
    let created: MicroUsd = plan.create.iter().filter_map(|entry| entry.monthly).sum();
    Cost {
        monthly_before: [kept, sum(&plan.delete)].into_iter().sum(),
        monthly_after: [kept, created].into_iter().sum(),
    }
}

#[cfg(test)]
mod tests;
