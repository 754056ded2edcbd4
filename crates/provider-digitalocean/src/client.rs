//! HTTPS client for the API calls that are used.

mod again;
mod answer;
mod http;
mod list;
mod log;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, HeaderName, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use stagecraft_core::{Error, ErrorKind, Result, Run, SecretSource, json, shorten};

pub(crate) use self::again::Patience;
pub(crate) use self::http::Http;
pub(crate) use self::list::Shown;
use tokio::sync::OnceCell;

use self::answer::{excerpt, number, read, refusal, transport};
use self::log::Sent;
use crate::config::DigitalOceanConfig;
use crate::error::{ApiError, provider_error};
use crate::window::{Lane, Turn, Window};
use crate::wire::ErrorBody;

const API_URL: &str = "https://api.digitalocean.com";
/// The variable that doctl and the Terraform provider read too.
const API_URL_VARIABLE: &str = "DIGITALOCEAN_API_URL";
/// Size limit of a list, in bytes of its pages: more than ten thousand droplets.
const LIST_LIMIT: usize = 64 * 1024 * 1024;
const PAGE_LIMIT: u32 = 1000;
/// The token's hourly request limit and its remainder. `ratelimit-reset` is ignored: it was seen to
/// lie in the past.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const RATE_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");

/// API client of one operation.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: SecretString,
    first_pause: Duration,
    /// How long one call may be refused by the rate limit.
    patience: Duration,
    window: Arc<Window>,
    lane: Lane,
    /// The account's reserved addresses, once read.
    pub(crate) reserved: OnceCell<BTreeSet<Ipv4Addr>>,
}

impl Client {
    /// Reads token and endpoint from the run. Sends no request.
    pub(crate) async fn new(
        run: &Run,
        source: &SecretSource,
        config: &DigitalOceanConfig,
        http: &Http,
        window: Arc<Window>,
        lane: Lane,
    ) -> Result<Self> {
        let token = run.secret(source).await.map_err(|error| {
            provider_error(error.kind(), format!("API token missing from {source}"))
                .with_source(error)
        })?;
        let token = token.ok_or_else(|| {
            let error = provider_error(
                ErrorKind::SecretMissing,
                format!("API token missing from {source}"),
            );
            match source {
                SecretSource::Variable(name) => error.with_hint(format!("export {name}=...")),
                SecretSource::File(_) | SecretSource::Command(_) => error,
            }
        })?;
        if !token
            .expose_secret()
            .bytes()
            .all(|byte| byte.is_ascii_graphic())
        {
            return Err(provider_error(
                ErrorKind::SecretMissing,
                format!("{source} holds characters that no API token has"),
            ));
        }
        let base = run.variable(API_URL_VARIABLE);
        let base = parse_base(base.as_deref().unwrap_or(API_URL))?;
        let http = http.connections(lane, base.scheme() == "http")?;
        Ok(Self {
            http,
            base,
            token,
            first_pause: config.poll.interval.get().min(Duration::from_secs(1)),
            patience: config.poll.deadline.get(),
            window,
            lane,
            reserved: OnceCell::new(),
        })
    }

