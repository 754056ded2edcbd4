//! Projects and the assignment of resources to them.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{ApiError, decode};
use super::page::{Page, Parameters};
use super::{Answer, Created, Shared};
use crate::state::droplet::Droplet;
use crate::state::projects::DEFAULT_PROJECT;
use crate::state::{State as Everything, World};

pub(super) async fn list(
    State(world): Shared,
    Query(parameters): Query<Parameters>,
) -> Json<Value> {
    let state = world.state();
    let page = Page::new("/v2/projects", &parameters);
    let base = state.knobs.links_base.as_deref();
    page.answer(&world, base, "projects", state.projects.list(), |project| {
        project.to_json(&state.knobs.account_uuid)
    })
}

pub(super) async fn get(State(world): Shared, Path(id): Path<String>) -> Answer<Json<Value>> {
    let state = world.state();
    let project = state.projects.get(&id).ok_or_else(ApiError::not_found)?;
    Ok(Json(
        json!({"project": project.to_json(&state.knobs.account_uuid)}),
    ))
}

#[derive(Deserialize)]
struct Wanted {
    name: Option<String>,
    description: Option<String>,
    purpose: Option<String>,
    environment: Option<String>,
}

/// Creates a project. A taken name is refused as documented; the answer is assumed.
pub(super) async fn create(State(world): Shared, body: Bytes) -> Answer<Created> {
    let wanted: Wanted = decode(&body)?;
    let name = wanted.name.filter(|name| (1..=175).contains(&name.len()));
    let name = name.ok_or_else(|| ApiError::bad_request("name is missing or too long"))?;
    let mut state = world.state();
    let owner = state.knobs.account_uuid.clone();
    let created = state.projects.create(
        &name,
        &wanted.description.unwrap_or_default(),
        &wanted.purpose.unwrap_or_default(),
        &wanted.environment.unwrap_or_default(),
    );
    let project = created.ok_or_else(|| ApiError::conflict("name is already in use"))?;
    let body = json!({"project": project.to_json(&owner)});
    Ok((StatusCode::CREATED, Json(body)))
}

/// Deletes an empty project: 412 if it is not empty.
pub(super) async fn delete(State(world): Shared, Path(id): Path<String>) -> Answer<StatusCode> {
    let mut state = world.state();
    let project = state.projects.get(&id).ok_or_else(ApiError::not_found)?;
    let id = project.id.clone();
    if id == DEFAULT_PROJECT || !urns_in(&state, &id).is_empty() {
        return Err(ApiError::usual(StatusCode::PRECONDITION_FAILED));
    }
    state.projects.remove(&id);
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn list_resources(
    State(world): Shared,
    Path(id): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Answer<Json<Value>> {
    let state = world.state();
    let project = state.projects.get(&id).ok_or_else(ApiError::not_found)?;
    let path = format!("/v2/projects/{id}/resources");
    let page = Page::new(&path, &parameters);
    let base = state.knobs.links_base.as_deref();
    let urns = urns_in(&state, &project.id);
    Ok(page.answer(&world, base, "resources", urns, |urn| {
        resource(&world, &state, &urn, "ok")
    }))
}

#[derive(Deserialize)]
struct Assignment {
    resources: Option<Vec<String>>,
}

/// Moves resources; the answer has a separate status for each.
pub(super) async fn assign(
    State(world): Shared,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer<Json<Value>> {
    let Assignment { resources } = decode(&body)?;
    let mut state = world.state();
    let project = state.projects.get(&id).ok_or_else(ApiError::not_found)?;
    let id = project.id.clone();
    let mut answers = Vec::new();
    for urn in resources.unwrap_or_default() {
        let status = if !urns(&state).contains(&urn) {
            "not_found"
        } else if is_unassignable(&state, &urn) {
            "service_down"
        } else if state.projects.assign(&urn, &id) {
            "assigned"
        } else {
            "already_assigned"
        };
        answers.push(resource(&world, &state, &urn, status));
    }
    Ok(Json(json!({"resources": answers})))
}

fn resource(world: &World, state: &Everything, urn: &str, status: &str) -> Value {
    let at = state.projects.assigned_at(urn).map(ToOwned::to_owned);
    let at = at.or_else(|| {
        let droplet = droplet_id(urn).and_then(|id| state.readable(id));
        droplet.map(|droplet| droplet.created_at.clone())
    });
    let mut parts = urn.split(':').skip(1);
    let (kind, id) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let collection = match kind {
        "reservedip" | "floatingip" => "reserved_ips".to_owned(),
        kind => format!("{kind}s"),
    };
    let mut resource = json!({
        "urn": urn,
        "links": {"self": format!("http://{}/v2/{collection}/{id}", world.address)},
        "status": status,
    });
    if let Some(at) = at {
        resource["assigned_at"] = json!(at);
    }
    resource
}

fn urns_in(state: &Everything, project: &str) -> Vec<String> {
    let mut urns = urns(state);
    urns.retain(|urn| state.projects.of(urn) == project);
    urns
}

/// All resources that projects can contain.
fn urns(state: &Everything) -> Vec<String> {
    let droplets = state.droplets.values();
    let droplets = droplets.filter(|droplet| droplet.is_readable());
    let volumes = state.leftovers.volumes.keys();
    let reserved = state.leftovers.reserved.keys();
    droplets
        .map(Droplet::urn)
        .chain(volumes.map(|id| format!("do:volume:{id}")))
        .chain(reserved.map(|ip| format!("do:reservedip:{ip}")))
        .collect()
}

fn is_unassignable(state: &Everything, urn: &str) -> bool {
    let droplet = droplet_id(urn).and_then(|id| state.readable(id));
    droplet.is_some_and(|droplet| state.knobs.unassignable.contains(&droplet.name))
}

fn droplet_id(urn: &str) -> Option<u64> {
    urn.strip_prefix("do:droplet:")?.parse().ok()
}
