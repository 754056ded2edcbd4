//! Changes between two plans for the same request.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{PlanChange, PlanSetting};
use super::entries::CreateEntry;
use super::host_ref::HostRef;
use super::infra_plan::InfraPlan;
use super::saved::{HostFact, SavedPlan};
use crate::host::HostOptions;
use crate::money::MicroUsd;
use crate::name::HostId;

/// Returns causes, without their consequences: a missing host is not also reported as one to be
/// created.
pub(super) fn changes(planned: &SavedPlan, now: &SavedPlan) -> Vec<PlanChange> {
    let mut changes = Vec::new();
    settings(&planned.plan, &now.plan, &mut changes);
    hosts(&planned.facts.hosts, &now.facts.hosts, &mut changes);
    declarations(&planned.plan, &now.plan, &mut changes);
    projects(planned, now, &mut changes);
    ends(planned, now, &mut changes);
    prices(&planned.plan, &now.plan, &mut changes);
    if changes.is_empty() && planned != now {
        changes.push(PlanChange::Other);
    }
    changes.sort();
    changes
}

fn settings(planned: &InfraPlan, now: &InfraPlan, changes: &mut Vec<PlanChange>) {
    let account = |plan: &InfraPlan| format!("{} (id {})", plan.account.name, plan.account.id);
    let project = |plan: &InfraPlan| {
        let name = plan.project.as_ref();
        name.map_or_else(|| "none".to_owned(), ToString::to_string)
    };
    let pattern = |plan: &InfraPlan| plan.naming().pattern().to_string();
    let environment = |plan: &InfraPlan| plan.environment.to_string();
    let mut compare = |setting, planned: String, now: String| {
        if planned != now {
            changes.push(PlanChange::Setting {
                setting,
                planned,
                now,
            });
        }
    };
    compare(PlanSetting::Account, account(planned), account(now));
    compare(
        PlanSetting::Endpoint,
        planned.endpoint.clone(),
        now.endpoint.clone(),
    );
    compare(
        PlanSetting::Provider,
        planned.provider.clone(),
        now.provider.clone(),
    );
    compare(PlanSetting::Project, project(planned), project(now));
    compare(PlanSetting::NamePattern, pattern(planned), pattern(now));
    compare(
        PlanSetting::Environment,
        environment(planned),
        environment(now),
    );
    // All new hosts get the same key. A plan without new hosts does not contain it.
    if let (Some(planned), Some(now)) = (planned.create.first(), now.create.first()) {
        let key = |entry: &CreateEntry| {
            let key = entry.ssh_key_fingerprint.clone();
            key.unwrap_or_else(|| "none".to_owned())
        };
        compare(PlanSetting::OperatorKey, key(planned), key(now));
    }
}

fn hosts(planned: &[HostFact], now: &[HostFact], changes: &mut Vec<PlanChange>) {
    let (planned, now) = (by_id(planned), by_id(now));
    for (&id, was) in &planned {
        let host = || was.name.clone();
        let Some(is) = now.get(id) else {
            changes.push(PlanChange::HostGone {
                host: host(),
                id: id.clone(),
            });
            continue;
        };
        let fields = [
            ("name", was.name.clone(), is.name.clone()),
            ("size", was.size.clone(), is.size.clone()),
            ("region", was.region.clone(), is.region.clone()),
            ("tags", was.tags.join(", "), is.tags.join(", ")),
        ];
        for (what, planned, now) in fields {
            if planned != now {
                changes.push(PlanChange::HostChanged {
                    host: host(),
                    id: id.clone(),
                    what,
                    planned,
                    now,
                });
            }
        }
    }
    for (id, host) in now {
        if !planned.contains_key(id) {
            changes.push(PlanChange::HostNew {
                host: host.name.clone(),
                id: id.clone(),
            });
        }
    }
}