    /// The URL of the API, without a slash at the end.
    pub(crate) fn endpoint(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Reads one object. Retries errors that pass.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        run: &Run,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, ApiError> {
        let (value, _) = self.get_sized(run, path, query, json::decode).await?;
        Ok(value)
    }

    /// Reads one object with a decoder, and returns the length of the answer in bytes too.
    async fn get_sized<T>(
        &self,
        run: &Run,
        path: &str,
        query: &[(&str, &str)],
        decode: impl Fn(&[u8]) -> serde_json::Result<T>,
    ) -> Result<(T, usize), ApiError> {
        self.repeat(run, &format!("GET {path}"), |turn| async {
            let request = self.request(Method::GET, path).query(query);
            let response = self.send(turn, request).await?;
            self.decode_with(response, &decode).await
        })
        .await
    }

    /// Sends a create, once. [`ApiError::create_effect`] says whether a failed one may have been
    /// carried out.
    pub(crate) async fn post_once<T: DeserializeOwned>(
        &self,
        turn: Turn,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        let request = self.request(Method::POST, path).json(body);
        let response = self.send(turn, request).await?;
        let (value, _) = self.decode_with(response, json::decode).await?;
        Ok(value)
    }

    /// Like [`post_once`](Self::post_once), and returns the time of the answer.
    pub(crate) async fn dated_once<T: DeserializeOwned>(
        &self,
        turn: Turn,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Dated<T>, ApiError> {
        let request = self.request(Method::POST, path).json(body);
        self.decode_dated(self.send(turn, request).await?).await
    }

    /// Reads or replaces one object and returns the time of the answer. Retries errors that pass.
    pub(crate) async fn dated<T: DeserializeOwned>(
        &self,
        run: &Run,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Dated<T>, ApiError> {
        self.repeat(run, &format!("{method} {path}"), |turn| async {
            let mut request = self.request(method.clone(), path);
            if let Some(body) = body {
                request = request.json(body);
            }
            self.decode_dated(self.send(turn, request).await?).await
        })
        .await
    }

    /// Sends a change whose answer is ignored. Retries errors that pass.
    pub(crate) async fn write(
        &self,
        run: &Run,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<(), ApiError> {
        self.repeat(run, &format!("{method} {path}"), |turn| async {
            let request = self.request(method.clone(), path).json(body);
            self.send(turn, request).await.map(drop)
        })
        .await
    }

    /// Deletes an object. Deleting a missing one succeeds, so this may be repeated.
    pub(crate) async fn delete(&self, run: &Run, path: &str) -> Result<(), ApiError> {
        self.repeat(run, &format!("DELETE {path}"), |turn| {
            self.delete_once(turn, path)
        })
        .await
    }

    /// Deletes an object, once. Deleting a missing one succeeds.
    pub(crate) async fn delete_once(&self, turn: Turn, path: &str) -> Result<(), ApiError> {
        match self.send(turn, self.request(Method::DELETE, path)).await {
            Err(ApiError::Refused { status: 404, .. }) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        self.http
            .request(method, url)
            .bearer_auth(self.token.expose_secret())
    }

    async fn send(
        &self,
        mut turn: Turn,
        request: reqwest::RequestBuilder,
    ) -> Result<Response, ApiError> {
        let (http, request) = request.build_split();
        let request = request.map_err(transport)?;
        let sent = Sent::new(&request);
        turn.begin();
        let answer = http.execute(request).await;
        drop(turn);
        sent.log(&answer);
        let response = answer.map_err(transport)?;
        let status = response.status();
        if status != StatusCode::TOO_MANY_REQUESTS {
            self.window.answered(number(&response, &RATE_REMAINING));
        }
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = number(&response, &RETRY_AFTER).map(Duration::from_secs);
        let limit = number(&response, &RATE_LIMIT);
        // The status is known, so an unreadable body does not matter.
        let body = read(response).await.unwrap_or_default();
        let parsed: ErrorBody = json::decode(&body).unwrap_or_default();
        Err(ApiError::Refused {
            status: status.as_u16(),
            message: self.without_token(&refusal(status, &parsed, &body)),
            request_id: Some(shorten(&self.without_token(&parsed.request_id), 100))
                .filter(|id| !id.is_empty()),
            retry_after,
            limit,
        })
    }

    async fn decode_dated<T: DeserializeOwned>(
        &self,
        response: Response,
    ) -> Result<Dated<T>, ApiError> {
        let text = response.headers().get(DATE);
        let date = text
            .and_then(|value| {
                let text = value.to_str().ok()?;
                DateTimeParser::new().parse_timestamp(text).ok()
            })
            .map(jiff::Timestamp::as_second);
        let (body, _) = self.decode_with(response, json::decode).await?;
        Ok(Dated { body, date })
    }

    async fn decode_with<T>(
        &self,
        response: Response,
        decode: impl Fn(&[u8]) -> serde_json::Result<T>,
    ) -> Result<(T, usize), ApiError> {
        let status = response.status().as_u16();
        let body = read(response).await?;
        match decode(&body) {
            Ok(value) => Ok((value, body.len())),
            Err(source) => Err(ApiError::NotUnderstood {
                status,
                excerpt: self.without_token(&excerpt(&body)),
                source: self.without_token_in(&source),
            }),
        }
    }

    fn without_token_in(&self, error: &serde_json::Error) -> serde_json::Error {
        serde::de::Error::custom(shorten(&self.without_token(&error.to_string()), 300))
    }

    /// Redacts the token: an answer may echo the request's header.
    fn without_token(&self, text: &str) -> String {
        let token = self.token.expose_secret();
        // The text may be cut, and so hold only a part of the token.
        let most = token.len() * 3 / 4;
        let text = text.replace(token, "***");
        match token.get(..most) {
            Some(beginning) if most > 8 => text.replace(beginning, "***"),
            _ => text,
        }
    }

    /// The pause before the first retry of a call.
    pub(crate) fn first_pause(&self) -> Duration {
        self.first_pause
    }
}

/// Accepts https, and http to this machine only, because the token is sent there.
fn parse_base(text: &str) -> Result<Url> {
    let refused = |why: &str| -> Error {
        provider_error(
            ErrorKind::Config,
            format!(
                "{API_URL_VARIABLE} must be an https URL, or http to a loopback address: {why}"
            ),
        )
    };
    let url: Url = text.parse().map_err(|_| refused("it is no URL"))?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(refused("it may hold neither login nor query"));
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        _ => Err(refused("the token would travel in the clear")),
    }
}

/// An answer with its time by the API's clock in seconds since 1970, if it has one.
#[derive(Debug)]
pub(crate) struct Dated<T> {
    pub(crate) body: T,
    pub(crate) date: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_travels_only_over_https_or_on_this_machine() {
        for good in [
            "https://api.digitalocean.com",
            "http://127.0.0.1:8080",
            "http://localhost:1",
            "http://[::1]:1/x",
        ] {
            assert!(parse_base(good).is_ok(), "{good}");
        }
        for bad in [
            "http://example.com",
            "ftp://127.0.0.1",
            "x",
            "https://u:p@h",
            "http://127.0.0.1.example.com",
        ] {
            assert!(parse_base(bad).is_err(), "{bad}");
        }
    }
}
