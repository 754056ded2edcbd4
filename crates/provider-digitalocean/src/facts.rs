//! Converts the API's types to core's.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use reqwest::Method;
use stagecraft_core::{
    Account, CloudFacts, EnvironmentName, Error, ErrorKind, Host, HostFeatures, HostId, HostStatus,
    Makes, MicroUsd, Naming, PlanMode, PlanRequest, Result, Run, SizeOffer, tags,
};

use crate::address;
use crate::client::{Client, Dated, Shown};
use crate::error::{STRANGE_HINT, provider_error, scopes};
use crate::wire::{
    self, AccountEnvelope, Concern, Droplet, DropletImage, DropletsPage, RegionsPage, Size,
    SizesPage, Tag, TagsPage,
};

/// The price of daily backups, in percent of the droplet's price. A create that names no policy
/// gets daily ones. Weekly ones, chosen by hand, cost 20.
///
/// Source: <https://docs.digitalocean.com/products/backups/details/pricing/>, as of March 2026, and
/// `backup_policy` of the create in `DigitalOcean`'s `OpenAPI` description. Plans by the GiB, also
/// chosen by hand, have no price that is known in advance.
const BACKUP_PERCENT: u32 = 30;

const TAG_HINT: &str = "give the token the scope tag:read";

/// The environment whose hosts are read, and its naming.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) environment: &'a EnvironmentName,
    pub(crate) naming: &'a Naming,
}

/// Account snapshot beside the facts, for the checks before the first write.
#[derive(Debug, Clone)]
pub(crate) struct Beside {
    /// The environment's tag as the account spells it, if the account has it.
    pub(crate) tag: Option<String>,
    /// `active`, `warning` or `locked`, and the reason.
    pub(crate) status: (String, String),
    /// All GPU droplets of the account.
    pub(crate) gpus: Vec<Host>,
    /// The API's time in seconds since 1970, if it sends one.
    pub(crate) time: Option<i64>,
}

/// Reads everything that a plan relies on, concurrently. Missing permissions of the token are
/// reported all at once.
///
/// A plan that adopts hosts reads every host of the account, because those hosts have no tag.
///
/// The operator's key is not read: the hosts decide whether it is needed. `sizes` are those that
/// must be known.
pub(crate) async fn observe(
    client: &Client,
    run: &Run,
    request: &PlanRequest,
    naming: &Naming,
    ssh_key_name: &str,
    sizes: &BTreeSet<String>,
) -> Result<(CloudFacts, Beside)> {
    let environment = &request.environment;
    let scope = Scope {
        environment,
        naming,
    };
    let adopts = request.mode == PlanMode::Adopt;
    let account = read_account(client, run);
    let is_wanted = |size: &str| sizes.contains(size);
    let sizes = list_sizes(client, run, Concern::Named(&is_wanted));
    let tagged = async {
        let tag = spelled_tag(client, run, environment).await?;
        let hosts = match &tag {
            _ if adopts => list_all_hosts(client, run, scope, false).await?,
            Some(tag) => list_hosts(client, run, scope, tag, false).await?,
            // No droplet has a tag that the account never saw. A recent create is waited for before
            // the first new one, and a delete looks in any case.
            None if request.mode == PlanMode::Reconcile => Vec::new(),
            None => {
                let tag = tags::environment_tag(environment);
                list_hosts(client, run, scope, &tag, false).await?
            }
        };
        Ok((tag, hosts))
    };
    let gpus = async {
        let gpus = list_gpus(client, run, true).await?;
        hosts_of(client, run, gpus, scope).await
    };
    let (account, sizes, tagged, gpus) = tokio::join!(account, sizes, tagged, gpus);
    let errors = [
        account.as_ref().err(),
        sizes.as_ref().err(),
        tagged.as_ref().err(),
        gpus.as_ref().err(),
    ];
    let is_refused = |error: &Error| error.kind() == ErrorKind::Forbidden;
    if errors.into_iter().flatten().any(is_refused) {
        // Whether it is needed is not known yet, but a missing permission is reported with the
        // others.
        let may_need_key = request.mode == PlanMode::Reconcile && request.makes != Makes::Nothing;
        let key = if may_need_key {
            crate::key::find(client, run, ssh_key_name).await.err()
        } else {
            None
        };
        if let Some(error) = forbidden(errors.into_iter().chain([key.as_ref()])) {
            return Err(error);
        }
    }
    let ((account, time), sizes, (tag, mut hosts), gpus) = (account?, sizes?, tagged?, gpus?);
    let own = tags::environment_tag(environment);
    let is_meant = |host: &&Host| adopts || host.has_tag(&own);
    hosts.extend(gpus.iter().filter(is_meant).cloned());
    let status = (account.status.clone(), account.status_message.clone());
    if status.0 == "warning" {
        tracing::warn!(message = %status.1, "the DigitalOcean account has a warning");
    }
    let facts = CloudFacts {
        host_limit: account.droplet_limit,
        account: account_of(account),
        endpoint: client.endpoint().to_owned(),
        operator_key: None,
        hosts: each_once(hosts),
        sizes,
        backup_percent: Some(BACKUP_PERCENT),
        time: time.filter(|_| request.mode == PlanMode::Reap),
    };
    let beside = Beside {
        tag,
        status,
        gpus,
        time,
    };
    Ok((facts, beside))
}

