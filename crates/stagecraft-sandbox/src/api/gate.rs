//! Middleware of every request: the record, latency, faults, token and limits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use tokio::time::Instant;

use super::connection::Scissors;
use super::error::{ApiError, REQUEST_ID, new_request_id};
use crate::fault::{Asked, FaultKind};
use crate::knobs::AccountStatus;
use crate::state::rate::Admission;
use crate::state::{World, journal, scopes};

const MOST_BODY_BYTES: usize = 2 << 20;
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Passes a request to its handler.
///
/// If the client disconnects, the work stops where it waits. A handler itself never waits, so it
/// runs completely or not at all.
pub(super) async fn pass(
    State(world): State<Arc<World>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MOST_BODY_BYTES).await else {
        let error = ApiError::bad_request("the body is too large or incomplete");
        let mut response = error.into_response();
        finish(&world, response.headers_mut());
        return response;
    };
    let (number, fault, latency) = arrive(&world, &parts, &body);
    world.pause(latency).await;

    let request = Request::from_parts(parts, Body::from(body));
    let mut is_reset = false;
    let mut response = match fault {
        None => admitted(&world, request, next).await,
        Some((FaultKind::Hang { ms }, before)) => {
            let hang = Duration::from_millis(ms);
            if before {
                world.pause(hang).await;
                admitted(&world, request, next).await
            } else {
                let response = admitted(&world, request, next).await;
                world.pause(hang).await;
                response
            }
        }
        Some((kind, before)) => {
            let real = if before {
                None
            } else {
                Some(admitted(&world, request, next).await)
            };
            is_reset = kind == FaultKind::Reset;
            commit(kind, real, &scissors)
        }
    };
    finish(&world, response.headers_mut());
    if !is_reset {
        world
            .state()
            .journal
            .answer(number, response.status().as_u16());
    }
    response
}

type Arrival = (u64, Option<(FaultKind, bool)>, Duration);

fn arrive(world: &World, parts: &Parts, body: &Bytes) -> Arrival {
    let method = parts.method.as_str();
    let (path, query) = (parts.uri.path(), parts.uri.query());
    let target = parts
        .uri
        .path_and_query()
        .map_or(path, |target| target.as_str());
    let body = String::from_utf8_lossy(body);
    let asked = Asked {
        method,
        path,
        query,
        body: &body,
    };
    let text = (!body.is_empty()).then(|| body.to_string());
    let at_ms = world.elapsed_ms();
    let mut state = world.state();
    let number = state.journal.arrive(at_ms, method, target, text);
    let fault = state.faults.take(&asked);
    (
        number,
        fault.map(|fault| (fault.kind, fault.before)),
        state.knobs.latency,
    )
}

/// Passes a request to its handler if token and limits allow it.
async fn admitted(world: &World, request: Request, next: Next) -> Response {
    if !is_authorized(request.headers(), &world.token) {
        return ApiError::usual(StatusCode::UNAUTHORIZED).into_response();
    }
    let is_key_list = request.method() == Method::GET && request.uri().path() == "/v2/account/keys";
    let admission = {
        let mut state = world.state();
        let knobs = state.knobs.clone();
        state.rate.admit(&knobs, Instant::now(), is_key_list)
    };
    match admission {
        Admission::Granted => match forbidden(world, &request) {
            Some(error) => error.into_response(),
            None => next.run(request).await,
        },
        Admission::Hourly => ApiError::usual(StatusCode::TOO_MANY_REQUESTS).into_response(),
        Admission::Burst { retry_after } => {
            let mut response = ApiError::usual(StatusCode::TOO_MANY_REQUESTS).into_response();
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
            // The vendor sends zero here even if the hour has room.
            headers.insert(REMAINING, HeaderValue::from(0));
            response
        }
    }
}

/// Refuses a request that the token's scopes do not cover, or for a locked account.
fn forbidden(world: &World, request: &Request) -> Option<ApiError> {
    let (method, uri) = (request.method().as_str(), request.uri());
    let query = uri.query().unwrap_or_default();
    let by_tag = query.split('&').any(|pair| pair.starts_with("tag_name="));
    let scopes = scopes::needed(&journal::kind(method, uri.path()), by_tag);
    let knobs = &world.state().knobs;
    // The rights of a locked account are not documented; reading and deleting are assumed.
    let is_locked = knobs.account_status == AccountStatus::Locked
        && request.method() != Method::GET
        && request.method() != Method::DELETE;
    let is_covered = scopes.iter().all(|scope| knobs.has_scope(scope));
    (is_locked || !is_covered).then(|| ApiError::usual(StatusCode::FORBIDDEN))
}

fn is_authorized(headers: &HeaderMap, token: &str) -> bool {
    let value = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let Some((scheme, given)) = value.and_then(|value| value.split_once(' ')) else {
        return false;
    };
    scheme.eq_ignore_ascii_case("bearer") && given.trim() == token
}

/// Builds the answer of a fault; `real` is that of the handler, if it ran.
fn commit(kind: FaultKind, real: Option<Response>, scissors: &Scissors) -> Response {
    match kind {
        FaultKind::Status {
            code,
            body,
            headers,
        } => status_answer(code, body, headers),
        FaultKind::Html { code } => {
            let page = format!(
                "<html>\r\n<head><title>{code}</title></head>\r\n<body>\r\n\
                 <center><h1>{code}</h1></center>\r\n<hr><center>cloudflare</center>\r\n\
                 </body>\r\n</html>\r\n"
            );
            (status(code), [(header::CONTENT_TYPE, "text/html")], page).into_response()
        }
        FaultKind::Reset => {
            scissors.reset();
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        FaultKind::Truncated => {
            scissors.halve();
            real.unwrap_or_else(|| ApiError::usual(StatusCode::OK).into_response())
        }
        FaultKind::Hang { .. } => real.unwrap_or_default(),
    }
}

fn status_answer(code: u16, body: Option<String>, headers: BTreeMap<String, String>) -> Response {
    let mut response = match body {
        Some(body) => {
            let kind = "application/json; charset=utf-8";
            (status(code), [(header::CONTENT_TYPE, kind)], body).into_response()
        }
        None => ApiError::usual(status(code)).into_response(),
    };
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Adds the headers of every answer, unless they are set already.
fn finish(world: &World, headers: &mut HeaderMap) {
    let standing = {
        let state = world.state();
        state.rate.standing(&state.knobs, Instant::now())
    };
    let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
    let reset = now + standing.reset_in.as_secs();
    headers
        .entry(LIMIT)
        .or_insert_with(|| HeaderValue::from(standing.limit));
    headers
        .entry(REMAINING)
        .or_insert_with(|| HeaderValue::from(standing.remaining));
    headers
        .entry(RESET)
        .or_insert_with(|| HeaderValue::from(reset));
    if !headers.contains_key(REQUEST_ID)
        && let Ok(id) = HeaderValue::from_str(&new_request_id())
    {
        headers.insert(REQUEST_ID, id);
    }
}
