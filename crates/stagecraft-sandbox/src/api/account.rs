//! The account and its SSH keys.

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
use crate::state::keys::KeyRefused;

/// Shows the account, without the limits that the token may not read.
pub(super) async fn show(State(world): Shared) -> Json<Value> {
    let knobs = &world.state().knobs;
    let mut account = json!({
        "email": knobs.account_email,
        "name": "Sandbox",
        "uuid": knobs.account_uuid,
        "email_verified": true,
        "status": knobs.account_status,
        "status_message": knobs.account_status_message,
    });
    if knobs.has_scope("droplet:read") {
        account["droplet_limit"] = json!(knobs.droplet_limit);
    }
    if knobs.has_scope("reserved_ip:read") {
        account["floating_ip_limit"] = json!(3);
        account["reserved_ip_limit"] = json!(3);
    }
    if knobs.has_scope("block_storage:read") {
        account["volume_limit"] = json!(100);
    }
    if let Some(team) = &knobs.team {
        account["team"] = json!(team);
    }
    Json(json!({"account": account}))
}

pub(super) async fn list_keys(
    State(world): Shared,
    Query(parameters): Query<Parameters>,
) -> Json<Value> {
    let (state, now) = (world.state(), Instant::now());
    let page = Page::new("/v2/account/keys", &parameters);
    let base = state.knobs.links_base.as_deref();
    page.answer(&world, base, "ssh_keys", state.keys.visible(now), |key| {
        key.to_json()
    })
}

pub(super) async fn get_key(State(world): Shared, Path(key): Path<String>) -> Answer<Json<Value>> {
    let state = world.state();
    let key = state
        .keys
        .find(&key, Instant::now())
        .ok_or_else(ApiError::not_found)?;
    Ok(Json(json!({"ssh_key": key.to_json()})))
}

#[derive(Deserialize)]
struct NewKey {
    name: Option<String>,
    public_key: Option<String>,
}

pub(super) async fn create_key(State(world): Shared, body: Bytes) -> Answer<Created> {
    let key: NewKey = decode(&body)?;
    let name = key.name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| ApiError::unprocessable("Name can't be blank"))?;
    let mut state = world.state();
    let visible_from = Instant::now() + state.knobs.key_lag;
    let added = state
        .keys
        .add(&name, &key.public_key.unwrap_or_default(), visible_from);
    let key = added.map_err(|refused| match refused {
        KeyRefused::Invalid => ApiError::unprocessable(
            "Key invalid, key should be of type: ssh-rsa, ssh-ed25519 or ecdsa",
        ),
        KeyRefused::InUse => ApiError::unprocessable("SSH Key is already in use on your account"),
    })?;
    Ok((StatusCode::CREATED, Json(json!({"ssh_key": key.to_json()}))))
}

#[derive(Deserialize)]
struct KeyName {
    name: Option<String>,
}

pub(super) async fn rename_key(
    State(world): Shared,
    Path(key): Path<String>,
    body: Bytes,
) -> Answer<Json<Value>> {
    let KeyName { name } = decode(&body)?;
    let name = name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| ApiError::unprocessable("Name can't be blank"))?;
    let mut state = world.state();
    let id = state.keys.find(&key, Instant::now()).map(|key| key.id);
    let key = id
        .and_then(|id| state.keys.rename(id, &name))
        .ok_or_else(ApiError::not_found)?;
    Ok(Json(json!({"ssh_key": key.to_json()})))
}

pub(super) async fn delete_key(
    State(world): Shared,
    Path(key): Path<String>,
) -> Answer<StatusCode> {
    let mut state = world.state();
    let id = state.keys.find(&key, Instant::now()).map(|key| key.id);
    state.keys.remove(id.ok_or_else(ApiError::not_found)?);
    Ok(StatusCode::NO_CONTENT)
}
