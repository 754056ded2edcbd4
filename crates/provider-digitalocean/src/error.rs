//! API errors, and the one table that maps them to kind and retry.

use std::time::Duration;

use stagecraft_core::{Error, ErrorKind, Retry, seconds, shorten};

/// The provider's id, and the start of every message.
pub(crate) const ID: &str = "digitalocean";
pub(crate) const PREFIX: &str = "digitalocean provider";

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ApiError {
    /// The request certainly did not reach the API.
    #[error("could not connect")]
    Connect(#[source] reqwest::Error),
    /// The request may have reached the API, but its answer was lost.
    #[error("the answer was lost")]
    Lost(#[source] reqwest::Error),
    #[error("{status} {message}")]
    Refused {
        status: u16,
        message: String,
        request_id: Option<String>,
        retry_after: Option<Duration>,
        /// The hourly request limit, if the API sent it.
        limit: Option<u64>,
    },
    /// Refused by the rate limit until retrying was given up.
    #[error("{}", rate_words(*.is_hourly, *.limit, *.waited))]
    Limited {
        is_hourly: bool,
        limit: Option<u64>,
        waited: Duration,
        request_id: Option<String>,
    },
    #[error("the answer ({status}) is not the JSON that was expected: {excerpt}")]
    NotUnderstood {
        status: u16,
        excerpt: String,
        #[source]
        source: serde_json::Error,
    },
    /// A list element that must not be ignored cannot be decoded.
    #[error("cannot decode {0}")]
    Strange(String),
    #[error("page {0} of a list has a broken link to the next")]
    BadPage(u32),
    #[error("a list is longer than any account's")]
    TooLong,
    #[error("a list changes faster than it can be read")]
    Shifting,
    #[error("interrupted")]
    Cancelled,
}

/// What a create without a usable answer may have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CreateEffect {
    /// Nothing: it was refused, or never arrived.
    None,
    /// Unknown.
    Unknown,
    /// It was accepted; only the answer could not be read.
    Accepted,
}

impl ApiError {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect(_) | Self::Lost(_) | Self::Shifting => ErrorKind::Unavailable,
            Self::Refused { status, .. } => kind_of_status(*status),
            Self::Limited { .. } => ErrorKind::RateLimited,
            Self::NotUnderstood { .. } | Self::Strange(_) | Self::BadPage(_) | Self::TooLong => {
                ErrorKind::Protocol
            }
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    /// Whether a call that reads, or that may be repeated, can be retried.
    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::Connect(_) | Self::Lost(_) => Retry::After(None),
            Self::Refused {
                status,
                retry_after,
                ..
            } => match status {
                408 | 429 | 500..=599 => Retry::After(*retry_after),
                _ => Retry::Never,
            },
            // Already retried until concurrent changes should have stopped.
            Self::Limited { .. } | Self::Shifting => Retry::Exhausted,
            Self::NotUnderstood { .. }
            | Self::Strange(_)
            | Self::BadPage(_)
            | Self::TooLong
            | Self::Cancelled => Retry::Never,
        }
    }

    pub(crate) fn is_rate_limit(&self) -> bool {
        matches!(self, Self::Refused { status: 429, .. })
    }

    /// What a create with this error may have done.
    pub(crate) fn create_effect(&self) -> CreateEffect {
        match self {
            // As far as is known, a request refused by the rate limit is not carried out. Checking
            // is cheap, and a second host of one name is worse.
            Self::Lost(_)
            | Self::Refused {
                status: 408 | 429 | 500..=599,
                ..
            } => CreateEffect::Unknown,
            Self::NotUnderstood { .. } => CreateEffect::Accepted,
            Self::Connect(_)
            | Self::Refused { .. }
            | Self::Limited { .. }
            | Self::Strange(_)
            | Self::BadPage(_)
            | Self::TooLong
            | Self::Shifting
            | Self::Cancelled => CreateEffect::None,
        }
    }

    /// The error as the user sees it, after `operation` was given up.
    pub(crate) fn into_error(self, operation: &'static str) -> Error {
        let retry = match self.retry() {
            Retry::After(_) => Retry::Exhausted,
            other => other,
        };
        if matches!(self, Self::Cancelled) {
            return Error::cancelled().with_operation(operation);
        }
        let kind = self.kind();
        let message = match &self {
            Self::Refused { status: 429, .. } | Self::Limited { .. } => {
                "API rate limit exceeded".to_owned()
            }
            other => format!("API error: {other}"),
        };
        let mut error = provider_error(kind, message)
            .with_operation(operation)
            .with_retry(retry);
        if let Self::Refused {
            request_id: Some(id),
            ..
        }
        | Self::Limited {
            request_id: Some(id),
            ..
        } = &self
        {
            error = error.with_context("request_id", id.clone());
        }
        if let Some(hint) = hint(kind) {
            error = error.with_hint(hint);
        }
        if kind == ErrorKind::Forbidden
            && let Some(scopes) = scopes(operation)
        {
            error = error.with_hint(format!("give the token the scope {scopes}"));
        }
        if let Self::Limited {
            is_hourly: true, ..
        } = self
        {
            error = error.with_hint(HOURLY_HINT);
        }
        match self {
            limited @ Self::Limited { .. } => error.with_source(limited.to_string()),
            Self::Connect(source) | Self::Lost(source) => error.with_source(source),
            // The decoder repeats the rejected value, however long.
            Self::NotUnderstood { source, .. } => {
                error.with_source(shorten(&source.to_string(), 300))
            }
            Self::Strange(_) => error.with_hint(STRANGE_HINT),
            Self::Refused { .. }
            | Self::BadPage(_)
            | Self::TooLong
            | Self::Shifting
            | Self::Cancelled => error,
        }
    }
}

