//! Tags. URLs must have their canonical capitalisation.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::error::{ApiError, decode};
use super::page::{Page, Parameters};
use super::{Answer, Created, Shared};
use crate::state::{self, tags};

pub(super) async fn list(
    State(world): Shared,
    Query(parameters): Query<Parameters>,
) -> Json<Value> {
    let state = world.state();
    let page = Page::new("/v2/tags", &parameters);
    let base = state.knobs.links_base.as_deref();
    let address = world.address.to_string();
    page.answer(&world, base, "tags", state.tags.keys(), |key| {
        to_json(key, &state, &address)
    })
}

pub(super) async fn get(State(world): Shared, Path(tag): Path<String>) -> Answer<Json<Value>> {
    let state = world.state();
    let key = state.tags.exact(&tag).ok_or_else(ApiError::not_found)?;
    Ok(Json(
        json!({"tag": to_json(&key, &state, &world.address.to_string())}),
    ))
}

#[derive(Deserialize)]
struct NewTag {
    name: Option<String>,
}

/// Creates a tag. The answer for an existing one is the same.
pub(super) async fn create(State(world): Shared, body: Bytes) -> Answer<Created> {
    let NewTag { name } = decode(&body).map_err(|_| ApiError::root_cause("invalid JSON"))?;
    let name = name.unwrap_or_default();
    if !tags::is_valid(&name) {
        let rule = "tag names are letters, numbers, colons, dashes and underscores";
        return Err(ApiError::root_cause(format!("invalid tag name: {rule}")));
    }
    let mut state = world.state();
    let key = state.ensure_tag(&name);
    let tag = to_json(&key, &state, &world.address.to_string());
    Ok((StatusCode::CREATED, Json(json!({"tag": tag}))))
}

/// Deletes a tag from all resources; nothing else is deleted.
pub(super) async fn delete(State(world): Shared, Path(tag): Path<String>) -> Answer<StatusCode> {
    let mut state = world.state();
    let key = state.tags.exact(&tag).ok_or_else(ApiError::not_found)?;
    state.tags.delete(&key);
    for droplet in state.droplets.values_mut() {
        droplet.tags.remove(&key);
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Resources {
    resources: Option<Vec<Resource>>,
}

#[derive(Deserialize)]
struct Resource {
    /// A string in the documentation; numbers are accepted as well.
    resource_id: Value,
    resource_type: String,
}

/// Puts a tag on droplets: on all of them, or on none if one is unknown.
pub(super) async fn tag(
    State(world): Shared,
    Path(tag): Path<String>,
    body: Bytes,
) -> Answer<StatusCode> {
    let (mut state, now) = (world.state(), Instant::now());
    state.tags.exact(&tag).ok_or_else(ApiError::not_found)?;
    for id in droplets(&state, &body)? {
        state.tag(id, &tag, now);
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a tag from droplets. Those without it stay as they are.
pub(super) async fn untag(
    State(world): Shared,
    Path(tag): Path<String>,
    body: Bytes,
) -> Answer<StatusCode> {
    let mut state = world.state();
    let key = state.tags.exact(&tag).ok_or_else(ApiError::not_found)?;
    for id in droplets(&state, &body)? {
        if let Some(droplet) = state.readable_mut(id) {
            droplet.tags.remove(&key);
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The ids of the droplets in a body; all must exist.
fn droplets(state: &state::State, body: &[u8]) -> Answer<Vec<u64>> {
    let Resources { resources } = decode(body)?;
    let mut ids = Vec::new();
    for resource in resources.unwrap_or_default() {
        if resource.resource_type != "droplet" {
            return Err(ApiError::not_found());
        }
        let text = resource.resource_id.as_str().and_then(|id| id.parse().ok());
        let id: Option<u64> = text.or_else(|| resource.resource_id.as_u64());
        let droplet = id
            .and_then(|id| state.readable(id))
            .ok_or_else(ApiError::not_found)?;
        ids.push(droplet.id);
    }
    Ok(ids)
}

fn to_json(key: &str, state: &state::State, address: &str) -> Value {
    let now = Instant::now();
    let tagged = state
        .droplets
        .values()
        .filter(|droplet| droplet.is_readable() && droplet.has_tag(key, now));
    let (mut count, mut last) = (0_u64, None);
    for droplet in tagged {
        count += 1;
        last = Some(droplet.id);
    }
    let mut droplets = json!({"count": count});
    if let Some(id) = last {
        droplets["last_tagged_uri"] = json!(format!("http://{address}/v2/droplets/{id}"));
    }
    let mut resources = droplets.clone();
    resources["droplets"] = droplets;
    for other in ["images", "volumes", "volume_snapshots", "databases"] {
        resources[other] = json!({"count": 0});
    }
    json!({"name": state.tags.spelling(key), "resources": resources})
}
