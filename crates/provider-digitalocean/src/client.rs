//! The few calls of the API that are used, over HTTPS.

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use stagecraft_core::{Error, ErrorKind, Event, Result, Retry, Run, SecretSource, shorten};

use crate::config::DigitalOceanConfig;
use crate::error::{ApiError, provider_error};
use crate::wire::{ErrorBody, Page};

const API_URL: &str = "https://api.digitalocean.com";
/// The variable that doctl and the Terraform provider read too.
const API_URL_VARIABLE: &str = "DIGITALOCEAN_API_URL";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a call that may be repeated is sent in all.
const ATTEMPTS: u32 = 5;
/// The longest pause that is made because an answer's `Retry-After` asks for it. If it asks for
/// more, the call is given up: nobody wants to wait for an hour without knowing.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// The largest answer that is read, in bytes. 200 droplets are about 1 MiB.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;
/// The longest list that is read, in bytes of its pages: more than ten thousand droplets.
const LIST_LIMIT: usize = 64 * 1024 * 1024;
const PAGE_LIMIT: u32 = 1000;

/// One operation's way to the API.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: SecretString,
    first_pause: Duration,
}

impl Client {
    /// Reads token and address from the run. No request is sent.
    pub(crate) async fn new(
        run: &Run,
        source: &SecretSource,
        config: &DigitalOceanConfig,
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
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Fails only if another thread was faster, which is as good.
            rustls::crypto::ring::default_provider()
                .install_default()
                .ok();
        }
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("stagecraft/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            // A redirect would carry the token to another place.
            .redirect(reqwest::redirect::Policy::none());
        if base.scheme() == "http" {
            // A proxy would be handed the token in the clear, for a server on this machine.
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| {
            provider_error(ErrorKind::Unavailable, "cannot set up TLS").with_source(error)
        })?;
        Ok(Self {
            http,
            base,
            token,
            first_pause: config.poll.interval.get().min(Duration::from_secs(1)),
        })
    }

