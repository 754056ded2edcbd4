//! The pure function from (declared, observed) to a plan.

use std::collections::BTreeMap;

use super::{
    CloudFacts, Cost, CreateEntry, Difference, ExpiryChange, FieldDifference, HeldEntry, HostOwner,
    HostRef, InfraPlan, OtherImage, PlanMode, PlanRequest, Protection, Remedy, ResizeEntry,
    ResizeMode, RetagEntry,
};
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, HostFeatures, HostSpec, HostStatus};
use crate::money::MicroUsd;
use crate::name::{EnvironmentName, HostName};
use crate::naming::Naming;
use crate::tags::{self, Expiry};

/// Computes a plan. The order of `declared` and of the facts does not matter.
///
/// In [`PlanMode::Destroy`] all hosts of ours go, duplicates and undeclared ones too; without
/// a project's name only declared ones, since undeclared ones may be somebody else's. The same
/// holds in [`PlanMode::Reap`], for hosts whose time is over by the cloud's own clock. Hosts that
/// the file or their tag protects are never among those that go, nor in [`PlanMode::Reap`] those
/// whose end the file does not declare: they are [held](InfraPlan::held).
///
/// # Errors
///
/// [`ErrorKind::Config`] if the whole name of a host breaks a rule, for example is too long,
/// [`ErrorKind::Protocol`] if the cloud's time is not known in [`PlanMode::Reap`].
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
                    ..reference(facts, request, host, None)
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
    plan.cost = cost(&plan);
    Ok(plan)
}

