//! What a droplet leaves behind: volumes, snapshots and reserved addresses.

use std::net::Ipv4Addr;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::actions::parse;
use super::error::ApiError;
use super::page::{Page, Parameters};
use super::{Answer, Shared};
use crate::state::State as Everything;
use crate::state::images::Image;
use crate::state::leftovers::{Reserved, Volume};

pub(super) async fn list_volumes(
    State(world): Shared,
    Query(parameters): Query<Parameters>,
) -> Json<Value> {
    let state = world.state();
    let is = |name: &str, value: &str| {
        let wanted = parameters.get(name);
        wanted.is_none_or(|wanted| wanted.is_empty() || wanted == value)
    };
    let volumes = state.leftovers.volumes.values();
    let volumes =
        volumes.filter(|volume| is("name", &volume.name) && is("region", volume.region.slug));
    let page = Page::new("/v2/volumes", &parameters);
    let base = state.knobs.links_base.as_deref();
    page.answer(&world, base, "volumes", volumes, |volume| {
        volume_json(volume, &state)
    })
}

pub(super) async fn get_volume(
    State(world): Shared,
    Path(id): Path<String>,
) -> Answer<Json<Value>> {
    let state = world.state();
    let volume = state.leftovers.volumes.get(&id);
    let volume = volume.ok_or_else(ApiError::not_found)?;
    Ok(Json(json!({"volume": volume_json(volume, &state)})))
}

