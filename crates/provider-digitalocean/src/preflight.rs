//! Checks a plan against the account before the first write.

use std::collections::{BTreeMap, BTreeSet};

use stagecraft_core::{
    CloudFacts, CreateEntry, ErrorKind, Finding, Host, HostName, HostOwner, InfraPlan, Naming,
    NamingError, Result, Run, tags,
};

use crate::availability::{no_region, no_size, where_available};
use crate::client::Client;
use crate::config::PollConfig;
use crate::error::ApiError;
use crate::facts::{Beside, Scope, hosts_of, list_all_hosts, list_gpus, list_regions};
use crate::key;
use crate::settle::settle;
use crate::side_by_side::side_by_side;
use crate::wire::{Concern, Image, ImageEnvelope};

/// Most concurrent reads of images.
const IMAGES: usize = 5;

/// What the account offers to new hosts.
#[derive(Debug)]
pub(crate) struct Offer {
    /// Whether each region accepts new droplets; `None` if the token may not read regions.
    pub(crate) regions: Option<BTreeMap<String, bool>>,
    /// `None` for an image that does not exist.
    pub(crate) images: BTreeMap<String, Option<Image>>,
    /// Scopes that the token lacks for reading.
    pub(crate) unread: BTreeSet<&'static str>,
}

/// Checks a plan that creates hosts against the account and returns all findings at once.
///
/// `beside` is what was read with the facts. Reads every droplet of the account, its regions, and
/// each image of the plan once.
pub(crate) async fn check(
    client: &Client,
    run: &Run,
    facts: &CloudFacts,
    plan: &InfraPlan,
    naming: &Naming,
    beside: Option<Beside>,
    poll: &PollConfig,
) -> Result<Vec<Finding>> {
    let scope = Scope {
        environment: &plan.environment,
        naming,
    };
    let all = read_all(client, run, scope, beside.as_ref());
    let (mut all, offer) = tokio::try_join!(all, read_offer(client, run, plan))?;
    if !run.follows_cleanly() && all.iter().any(|host| may_become_ours(plan, naming, host)) {
        // A droplet gets its tags after it is created: a killed run may have left droplets whose
        // tags are not listed yet.
        settle(run, poll, poll.list_lag.get()).await?;
        all = read_all(client, run, scope, None).await?;
    }
    let mut findings = Vec::new();
    if let Some(Beside { status, .. }) = &beside
        && status.0 == "locked"
    {
        let why = Some(status.1.clone()).filter(|why| !why.is_empty());
        findings.push(finding("the account is locked", why));
    }
    for scope in &offer.unread {
        findings.push(finding(
            format!("the token lacks the scope {scope}, without which nothing can be created"),
            Some(format!("give the token the scope {scope}")),
        ));
    }
    if let Some(key) = &facts.operator_key
        && let Some(own) = run.login_keys().await
    {
        findings.extend(key::check(key, &own));
    }
    let mut flaws = Flaws::default();
    for entry in &plan.create {
        check_place(facts, &offer, entry, &mut flaws);
        check_image(facts, &offer, entry, &mut flaws);
        check_name(plan, &all, entry, &mut flaws);
    }
    findings.extend(flaws.0);
    findings.extend(check_limit(facts, plan, &all));
    Ok(findings)
}

/// Finds declared sizes and regions of existing hosts that do not exist, as for new hosts. A host's
/// current size or region counts as existing, even if it is closed to new hosts. Reads the regions
/// only if one of them differs.
pub(crate) async fn check_existing(
    client: &Client,
    run: &Run,
    facts: &CloudFacts,
    plan: &InfraPlan,
) -> Result<Vec<Finding>> {
    let declared = |name: &'static str| {
        plan.differ.iter().flat_map(move |entry| {
            let fields = entry.fields.iter().filter(move |own| own.field == name);
            fields.map(|field| (HostName::new(entry.host.name.clone()).ok(), &field.declared))
        })
    };
    let mut findings = Vec::new();
    let mut add = |host, (message, hint)| {
        findings.push(Finding {
            host,
            ..finding(message, hint)
        });
    };
    for (host, size) in declared("size") {
        if !facts.sizes.contains_key(size) {
            add(host, no_size(facts, size));
        }
    }
    if declared("region").next().is_some() {
        let is_declared = |slug: &str| declared("region").any(|(_, own)| own == slug);
        let regions = match list_regions(client, run, Concern::Named(&is_declared)).await {
            Ok(regions) => regions,
            // Nothing is created, so nothing needs them.
            Err(error) if error.kind() == ErrorKind::Forbidden => return Ok(findings),
            Err(error) => return Err(error),
        };
        for (host, region) in declared("region") {
            if !regions.contains_key(region) {
                add(host, no_region(&regions, region));
            }
        }
    }
    Ok(findings)
}

