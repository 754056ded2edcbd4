//! Lists, reads and deletes droplets.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::actions::parse;
use super::error::ApiError;
use super::page::{Page, Parameters};
use super::{Answer, Shared};
use crate::state;
use crate::state::droplet::{Droplet, Phase};

/// The vendor sends a content type even with the empty answer to a droplet's deletion.
type Deleted = (StatusCode, [(HeaderName, &'static str); 1]);

pub(super) async fn list(
    State(world): Shared,
    Query(parameters): Query<Parameters>,
) -> Answer<Json<Value>> {
    let filter = Filter::new(&parameters)?;
    let (state, now) = (world.state(), Instant::now());
    let droplets = state.droplets.values();
    let listed = droplets.filter(|droplet| droplet.is_listed(now));
    let wanted = listed.filter(|droplet| filter.takes(droplet, &state, now));
    let page = Page::new("/v2/droplets", &parameters);
    let base = state.knobs.links_base.as_deref();
    Ok(page.answer(&world, base, "droplets", wanted, |droplet| {
        droplet.to_json(&state, now)
    }))
}

pub(super) async fn get(State(world): Shared, Path(id): Path<String>) -> Answer<Json<Value>> {
    let (state, now) = (world.state(), Instant::now());
    let droplet = state.found(parse(&id)?, now);
    let droplet = droplet.ok_or_else(ApiError::not_found)?;
    let droplet = droplet.to_json(&state, now);
    Ok(Json(json!({"droplet": droplet})))
}

/// Deletes a droplet. Deleting one that is being deleted succeeds.
pub(super) async fn delete(State(world): Shared, Path(id): Path<String>) -> Answer<Deleted> {
    let id = parse(&id)?;
    let mut state = world.state();
    let droplet = state.readable(id).ok_or_else(ApiError::not_found)?;
    let is_acted_on = droplet.phase == Phase::Booting || droplet.pending.is_some();
    if state.knobs.refuse_delete_while_new && is_acted_on {
        // https://github.com/hashicorp/packer/issues/1814
        return Err(ApiError::unprocessable(
            "Droplet already has a pending event.",
        ));
    }
    world.delete(&mut state, id);
    Ok(deleted())
}

/// Deletes all droplets of a tag, including those that lists do not show yet.
pub(super) async fn delete_by_tag(
    State(world): Shared,
    Query(parameters): Query<Parameters>,
) -> Answer<Deleted> {
    let tag = parameters.get("tag_name").filter(|tag| !tag.is_empty());
    let tag = tag.ok_or_else(ApiError::not_found)?;
    let now = Instant::now();
    let mut state = world.state();
    let key = find_tag(&state, tag).ok_or_else(ApiError::not_found)?;
    let tagged: Vec<u64> = state
        .droplets
        .values()
        .filter(|droplet| droplet.is_readable() && droplet.has_tag(&key, now))
        .map(|droplet| droplet.id)
        .collect();
    for id in tagged {
        world.delete(&mut state, id);
    }
    Ok(deleted())
}

fn deleted() -> Deleted {
    (
        StatusCode::NO_CONTENT,
        [(header::CONTENT_TYPE, "application/json; charset=utf-8")],
    )
}

/// Filter of a droplet list.
enum Filter<'a> {
    All,
    Gpus,
    Tag(&'a str),
    Name { name: &'a str, gpus: bool },
}

impl<'a> Filter<'a> {
    /// The vendor documents which parameters exclude each other, but not the answer; a bad request
    /// is assumed.
    fn new(parameters: &'a Parameters) -> Answer<Self> {
        let get = |name| {
            parameters
                .get(name)
                .map(String::as_str)
                .filter(|value| !value.is_empty())
        };
        let gpus = match get("type") {
            None | Some("droplets") => false,
            Some("gpus") => true,
            Some(_) => return Err(ApiError::bad_request("type must be one of droplets, gpus")),
        };
        match (get("tag_name"), get("name"), get("type")) {
            (Some(_), Some(_), _) => Err(ApiError::bad_request(
                "name and tag_name cannot be combined",
            )),
            (Some(_), _, Some(_)) => Err(ApiError::bad_request(
                "type and tag_name cannot be combined",
            )),
            (Some(tag), None, None) => Ok(Self::Tag(tag)),
            (None, Some(name), _) => Ok(Self::Name { name, gpus }),
            (None, None, _) if gpus => Ok(Self::Gpus),
            (None, None, _) => Ok(Self::All),
        }
    }

    /// Whether a droplet belongs on the list. GPU droplets are listed only on request.
    fn takes(&self, droplet: &Droplet, state: &state::State, now: Instant) -> bool {
        let is_gpu = droplet.size.is_gpu();
        match self {
            Self::All => !is_gpu,
            Self::Gpus => is_gpu,
            Self::Name { name, gpus } => is_gpu == *gpus && droplet.name.eq_ignore_ascii_case(name),
            Self::Tag(tag) => {
                let key = find_tag(state, tag);
                let is_shown = !is_gpu || state.knobs.tag_lists_gpus;
                is_shown && key.is_some_and(|key| droplet.has_tag(&key, now))
            }
        }
    }
}

pub(super) fn find_tag(state: &state::State, tag: &str) -> Option<String> {
    if state.knobs.tag_filter_ignores_case {
        state.tags.any_case(tag)
    } else {
        state.tags.exact(tag)
    }
}
