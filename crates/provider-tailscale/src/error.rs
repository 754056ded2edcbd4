//! Failures, and the one table of their consequences.

use stagecraft_core::{Error, ErrorKind, Retry};

/// The provider's id.
pub(crate) const ID: &str = "tailscale";

/// Why a host could not join the tailnet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("tailscale provider: the host's answer could not be understood: {0}")]
    Unreadable(String),
    #[error("tailscale provider: client is missing and install.method is skip")]
    NotInstalled,
    #[error("tailscale provider: cannot install on `{0}`, only on debian and ubuntu")]
    System(String),
    #[error("tailscale provider: client {found} is older than min_version {wanted}")]
    TooOld { found: String, wanted: String },
    #[error("tailscale provider: client could not be installed: {0}")]
    Install(String),
    #[error("tailscale provider: host has no room left: {0}")]
    NoRoom(String),
    #[error("tailscale provider: package system of the host is busy: {0}")]
    PackageLock(String),
    #[error("tailscale provider: packages could not be fetched: {0}")]
    Download(String),
    #[error("tailscale provider: tailscaled does not answer")]
    DaemonSilent,
    #[error("tailscale provider: auth key missing from {0}")]
    KeyMissing(String),
    #[error("tailscale provider: {0} does not hold an auth key")]
    KeyMalformed(String),
    #[error("tailscale provider: auth key could not be put onto the host: {0}")]
    KeyNotStored(String),
    #[error("tailscale provider: auth key was refused as invalid")]
    KeyInvalid,
    #[error("tailscale provider: auth key has expired")]
    KeyExpired,
    #[error("tailscale provider: auth key was used before and is good for one use only")]
    KeyUsed,
    #[error("tailscale provider: tags were refused: {0}")]
    TagsRefused(String),
    #[error("tailscale provider: key makes tagged nodes only, and the node has no tags")]
    TagsRequired,
    #[error("tailscale provider: node {0} waits for approval")]
    NeedsApproval(String),
    #[error(
        "tailscale provider: node {node} is locked out by tailnet lock: no other node can reach it until it is signed"
    )]
    LockedOut { node: String, key: String },
    #[error("tailscale provider: control server could not be reached: {0}")]
    Unreachable(String),
    #[error("tailscale provider: login on the host is not allowed to change the client")]
    NotPermitted,
    #[error("tailscale provider: host belongs to tailnet {found}, not {wanted}")]
    OtherTailnet { found: String, wanted: String },
    #[error("tailscale provider: host belongs to control server {found}, not {wanted}")]
    OtherServer { found: String, wanted: String },
    #[error("tailscale provider: tailscale failed: {0}")]
    Command(String),
    #[error("tailscale provider: node {node} is not connected after {waited} ({state})")]
    NotConnected {
        node: String,
        waited: String,
        state: String,
    },
    #[error("tailscale provider: node is connected but lacks {0}")]
    TagsMissing(String),
    #[error("tailscale provider: tailnet calls the node `{found}`, expected was `{wanted}`")]
    OtherName { found: String, wanted: String },
    #[error("tailscale provider: `{0}` was done, but the host does not show it")]
    DidNotLast(String),
}

impl Failure {
    /// Kind, retry and operation of each failure: the one table of this provider.
    fn consequences(&self) -> (ErrorKind, Retry, &'static str) {
        use ErrorKind as K;
        const AGAIN: Retry = Retry::After(None);
        const NEVER: Retry = Retry::Never;
        match self {
            Self::Unreadable(_) => (K::Protocol, NEVER, "verify"),
            Self::NotInstalled | Self::TooOld { .. } | Self::NoRoom(_) => {
                (K::Rejected, NEVER, "install")
            }
            Self::System(_) => (K::Unsupported, NEVER, "install"),
            Self::Install(_) => (K::CommandFailed, NEVER, "install"),
            Self::PackageLock(_) | Self::Download(_) => (K::Unavailable, AGAIN, "install"),
            Self::DaemonSilent => (K::Unavailable, NEVER, "install"),
            Self::KeyMissing(_) => (K::SecretMissing, NEVER, "join"),
            Self::KeyMalformed(_) | Self::TagsRequired => (K::Config, NEVER, "join"),
            Self::KeyNotStored(_) | Self::Command(_) => (K::CommandFailed, NEVER, "join"),
            Self::KeyInvalid | Self::KeyExpired | Self::KeyUsed => (K::Unauthorized, NEVER, "join"),
            Self::TagsRefused(_) | Self::NotPermitted => (K::Forbidden, NEVER, "join"),
            Self::NeedsApproval(_) | Self::OtherTailnet { .. } | Self::OtherServer { .. } => {
                (K::Rejected, NEVER, "join")
            }
            Self::Unreachable(_) => (K::Unavailable, AGAIN, "join"),
            Self::NotConnected { .. } => (K::Timeout, NEVER, "verify"),
            Self::LockedOut { .. }
            | Self::TagsMissing(_)
            | Self::OtherName { .. }
            | Self::DidNotLast(_) => (K::Rejected, NEVER, "verify"),
        }
    }

