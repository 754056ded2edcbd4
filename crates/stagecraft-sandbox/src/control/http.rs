//! HTTP interface of the control, under `/sandbox/`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Breakage, Control, ControlError, ForeignDroplet};
use crate::fault::Fault;
use crate::knobs::Knobs;
use crate::state::World;
use crate::state::armed::FailTimes;

/// The routes of the control.
///
/// They need no token, since the sandbox listens on loopback only; so requests that a web page
/// could send are refused.
pub(crate) fn routes(world: Arc<World>) -> Router {
    Router::new()
        .route("/sandbox", get(index))
        .route(
            "/sandbox/knobs",
            get(knobs).put(set_knobs).patch(merge_knobs),
        )
        .route(
            "/sandbox/faults",
            get(faults).post(add_fault).delete(clear_faults),
        )
        .route("/sandbox/requests", get(requests).delete(clear_requests))
        .route("/sandbox/counters", get(counters))
        .route("/sandbox/droplets", get(droplets).post(create_droplet))
        .route("/sandbox/droplets/{id}/tags", put(set_tags))
        .route("/sandbox/droplets/{id}/break", post(break_droplet))
        .route("/sandbox/droplets/{id}/volumes", post(attach_volume))
        .route("/sandbox/droplets/{id}/snapshots", post(take_snapshot))
        .route(
            "/sandbox/droplets/{id}/reserved_ip",
            post(assign_reserved_address),
        )
        .route("/sandbox/images", post(add_image))
        .route("/sandbox/hosts/{host}/run", post(run))
        .route("/sandbox/hosts/{host}/fail", post(fail_program))
        .route("/sandbox/{*rest}", any(unknown))
        .layer(middleware::from_fn(refuse_web_pages))
        .with_state(Control::new(world))
}

async fn refuse_web_pages(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_loopback = matches!(name, "localhost" | "[::1]") || name.starts_with("127.");
    if headers.contains_key(header::ORIGIN) || !is_loopback {
        let error = json!({"error": "not for web pages"});
        return (StatusCode::FORBIDDEN, Json(error)).into_response();
    }
    next.run(request).await
}

async fn unknown() -> Response {
    (
        StatusCode::NOT_FOUND,
        Json(json!({"error": "no such control"})),
    )
        .into_response()
}

async fn index(State(control): State<Control>) -> Json<Value> {
    let ssh_port = control
        .world
        .driver
        .as_ref()
        .map(|driver| driver.ssh_port());
    Json(json!({
        "url": format!("http://{}", control.world.address),
        "ssh_port": ssh_port,
        "droplets": control.world.state().living(),
    }))
}

async fn knobs(State(control): State<Control>) -> Json<Knobs> {
    Json(control.knobs())
}

async fn set_knobs(State(control): State<Control>, body: Bytes) -> Answer<Json<Knobs>> {
    control.set_knobs(decode(&body)?);
    Ok(Json(control.knobs()))
}

async fn merge_knobs(State(control): State<Control>, body: Bytes) -> Answer<Json<Knobs>> {
    Ok(Json(control.merge_knobs(&decode(&body)?)?))
}

async fn faults(State(control): State<Control>) -> Json<Vec<Fault>> {
    Json(control.faults())
}

async fn add_fault(State(control): State<Control>, body: Bytes) -> Answer<Json<Vec<Fault>>> {
    control.add_fault(decode(&body)?);
    Ok(Json(control.faults()))
}

async fn clear_faults(State(control): State<Control>) -> StatusCode {
    control.clear_faults();
    StatusCode::NO_CONTENT
}

async fn requests(State(control): State<Control>) -> Response {
    Json(control.requests()).into_response()
}

async fn clear_requests(State(control): State<Control>) -> StatusCode {
    control.clear_requests();
    StatusCode::NO_CONTENT
}

async fn counters(State(control): State<Control>) -> Response {
    Json(control.counters()).into_response()
}

async fn droplets(State(control): State<Control>) -> Response {
    Json(control.droplets()).into_response()
}

async fn create_droplet(
    State(control): State<Control>,
    body: Bytes,
) -> Answer<(StatusCode, Json<Value>)> {
    let droplet: ForeignDroplet = decode(&body)?;
    let id = control.create_droplet(droplet)?;
    Ok((StatusCode::CREATED, Json(json!({"id": id}))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TagsBody {
    tags: Vec<String>,
}

async fn set_tags(
    State(control): State<Control>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer<StatusCode> {
    let TagsBody { tags } = decode(&body)?;
    control.set_tags(parse_id(&id)?, &tags)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BreakBody {
    breakage: Breakage,
}

async fn break_droplet(
    State(control): State<Control>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer<StatusCode> {
    let BreakBody { breakage } = decode(&body)?;
    control.break_droplet(parse_id(&id)?, breakage)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VolumeBody {
    name: String,
    size_gigabytes: u32,
}

async fn attach_volume(
    State(control): State<Control>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer<(StatusCode, Json<Value>)> {
    let volume: VolumeBody = decode(&body)?;
    let id = control.attach_volume(parse_id(&id)?, &volume.name, volume.size_gigabytes)?;
    Ok((StatusCode::CREATED, Json(json!({"id": id}))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SnapshotBody {
    name: String,
}

async fn take_snapshot(
    State(control): State<Control>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer<(StatusCode, Json<Value>)> {
    let SnapshotBody { name } = decode(&body)?;
    let id = control.take_snapshot(parse_id(&id)?, &name)?;
    Ok((StatusCode::CREATED, Json(json!({"id": id}))))
}

async fn assign_reserved_address(
    State(control): State<Control>,
    Path(id): Path<String>,
) -> Answer<(StatusCode, Json<Value>)> {
    let ip = control.assign_reserved_address(parse_id(&id)?)?;
    Ok((StatusCode::CREATED, Json(json!({"ip": ip}))))
}

async fn add_image(
    State(control): State<Control>,
    body: Bytes,
) -> Answer<(StatusCode, Json<Value>)> {
    let id = control.add_image(&decode(&body)?)?;
    Ok((StatusCode::CREATED, Json(json!({"id": id}))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunBody {
    script: String,
}

async fn run(
    State(control): State<Control>,
    Path(host): Path<String>,
    body: Bytes,
) -> Answer<Json<Value>> {
    let RunBody { script } = decode(&body)?;
    let output = control.run(&host, &script).await?;
    Ok(Json(json!({"output": output})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailBody {
    program: String,
    times: FailTimes,
    #[serde(default)]
    message: String,
}

async fn fail_program(
    State(control): State<Control>,
    Path(host): Path<String>,
    body: Bytes,
) -> Answer<StatusCode> {
    let FailBody {
        program,
        times,
        message,
    } = decode(&body)?;
    control
        .fail_program(&host, &program, times, &message)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

type Answer<T> = Result<T, ControlError>;

fn decode<T: DeserializeOwned>(body: &[u8]) -> Answer<T> {
    serde_json::from_slice(body).map_err(|error| ControlError::Invalid(error.to_string()))
}

fn parse_id(id: &str) -> Answer<u64> {
    id.parse()
        .map_err(|_| ControlError::NotFound(id.to_owned()))
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Ambiguous { .. } | Self::NoHosts => StatusCode::CONFLICT,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Host(_) => StatusCode::BAD_GATEWAY,
        };
        let message = match &self {
            Self::Host(cause) => format!("{self}: {cause}"),
            _ => self.to_string(),
        };
        (status, Json(json!({"error": message}))).into_response()
    }
}