/// Combines several missing permissions of the token into one error.
fn forbidden<'a>(errors: impl Iterator<Item = Option<&'a Error>>) -> Option<Error> {
    let refused = errors.flatten();
    let refused: Vec<&Error> = refused
        .filter(|error| error.kind() == ErrorKind::Forbidden)
        .collect();
    let scopes: BTreeSet<&str> = refused
        .iter()
        .filter_map(|error| scopes(error.operation()?))
        .collect();
    if scopes.len() < 2 {
        return None;
    }
    let scopes: Vec<&str> = scopes.into_iter().collect();
    let error = refused[0].duplicate();
    Some(error.with_hint(format!("give the token the scopes {}", scopes.join(", "))))
}

/// Lists the sizes that the cloud offers now.
pub(crate) async fn list_sizes(
    client: &Client,
    run: &Run,
    concern: Concern<'_>,
) -> Result<BTreeMap<String, SizeOffer>> {
    let sizes = client
        .list::<SizesPage>(run, "/v2/sizes", &[], concern)
        .await
        .map_err(|error| error.into_error("list_sizes"))?;
    Ok(sizes.into_iter().map(size_offer).collect())
}

/// Lists all regions, with whether they accept new droplets.
pub(crate) async fn list_regions(
    client: &Client,
    run: &Run,
    concern: Concern<'_>,
) -> Result<BTreeMap<String, bool>> {
    let regions = client
        .list::<RegionsPage>(run, "/v2/regions", &[], concern)
        .await
        .map_err(|error| error.into_error("list_regions"))?;
    let regions = regions.into_iter();
    Ok(regions
        .map(|region| (region.slug, region.available))
        .collect())
}

/// Reads the account and the API's time.
async fn read_account(client: &Client, run: &Run) -> Result<(wire::Account, Option<i64>)> {
    let answer: Dated<AccountEnvelope> = client
        .dated(run, Method::GET, "/v2/account", None::<&()>)
        .await
        .map_err(|error| error.into_error("read_account"))?;
    Ok((answer.body.account, answer.date))
}

/// Why the account is locked, as the end of a message; `None` if it is not locked.
pub(crate) async fn lock(client: &Client, run: &Run) -> Result<Option<String>> {
    let (account, _) = read_account(client, run).await?;
    let why = Some(account.status_message).filter(|why| !why.is_empty());
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    Ok((account.status == "locked").then_some(why))
}

/// The account to which the token belongs.
pub(crate) async fn account(client: &Client, run: &Run) -> Result<Account> {
    let (account, _) = read_account(client, run).await?;
    Ok(account_of(account))
}

/// Lists the account's tags that can be decoded, and whether these are all.
pub(crate) async fn list_tags(client: &Client, run: &Run) -> Result<(Vec<Tag>, bool)> {
    client
        .list_or_not::<TagsPage>(run, "/v2/tags", &[], Concern::Nobody)
        .await
        .map_err(|error| error.into_error("list_tags"))
}

/// The environment's tag as the account spells it, if the account has it.
///
/// Tags ignore case. The account keeps the first spelling, even after the last droplet with the tag
/// is gone, and a filter finds nothing by another spelling.
pub(crate) async fn spelled_tag(
    client: &Client,
    run: &Run,
    environment: &EnvironmentName,
) -> Result<Option<String>> {
    let own = tags::environment_tag(environment);
    let (known, is_every) = list_tags(client, run).await?;
    let mut known = known.into_iter().map(|tag| tag.name);
    let spelled = known.find(|name| name.eq_ignore_ascii_case(&own));
    // A tag that cannot be decoded may be this one: then its droplets are looked for.
    Ok(spelled.or_else(|| (!is_every).then_some(own)))
}

