//! From the API's shapes to core's types.

use std::net::Ipv4Addr;

use stagecraft_core::{
    Account, CloudFacts, EnvironmentName, Error, ErrorKind, Host, HostFeatures, HostId, HostStatus,
    MicroUsd, NodeName, OperatorKey, PlanMode, PlanRequest, Result, Run, SizeOffer, tags,
};

use crate::client::Client;
use crate::error::provider_error;
use crate::wire::{
    self, AccountEnvelope, Droplet, DropletsPage, KeysPage, NetworkV4, Size, SizesPage, TagsPage,
};

const TAG_HINT: &str = "give the token the scope tag:read";

/// Reads everything that a plan rests on, side by side.
///
/// `tag` is the environment's tag as the account spells it.
pub(crate) async fn observe(
    client: &Client,
    run: &Run,
    request: &PlanRequest,
    ssh_key_name: &str,
    tag: &str,
) -> Result<CloudFacts> {
    let account = async {
        let envelope: AccountEnvelope = client
            .get(run, "/v2/account", &[])
            .await
            .map_err(|error| error.into_error("read_account"))?;
        Ok(envelope.account)
    };
    let sizes = async {
        client
            .list::<SizesPage>(run, "/v2/sizes", &[])
            .await
            .map_err(|error| error.into_error("list_sizes"))
    };
    let key = async {
        match request.mode {
            PlanMode::Reconcile => find_key(client, run, ssh_key_name).await.map(Some),
            _ => Ok(None),
        }
    };
    let hosts = list_hosts(client, run, &request.environment, tag, true);
    let (account, sizes, key, hosts) = tokio::try_join!(account, sizes, key, hosts)?;
    let host_limit = account.droplet_limit;
    Ok(CloudFacts {
        account: account_of(account),
        endpoint: client.endpoint().to_owned(),
        host_limit,
        operator_key: key,
        hosts,
        sizes: sizes.into_iter().map(size_offer).collect(),
        time: None,
    })
}

/// The environment's tag as the account spells it.
///
/// Tags ignore case and keep the spelling that the account saw first, also after the last
/// droplet that bore it is gone; a filter finds nothing by another spelling.
pub(crate) async fn spelled_tag(
    client: &Client,
    run: &Run,
    environment: &EnvironmentName,
) -> Result<String> {
    let own = tags::environment_tag(environment);
    let known = client
        .list::<TagsPage>(run, "/v2/tags", &[])
        .await
        .map_err(|error| error.into_error("list_tags"))?;
    let spelled = known
        .into_iter()
        .map(|tag| tag.name)
        .find(|name| name.eq_ignore_ascii_case(&own));
    Ok(spelled.unwrap_or(own))
}

/// Lists every host that bears the environment's tag, in the account's spelling.
///
/// `with_gpus` reads the list of GPU droplets too. The API leaves them out of the usual list,
/// does not say whether it filters them by tag, and takes no filter by tag together with the one
/// by type.
pub(crate) async fn list_hosts(
    client: &Client,
    run: &Run,
    environment: &EnvironmentName,
    tag: &str,
    with_gpus: bool,
) -> Result<Vec<Host>> {
    let tagged = async {
        client
            .list::<DropletsPage>(run, "/v2/droplets", &[("tag_name", tag)])
            .await
            .map_err(|error| no_tags_by_filter(error.into_error("list_hosts")))
    };
    let (tagged, gpus) = tokio::try_join!(tagged, list_gpus(client, run, with_gpus))?;
    let mut hosts = hosts_of(tagged, environment)?;
    let gpus = hosts_of(gpus, environment)?;
    hosts.extend(gpus.into_iter().filter(|host| host.has_tag(tag)));
    Ok(each_once(hosts))
}

/// Lists every host of the account, whatever its tags. `with_gpus` as in [`list_hosts`].
pub(crate) async fn list_all_hosts(
    client: &Client,
    run: &Run,
    environment: &EnvironmentName,
    with_gpus: bool,
) -> Result<Vec<Host>> {
    let usual = async {
        client
            .list::<DropletsPage>(run, "/v2/droplets", &[])
            .await
            .map_err(|error| error.into_error("list_hosts"))
    };
    let (mut droplets, gpus) = tokio::try_join!(usual, list_gpus(client, run, with_gpus))?;
    droplets.extend(gpus);
    Ok(each_once(hosts_of(droplets, environment)?))
}