/// Lists every host of the account, each once.
async fn read_all(
    client: &Client,
    run: &Run,
    scope: Scope<'_>,
    beside: Option<&Beside>,
) -> Result<Vec<Host>> {
    let mut all = list_all_hosts(client, run, scope, false).await?;
    let gpus = if let Some(beside) = beside {
        beside.gpus.clone()
    } else {
        let gpus = list_gpus(client, run, true).await?;
        hosts_of(client, run, gpus, scope).await?
    };
    let known: BTreeSet<_> = all.iter().map(|host| host.id.clone()).collect();
    all.extend(gpus.into_iter().filter(|host| !known.contains(&host.id)));
    Ok(all)
}

/// Whether a host has the name of one that is to be created, and no tag of another owner.
///
/// The run that created it may have used the default name pattern, if the file had that.
fn may_become_ours(plan: &InfraPlan, naming: &Naming, host: &Host) -> bool {
    let project = plan.project.as_ref();
    let has_name = |entry: &CreateEntry| {
        let mut nodes = naming.possible_nodes(&plan.environment, &entry.spec.name);
        nodes.any(|node| host.node.eq_ignore_ascii_case(node.as_str()))
    };
    !tags::is_owned(host, project, &plan.environment)
        && !tags::is_foreign(host, project, &plan.environment)
        && plan.create.iter().any(has_name)
}

async fn read_offer(client: &Client, run: &Run, plan: &InfraPlan) -> Result<Offer> {
    let mut unread = BTreeSet::new();
    let names: BTreeSet<&str> = plan.create.iter().map(|entry| &*entry.spec.image).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let reads = names.iter().map(|name| read_image(client, run, name));
    let is_wanted = |region: &str| plan.create.iter().any(|entry| entry.spec.region == region);
    let (regions, read) = tokio::join!(
        list_regions(client, run, Concern::Named(&is_wanted)),
        side_by_side(IMAGES, reads.collect())
    );
    let regions = match regions {
        Ok(regions) => Some(regions),
        Err(error) if error.kind() == ErrorKind::Forbidden => {
            unread.insert("regions:read");
            None
        }
        Err(error) => return Err(error),
    };
    let mut images = BTreeMap::new();
    for (name, image) in names.into_iter().zip(read) {
        match image {
            Ok(image) => {
                images.insert(name.to_owned(), image);
            }
            Err(error) if error.kind() == ErrorKind::Forbidden => {
                unread.insert("image:read");
            }
            Err(error) => return Err(error.into_error("read_image")),
        }
    }
    Ok(Offer {
        regions,
        images,
        unread,
    })
}