/// Lists every host that has the environment's tag, in the account's spelling.
///
/// `with_gpus` reads the list of GPU droplets too. The API omits them from the usual list, does not
/// say whether it filters them by tag, and accepts no filter by tag together with the one by type.
pub(crate) async fn list_hosts(
    client: &Client,
    run: &Run,
    scope: Scope<'_>,
    tag: &str,
    with_gpus: bool,
) -> Result<Vec<Host>> {
    let tagged = async {
        client
            .list::<DropletsPage>(run, "/v2/droplets", &[("tag_name", tag)], Concern::Every)
            .await
            .map_err(|error| error.into_error("list_hosts_by_tag"))
    };
    let (tagged, gpus) = tokio::try_join!(tagged, list_gpus(client, run, with_gpus))?;
    let mut droplets = tagged;
    // Even if only parts can be decoded, they have the tag.
    if let Some((droplet, flaw)) = droplets
        .iter()
        .find_map(|own| Some((own, own.flaw.as_ref()?)))
    {
        return Err(strange(&droplet.name, droplet.id, flaw).with_operation("list_hosts_by_tag"));
    }
    let bears = |droplet: &Droplet| {
        // One without any is reported below.
        let tags = droplet.tags.as_ref();
        tags.is_none_or(|tags| tags.iter().any(|own| own.eq_ignore_ascii_case(tag)))
    };
    droplets.extend(gpus.into_iter().filter(bears));
    Ok(each_once(hosts_of(client, run, droplets, scope).await?))
}

/// Lists every host of the account, whatever its tags. `with_gpus` as in [`list_hosts`]. Does not
/// determine a host's own public address: these hosts are not connected to.
pub(crate) async fn list_all_hosts(
    client: &Client,
    run: &Run,
    scope: Scope<'_>,
    with_gpus: bool,
) -> Result<Vec<Host>> {
    let usual = async {
        client
            .list::<DropletsPage>(run, "/v2/droplets", &[], Concern::Every)
            .await
            .map_err(|error| error.into_error("list_hosts"))
    };
    let (mut droplets, gpus) = tokio::try_join!(usual, list_gpus(client, run, with_gpus))?;
    droplets.extend(gpus);
    note_untold_tags(&mut droplets);
    hosts_once(droplets, scope)
}

/// Lists every droplet of the account in the API's type, even while the list shifts. May contain
/// duplicates. `with_gpus` as in [`list_hosts`].
pub(crate) async fn shown_droplets(
    client: &Client,
    run: &Run,
    with_gpus: bool,
) -> Result<Shown<Droplet>> {
    let read = async |query: &[(&str, &str)]| {
        client
            .list_shown::<DropletsPage>(run, "/v2/droplets", query, Concern::Every)
            .await
            .map_err(|error| error.into_error("list_hosts"))
    };
    let gpus = async {
        if !with_gpus {
            return Ok(None);
        }
        read(&[("type", "gpus")]).await.map(Some)
    };
    let (mut shown, gpus) = tokio::try_join!(read(&[]), gpus)?;
    if let Some(gpus) = gpus {
        shown.items.extend(gpus.items);
        shown.is_whole &= gpus.is_whole;
    }
    note_untold_tags(&mut shown.items);
    Ok(shown)
}

/// Marks droplets without tags if others have them. Then the token may read tags, so none is
/// missing for lack of a scope.
fn note_untold_tags(droplets: &mut [Droplet]) {
    if droplets.iter().all(|droplet| droplet.tags.is_none()) {
        return;
    }
    for droplet in droplets.iter_mut().filter(|own| own.tags.is_none()) {
        droplet.tags = Some(Vec::new());
        let untold = || "it has no `tags`, others have".to_owned();
        droplet.flaw.get_or_insert_with(untold);
    }
}

/// Converts droplets to hosts, each once, like [`list_all_hosts`].
pub(crate) fn hosts_once(droplets: Vec<Droplet>, scope: Scope<'_>) -> Result<Vec<Host>> {
    let none = BTreeSet::new();
    let hosts = droplets.into_iter();
    let hosts = hosts.map(|droplet| host_of(droplet, scope, &none));
    Ok(each_once(hosts.collect::<Result<Vec<Host>>>()?))
}

pub(crate) async fn list_gpus(client: &Client, run: &Run, is_wanted: bool) -> Result<Vec<Droplet>> {
    if !is_wanted {
        return Ok(Vec::new());
    }
    client
        .list::<DropletsPage>(run, "/v2/droplets", &[("type", "gpus")], Concern::Every)
        .await
        .map_err(|error| error.into_error("list_hosts"))
}