fn projects(planned: &SavedPlan, now: &SavedPlan, changes: &mut Vec<PlanChange>) {
    let of = |saved: &SavedPlan, id: &HostId| {
        let mut entries = saved.plan.retag.iter();
        let entry = entries.find(|entry| entry.host.id == *id);
        entry.and_then(|entry| entry.project.clone())
    };
    let (was, is) = (by_id(&planned.facts.hosts), by_id(&now.facts.hosts));
    for (id, host) in was {
        let (planned, now) = (of(planned, id), of(now, id));
        if planned != now && is.contains_key(id) {
            changes.push(PlanChange::ProjectChanged {
                host: host.name.clone(),
                planned,
                now,
            });
        }
    }
}

/// Adds ends that are declared differently, for hosts that are otherwise unchanged.
fn ends(planned: &SavedPlan, now: &SavedPlan, changes: &mut Vec<PlanChange>) {
    let of = |saved: &SavedPlan, id: &HostId| {
        let mut entries = saved.plan.retag.iter();
        let entry = entries.find(|entry| entry.host.id == *id)?;
        let other = entry.expiry.map(|expiry| expiry.ttl_seconds);
        other.or(entry.ttl_seconds.map(Some))
    };
    let text = |ttl: Option<Option<u64>>| match ttl {
        Some(Some(ttl)) => format!("{ttl}s"),
        Some(None) => "none".to_owned(),
        None => "that of the host".to_owned(),
    };
    let is = by_id(&now.facts.hosts);
    for (id, host) in by_id(&planned.facts.hosts) {
        let (was_ttl, is_ttl) = (of(planned, id), of(now, id));
        if was_ttl != is_ttl && is.get(id).is_some_and(|is| is.tags == host.tags) {
            changes.push(PlanChange::DeclarationChanged {
                host: host.name.clone(),
                what: "ttl",
                planned: text(was_ttl),
                now: text(is_ttl),
            });
        }
    }
}

fn by_id(hosts: &[HostFact]) -> BTreeMap<&HostId, &HostFact> {
    hosts.iter().map(|host| (&host.id, host)).collect()
}

/// A host's declaration, as far as a plan contains it: role and image only of hosts to be created,
/// only the name of hosts with duplicates.
#[derive(Debug, Default)]
struct Declaration<'a> {
    role: Option<&'a str>,
    size: Option<&'a str>,
    region: Option<&'a str>,
    image: Option<&'a str>,
    options: Option<&'a HostOptions>,
}

fn declarations(planned: &InfraPlan, now: &InfraPlan, changes: &mut Vec<PlanChange>) {
    let (planned, now) = (declared(planned), declared(now));
    let names: BTreeSet<&str> = planned.keys().chain(now.keys()).copied().collect();
    for name in names {
        let host = name.to_owned();
        let (was, is) = match (planned.get(name), now.get(name)) {
            (Some(was), Some(is)) => (was, is),
            (None, _) => {
                changes.push(PlanChange::Declared { host });
                continue;
            }
            (_, None) => {
                changes.push(PlanChange::Undeclared { host });
                continue;
            }
        };
        let fields = [
            ("role", was.role, is.role),
            ("size", was.size, is.size),
            ("region", was.region, is.region),
            ("image", was.image, is.image),
        ];
        let fields = fields.into_iter().filter_map(|(what, was, is)| {
            let (was, is) = was.zip(is)?;
            Some((what, was.to_owned(), is.to_owned()))
        });
        let options = was.options.zip(is.options).into_iter();
        let options = options.flat_map(|(was, is)| {
            let pairs = option_texts(was).into_iter().zip(option_texts(is));
            pairs.map(|((what, was), (_, is))| (what, was, is))
        });
        for (what, planned, now) in fields.chain(options) {
            if planned != now {
                changes.push(PlanChange::DeclarationChanged {
                    host: host.clone(),
                    what,
                    planned,
                    now,
                });
            }
        }
    }
}

