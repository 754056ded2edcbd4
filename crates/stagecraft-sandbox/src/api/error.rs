//! Error answers in the vendor's format.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;

/// The header with the request id, for questions to the vendor's support.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    status: StatusCode,
    message: String,
    /// `POST /v2/tags` answers a bad request in its own format.
    is_root_cause: bool,
}

impl ApiError {
    /// An error with the vendor's usual message for a status.
    pub(super) fn usual(status: StatusCode) -> Self {
        let message = match status.as_u16() {
            400 => "The request was malformed.",
            401 => "Unable to authenticate you",
            403 => "You are not authorized to perform this operation",
            404 => "The resource you were accessing could not be found.",
            412 => "The request could not be completed in the present state.",
            409 => "The request could not be completed due to a conflict.",
            422 => "The request could not be processed.",
            429 => "API Rate limit exceeded.",
            503 => "Service Unavailable",
            _ => "Unexpected server-side error",
        };
        Self {
            status,
            message: message.to_owned(),
            is_root_cause: false,
        }
    }

    pub(super) fn not_found() -> Self {
        Self::usual(StatusCode::NOT_FOUND)
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::usual(StatusCode::BAD_REQUEST)
        }
    }

    /// The name is taken.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::usual(StatusCode::CONFLICT)
        }
    }

    /// A value was refused: 422.
    pub(super) fn unprocessable(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::usual(StatusCode::UNPROCESSABLE_ENTITY)
        }
    }

    /// A bad request in the format of `POST /v2/tags`.
    pub(super) fn root_cause(message: impl Into<String>) -> Self {
        Self {
            is_root_cause: true,
            ..Self::bad_request(message)
        }
    }

    fn id(&self) -> &'static str {
        match self.status.as_u16() {
            400 => "bad_request",
            401 => "unauthorized",
            403 => "forbidden",
            404 => "not_found",
            409 => "conflict",
            412 => "precondition_failed",
            422 => "unprocessable_entity",
            429 => "too_many_requests",
            503 => "service_unavailable",
            _ => "server_error",
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let request_id = new_request_id();
        let body = if self.is_root_cause {
            json!({"error": self.message, "messages": null, "root_causes": [self.message]})
        } else {
            json!({"id": self.id(), "message": self.message, "request_id": request_id})
        };
        let mut response = (self.status, Json(body)).into_response();
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        response
    }
}

/// A new request id: unique in this process, in the form of a UUID.
pub(super) fn new_request_id() -> String {
    static MADE: AtomicU64 = AtomicU64::new(1);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    format!("5a9d0000-0000-4000-8000-{number:012x}")
}

/// Parses a request's body. Anything but valid JSON of this type is a bad request.
pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(format!("error parsing JSON: {error}")))
}
