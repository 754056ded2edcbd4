//! Firewalls. Their names are unique; they have no effect on droplets here.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::error::{ApiError, decode};
use super::page::{Page, Parameters};
use super::{Answer, Created, Shared};
use crate::state;
use crate::state::firewall::{Firewall, Refused, Wanted};

pub(super) async fn list(
    State(world): Shared,
    Query(parameters): Query<Parameters>,
) -> Json<Value> {
    let state = world.state();
    let page = Page::new("/v2/firewalls", &parameters);
    let base = state.knobs.links_base.as_deref();
    page.answer(
        &world,
        base,
        "firewalls",
        state.firewalls.list(),
        Firewall::to_json,
    )
}

pub(super) async fn get(State(world): Shared, Path(id): Path<String>) -> Answer<Json<Value>> {
    let state = world.state();
    let firewall = state.firewalls.get(&id).ok_or_else(ApiError::not_found)?;
    Ok(Json(json!({"firewall": firewall.to_json()})))
}

/// Creates a firewall: at most one of each name.
pub(super) async fn create(State(world): Shared, body: Bytes) -> Answer<Created> {
    let wanted: Wanted = decode(&body)?;
    let mut state = world.state();
    check_tags(&state, &wanted)?;
    let firewall = state.firewalls.create(wanted).map_err(refusal)?;
    let body = json!({"firewall": firewall.to_json()});
    Ok((StatusCode::ACCEPTED, Json(body)))
}

/// Replaces a firewall. Fields missing in the body are emptied.
pub(super) async fn replace(
    State(world): Shared,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer<Json<Value>> {
    let wanted: Wanted = decode(&body)?;
    let mut state = world.state();
    check_tags(&state, &wanted)?;
    let replaced = state.firewalls.replace(&id, wanted);
    let firewall = replaced.ok_or_else(ApiError::not_found)?.map_err(refusal)?;
    Ok(Json(json!({"firewall": firewall.to_json()})))
}

pub(super) async fn delete(State(world): Shared, Path(id): Path<String>) -> Answer<StatusCode> {
    if world.state().firewalls.remove(&id) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found())
    }
}

/// Tags must exist before a firewall names them.
fn check_tags(state: &state::State, wanted: &Wanted) -> Answer<()> {
    let mut tags = wanted.all_tags().into_iter();
    match tags.find(|tag| state.tags.any_case(tag).is_none()) {
        Some(tag) => Err(ApiError::unprocessable(format!("tag {tag} does not exist"))),
        None => Ok(()),
    }
}

fn refusal(refused: Refused) -> ApiError {
    match refused {
        Refused::NameTaken => ApiError::conflict("duplicate name"),
        Refused::Invalid(message) => ApiError::unprocessable(message),
    }
}