/// Returns all options under their names in the file.
fn option_texts(options: &HostOptions) -> [(&'static str, String); 9] {
    let HostOptions {
        own_tags,
        protect,
        ttl_seconds,
        vpc,
        monitoring,
        backups,
        ipv6,
        user_data_sha256,
        cloud_project,
    } = options;
    let text = |value: Option<&String>| value.map_or_else(|| "none".to_owned(), Clone::clone);
    let ttl = ttl_seconds.map(|ttl| format!("{ttl}s"));
    let tags = own_tags.join(", ");
    // The user data itself may hold secrets.
    let data = user_data_sha256.as_ref();
    let data = data.map(|sum| format!("of SHA-256 {sum}"));
    [
        ("backups", backups.to_string()),
        ("ipv6", ipv6.to_string()),
        ("monitoring", monitoring.to_string()),
        ("project", text(cloud_project.as_ref())),
        ("protect", protect.to_string()),
        ("tags", text(Some(&tags).filter(|tags| !tags.is_empty()))),
        ("ttl", text(ttl.as_ref())),
        ("user_data", text(data.as_ref())),
        ("vpc", text(vpc.as_ref())),
    ]
}

fn declared(plan: &InfraPlan) -> BTreeMap<&str, Declaration<'_>> {
    let mut declared = BTreeMap::new();
    for entry in &plan.create {
        let spec = &entry.spec;
        let declaration = Declaration {
            role: Some(spec.role.as_str()),
            size: Some(&spec.size),
            region: Some(&spec.region),
            image: Some(&spec.image),
            options: Some(&spec.options),
        };
        declared.insert(spec.name.as_str(), declaration);
    }
    let existing = plan.unchanged.iter().map(|host| (host, [].as_slice()));
    let differing = plan.differ.iter().map(|d| (&d.host, d.fields.as_slice()));
    for (host, fields) in existing.chain(differing) {
        let of = |name: &str, actual| {
            let field = fields.iter().find(|field| field.field == name);
            Some(field.map_or(actual, |field| field.declared.as_str()))
        };
        let declaration = Declaration {
            size: of("size", &host.size),
            region: of("region", &host.region),
            ..Declaration::default()
        };
        declared.insert(host.name.as_str(), declaration);
    }
    for entry in &plan.resize {
        let declaration = Declaration {
            size: Some(&entry.to),
            region: Some(&entry.host.region),
            ..Declaration::default()
        };
        declared.insert(entry.host.name.as_str(), declaration);
    }
    for host in &plan.duplicates {
        declared.insert(host.name.as_str(), Declaration::default());
    }
    declared
}

fn prices(planned: &InfraPlan, now: &InfraPlan, changes: &mut Vec<PlanChange>) {
    let now = prices_of(now);
    for (size, planned) in prices_of(planned) {
        if let Some(&now) = now.get(size)
            && planned != now
        {
            changes.push(PlanChange::PriceChanged {
                size: size.to_owned(),
                planned,
                now,
            });
        }
    }
}

fn prices_of(plan: &InfraPlan) -> BTreeMap<&str, Option<MicroUsd>> {
    let created = plan.create.iter();
    let created = created.map(|entry| {
        let price = of_size(entry.monthly, entry.backups_monthly);
        (entry.spec.size.as_str(), price)
    });
    let lists = [
        &plan.delete,
        &plan.protected,
        &plan.undeclared,
        &plan.unchanged,
        &plan.unmanaged,
        &plan.duplicates,
    ];
    let held = plan.held.iter().map(|entry| &entry.host);
    let existing = lists.into_iter().flatten().chain(held);
    let existing = existing.chain(plan.differ.iter().map(|entry| &entry.host));
    let existing = existing.chain(plan.resize.iter().map(|entry| &entry.host));
    let existing = existing.map(|host: &HostRef| {
        let price = of_size(host.monthly, host.backups_monthly);
        (host.size.as_str(), price)
    });
    created.chain(existing).collect()
}

/// Returns a price without backups: the price of the size alone.
fn of_size(monthly: Option<MicroUsd>, backups: Option<MicroUsd>) -> Option<MicroUsd> {
    monthly.map(|monthly| monthly - backups.unwrap_or_default())
}