async fn read_image(client: &Client, run: &Run, name: &str) -> Result<Option<Image>, ApiError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.bytes().all(is_plain) || name.bytes().all(|byte| byte == b'.') {
        // It is not an image name, but could be another API path.
        return Ok(None);
    }
    let path = format!("/v2/images/{name}");
    match client.get::<ImageEnvelope>(run, &path, &[]).await {
        Ok(found) => Ok(Some(found.image)),
        Err(ApiError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn check_place(facts: &CloudFacts, offer: &Offer, entry: &CreateEntry, flaws: &mut Flaws) {
    let (size, region) = (&entry.spec.size, &entry.spec.region);
    let regions = offer.regions.as_ref();
    let Some(found) = facts.sizes.get(size) else {
        let (message, hint) = no_size(facts, size);
        return flaws.add(entry, message, hint);
    };
    let hint = where_available(&facts.sizes, regions, size);
    match regions.map(|all| all.get(region)) {
        Some(None) => {
            let (message, hint) = no_region(regions.unwrap_or(&BTreeMap::new()), region);
            flaws.add(entry, message, hint);
        }
        Some(Some(false)) => flaws.add(
            entry,
            format!("region `{region}` takes no new droplets at the moment"),
            Some(format!("size `{size}`: {hint}")),
        ),
        Some(Some(true)) | None if !found.regions.contains(region) => flaws.add(
            entry,
            format!("size `{size}` is not available in region `{region}`"),
            Some(hint),
        ),
        Some(Some(true)) | None => {}
    }
}

fn check_image(facts: &CloudFacts, offer: &Offer, entry: &CreateEntry, flaws: &mut Flaws) {
    let (name, size, region) = (&entry.spec.image, &entry.spec.size, &entry.spec.region);
    let image = match offer.images.get(name) {
        Some(Some(image)) => image,
        Some(None) => {
            let hint = "give the slug of a public image, or the id of your own";
            let message = format!("image `{name}` does not exist");
            return flaws.add(entry, message, Some(hint.to_owned()));
        }
        // It could not be read, which is reported.
        None => return,
    };
    if let Some(found) = facts.sizes.get(size)
        && found.disk_gb > 0
        && image.min_disk_size > found.disk_gb
    {
        let message = format!(
            "image `{name}` needs a disk of {} GB, size `{size}` has {} GB",
            image.min_disk_size, found.disk_gb
        );
        flaws.add(entry, message, None);
    }
    if !image.regions.is_empty() && !image.regions.contains(region) {
        flaws.add(
            entry,
            format!("image `{name}` is not available in region `{region}`"),
            Some(format!("it is available in {}", image.regions.join(", "))),
        );
    }
}

fn check_name(plan: &InfraPlan, all: &[Host], entry: &CreateEntry, flaws: &mut Flaws) {
    // One of ours may have been listed since the facts were read: apply adopts it.
    let taken = all.iter().filter(|host| {
        host.node.eq_ignore_ascii_case(entry.node.as_str())
            && !tags::is_owned(host, plan.project.as_ref(), &plan.environment)
    });
    for host in taken {
        let (whose, hint) = match tags::owner_of(host) {
            Some(owner) => (
                format!("belongs to {owner}"),
                owned_hint(plan, &owner, entry),
            ),
            None => (
                "does not bear the tags of Stagecraft".to_owned(),
                format!(
                    "if it is to be managed here, adopt it by `stagecraft infra adopt {} --env {}`; otherwise give the host another name",
                    entry.spec.name, plan.environment
                ),
            ),
        };
        let message = format!(
            "droplet '{}' already exists (id {}) and {whose}",
            host.node, host.id
        );
        flaws.add(entry, message, Some(hint));
    }
}

/// How to get a name that another project or environment uses. Its host is not ours to touch.
fn owned_hint(plan: &InfraPlan, owner: &HostOwner, entry: &CreateEntry) -> String {
    if owner.project.is_none() && plan.project.is_some() {
        return format!(
            "if this file made it before it had project.name, adopt it by `stagecraft infra adopt {} --env {}`; otherwise set cloud.name_pattern to \"{}\"",
            entry.spec.name,
            plan.environment,
            pattern_with_project(plan, entry)
        );
    }
    if plan.name_pattern.is_none() {
        let project = match plan.project {
            Some(_) => "",
            None => "give project.name and ",
        };
        let pattern = pattern_with_project(plan, entry);
        return format!(
            "{project}set cloud.name_pattern to \"{pattern}\": hosts of this project that exist keep their names"
        );
    }
    "give the host another name".to_owned()
}

/// A pattern that includes the project in this host's name.
fn pattern_with_project(plan: &InfraPlan, entry: &CreateEntry) -> &'static str {
    const PLAIN: &str = "{project}-{env}-{host}";
    let pattern = PLAIN.parse().expect("it is a pattern");
    let naming = Naming::new(plan.project.clone(), pattern);
    match naming.node(&plan.environment, &entry.spec.name) {
        Err(NamingError::Ambiguous { .. }) => "{project}--{env}--{host}",
        _ => PLAIN,
    }
}

fn check_limit(facts: &CloudFacts, plan: &InfraPlan, all: &[Host]) -> Option<Finding> {
    let limit = facts.host_limit?;
    // One of ours that was listed since is adopted, or about to be replaced.
    let is_there = |entry: &&CreateEntry| {
        all.iter().any(|host| {
            host.name.as_ref() == Some(&entry.spec.name)
                && tags::is_owned(host, plan.project.as_ref(), &plan.environment)
        })
    };
    let existing = all.len();
    let added = plan.create.iter().filter(|entry| !is_there(entry)).count();
    ((existing + added) as u64 > limit).then(|| {
        finding(
            format!(
                "the account may have {limit} droplets; it has {existing} and the plan adds {added}"
            ),
            Some("ask DigitalOcean for a higher limit".to_owned()),
        )
    })
}

fn finding(message: impl Into<String>, hint: Option<String>) -> Finding {
    Finding {
        host: None,
        message: message.into(),
        hint,
        is_guard: false,
    }
}

/// Problems of hosts.
#[derive(Debug, Default)]
struct Flaws(Vec<Finding>);

impl Flaws {
    fn add(&mut self, entry: &CreateEntry, message: String, hint: Option<String>) {
        self.0.push(Finding {
            host: Some(entry.spec.name.clone()),
            ..finding(message, hint)
        });
    }
}