/// Puts the hosts of one name into the list where they belong.
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
        let own = reference(facts, request, host, spec);
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
            let references = references.map(|host| reference(facts, request, host, None));
            plan.undeclared.extend(references);
        }
        (Some(_), []) => {}
        (Some(spec), [host]) => compare(plan, naming, facts, request, spec, host),
        (Some(spec), several) => {
            let references = several.iter();
            let references = references.map(|host| reference(facts, request, host, Some(spec)));
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
    let own = reference(facts, request, host, Some(spec));
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

/// The tags that a host of this declaration must bear, whatever its name.
fn wanted_tags(naming: &Naming, request: &PlanRequest, spec: &HostSpec) -> Vec<String> {
    let mut wanted = tags::fleet_tags(naming.project(), &request.environment, &spec.role);
    wanted.extend(spec.options.own_tags.iter().cloned());
    if spec.options.protect {
        wanted.push(tags::PROTECT_TAG.to_owned());
    }
    wanted
}

fn sorted(mut tags: Vec<String>) -> Vec<String> {
    tags.sort();
    tags.dedup();
    tags
}

/// What it takes for a host to bear its tags and to be in its project. Of the tags that it has
/// only those go that would tell something false: another role, a resize that has ended, a
/// pattern by which it is no longer named.
fn retag(
    naming: &Naming,
    facts: &CloudFacts,
    request: &PlanRequest,
    host: &Host,
    spec: &HostSpec,
) -> Option<RetagEntry> {
    let mut wanted = wanted_tags(naming, request, spec);
    // The tag tells how a host is named, not how it is to be named.
    let is_named = name_difference(naming, request, spec, host).is_none();
    wanted.extend(naming.tag().filter(|_| is_named));
    let wanted = sorted(wanted);
    let mut add: Vec<String> = wanted
        .iter()
        .filter(|tag| !host.has_tag(tag))
        .cloned()
        .collect();
    let tells_wrong =
        |tag: &&String| tags::is_role(tag) || (is_named && tags::is_name_pattern(tag));
    let mut remove: Vec<String> = host
        .tags
        .iter()
        .filter(tells_wrong)
        .filter(|tag| !wanted.iter().any(|own| own.eq_ignore_ascii_case(tag)))
        .cloned()
        .collect();
    if host.status == HostStatus::Active {
        remove.extend(spellings(host, &[tags::RESIZING_TAG]));
    }
    let expiry = expiry_change(spec, host, &mut add, &mut remove);
    let ttl_seconds = spec.options.ttl_seconds;
    let ttl_seconds = ttl_seconds.filter(|_| Expiry::of(&host.tags).is_none());
    add.sort();
    remove.sort();
    let project = spec.options.cloud_project.as_ref();
    let is_elsewhere = |wanted: &&String| {
        let actual = host.cloud_project.as_ref();
        actual.is_some_and(|actual| actual != *wanted)
    };
    let entry = RetagEntry {
        host: reference(facts, request, host, Some(spec)),
        add,
        remove,
        ttl_seconds,
        expiry,
        project: project.filter(is_elsewhere).cloned(),
    };
    (entry.changes_tags() || entry.project.is_some()).then_some(entry)
}

/// What a host gets and loses so that its end is the declared one, if it has an end. One that
/// is as declared has a tag for it and no other.
fn expiry_change(
    spec: &HostSpec,
    host: &Host,
    add: &mut Vec<String>,
    remove: &mut Vec<String>,
) -> Option<ExpiryChange> {
    let now = Expiry::of(&host.tags)?;
    let ttl_seconds = spec.options.ttl_seconds;
    let wanted = ttl_seconds.map(|ttl| now.with_ttl(ttl));
    let tag = wanted.map(Expiry::tag);
    let others = host.tags.iter().filter(|own| {
        let is_wanted = tag
            .as_ref()
            .is_some_and(|tag| own.eq_ignore_ascii_case(tag));
        Expiry::is_tag(own) && !is_wanted
    });
    let others: Vec<String> = others.cloned().collect();
    if others.is_empty() {
        return None;
    }
    remove.extend(others);
    add.extend(tag.filter(|tag| !host.has_tag(tag)));
    Some(ExpiryChange {
        from: now.at,
        to: wanted.map(|wanted| wanted.at),
        ttl_seconds,
    })
}

/// A host whose time is over by its tag although the file gives it more, or no end at all. An end
/// of which no duration is recorded is taken as that of the declared one.
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

/// Those of the tags that the host bears, as it spells them.
fn spellings(host: &Host, wanted: &[&str]) -> Vec<String> {
    let is_wanted = |tag: &&String| wanted.iter().any(|own| own.eq_ignore_ascii_case(tag));
    host.tags.iter().filter(is_wanted).cloned().collect()
}

fn is_over(host: &Host, now: Option<i64>) -> bool {
    let expires_at = tags::expires_at(&host.tags);
    expires_at.zip(now).is_some_and(|(at, now)| at <= now)
}

/// Who made a host counts only where hosts go: one that another run made exists all the same.
fn is_of_run(request: &PlanRequest, host: &Host) -> bool {
    let run = request.made_by.as_ref().filter(|_| request.mode.deletes());
    run.is_none_or(|run| host.has_tag(&tags::run_tag(run)))
}

/// Whether the hosts of a name and its declaration are meant: all of them, or none. A role is
/// that of the declaration or of any of the hosts, which may still bear an earlier one.
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

/// The image is no difference: a slug moves from one image to the next. Of the options only
/// those that are declared and missing count.
fn differences(spec: &HostSpec, host: &Host) -> Vec<FieldDifference> {
    let field = |field: &str, declared: &str, actual: &str, takes| {
        (declared != actual).then(|| FieldDifference {
            field: field.to_owned(),
            declared: declared.to_owned(),
            actual: actual.to_owned(),
            takes,
        })
    };
    let option = |name, declared: bool, actual: bool, takes| {
        let missing = declared && !actual;
        missing
            .then(|| field(name, "true", "false", takes))
            .flatten()
    };
    let options = &spec.options;
    let actual = host.features.unwrap_or(HostFeatures {
        monitoring: true,
        backups: true,
        ipv6: true,
    });
    let vpc = options.vpc.as_deref().zip(host.vpc.as_deref());
    [
        option("backups", options.backups, actual.backups, Remedy::Manual),
        option("ipv6", options.ipv6, actual.ipv6, Remedy::Replace),
        option(
            "monitoring",
            options.monitoring,
            actual.monitoring,
            Remedy::Replace,
        ),
        field("region", &spec.region, &host.region, Remedy::Replace),
        field("size", &spec.size, &host.size, Remedy::Resize),
        vpc.and_then(|(declared, actual)| field("vpc", declared, actual, Remedy::Replace)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The name in the cloud, if it is not by the pattern. Case does not matter there.
fn name_difference(
    naming: &Naming,
    request: &PlanRequest,
    spec: &HostSpec,
    host: &Host,
) -> Option<FieldDifference> {
    let declared = naming.node(&request.environment, &spec.name).ok()?;
    let differs = !host.node.eq_ignore_ascii_case(declared.as_str());
    differs.then(|| FieldDifference {
        field: "name".to_owned(),
        declared: declared.into(),
        actual: host.node.clone(),
        takes: Remedy::Rename,
    })
}

/// Whose a host is that is not managed.
fn owner_of(host: &Host, naming: &Naming, request: &PlanRequest) -> Option<HostOwner> {
    let is_whole =
        |owner: &HostOwner| owner.project.is_some() || host.has_tag(tags::STAGECRAFT_TAG);
    let owner = tags::owner_of(host).filter(is_whole)?;
    let is_own = owner.project.as_ref() == naming.project()
        && owner.environment.as_ref() == Some(&request.environment);
    // Ours only in part, it is not owned: a run may have been killed while it tagged the host.
    let is_owned = tags::is_owned(host, naming.project(), &request.environment);
    (is_own == is_owned).then_some(owner)
}

/// A host as plans show it, with its declaration if it is of ours.
fn reference(
    facts: &CloudFacts,
    request: &PlanRequest,
    host: &Host,
    spec: Option<&HostSpec>,
) -> HostRef {
    reference_in(facts, &request.environment, host, spec)
}

fn reference_in(
    facts: &CloudFacts,
    environment: &EnvironmentName,
    host: &Host,
    spec: Option<&HostSpec>,
) -> HostRef {
    let name = host.shown_name();
    let usual = format!("{environment}-{name}");
    let is_usual = host.name.is_none() || host.node.eq_ignore_ascii_case(&usual);
    let price = facts.price(&host.size, host.has_backups());
    HostRef {
        name,
        node: (!is_usual).then(|| host.node.clone()),
        owner: None,
        id: host.id.clone(),
        size: host.size.clone(),
        region: host.region.clone(),
        monthly: price.map(|price| price.monthly()),
        hourly: price.map(|price| price.hourly()),
        backups_monthly: price.and_then(|price| price.backups_monthly()),
        protection: Protection {
            by_file: spec.is_some_and(|spec| spec.options.protect),
            by_tag: host.has_tag(tags::PROTECT_TAG),
        },
        expires_at: tags::expires_at(&host.tags),
    }
}

impl CloudFacts {
    /// A host in short, with the price of its size. Its declaration is not looked at.
    pub fn reference(&self, environment: &EnvironmentName, host: &Host) -> HostRef {
        reference_in(self, environment, host, None)
    }
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

pub(super) fn cost(plan: &InfraPlan) -> Cost {
    let kept = [
        &plan.unchanged,
        &plan.undeclared,
        &plan.duplicates,
        &plan.protected,
    ];
    let differing = plan.differ.iter().map(|entry| &entry.host);
    let held = plan.held.iter().map(|entry| &entry.host);
    let kept = kept.into_iter().flatten().chain(differing).chain(held);
    let kept: Vec<&HostRef> = kept.collect();
    let total = |of: fn(&HostRef) -> Option<MicroUsd>,
                 created: fn(&CreateEntry) -> Option<MicroUsd>,
                 resized: fn(&ResizeEntry) -> Option<MicroUsd>| {
        let kept: MicroUsd = kept.iter().filter_map(|host| of(host)).sum();
        let deleted: MicroUsd = plan.delete.iter().filter_map(of).sum();
        let from = plan.resize.iter().filter_map(|entry| of(&entry.host));
        let to = plan.resize.iter().filter_map(resized);
        let created: MicroUsd = plan.create.iter().filter_map(created).sum();
        let adopted: MicroUsd = plan.adopted().filter_map(of).sum();
        let before: MicroUsd = [kept, deleted].into_iter().chain(from).sum();
        let after: MicroUsd = [kept, created, adopted].into_iter().chain(to).sum();
        (before, after)
    };
    let (monthly_before, monthly_after) = total(
        |host| host.monthly,
        |entry| entry.monthly,
        |entry| entry.to_monthly,
    );
    let (hourly_before, hourly_after) = total(
        |host| host.hourly,
        |entry| entry.hourly,
        |entry| entry.to_hourly,
    );
    Cost {
        monthly_before,
        monthly_after,
        hourly_before,
        hourly_after,
    }
}

#[cfg(test)]
mod tests;
