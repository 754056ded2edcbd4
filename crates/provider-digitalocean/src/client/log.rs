//! The request log, for users who want to see the API calls.

use std::time::Instant;

use reqwest::header::HeaderName;
use reqwest::{Method, Request, Response};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request that was sent. Its body and its headers, which hold the token, are never logged.
pub(super) struct Sent {
    method: Method,
    path: String,
    at: Instant,
}

impl Sent {
    pub(super) fn new(request: &Request) -> Self {
        let url = request.url();
        let query = url.query().map(|query| format!("?{query}"));
        Self {
            method: request.method().clone(),
            path: format!("{}{}", url.path(), query.unwrap_or_default()),
            at: Instant::now(),
        }
    }

    /// Logs the request with its answer, at the level `DEBUG`.
    pub(super) fn log(&self, answer: &Result<Response, reqwest::Error>) {
        let Self { method, path, .. } = self;
        let milliseconds = self.at.elapsed().as_millis();
        match answer {
            Ok(response) => {
                let id = response.headers().get(REQUEST_ID);
                let id = id.and_then(|id| id.to_str().ok()).unwrap_or("-");
                let status = response.status().as_u16();
                tracing::debug!(status, milliseconds, request_id = %id, "{method} {path}");
            }
            Err(error) => {
                let timed_out = error.is_timeout();
                tracing::debug!(milliseconds, timed_out, "{method} {path}: no answer");
            }
        }
    }
}
