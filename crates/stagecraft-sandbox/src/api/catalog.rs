//! Sizes, regions and images.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde_json::{Value, json};

use super::error::ApiError;
use super::page::{Page, Parameters};
use super::{Answer, Shared};
use crate::state::catalog::{IMAGES, Image, REGIONS, SIZES};

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
    let knobs = world.state().knobs.clone();
    let page = Page::new("/v2/images", &parameters);
    // All images here are the vendor's own distributions, without tags.
    let is_other_kind = parameters
        .get("type")
        .is_some_and(|kind| kind != "distribution");
    let is_private = parameters
        .get("private")
        .is_some_and(|private| private == "true");
    let none = is_other_kind || is_private || parameters.contains_key("tag_name");
    let images = IMAGES.iter().filter(|_| !none);
    page.answer(
        &world,
        knobs.links_base.as_deref(),
        "images",
        images,
        Image::to_json,
    )
}

pub(super) async fn get_image(Path(key): Path<String>) -> Answer<Json<Value>> {
    let image = Image::find(&key).ok_or_else(ApiError::not_found)?;
    Ok(Json(json!({"image": image.to_json()})))
}
