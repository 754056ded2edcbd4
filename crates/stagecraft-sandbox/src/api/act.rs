//! Starts actions on one droplet, or on all droplets of a tag.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::actions::parse;
use super::create::{backup_policy, check_name};
use super::droplets::find_tag;
use super::error::{ApiError, decode};
use super::page::Parameters;
use super::{Answer, Created, Shared};
use crate::state::catalog::Size;
use crate::state::events::Event;
use crate::state::{self, droplet::Droplet};

/// The types that can be requested by tag.
const BULK: &[&str] = &[
    "power_cycle",
    "power_on",
    "power_off",
    "shutdown",
    "enable_ipv6",
    "enable_backups",
    "disable_backups",
    "snapshot",
];

#[derive(Deserialize)]
struct Request {
    r#type: Option<String>,
    size: Option<String>,
    disk: Option<bool>,
    name: Option<String>,
    backup_policy: Option<Value>,
}

/// Starts an action, if the droplet accepts it now.
pub(super) async fn on_droplet(
    State(world): Shared,
    Path(droplet): Path<String>,
    body: Bytes,
) -> Answer<Created> {
    let (droplet, now) = (parse(&droplet)?, Instant::now());
    let request: Request = decode(&body)?;
    let mut state = world.state();
    let found = state.found(droplet, now).ok_or_else(ApiError::not_found)?;
    let event = event(request)?;
    event
        .check(found, &state.knobs)
        .map_err(ApiError::unprocessable)?;
    let action = world.start_event(&mut state, droplet, event);
    let action = action.ok_or_else(ApiError::not_found)?;
    Ok((
        StatusCode::CREATED,
        Json(json!({"action": rendered(&state, action)?})),
    ))
}

/// Starts an action on all droplets of a tag.
///
/// Assumes that one droplet that cannot accept it refuses the whole request, since only the message
/// about blocking events is known.
pub(super) async fn on_tagged_droplets(
    State(world): Shared,
    Query(parameters): Query<Parameters>,
    body: Bytes,
) -> Answer<Created> {
    let tag = parameters.get("tag_name").filter(|tag| !tag.is_empty());
    let tag = tag.ok_or_else(ApiError::not_found)?;
    let request: Request = decode(&body)?;
    let kind = request.r#type.clone().unwrap_or_default();
    if !BULK.contains(&kind.as_str()) {
        return Err(unknown_type(&kind));
    }
    let event = event(request)?;
    let (mut state, now) = (world.state(), Instant::now());
    let key = find_tag(&state, tag).ok_or_else(ApiError::not_found)?;
    let tagged = |droplet: &&Droplet| droplet.is_readable() && droplet.has_tag(&key, now);
    let droplets: Vec<&Droplet> = state.droplets.values().filter(tagged).collect();
    if droplets.iter().any(|droplet| droplet.is_busy()) {
        // https://github.com/hashicorp/packer/issues/3919
        return Err(ApiError::unprocessable(
            "there are currently blocking events processing for one or more of the droplets",
        ));
    }
    for droplet in &droplets {
        event
            .check(droplet, &state.knobs)
            .map_err(ApiError::unprocessable)?;
    }
    let ids: Vec<u64> = droplets.iter().map(|droplet| droplet.id).collect();
    let mut actions = Vec::new();
    for id in ids {
        if let Some(action) = world.start_event(&mut state, id, event.clone()) {
            actions.push(rendered(&state, action)?);
        }
    }
    Ok((StatusCode::CREATED, Json(json!({"actions": actions}))))
}

fn rendered(state: &state::State, action: u64) -> Answer<Value> {
    let action = state.actions.find(action, Instant::now());
    let action = action.ok_or_else(ApiError::not_found)?;
    Ok(action.to_json(&state.knobs))
}

/// Parses the action. The wordings of these refusals are assumed.
fn event(request: Request) -> Answer<Event> {
    let kind = request.r#type.unwrap_or_default();
    Ok(match kind.as_str() {
        "power_off" => Event::PowerOff,
        "power_on" => Event::PowerOn,
        "shutdown" => Event::Shutdown,
        "reboot" => Event::Reboot,
        "power_cycle" => Event::PowerCycle,
        "password_reset" => Event::PasswordReset,
        "resize" => {
            let slug = request.size.unwrap_or_default();
            let size = Size::find(&slug);
            let message = "You specified an invalid size for the Droplet.";
            Event::Resize {
                size: size.ok_or_else(|| ApiError::unprocessable(message))?,
                disk: request.disk.unwrap_or(false),
            }
        }
        "rename" => {
            let name = request.name.unwrap_or_default();
            check_name(&name)?;
            Event::Rename { name }
        }
        "enable_backups" => {
            let policy = request.backup_policy.as_ref().map(backup_policy);
            Event::EnableBackups(policy.transpose()?.unwrap_or_default())
        }
        "change_backup_policy" => {
            let policy = request.backup_policy.unwrap_or_default();
            Event::ChangeBackupPolicy(backup_policy(&policy)?)
        }
        "snapshot" => Event::Snapshot {
            name: request.name.unwrap_or_default(),
        },
        "disable_backups" => Event::DisableBackups,
        "enable_ipv6" => Event::EnableIpv6,
        _ => return Err(unknown_type(&kind)),
    })
}

fn unknown_type(kind: &str) -> ApiError {
    ApiError::unprocessable(format!("`{kind}` is not an action this API can start"))
}