/// What to do about an object of ours that cannot be decoded.
pub(crate) const STRANGE_HINT: &str = "look at it in the cloud's console, or use a later version: what cannot be read is not treated as absent, since it might be created twice or left behind";

/// The token scopes that an operation needs, in the API's names.
///
/// Source: `security` of each path in the description of the public API, version 2.
pub(crate) fn scopes(operation: &str) -> Option<&'static str> {
    Some(match operation {
        "read_account" => "account:read",
        "list_sizes" => "sizes:read",
        "list_regions" => "regions:read",
        "read_image" => "image:read",
        "list_tags" => "tag:read",
        "list_hosts" | "read_host" => "droplet:read",
        "list_hosts_by_tag" => "droplet:read and tag:read",
        "find_ssh_key" => "ssh_key:read",
        "create_hosts" => "droplet:create, and tag:create for its tags",
        "delete_host" => "droplet:delete",
        "read_reserved_ips" => "reserved_ip:read",
        "list_vpcs" => "vpc:read",
        "list_projects" | "list_project" => "project:read",
        "assign_project" => "project:assign_resource",
        "change_host" => "droplet:update",
        "make_tag" => "tag:create",
        "change_tags" => "tag:create, tag:delete and droplet:update",
        "take_lease" => "firewall:create: the lease is kept in a firewall",
        "read_lease" => "firewall:read: the lease is kept in a firewall",
        "beat_lease" => "firewall:update: the lease is kept in a firewall",
        "remove_lease" => "firewall:delete: the lease is kept in a firewall",
        _ => return None,
    })
}

/// Each request of the hour becomes available again an hour after it was sent.
const HOURLY_HINT: &str = "the limit is one of the hour: run the command again in a while, or see what else uses this token";

/// Names the rate limit that kept refusing.
fn rate_words(is_hourly: bool, limit: Option<u64>, waited: Duration) -> String {
    match (is_hourly, limit) {
        (true, Some(limit)) => {
            format!("the token's hourly limit of {limit} requests is used up")
        }
        (true, None) => "the token's hourly limit of requests is used up".to_owned(),
        (false, _) => format!(
            "it was exceeded for {}, by something else that uses this token",
            seconds(waited)
        ),
    }
}

/// The error kind of a status that is not a success.
fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        408 | 500..=599 => ErrorKind::Unavailable,
        409 => ErrorKind::AlreadyExists,
        429 => ErrorKind::RateLimited,
        400..=499 => ErrorKind::Rejected,
        _ => ErrorKind::Protocol,
    }
}

fn hint(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::Unauthorized => Some("check that the token is whole and has not expired"),
        ErrorKind::Forbidden => Some(
            "the token lacks a scope: Stagecraft needs droplet, firewall, tag, ssh_key, sizes and account access",
        ),
        ErrorKind::RateLimited => Some("wait a minute, or see what else uses this token"),
        ErrorKind::Unavailable => Some("run the command again: it goes on where it stopped"),
        ErrorKind::Protocol => {
            Some("check DIGITALOCEAN_API_URL, and whether a proxy stands in between")
        }
        _ => None,
    }
}

/// Longest message, in characters: it may contain the API's names.
const MESSAGE_LIMIT: usize = 1000;

/// An error with the provider's prefix.
pub(crate) fn provider_error(kind: ErrorKind, message: impl std::fmt::Display) -> Error {
    let message = shorten(&format!("{PREFIX}: {message}"), MESSAGE_LIMIT);
    Error::new(kind, message).with_provider(ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> ApiError {
        ApiError::Refused {
            status,
            message: "words".into(),
            request_id: Some("r-1".into()),
            retry_after: None,
            limit: None,
        }
    }

    #[test]
    fn every_status_has_its_kind_and_retry() {
        for status in 100..=599 {
            let error = refused(status);
            let (kind, retried) = match status {
                401 => (ErrorKind::Unauthorized, false),
                403 => (ErrorKind::Forbidden, false),
                404 => (ErrorKind::NotFound, false),
                409 => (ErrorKind::AlreadyExists, false),
                429 => (ErrorKind::RateLimited, true),
                408 | 500..=599 => (ErrorKind::Unavailable, true),
                400..=499 => (ErrorKind::Rejected, false),
                _ => (ErrorKind::Protocol, false),
            };
            assert_eq!(error.kind(), kind, "{status}");
            assert_eq!(error.retry() != Retry::Never, retried, "{status}");
            let unknown = error.create_effect() == CreateEffect::Unknown;
            assert_eq!(unknown, retried, "{status}");
        }
    }

    #[test]
    fn message_has_the_seeds_text_and_the_request_id() {
        let error = refused(422).into_error("create_hosts");
        assert_eq!(
            error.to_string(),
            "digitalocean provider: API error: 422 words"
        );
        assert_eq!(error.context(), [("request_id", "r-1".to_owned())]);
        let error = refused(429).into_error("list_hosts");
        assert_eq!(
            error.to_string(),
            "digitalocean provider: API rate limit exceeded"
        );
        assert_eq!(error.retry(), Retry::Exhausted);
    }
}