/// Deletes a volume that is not attached. The wording is assumed.
pub(super) async fn delete_volume(
    State(world): Shared,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let mut state = world.state();
    let volume = state.leftovers.volumes.get(&id);
    let volume = volume.ok_or_else(ApiError::not_found)?;
    if volume.droplet.is_some() {
        let message = "volume must be detached before it can be deleted";
        return Err(ApiError::conflict(message));
    }
    state.leftovers.volumes.remove(&id);
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn list_snapshots(
    State(world): Shared,
    Query(parameters): Query<Parameters>,
) -> Json<Value> {
    let state = world.state();
    // No volume has snapshots here.
    let kind = parameters.get("resource_type");
    let is_other = kind.is_some_and(|kind| kind != "droplet");
    let snapshots = state.images.snapshots().filter(|_| !is_other);
    let page = Page::new("/v2/snapshots", &parameters);
    let base = state.knobs.links_base.as_deref();
    page.answer(
        &world,
        base,
        "snapshots",
        snapshots,
        Image::to_snapshot_json,
    )
}

pub(super) async fn get_snapshot(
    State(world): Shared,
    Path(id): Path<String>,
) -> Answer<Json<Value>> {
    let state = world.state();
    let mut snapshots = state.images.snapshots();
    let snapshot = snapshots.find(|image| image.id.to_string() == id);
    let snapshot = snapshot.ok_or_else(ApiError::not_found)?;
    Ok(Json(json!({"snapshot": snapshot.to_snapshot_json()})))
}

pub(super) async fn list_reserved(
    State(world): Shared,
    Query(parameters): Query<Parameters>,
) -> Json<Value> {
    let (state, now) = (world.state(), Instant::now());
    let page = Page::new("/v2/reserved_ips", &parameters);
    let base = state.knobs.links_base.as_deref();
    let reserved = state.leftovers.reserved.values();
    page.answer(&world, base, "reserved_ips", reserved, |reserved| {
        reserved_json(reserved, &state, now)
    })
}

pub(super) async fn get_reserved(
    State(world): Shared,
    Path(ip): Path<String>,
) -> Answer<Json<Value>> {
    let state = world.state();
    let reserved = parse_ip(&ip).and_then(|ip| state.leftovers.reserved.get(&ip));
    let reserved = reserved.ok_or_else(ApiError::not_found)?;
    let reserved = reserved_json(reserved, &state, Instant::now());
    Ok(Json(json!({"reserved_ip": reserved})))
}

/// Releases an address, whether it is assigned to a droplet or not.
pub(super) async fn delete_reserved(
    State(world): Shared,
    Path(ip): Path<String>,
) -> Answer<StatusCode> {
    let mut state = world.state();
    let removed = parse_ip(&ip).and_then(|ip| state.leftovers.reserved.remove(&ip));
    removed.ok_or_else(ApiError::not_found)?;
    Ok(StatusCode::NO_CONTENT)
}

/// What would still cost money after the droplet is deleted.
///
/// Resources that the token may not read are omitted. Reserved addresses appear twice, as the
/// vendor shows them: under their former name too.
pub(super) async fn associated(
    State(world): Shared,
    Path(droplet): Path<String>,
) -> Answer<Json<Value>> {
    let state = world.state();
    let droplet = state.found(parse(&droplet)?, Instant::now());
    let droplet = droplet.ok_or_else(ApiError::not_found)?.id;
    let may_see = |scope: &str| state.knobs.has_scope(scope);
    let reserved: Vec<Value> = state
        .leftovers
        .reserved_of(droplet)
        .filter(|_| may_see("reserved_ip:read"))
        .map(|reserved| {
            let ip = reserved.ip.to_string();
            // An address costs money only while it is unassigned.
            json!({"id": ip, "name": ip, "cost": "5.00"})
        })
        .into_iter()
        .collect();
    let snapshots = state.images.snapshots();
    let snapshots =
        snapshots.filter(|image| image.snapshot_of == Some(droplet) && may_see("image:read"));
    let snapshots: Vec<Value> = snapshots
        .map(|image| json!({"id": image.id.to_string(), "name": image.name, "cost": "0.04"}))
        .collect();
    let volumes = state.leftovers.volumes.values();
    let volumes =
        volumes.filter(|volume| volume.droplet == Some(droplet) && may_see("block_storage:read"));
    let volumes: Vec<Value> = volumes
        .map(|volume| {
            let cost = format!("{:.2}", f64::from(volume.size_gigabytes) * 0.1);
            json!({"id": volume.id, "name": volume.name, "cost": cost})
        })
        .collect();
    Ok(Json(json!({
        "reserved_ips": reserved,
        "floating_ips": reserved,
        "snapshots": snapshots,
        "volumes": volumes,
        "volume_snapshots": [],
    })))
}

/// The backup schedule of a droplet.
pub(super) async fn backup_policy(
    State(world): Shared,
    Path(droplet): Path<String>,
) -> Answer<Json<Value>> {
    let state = world.state();
    let droplet = state.found(parse(&droplet)?, Instant::now());
    let droplet = droplet.ok_or_else(ApiError::not_found)?;
    let is_enabled = droplet.has_feature("backups");
    let mut policy = json!({
        "droplet_id": droplet.id,
        "backup_enabled": is_enabled,
        "next_backup_window": droplet.next_backup_window(),
    });
    if is_enabled {
        policy["backup_policy"] = droplet.options.backup_policy.to_json();
    }
    Ok(Json(json!({"policy": policy})))
}

fn parse_ip(text: &str) -> Option<Ipv4Addr> {
    text.parse().ok()
}

fn volume_json(volume: &Volume, state: &Everything) -> Value {
    let knobs = &state.knobs;
    let region = volume
        .region
        .to_json(&knobs.closed_regions, &knobs.sold_out);
    volume.to_json(&region)
}

fn reserved_json(reserved: &Reserved, state: &Everything, now: Instant) -> Value {
    let knobs = &state.knobs;
    let region = reserved
        .region
        .to_json(&knobs.closed_regions, &knobs.sold_out);
    let droplet = reserved.droplet.and_then(|id| state.readable(id));
    let urn = format!("do:reservedip:{}", reserved.ip);
    json!({
        "ip": reserved.ip.to_string(),
        "region": region,
        "droplet": droplet.map(|droplet| droplet.to_json(state, now)),
        "locked": false,
        "project_id": state.projects.of(&urn),
    })
}
