//! Errors.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use stagecraft_core as core;
use stagecraft_core::config::ConfigError;

/// What went wrong. Every field is always there.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Error {
    /// What kind of error, from the closed set.
    pub(crate) kind: ErrorKind,
    /// What happened.
    pub(crate) message: String,
    /// The causes, the nearest first.
    pub(crate) causes: Vec<String>,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// The id of the provider that reports it.
    pub(crate) provider: Option<String>,
    /// The provider's operation that failed.
    pub(crate) operation: Option<String>,
    /// Named values, for example the id of a request.
    pub(crate) context: BTreeMap<String, String>,
    /// Every mistake in the configuration, in the order of the file.
    pub(crate) config: Vec<Place>,
}

/// What kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorKind {
    /// The command line was not understood.
    Usage,
    /// The configuration, a file or an argument is wrong. Nothing was sent anywhere.
    Config,
    /// A variable that should hold a secret or a setting is missing or empty.
    SecretMissing,
    /// The service or host refused the credentials.
    Unauthorized,
    /// The credentials are good but not for this.
    Forbidden,
    /// What was asked for does not exist.
    NotFound,
    /// What was to be made exists already.
    AlreadyExists,
    /// The service understood the request and refused its content.
    Rejected,
    /// The service asked to be called less often.
    RateLimited,
    /// The service or host could not be reached, or failed on its side.
    Unavailable,
    /// The answer could not be understood.
    Protocol,
    /// Something did not happen before its deadline.
    Timeout,
    /// The run was cancelled.
    Cancelled,
    /// The host's key is not one that is known for it.
    HostKey,
    /// A command on a host failed.
    CommandFailed,
    /// A guard refused the operation.
    Guard,
    /// Another run works on the same environment.
    Locked,
    /// A saved plan does not hold any more: the causes are what has changed. Nothing was done.
    Stale,
    /// This provider or version cannot do that.
    Unsupported,
}

/// One mistake in a configuration file.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Place {
    /// The file as the user named it.
    file: String,
    /// Where in the file, if that is known.
    location: Option<Location>,
    /// The keys that lead there, joined by dots.
    path: String,
    /// What is wrong.
    message: String,
    /// The nearest known spelling.
    suggestion: Option<String>,
    /// The line of the file.
    excerpt: Option<String>,
}

/// A place in a file.
#[derive(Debug, Serialize, JsonSchema)]
struct Location {
    /// The line, from 1.
    line: usize,
    /// The column in characters, from 1.
    column: usize,
}

impl Error {
    /// An error that no provider reports.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            provider: None,
            operation: None,
            context: BTreeMap::new(),
            config: Vec::new(),
        }
    }
}

impl From<&core::Error> for Error {
    fn from(error: &core::Error) -> Self {
        let mut messages = error.chain().into_iter();
        let context = error.context().iter();
        Self {
            kind: error.kind().into(),
            message: messages.next().unwrap_or_default(),
            causes: messages.collect(),
            hint: error.hint().map(str::to_owned),
            provider: error.provider().map(str::to_owned),
            operation: error.operation().map(str::to_owned),
            context: context
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            config: Vec::new(),
        }
    }
}

impl From<core::ErrorKind> for ErrorKind {
    fn from(kind: core::ErrorKind) -> Self {
        match kind {
            core::ErrorKind::Config => Self::Config,
            core::ErrorKind::SecretMissing => Self::SecretMissing,
            core::ErrorKind::Unauthorized => Self::Unauthorized,
            core::ErrorKind::Forbidden => Self::Forbidden,
            core::ErrorKind::NotFound => Self::NotFound,
            core::ErrorKind::AlreadyExists => Self::AlreadyExists,
            core::ErrorKind::Rejected => Self::Rejected,
            core::ErrorKind::RateLimited => Self::RateLimited,
            core::ErrorKind::Unavailable => Self::Unavailable,
            core::ErrorKind::Protocol => Self::Protocol,
            core::ErrorKind::Timeout => Self::Timeout,
            core::ErrorKind::Cancelled => Self::Cancelled,
            core::ErrorKind::HostKey => Self::HostKey,
            core::ErrorKind::CommandFailed => Self::CommandFailed,
            core::ErrorKind::Guard => Self::Guard,
            core::ErrorKind::Locked => Self::Locked,
            core::ErrorKind::Stale => Self::Stale,
            core::ErrorKind::Unsupported => Self::Unsupported,
        }
    }
}

impl From<&ConfigError> for Place {
    fn from(error: &ConfigError) -> Self {
        Self {
            file: error.file.clone(),
            location: error.location.map(|at| Location {
                line: at.line,
                column: at.column,
            }),
            path: error.path.clone(),
            message: error.message.clone(),
            suggestion: error.suggestion.clone(),
            excerpt: error.excerpt.clone(),
        }
    }
}
