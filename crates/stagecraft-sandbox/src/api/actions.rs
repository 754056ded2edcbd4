//! Reads actions, so that clients can wait for them.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::error::ApiError;
use super::page::{Page, Parameters};
use super::{Answer, Shared};

pub(super) async fn get(State(world): Shared, Path(action): Path<String>) -> Answer<Json<Value>> {
    let state = world.state();
    let action = state.actions.find(parse(&action)?, Instant::now());
    let action = action.ok_or_else(ApiError::not_found)?;
    Ok(Json(json!({"action": action.to_json(&state.knobs)})))
}

pub(super) async fn get_of_droplet(
    State(world): Shared,
    Path((droplet, action)): Path<(String, String)>,
) -> Answer<Json<Value>> {
    let state = world.state();
    let droplet = parse(&droplet)?;
    state
        .found(droplet, Instant::now())
        .ok_or_else(ApiError::not_found)?;
    let action = state.actions.find(parse(&action)?, Instant::now());
    let action = action.filter(|action| action.droplet == droplet);
    let action = action.ok_or_else(ApiError::not_found)?;
    Ok(Json(json!({"action": action.to_json(&state.knobs)})))
}

pub(super) async fn list_of_droplet(
    State(world): Shared,
    Path(droplet): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Answer<Json<Value>> {
    let state = world.state();
    let droplet = parse(&droplet)?;
    state
        .found(droplet, Instant::now())
        .ok_or_else(ApiError::not_found)?;
    let path = format!("/v2/droplets/{droplet}/actions");
    let base = state.knobs.links_base.as_deref();
    let actions = state.actions.of(droplet);
    let page = Page::new(&path, &parameters);
    Ok(page.answer(&world, base, "actions", actions, |action| {
        action.to_json(&state.knobs)
    }))
}

/// Parses an id. An invalid one is not found.
pub(super) fn parse(id: &str) -> Answer<u64> {
    id.parse().map_err(|_| ApiError::not_found())
}