    /// The address of the API, without a slash at the end.
    pub(crate) fn endpoint(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Reads one thing. Repeated on failures that may pass.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        run: &Run,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, ApiError> {
        let (value, _) = self.get_sized(run, path, query).await?;
        Ok(value)
    }

    /// Reads one thing, and tells the length of the answer in bytes.
    async fn get_sized<T: DeserializeOwned>(
        &self,
        run: &Run,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<(T, usize), ApiError> {
        self.repeat(run, &format!("GET {path}"), || async {
            let request = self.request(Method::GET, path).query(query);
            self.decode(self.send(request).await?).await
        })
        .await
    }

    /// Reads a whole list. From the link to the next page only its number is taken.
    ///
    /// Pages are cut from a list that may shift while it is read. So the list is read again
    /// if two of its pages give different totals, or if the total does not match.
    pub(crate) async fn list<P: Page>(
        &self,
        run: &Run,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<P::Item>, ApiError> {
        for _ in 0..ATTEMPTS {
            if let Some(items) = self.list_once::<P>(run, path, query).await? {
                return Ok(items);
            }
            run.sleep(self.first_pause)
                .await
                .map_err(|_| ApiError::Cancelled)?;
        }
        Err(ApiError::Shifting)
    }

    async fn list_once<P: Page>(
        &self,
        run: &Run,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<Vec<P::Item>>, ApiError> {
        let mut items = Vec::new();
        let mut total = None;
        let mut read = 0;
        let mut page = 1;
        loop {
            let number = page.to_string();
            let mut query = query.to_vec();
            query.extend([("per_page", "200"), ("page", number.as_str())]);
            let (answer, length) = self.get_sized::<P>(run, path, &query).await?;
            let (more, links, meta) = answer.into_parts();
            read += length;
            let is_empty = more.is_empty();
            items.extend(more);
            if page == 1 {
                total = meta;
            } else if meta != total {
                return Ok(None);
            }
            let Some(next) = links.pages.and_then(|pages| pages.next) else {
                let whole = total.is_none_or(|meta| meta.total == items.len() as u64);
                return Ok(whole.then_some(items));
            };
            if read > LIST_LIMIT {
                return Err(ApiError::TooLong);
            }
            // A page without items that is followed by another could go on for ever.
            match page_number(&next).filter(|_| !is_empty) {
                Some(next) if next == page + 1 && next <= PAGE_LIMIT => page = next,
                _ => return Err(ApiError::BadPage(page)),
            }
        }
    }

    /// Sends a create, once. Whether a failed one may have been carried out tells
    /// [`ApiError::create_effect`].
    pub(crate) async fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        let request = self.request(Method::POST, path).json(body);
        let (value, _) = self.decode(self.send(request).await?).await?;
        Ok(value)
    }

    /// As [`post_once`](Self::post_once), with the time of the answer.
    pub(crate) async fn dated_once<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Dated<T>, ApiError> {
        let request = self.request(Method::POST, path).json(body);
        self.decode_dated(self.send(request).await?).await
    }

    /// Reads or replaces one thing, with the time of the answer. Repeated on failures that may
    /// pass.
    pub(crate) async fn dated<T: DeserializeOwned>(
        &self,
        run: &Run,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Dated<T>, ApiError> {
        self.repeat(run, &format!("{method} {path}"), || async {
            let mut request = self.request(method.clone(), path);
            if let Some(body) = body {
                request = request.json(body);
            }
            self.decode_dated(self.send(request).await?).await
        })
        .await
    }

    /// Deletes something. What is already gone counts as deleted, so this may be repeated.
    pub(crate) async fn delete(&self, run: &Run, path: &str) -> Result<(), ApiError> {
        let result = self
            .repeat(run, &format!("DELETE {path}"), || async {
                self.send(self.request(Method::DELETE, path))
                    .await
                    .map(drop)
            })
            .await;
        match result {
            Err(ApiError::Refused { status: 404, .. }) => Ok(()),
            other => other,
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        self.http
            .request(method, url)
            .bearer_auth(self.token.expose_secret())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, ApiError> {
        let response = request.send().await.map_err(transport)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        // The status is known, so a body that cannot be read does not matter.
        let body = read(response).await.unwrap_or_default();
        let parsed: ErrorBody = serde_json::from_slice(&body).unwrap_or_default();
        Err(ApiError::Refused {
            status: status.as_u16(),
            message: self.without_token(&refusal(status, &parsed, &body)),
            request_id: parsed
                .request_id
                .map(|id| shorten(&self.without_token(&id), 100)),
            retry_after,
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
        let (body, _) = self.decode(response).await?;
        Ok(Dated { body, date })
    }

    async fn decode<T: DeserializeOwned>(
        &self,
        response: Response,
    ) -> Result<(T, usize), ApiError> {
        let status = response.status().as_u16();
        let body = read(response).await?;
        match serde_json::from_slice(&body) {
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

    /// An answer may repeat the header that it was asked with.
    fn without_token(&self, text: &str) -> String {
        let token = self.token.expose_secret();
        // Its beginning may have been cut off from a longer text.
        let most = token.len() * 3 / 4;
        let text = text.replace(token, "***");
        match token.get(..most) {
            Some(beginning) if most > 8 => text.replace(beginning, "***"),
            _ => text,
        }
    }

    async fn repeat<T, F: Future<Output = Result<T, ApiError>>>(
        &self,
        run: &Run,
        what: &str,
        call: impl Fn() -> F,
    ) -> Result<T, ApiError> {
        let mut pause = self.first_pause;
        for attempt in 1.. {
            if run.check().is_err() {
                return Err(ApiError::Cancelled);
            }
            let error = match call().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Retry::After(wanted) = error.retry() else {
                return Err(error);
            };
            if attempt == ATTEMPTS || wanted.is_some_and(|wanted| wanted > LONGEST_PAUSE) {
                return Err(error);
            }
            self.pause(run, what, &error, wanted.unwrap_or(pause))
                .await?;
            pause *= 2;
        }
        unreachable!("the loop ends at the last attempt")
    }

    /// Tells why and how long, and waits.
    pub(crate) async fn pause(
        &self,
        run: &Run,
        what: &str,
        error: &ApiError,
        delay: Duration,
    ) -> Result<(), ApiError> {
        let reason = match error {
            ApiError::Refused { status: 429, .. } => {
                "API rate limit exceeded, retrying...".to_owned()
            }
            other => other.to_string(),
        };
        run.emit(Event::Retrying {
            host: None,
            what: what.to_owned(),
            reason,
            delay,
        });
        run.sleep(delay).await.map_err(|_| ApiError::Cancelled)
    }

    /// The pause before a call that failed is sent again for the first time.
    pub(crate) fn first_pause(&self) -> Duration {
        self.first_pause
    }
}

/// Accepts https, and http to this machine only: the token goes there.
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

fn page_number(link: &str) -> Option<u32> {
    let url: Url = link.parse().ok()?;
    let (_, value) = url.query_pairs().find(|(key, _)| key == "page")?;
    value.parse().ok()
}

fn transport(error: reqwest::Error) -> ApiError {
    let error = error.without_url();
    if error.is_connect() {
        ApiError::Connect(error)
    } else {
        ApiError::Lost(error)
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_LIMIT {
            break;
        }
    }
    Ok(body)
}

/// An answer, and when it was given by the API's clock: seconds since 1970, if it says so.
#[derive(Debug)]
pub(crate) struct Dated<T> {
    pub(crate) body: T,
    pub(crate) date: Option<i64>,
}

fn refusal(status: StatusCode, body: &ErrorBody, raw: &[u8]) -> String {
    let words = [&body.message, &body.error, &body.id]
        .into_iter()
        .find(|text| !text.is_empty());
    match words {
        Some(words) => {
            let words: Vec<&str> = words.split_whitespace().collect();
            shorten(&words.join(" "), 300)
        }
        None if raw.is_empty() => status
            .canonical_reason()
            .unwrap_or("no reason given")
            .to_owned(),
        None => format!("(not the API's own answer) {}", excerpt(raw)),
    }
}

/// The start of an answer that was not understood, on one line.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(400)]);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = shorten(&words.join(" "), 80);
    if line.is_empty() {
        "(empty)".to_owned()
    } else {
        line
    }
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

    #[test]
    fn only_the_page_number_is_taken_from_a_link() {
        assert_eq!(
            page_number("https://evil.example/v2/droplets?page=3&per_page=200"),
            Some(3)
        );
        assert_eq!(page_number("https://h/?per_page=2"), None);
        assert_eq!(page_number("junk"), None);
    }
}
