//! Sizes, regions and images.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::actions::parse;
use super::error::ApiError;
use super::page::{Page, Parameters};
use super::{Answer, Shared};
use crate::state::catalog::{REGIONS, SIZES};
use crate::state::images::Image;

pub(super) async fn list_sizes(
    State(world): Shared,
    Query(parameters): Query<Parameters>,
) -> Json<Value> {
    let knobs = world.state().knobs.clone();
    let page = Page::new("/v2/sizes", &parameters);
    let base = knobs.links_base.as_deref();
    page.answer(&world, base, "sizes", &SIZES, |size| {
        size.to_json(&knobs.sold_out)
    })
}

pub(super) async fn list_regions(
    State(world): Shared,
    Query(parameters): Query<Parameters>,
) -> Json<Value> {
    let knobs = world.state().knobs.clone();
    let page = Page::new("/v2/regions", &parameters);
    let base = knobs.links_base.as_deref();
    page.answer(&world, base, "regions", &REGIONS, |region| {
        region.to_json(&knobs.closed_regions, &knobs.sold_out)
    })
}

pub(super) async fn list_images(
    State(world): Shared,
    Query(parameters): Query<Parameters>,
) -> Json<Value> {
    let state = world.state();
    let get = |name| parameters.get(name).map(String::as_str);
    let is_private = get("private") == Some("true");
    // No image has tags, and all of the vendor's own are distributions.
    let takes = |image: &&Image| {
        let is_own = image.slug.is_none();
        match get("type") {
            Some("distribution") => !is_own,
            Some(_) => false,
            None => is_own || !is_private,
        }
    };
    let is_tagged = get("tag_name").is_some();
    let images = state.images.all().filter(|_| !is_tagged).filter(takes);
    let page = Page::new("/v2/images", &parameters);
    let base = state.knobs.links_base.as_deref();
    page.answer(&world, base, "images", images, Image::to_json)
}

pub(super) async fn get_image(
    State(world): Shared,
    Path(key): Path<String>,
) -> Answer<Json<Value>> {
    let state = world.state();
    let image = state.images.find(&key).ok_or_else(ApiError::not_found)?;
    Ok(Json(json!({"image": image.to_json()})))
}

/// Deletes an image of the account, including snapshots.
pub(super) async fn delete_image(
    State(world): Shared,
    Path(key): Path<String>,
) -> Answer<StatusCode> {
    if world.state().images.remove(parse(&key)?) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found())
    }
}
