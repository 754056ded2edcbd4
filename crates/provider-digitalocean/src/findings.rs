//! Checks resizes and user data before the first write.

use std::path::Path;

use stagecraft_core::config::Location;
use stagecraft_core::{CloudFacts, Finding, HostName, HostStatus, InfraPlan, ResizeEntry, tags};

use crate::apply::resize::{POWER_ON, SWITCHED_OFF};
use crate::availability::{no_size, where_available};
use crate::facts::is_gpu;
use crate::user_data;

/// Most hosts named in a finding about several.
const NAMED: usize = 5;

/// Merges equal findings about many hosts, at the position of the first.
pub(crate) fn grouped(findings: Vec<Finding>) -> Vec<Finding> {
    let mut groups: Vec<(Finding, Vec<HostName>)> = Vec::new();
    for finding in findings {
        let hosts: Vec<HostName> = finding.host.iter().cloned().collect();
        let same = |(first, names): &&mut (Finding, Vec<HostName>)| {
            !names.is_empty() && !hosts.is_empty() && first.message == finding.message
        };
        match groups.iter_mut().find(same) {
            Some((_, names)) => names.extend(hosts),
            None => groups.push((finding, hosts)),
        }
    }
    let groups = groups.into_iter().map(|(finding, hosts)| {
        if hosts.len() < 2 {
            return finding;
        }
        let mut names: Vec<&str> = hosts.iter().take(NAMED).map(HostName::as_str).collect();
        let more = format!("{} more", hosts.len().saturating_sub(NAMED));
        if hosts.len() > NAMED {
            names.push(&more);
        }
        Finding {
            host: None,
            message: format!("{} ({})", finding.message, names.join(", ")),
            ..finding
        }
    });
    groups.collect()
}

/// Finds resizes that the API would refuse, after the host was already switched off.
pub(crate) fn check_resizes(facts: &CloudFacts, plan: &InfraPlan) -> Vec<Finding> {
    let findings = plan.resize.iter().flat_map(|entry| {
        let messages = check_resize(facts, entry);
        let told = messages.into_iter().map(|(message, hint)| Finding {
            host: HostName::new(entry.host.name.clone()).ok(),
            message,
            hint,
            is_guard: false,
        });
        told.chain(is_switched_off(facts, entry).then(|| Finding {
            host: HostName::new(entry.host.name.clone()).ok(),
            message: SWITCHED_OFF.to_owned(),
            hint: Some(POWER_ON.to_owned()),
            is_guard: true,
        }))
    });
    findings.collect()
}

/// Whether the host was switched off by hand, not by a resize.
fn is_switched_off(facts: &CloudFacts, entry: &ResizeEntry) -> bool {
    let host = facts.hosts.iter().find(|host| host.id == entry.host.id);
    host.is_some_and(|host| host.status == HostStatus::Off && !host.has_tag(tags::RESIZING_TAG))
}

fn check_resize(facts: &CloudFacts, entry: &ResizeEntry) -> Option<(String, Option<String>)> {
    let (from, to, region) = (&entry.host.size, &entry.to, &entry.host.region);
    if is_gpu(from) || is_gpu(to) {
        let message = format!("size `{from}` cannot become `{to}`: GPU droplets are not resized");
        return Some((message, None));
    }
    let Some(offer) = facts.sizes.get(to) else {
        return Some(no_size(facts, to));
    };
    if !offer.regions.contains(region) {
        let hint = where_available(&facts.sizes, None, to);
        let message = format!("size `{to}` is not available in region `{region}`");
        return Some((message, Some(hint)));
    }
    let host = facts.hosts.iter().find(|host| host.id == entry.host.id);
    let disk = host.and_then(|host| host.disk_gb)?;
    (offer.disk_gb < disk).then(|| {
        let message = format!(
            "size `{to}` has a disk of {} GB, the host one of {disk} GB; Size can not decrease size of Droplet's disk image",
            offer.disk_gb
        );
        let hint = "a disk never becomes smaller: choose a larger size, or replace the host";
        (message, Some(hint.to_owned()))
    })
}

/// Checks the user data of a host: `text` is the content with its digest, `file` its source.
pub(crate) fn check_user_data(
    host: &HostName,
    file: Option<&Path>,
    text: Option<&str>,
) -> Option<Finding> {
    let message = match text {
        Some(text) => {
            let flaw = user_data::check(text).err()?;
            match (file, flaw.at) {
                (Some(file), Some(Location { line, column })) => {
                    format!("{}:{line}:{column}: {}", file.display(), flaw.message)
                }
                (Some(file), None) => format!("{}: {}", file.display(), flaw.message),
                (None, _) => flaw.message,
            }
        }
        None => "its user data has changed since the plan was made".to_owned(),
    };
    Some(Finding {
        host: Some(host.clone()),
        message,
        hint: None,
        is_guard: false,
    })
}
