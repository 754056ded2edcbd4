//! Creates droplets, one or up to ten at once.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::error::{ApiError, decode};
use super::{Answer, Created, Shared};
use crate::state::backups::BackupPolicy;
use crate::state::catalog::{REGIONS, Region, Size, is_sold_out};
use crate::state::droplet::Options;
use crate::state::images::Image;
use crate::state::life::Order;
use crate::state::{self, tags};

const MOST_NAMES: usize = 10;
const MOST_USER_DATA: usize = 64 << 10;

/// The body. Absent and `null` are the same: godo sends `null` for unset fields.
#[derive(Deserialize)]
struct Request {
    name: Option<String>,
    names: Option<Vec<String>>,
    region: Option<String>,
    size: Option<String>,
    /// A slug or an id.
    image: Option<Value>,
    /// Ids and fingerprints.
    ssh_keys: Option<Vec<Value>>,
    tags: Option<Vec<String>>,
    user_data: Option<String>,
    backups: Option<bool>,
    backup_policy: Option<Value>,
    ipv6: Option<bool>,
    monitoring: Option<bool>,
    with_droplet_agent: Option<bool>,
    public_networking: Option<bool>,
    vpc_uuid: Option<String>,
    volumes: Option<Vec<Value>>,
}

/// Accepts droplets, or refuses the whole request without any effect.
///
/// The answer's `links.actions` are in the order of the names.
pub(super) async fn create(State(world): Shared, body: Bytes) -> Answer<Created> {
    let request: Request = decode(&body)?;
    let mut state = world.state();
    let is_multiple = request.names.is_some();
    check_scopes(&request, &state)?;
    let volumes = find_volumes(&request, &state)?;
    let orders = check(request, &state)?;
    let mut ids = Vec::new();
    for order in orders {
        ids.push(world.create(&mut state, order));
    }
    for volume in volumes {
        if let Some(volume) = state.leftovers.volumes.get_mut(&volume) {
            volume.droplet = ids.first().copied();
        }
    }
    let now = Instant::now();
    let created = ids.iter().filter_map(|id| state.readable(*id));
    let (mut droplets, mut actions) = (Vec::new(), Vec::new());
    for droplet in created {
        let action = droplet.create_action;
        let href = format!("http://{}/v2/actions/{action}", world.address);
        actions.push(json!({"id": action, "rel": "create", "href": href}));
        droplets.push(droplet.to_json(&state, now));
    }
    let links = json!({"actions": actions});
    let answer = match droplets.pop() {
        Some(droplet) if !is_multiple => json!({"droplet": droplet, "links": links}),
        last => {
            droplets.extend(last);
            json!({"droplets": droplets, "links": links})
        }
    };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// Checks the scopes that the body needs beside that for creating.
fn check_scopes(request: &Request, state: &state::State) -> Answer<()> {
    let has_some = |list: Option<usize>| list.is_some_and(|length| length > 0);
    let asked = [
        (has_some(request.tags.as_ref().map(Vec::len)), "tag:create"),
        (
            has_some(request.ssh_keys.as_ref().map(Vec::len)),
            "ssh_key:read",
        ),
        (
            has_some(request.vpc_uuid.as_ref().map(String::len)),
            "vpc:read",
        ),
        (
            has_some(request.volumes.as_ref().map(Vec::len)),
            "block_storage:read",
        ),
    ];
    let is_covered = asked
        .iter()
        .all(|(is_asked, scope)| !is_asked || state.knobs.has_scope(scope));
    if is_covered {
        Ok(())
    } else {
        Err(ApiError::usual(StatusCode::FORBIDDEN))
    }
}

/// Checks a request; the messages were seen in real answers except where noted.
fn check(request: Request, state: &state::State) -> Answer<Vec<Order>> {
    let names = match (request.names, request.name) {
        (Some(names), _) => names,
        (None, Some(name)) => vec![name],
        (None, None) => return Err(missing("name")),
    };
    check_names(&names)?;
    let image = request.image.ok_or_else(|| missing("image"))?;
    let image = key(&image)
        .and_then(|key| state.images.find(&key).cloned())
        .ok_or_else(|| {
            ApiError::unprocessable("You specified an invalid image for Droplet creation.")
        })?;
    let size = request.size.ok_or_else(|| missing("size"))?;
    let size = Size::find(&size).ok_or_else(|| {
        ApiError::unprocessable("You specified an invalid size for Droplet creation.")
    })?;
    let vpc = find_vpc(request.vpc_uuid, state)?;
    let wanted = request.region.as_deref().unwrap_or_default();
    let wanted = match &vpc {
        // A network is in one region, so a prefix leaves no choice.
        Some((_, region)) if region.starts_with(wanted) => region,
        _ => wanted,
    };
    let region = find_region(wanted, size, state)?;
    check_image(&image, size, region)?;
    let authorized_keys = find_keys(&request.ssh_keys.unwrap_or_default(), state)?;
    if request
        .user_data
        .as_ref()
        .is_some_and(|data| data.len() > MOST_USER_DATA)
    {
        // The limit is documented; the wording is assumed.
        return Err(ApiError::unprocessable(
            "User data is too long (maximum is 64 KiB)",
        ));
    }
    let tags = request.tags.unwrap_or_default();
    if let Some(tag) = tags.iter().find(|tag| !tags::is_valid(tag)) {
        // The rule is documented; the wording is assumed.
        return Err(ApiError::unprocessable(format!(
            "{tag} is not a valid tag name"
        )));
    }
    check_networking(request.public_networking, request.ipv6)?;
    if vpc.as_ref().is_some_and(|(_, place)| *place != region.slug) {
        return Err(no_vpc());
    }
    let backup_policy = request.backup_policy.as_ref().map(backup_policy);
    if state.living() + names.len() > state.knobs.droplet_limit as usize {
        let message = "creating this/these droplet(s) will exceed your droplet limit";
        return Err(ApiError::unprocessable(message));
    }
    let features = [
        (request.backups, "backups"),
        (request.ipv6, "ipv6"),
        (request.monitoring, "monitoring"),
    ];
    let features = features
        .into_iter()
        .filter_map(|(chosen, name)| chosen.unwrap_or(false).then_some(name))
        .collect();
    let options = Options {
        authorized_keys,
        user_data: request.user_data.filter(|data| !data.is_empty()),
        features,
        public_networking: request.public_networking.unwrap_or(true),
        backup_policy: backup_policy.transpose()?.unwrap_or_default(),
        agent: request.with_droplet_agent.unwrap_or(true),
        vpc: vpc.map(|(id, _)| id),
    };
    let order = |name| Order {
        name,
        size,
        region,
        image: image.clone(),
        tags: tags.clone(),
        options: options.clone(),
    };
    Ok(names.into_iter().map(order).collect())
}

/// The wording is assumed.
fn missing(field: &str) -> ApiError {
    ApiError::unprocessable(format!("You must specify a {field} for Droplet creation."))
}

fn check_names(names: &[String]) -> Answer<()> {
    if names.is_empty() || names.len() > MOST_NAMES {
        // The limit is documented; the wording is assumed.
        let message = format!("You can create 1 to {MOST_NAMES} Droplets at a time.");
        return Err(ApiError::unprocessable(message));
    }
    names.iter().try_for_each(|name| check_name(name))
}

pub(super) fn check_name(name: &str) -> Answer<()> {
    if is_valid_name(name) {
        return Ok(());
    }
    let rule = "Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)";
    Err(ApiError::unprocessable(rule))
}

/// `^[a-zA-Z0-9]?[a-z0-9A-Z.\-]*[a-z0-9A-Z]$`, at most 255 characters.
fn is_valid_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    name.len() <= 255
        && name.chars().all(allowed)
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// Finds a region by its slug or by a prefix such as `nyc`; none means any.
fn find_region(wanted: &str, size: &'static Size, state: &state::State) -> Answer<&'static Region> {
    let is_open = |region: &Region| {
        !state
            .knobs
            .closed_regions
            .iter()
            .any(|closed| closed == region.slug)
    };
    let is_offered = |region: &Region| {
        size.is_in(region.slug) && !is_sold_out(&state.knobs.sold_out, size.slug, region.slug)
    };
    let matching: Vec<&Region> = match Region::find(wanted) {
        Some(region) => vec![region],
        None => REGIONS
            .iter()
            .filter(|region| region.slug.starts_with(wanted))
            .collect(),
    };
    if matching.is_empty() {
        let message = "You specified an invalid region for Droplet creation.";
        return Err(ApiError::unprocessable(message));
    }
    let open: Vec<&Region> = matching
        .into_iter()
        .filter(|region| is_open(region))
        .collect();
    if open.is_empty() {
        return Err(ApiError::unprocessable("Region is not available"));
    }
    open.into_iter()
        .find(|region| is_offered(region))
        .ok_or_else(|| ApiError::unprocessable("Size is not available in this region."))
}

fn find_keys(wanted: &[Value], state: &state::State) -> Answer<Vec<String>> {
    let now = Instant::now();
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for value in wanted {
        let text = key(value).unwrap_or_else(|| value.to_string());
        match state.keys.find(&text, now) {
            Some(key) => found.push(key.openssh.clone()),
            None => unknown.push(text),
        }
    }
    if unknown.is_empty() {
        return Ok(found);
    }
    let unknown = unknown.join(", ");
    let message = format!("{unknown} are invalid key identifiers for Droplet creation.");
    Err(ApiError::unprocessable(message))
}

/// Finds a network's id and the slug of its region.
fn find_vpc(
    wanted: Option<String>,
    state: &state::State,
) -> Answer<Option<(String, &'static str)>> {
    let Some(id) = wanted.filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    let vpc = state.vpcs.get(&id).ok_or_else(no_vpc)?;
    Ok(Some((id, vpc.region.slug)))
}

/// The wording is assumed.
fn no_vpc() -> ApiError {
    ApiError::unprocessable("VPC could not be found in this region")
}

/// The rules are documented; the wordings are assumed.
fn check_image(image: &Image, size: &Size, region: &Region) -> Answer<()> {
    if !image.is_in(region) {
        let message = "The image you specified is not available in the selected region.";
        return Err(ApiError::unprocessable(message));
    }
    if image.min_disk_size > size.disk {
        let message = "The image you specified requires a larger disk than this size has.";
        return Err(ApiError::unprocessable(message));
    }
    Ok(())
}

/// The wording is assumed.
pub(super) fn backup_policy(value: &Value) -> Answer<BackupPolicy> {
    BackupPolicy::parse(value)
        .ok_or_else(|| ApiError::unprocessable("The backup policy is invalid."))
}

/// Finds the ids of the volumes to attach. They must exist, be free, and be in the droplet's
/// region.
///
/// They are ids, or objects with one. The wordings are assumed.
fn find_volumes(request: &Request, state: &state::State) -> Answer<Vec<String>> {
    let mut ids = Vec::new();
    for value in request.volumes.iter().flatten() {
        let id = value.as_str().or_else(|| value["id"].as_str());
        let volume = id.and_then(|id| state.leftovers.volumes.get(id));
        let volume = volume.ok_or_else(|| ApiError::unprocessable("Volume could not be found"))?;
        let is_here = request.region.as_deref() == Some(volume.region.slug);
        if !is_here || volume.droplet.is_some() || request.names.is_some() {
            let message = "Volume can not be attached to this Droplet";
            return Err(ApiError::unprocessable(message));
        }
        ids.push(volume.id.clone());
    }
    Ok(ids)
}

/// The rule is documented; the wording is assumed.
fn check_networking(public: Option<bool>, ipv6: Option<bool>) -> Answer<()> {
    if public == Some(false) && ipv6 == Some(true) {
        return Err(ApiError::unprocessable("IPv6 requires public networking"));
    }
    Ok(())
}

/// An identifier that may be a string or a number.
fn key(value: &Value) -> Option<String> {
    let number = value.as_u64().map(|number| number.to_string());
    number.or_else(|| value.as_str().map(ToOwned::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_vendors_rule() {
        for good in ["a", "-a", ".a", "web-1.example.com", "A1", &"a".repeat(255)] {
            assert!(is_valid_name(good), "{good}");
        }
        for bad in ["", "a_b", "a-", "a.", "a b", "ä", &"a".repeat(256)] {
            assert!(!is_valid_name(bad), "{bad}");
        }
    }
}
