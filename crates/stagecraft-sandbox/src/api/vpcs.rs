//! Private networks.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{ApiError, decode};
use super::page::{Page, Parameters};
use super::{Answer, Created, Shared};
use crate::state::State as Everything;
use crate::state::catalog::Region;
use crate::state::droplet::Droplet;
use crate::state::vpcs::{Vpc, VpcRefused};

pub(super) async fn list(
    State(world): Shared,
    Query(parameters): Query<Parameters>,
) -> Json<Value> {
    let state = world.state();
    let page = Page::new("/v2/vpcs", &parameters);
    let base = state.knobs.links_base.as_deref();
    page.answer(&world, base, "vpcs", state.vpcs.list(), Vpc::to_json)
}

pub(super) async fn get(State(world): Shared, Path(id): Path<String>) -> Answer<Json<Value>> {
    let state = world.state();
    let vpc = state.vpcs.get(&id).ok_or_else(ApiError::not_found)?;
    Ok(Json(json!({"vpc": vpc.to_json()})))
}

#[derive(Deserialize)]
struct Wanted {
    name: Option<String>,
    region: Option<String>,
    description: Option<String>,
    ip_range: Option<String>,
}

/// Creates a network. Names and address ranges are unique within the account.
pub(super) async fn create(State(world): Shared, body: Bytes) -> Answer<Created> {
    let wanted: Wanted = decode(&body)?;
    let region = wanted.region.as_deref().and_then(Region::find);
    let region = region.ok_or_else(|| ApiError::unprocessable("region is invalid"))?;
    let mut state = world.state();
    let created = state.vpcs.create(
        &wanted.name.unwrap_or_default(),
        &wanted.description.unwrap_or_default(),
        region,
        wanted.ip_range.as_deref().filter(|range| !range.is_empty()),
    );
    let vpc = created.map_err(refusal)?;
    Ok((StatusCode::CREATED, Json(json!({"vpc": vpc.to_json()}))))
}

/// Changes name and description; nothing else can be changed.
pub(super) async fn rename(
    State(world): Shared,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer<Json<Value>> {
    let wanted: Wanted = decode(&body)?;
    let mut state = world.state();
    let present = state.vpcs.get(&id).ok_or_else(ApiError::not_found)?;
    let name = wanted.name.unwrap_or_else(|| present.name.clone());
    let renamed = state.vpcs.rename(&id, &name, wanted.description);
    let vpc = renamed.ok_or_else(ApiError::not_found)?.map_err(refusal)?;
    Ok(Json(json!({"vpc": vpc.to_json()})))
}

/// Deletes a network that is empty and not its region's default.
pub(super) async fn delete(State(world): Shared, Path(id): Path<String>) -> Answer<StatusCode> {
    let mut state = world.state();
    let vpc = state.vpcs.get(&id).ok_or_else(ApiError::not_found)?;
    if vpc.is_default {
        // https://github.com/digitalocean/doctl/issues/930
        return Err(ApiError::usual(StatusCode::FORBIDDEN));
    }
    if members(&state, &id).next().is_some() {
        // https://github.com/digitalocean/terraform-provider-digitalocean/issues/1368
        return Err(ApiError::conflict("Can not delete VPC with members"));
    }
    state.vpcs.remove(&id);
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn list_members(
    State(world): Shared,
    Path(id): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Answer<Json<Value>> {
    let state = world.state();
    state.vpcs.get(&id).ok_or_else(ApiError::not_found)?;
    let path = format!("/v2/vpcs/{id}/members");
    let page = Page::new(&path, &parameters);
    let base = state.knobs.links_base.as_deref();
    let members = members(&state, &id);
    Ok(page.answer(&world, base, "members", members, |droplet| {
        json!({
            "urn": droplet.urn(),
            "name": droplet.name,
            "created_at": droplet.created_at,
        })
    }))
}

fn members<'a>(state: &'a Everything, id: &'a str) -> impl Iterator<Item = &'a Droplet> {
    let droplets = state.droplets.values();
    droplets.filter(move |droplet| droplet.is_readable() && droplet.vpc() == id)
}

/// The rules are documented. Of the wordings only the overlap's was seen.
fn refusal(refused: VpcRefused) -> ApiError {
    match refused {
        VpcRefused::NameInvalid => ApiError::unprocessable(
            "name may only contain alphanumeric characters, dashes, and periods",
        ),
        VpcRefused::NameTaken => ApiError::conflict("a VPC with this name already exists"),
        VpcRefused::RangeInvalid => ApiError::unprocessable("ip_range is invalid"),
        VpcRefused::RangeOverlaps => ApiError::unprocessable(
            "This range/size overlaps with another VPC network in your account",
        ),
    }
}