async fn list_gpus(client: &Client, run: &Run, is_wanted: bool) -> Result<Vec<Droplet>> {
    if !is_wanted {
        return Ok(Vec::new());
    }
    client
        .list::<DropletsPage>(run, "/v2/droplets", &[("type", "gpus")])
        .await
        .map_err(|error| error.into_error("list_hosts"))
}

/// Whether the size is one of GPU droplets, which the usual list leaves out.
pub(crate) fn is_gpu(size: &str) -> bool {
    size.starts_with("gpu-")
}

/// The filter by tag needs a scope of its own, although the list does not.
fn no_tags_by_filter(error: Error) -> Error {
    if error.kind() == ErrorKind::Forbidden {
        return error.with_hint(TAG_HINT);
    }
    error
}

fn each_once(mut hosts: Vec<Host>) -> Vec<Host> {
    hosts.sort_by(|a, b| a.id.cmp(&b.id));
    hosts.dedup_by(|a, b| a.id == b.id);
    hosts
}

fn hosts_of(droplets: Vec<Droplet>, environment: &EnvironmentName) -> Result<Vec<Host>> {
    let droplets = droplets.into_iter();
    droplets
        .map(|droplet| host_of(droplet, environment))
        .collect()
}

fn host_of(droplet: Droplet, environment: &EnvironmentName) -> Result<Host> {
    let mut own_tags = droplet.tags.ok_or_else(|| {
        provider_error(
            ErrorKind::Forbidden,
            "the token may not read tags, without which no host can be told to be yours",
        )
        .with_hint(TAG_HINT)
    })?;
    own_tags.sort();
    let address = |kind: &str| {
        droplet
            .networks
            .v4
            .iter()
            .find(|network| network.kind == kind)
            .and_then(parse_address)
    };
    Ok(Host {
        id: HostId::new(droplet.id.to_string()),
        name: NodeName::new(droplet.name.to_ascii_lowercase())
            .ok()
            .and_then(|node| node.host_in(environment)),
        role: tags::role_of(&own_tags),
        public_ipv4: address("public"),
        private_ipv4: address("private"),
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
        vpc: None,
        features: droplet.features.as_deref().map(features),
        tags: own_tags,
    })
}

fn features(names: &[String]) -> HostFeatures {
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    HostFeatures {
        monitoring: has("monitoring"),
        backups: has("backups"),
        ipv6: has("ipv6"),
    }
}

fn parse_address(network: &NetworkV4) -> Option<Ipv4Addr> {
    network.ip_address.parse().ok()
}

async fn find_key(client: &Client, run: &Run, name: &str) -> Result<OperatorKey> {
    let keys = client
        .list::<KeysPage>(run, "/v2/account/keys", &[])
        .await
        .map_err(|error| error.into_error("find_ssh_key"))?;
    let mut found: Vec<_> = keys.into_iter().filter(|key| key.name == name).collect();
    found.sort_by_key(|key| key.id);
    match found.as_slice() {
        [key] => Ok(OperatorKey {
            name: key.name.clone(),
            fingerprint: key.fingerprint.clone(),
        }),
        [] => Err(provider_error(
            ErrorKind::NotFound,
            format!("SSH key '{name}' not found in DigitalOcean account"),
        )
        .with_operation("find_ssh_key")
        .with_hint("add the key under Settings > Security, or correct ssh_key_name")),
        several => {
            let list: Vec<&str> = several.iter().map(|key| key.fingerprint.as_str()).collect();
            Err(provider_error(
                ErrorKind::Rejected,
                format!(
                    "{} SSH keys are named '{name}' in DigitalOcean account: {}",
                    several.len(),
                    list.join(", ")
                ),
            )
            .with_operation("find_ssh_key")
            .with_hint("rename all but one of them"))
        }
    }
}

fn account_of(account: wire::Account) -> Account {
    match account.team {
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