/// Whether this is a GPU size, whose droplets the usual list omits.
pub(crate) fn is_gpu(size: &str) -> bool {
    size.starts_with("gpu-")
}

fn each_once(mut hosts: Vec<Host>) -> Vec<Host> {
    hosts.sort_by(|a, b| a.id.cmp(&b.id));
    hosts.dedup_by(|a, b| a.id == b.id);
    hosts
}

pub(crate) async fn hosts_of(
    client: &Client,
    run: &Run,
    droplets: Vec<Droplet>,
    scope: Scope<'_>,
) -> Result<Vec<Host>> {
    let reserved = address::reserved(client, run, droplets.iter()).await?;
    let droplets = droplets.into_iter();
    droplets
        .map(|droplet| host_of(droplet, scope, &reserved))
        .collect()
}

fn host_of(droplet: Droplet, scope: Scope<'_>, reserved: &BTreeSet<Ipv4Addr>) -> Result<Host> {
    let public_ipv4 = address::own(&droplet, reserved);
    let (environment, naming) = (scope.environment, scope.naming);
    let shown = droplet.tags.as_deref().unwrap_or_default();
    let name = naming.host_of(environment, &droplet.name, shown);
    if let Some(flaw) = &droplet.flaw {
        let own = tags::environment_tag(environment);
        let mut tags = droplet.tags.iter().flatten();
        // A droplet with a host's name may become that host, which would then be created twice.
        if name.is_some() || tags.any(|tag| tag.eq_ignore_ascii_case(&own)) {
            return Err(strange(&droplet.name, droplet.id, flaw).with_operation("list_hosts"));
        }
    }
    let mut own_tags = droplet.tags.ok_or_else(|| {
        provider_error(
            ErrorKind::Forbidden,
            "the token may not read tags, without which no host can be told to be yours",
        )
        .with_hint(TAG_HINT)
    })?;
    own_tags.sort();
    let mut networks = droplet.networks.v4.iter();
    let private = networks.find(|network| network.kind == "private");
    Ok(Host {
        id: HostId::new(droplet.id.to_string()),
        name,
        role: tags::role_of(&own_tags),
        public_ipv4,
        private_ipv4: private.and_then(|network| network.ip_address.parse().ok()),
        node: droplet.name,
        size: droplet.size_slug,
        region: droplet.region.map(|region| region.slug).unwrap_or_default(),
        status: match droplet.status.as_str() {
            "active" => HostStatus::Active,
            "off" => HostStatus::Off,
            "archive" => HostStatus::Archived,
            _ => HostStatus::New,
        },
        disk_gb: droplet.disk,
        vpc: droplet.vpc_uuid,
        cloud_project: None,
        image: droplet.image.and_then(image_of),
        features: droplet.features.as_deref().map(features),
        tags: own_tags,
    })
}

/// The error for a droplet that is or may become ours and cannot be decoded.
fn strange(name: &str, id: u64, flaw: &str) -> Error {
    let message = format!("API error: cannot decode droplet '{name}' (id {id}): {flaw}");
    provider_error(ErrorKind::Protocol, message).with_hint(STRANGE_HINT)
}

/// The image that a droplet was created from: its slug, or its id if it is private. `None` for a
/// public image whose slug moved to a newer one, since no file can declare it.
fn image_of(image: DropletImage) -> Option<String> {
    let id = image.id.filter(|_| image.public == Some(false));
    image.slug.or(id.map(|id| id.to_string()))
}

fn features(names: &[String]) -> HostFeatures {
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    HostFeatures {
        monitoring: has("monitoring"),
        backups: has("backups"),
        ipv6: has("ipv6"),
    }
}

fn account_of(account: wire::Account) -> Account {
    match account.team.filter(|team| !team.uuid.is_empty()) {
        Some(team) => Account {
            id: team.uuid,
            name: account.email,
            team: Some(team.name),
        },
        None => Account {
            id: account.uuid,
            name: account.email,
            team: None,
        },
    }
}

fn size_offer(size: Size) -> (String, SizeOffer) {
    let mut regions = if size.available {
        size.regions
    } else {
        Vec::new()
    };
    regions.sort();
    let offer = SizeOffer {
        monthly: MicroUsd::from_dollars(size.price_monthly),
        hourly: MicroUsd::from_dollars(size.price_hourly),
        disk_gb: size.disk,
        regions,
    };
    (size.slug, offer)
}
