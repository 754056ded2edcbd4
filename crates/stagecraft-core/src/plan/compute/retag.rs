//! The required tags of hosts, and the changes to get there.

use super::difference::name_difference;
use crate::host::{Host, HostSpec, HostStatus};
use crate::naming::Naming;
use crate::plan::entries::{ExpiryChange, RetagEntry};
use crate::plan::facts::CloudFacts;
use crate::plan::request::PlanRequest;
use crate::tags::{self, Expiry};

/// Returns the tags that a host of this declaration requires, whatever its name.
pub(super) fn wanted_tags(naming: &Naming, request: &PlanRequest, spec: &HostSpec) -> Vec<String> {
    let mut wanted = tags::fleet_tags(naming.project(), &request.environment, &spec.role);
    wanted.extend(spec.options.own_tags.iter().cloned());
    if spec.options.protect {
        wanted.push(tags::PROTECT_TAG.to_owned());
    }
    wanted
}

pub(super) fn sorted(mut tags: Vec<String>) -> Vec<String> {
    tags.sort();
    tags.dedup();
    tags
}

/// Returns the changes that give a host its tags and its project. It removes only tags that would
/// be false: another role, a resize that has ended, a pattern that no longer matches the
/// name.
pub(super) fn retag(
    naming: &Naming,
    facts: &CloudFacts,
    request: &PlanRequest,
    host: &Host,
    spec: &HostSpec,
) -> Option<RetagEntry> {
    let mut wanted = wanted_tags(naming, request, spec);
    // The tag states how a host is named, not how it should be named.
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
        host: facts.reference_to(&request.environment, host, Some(spec)),
        add,
        remove,
        ttl_seconds,
        expiry,
        project: project.filter(is_elsewhere).cloned(),
    };
    (entry.changes_tags() || entry.project.is_some()).then_some(entry)
}

/// Returns the tags to add and remove so that the host has its declared end, if any. A host as
/// declared has exactly one tag for it.
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

/// Returns those of the tags that the host has, in its own spelling.
pub(super) fn spellings(host: &Host, wanted: &[&str]) -> Vec<String> {
    let is_wanted = |tag: &&String| wanted.iter().any(|own| own.eq_ignore_ascii_case(tag));
    host.tags.iter().filter(is_wanted).cloned().collect()
}
