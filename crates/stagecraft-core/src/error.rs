//! The one error type of all trait boundaries.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// What went wrong, in categories that a caller can act on. A closed set: programs match on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The configuration or an argument is wrong. Nothing was sent anywhere.
    Config,
    /// A variable that should hold a secret or a setting is missing or empty.
    SecretMissing,
    /// The service or host refused the credentials.
    Unauthorized,
    /// The credentials are valid but lack this permission.
    Forbidden,
    /// The requested object does not exist.
    NotFound,
    /// The object to be created exists already.
    AlreadyExists,
    /// The service understood the request and refused its content.
    Rejected,
    /// The service asked to be called less often.
    RateLimited,
    /// The service or host could not be reached, or failed on its side.
    Unavailable,
    /// The answer could not be parsed.
    Protocol,
    /// Something did not happen before its deadline.
    Timeout,
    /// The run was cancelled.
    Cancelled,
    /// The host's key is not among its known ones.
    HostKey,
    /// A command on a host failed.
    CommandFailed,
    /// A guard refused the operation.
    Guard,
    /// Another run works on the same environment.
    Locked,
    /// A saved plan no longer holds. Nothing was done.
    Stale,
    /// This provider or version cannot do that.
    Unsupported,
}

/// Whether the same call may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// Sending it again is unsafe or useless.
    Never,
    /// It may be sent again, after this pause if the service named one.
    After(Option<Duration>),
    /// It was already retried up to the limit of attempts or time.
    Exhausted,
}

/// The result of every fallible call of the framework.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with its kind, its origin and a hint.
///
/// `Display` shows this level only; the causes are in [`source`](StdError::source).
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    retry: Retry,
    message: String,
    provider: Option<&'static str>,
    operation: Option<&'static str>,
    context: Vec<(&'static str, String)>,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Creates an error that must not be retried.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            retry: Retry::Never,
            message: message.into(),
            provider: None,
            operation: None,
            context: Vec::new(),
            hint: None,
            source: None,
        }))
    }

    /// Returns the error of a cancelled run.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "interrupted")
    }

    /// Sets the id of the provider that reports the error.
    #[must_use]
    pub fn with_provider(mut self, id: &'static str) -> Self {
        self.0.provider = Some(id);
        self
    }

    /// Sets the operation that failed, for example `create_hosts`.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.0.operation = Some(operation);
        self
    }

    /// Sets whether the same call may be sent again.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Adds a hint: what the user can do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds a named value, for example the id of a request.
    #[must_use]
    pub fn with_context(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.context.push((name, value.into()));
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may be sent again.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// The id of the provider that reported the error.
    pub fn provider(&self) -> Option<&'static str> {
        self.0.provider
    }

    /// The operation that failed.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// Named values that belong to the error.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// What the user can do next.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Copies the error, for each host that it affects. The causes are kept as texts.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let mut causes = self.chain();
        causes.remove(0);
        let source = causes
            .into_iter()
            .rev()
            .fold(None, |cause: Option<Self>, message| {
                let error = Self::new(self.kind(), message);
                Some(match cause {
                    Some(cause) => error.with_source(cause),
                    None => error,
                })
            });
        Self(Box::new(Inner {
            kind: self.0.kind,
            retry: self.0.retry,
            message: self.0.message.clone(),
            provider: self.0.provider,
            operation: self.0.operation,
            context: self.0.context.clone(),
            hint: self.0.hint.clone(),
            source: source.map(Into::into),
        }))
    }

    /// Returns the messages of this error and all its causes, outermost first.
    ///
    /// Leaves out a cause that only repeats its parent.
    pub fn chain(&self) -> Vec<String> {
        let mut messages = vec![self.to_string()];
        let mut cause = self.source();
        while let Some(error) = cause {
            let message = error.to_string();
            if messages.last() != Some(&message) {
                messages.push(message);
            }
            cause = error.source();
        }
        messages
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_lists_causes_outermost_first_without_repeats() {
        let inner = Error::new(ErrorKind::Unavailable, "connection refused");
        let middle = Error::new(ErrorKind::Unavailable, "connection refused").with_source(inner);
        let outer = Error::new(ErrorKind::Unavailable, "could not list hosts").with_source(middle);
        assert_eq!(
            outer.chain(),
            ["could not list hosts", "connection refused"]
        );
        assert_eq!(outer.duplicate().chain(), outer.chain());
    }
}
