//! Facts that the probe reads on a host.

use stagecraft_core::{ProbeFacts, shorten};

use crate::error::Failure;
use crate::status::Status;

/// The probe: the script that reads a host's state.
pub(crate) const PROBE: &str = include_str!("scripts/probe.sh");

/// The state of a host as the probe read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostFacts {
    pub(crate) system: System,
    pub(crate) client: Client,
    /// Whether a killed run left its auth key on the host.
    pub(crate) has_stale_key: bool,
}

/// `/etc/os-release`. Fields are empty where the file has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct System {
    pub(crate) id: String,
    pub(crate) codename: String,
}

/// The client on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Client {
    /// Not installed.
    Missing,
    /// Installed, but its daemon does not answer.
    Silent { version: String },
    /// The daemon answers.
    Answering {
        preferences: Preferences,
        status: Box<Status>,
    },
}

/// The client's settings, as far as they could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    pub(crate) control_url: Option<String>,
    pub(crate) accept_dns: Option<bool>,
    pub(crate) hostname: Option<String>,
}

impl HostFacts {
    /// Parses the probe's output.
    pub(crate) fn parse(facts: &ProbeFacts) -> Result<Self, Failure> {
        let text = |key: &str| {
            let value = facts.value(key).map(str::trim).unwrap_or_default();
            value.to_owned()
        };
        let known = |key: &str| Some(text(key)).filter(|value| !value.is_empty());
        let system = System {
            id: text("os_id"),
            codename: text("os_codename"),
        };
        let client = match facts.value("installed") {
            Some("no") => Client::Missing,
            Some("yes") => match facts.value("status_code") {
                Some("0") => {
                    let json = facts.rest_after("status").unwrap_or_default();
                    Client::Answering {
                        preferences: Preferences {
                            control_url: known("control_url"),
                            accept_dns: known("accept_dns").and_then(|value| value.parse().ok()),
                            hostname: known("hostname"),
                        },
                        status: Status::parse(json).map(Box::new).map_err(|error| {
                            Failure::Unreadable(shorten(&error.to_string(), 300))
                        })?,
                    }
                }
                Some(_) => Client::Silent {
                    version: text("version"),
                },
                None => return Err(Failure::Unreadable("no status".into())),
            },
            _ => {
                return Err(Failure::Unreadable(
                    "it does not say whether tailscale is installed".into(),
                ));
            }
        };
        Ok(Self {
            system,
            client,
            has_stale_key: facts.value("stale_key") == Some("yes"),
        })
    }

    /// The daemon's status, if it answers.
    pub(crate) fn status(&self) -> Option<&Status> {
        match &self.client {
            Client::Answering { status, .. } => Some(status),
            Client::Missing | Client::Silent { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answer_that_is_not_whole_is_an_error() {
        for output in [
            "",
            "installed=maybe\n",
            "installed=yes\nversion=1\n",
            "installed=yes\nstatus_code=0\nstatus:\n{\"Back",
        ] {
            let facts = ProbeFacts {
                output: output.into(),
                code: 0,
            };
            assert!(
                matches!(HostFacts::parse(&facts), Err(Failure::Unreadable(_))),
                "{output:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(output in "(os_id=|installed=yes\n|status_code=0\n|status:\n|\\{|\\}|\"|\\PC|\n){0,40}") {
            let _facts = HostFacts::parse(&ProbeFacts { output, code: 0 });
        }
    }
}