    /// What the user can do next.
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::LockedOut { key, .. } => {
                let key = Some(key.as_str()).filter(|key| key.starts_with("nodekey:"));
                let key = key.unwrap_or("NODE_KEY");
                return Some(format!(
                    "on a node with a trusted key run `tailscale lock sign {key}`, then run again; hosts that join with a signed auth key (`tailscale lock sign AUTH_KEY`) need no signature"
                ));
            }
            Self::NotInstalled => "install tailscale on the host, or set install.method to auto",
            Self::System(_) => {
                "install tailscale by hand (https://tailscale.com/download/linux) and set install.method to skip"
            }
            Self::TooOld { .. } => {
                "on the host run: apt-get update && apt-get install -y --only-upgrade tailscale"
            }
            Self::NoRoom(_) => "free some of it on the host, then run again",
            Self::DaemonSilent => "on the host look at: systemctl status tailscaled",
            Self::KeyMissing(_) | Self::KeyMalformed(_) => {
                "make an auth key in the admin console under Settings > Keys and put it there"
            }
            Self::KeyInvalid => {
                "the key is unknown, revoked, expired or used up; make a new one in the admin console under Settings > Keys"
            }
            Self::KeyExpired => "make a new auth key in the admin console under Settings > Keys",
            Self::KeyUsed => "make a reusable auth key in the admin console under Settings > Keys",
            Self::TagsRefused(_) => {
                "the key's owner must own the tags: look at tagOwners in the tailnet's policy and at the key's own tags"
            }
            Self::TagsRequired => "set default_tags or role_tags to the tags of the key",
            Self::NeedsApproval(_) => {
                "approve it in the admin console under Machines, or use a pre-approved auth key, then run again"
            }
            Self::Unreachable(_) => {
                "the host must be able to open HTTPS connections to the control server; on the host look at: tailscale netcheck"
            }
            Self::NotPermitted => "log in to the host as root",
            Self::OtherTailnet { .. } | Self::OtherServer { .. } => {
                "if the host is to change over, run `tailscale logout` on it, then run again"
            }
            Self::NotConnected { .. } => {
                "if the node was deleted in the admin console, run `tailscale logout` on the host, then run again"
            }
            Self::TagsMissing(_) => {
                "the control server left the tags out: let the key bear them, or its owner own them (tagOwners)"
            }
            Self::OtherName { .. } => {
                "remove the old device of that name in the admin console and rename this one there, or remove both and run `tailscale logout` on the host; then run again"
            }
            Self::Unreadable(_)
            | Self::Install(_)
            | Self::PackageLock(_)
            | Self::Download(_)
            | Self::KeyNotStored(_)
            | Self::Command(_)
            | Self::DidNotLast(_) => return None,
        };
        Some(hint.to_owned())
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let (kind, retry, operation) = failure.consequences();
        let error = Self::new(kind, failure.to_string())
            .with_provider(ID)
            .with_operation(operation)
            .with_retry(retry);
        match failure.hint() {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

/// Adds lines as evidence, each with the same name.
pub(crate) fn with_evidence(
    error: Error,
    name: &'static str,
    lines: impl IntoIterator<Item = String>,
) -> Error {
    lines
        .into_iter()
        .fold(error, |error, line| error.with_context(name, line))
}

/// The connection to the host failed, not the host. Keeps kind and retry.
pub(crate) fn transport(error: Error, operation: &'static str) -> Error {
    if error.kind() == ErrorKind::Cancelled {
        return error.with_operation(operation);
    }
    Error::new(
        error.kind(),
        "tailscale provider: command could not be run on the host",
    )
    .with_provider(ID)
    .with_operation(operation)
    .with_retry(error.retry())
    .with_source(error)
}

#[cfg(test)]
mod tests;
