//! Decides what to change on a host: a pure function of configuration and facts.

use std::collections::BTreeSet;

use stagecraft_core::{Change, Joined, NodeName, NodeSpec};

use crate::config::{InstallMethod, LoginServer, TailscaleConfig};
use crate::error::Failure;
use crate::facts::{Client, HostFacts, Preferences, System};
use crate::status::{BackendState, Status};
use crate::version::ClientVersion;

/// The default control server of a client, in its old and its new spelling.
const VENDOR_SERVERS: [&str; 2] = [
    "https://controlplane.tailscale.com",
    "https://login.tailscale.com",
];

/// One kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// Installs the client.
    Install,
    /// Starts the daemon. Further actions are known only once it answers.
    Daemon,
    /// Connects again with the existing login.
    Start,
    /// Waits for the connection. Never renews a valid login: a key that has expired meanwhile would
    /// end it (tailscale/tailscale#16987).
    Reconnect,
    /// Logs in with the auth key.
    Join,
    /// Requests the tags, without a key.
    Retag,
    /// Changes the settings.
    Settings,
    /// Removes the auth keys of killed runs. A join does so too.
    Clean,
}

impl Action {
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Daemon => "daemon",
            Self::Start => "start",
            Self::Reconnect => "reconnect",
            Self::Join => "join",
            Self::Retag => "retag",
            Self::Settings => "settings",
            Self::Clean => "clean",
        }
    }

    pub(crate) fn change(self, target: &Target<'_>) -> Change {
        let node = &target.node.name;
        let domain = &target.config.tailnet_domain;
        let summary = match self {
            Self::Install => "install tailscale".to_owned(),
            Self::Daemon => "start tailscaled, then connect as needed".to_owned(),
            Self::Start => format!("connect {node} to {domain} again"),
            Self::Reconnect => format!("wait for {node} to connect to {domain}"),
            Self::Join => format!("join {domain} as {node}"),
            Self::Retag => format!(
                "tag {node} with {}; other tailscale settings made by hand on the host are reset",
                target.tag_list()
            ),
            Self::Settings => format!("edit the tailscale settings of {node}"),
            Self::Clean => "remove the auth key that a killed run has left".to_owned(),
        };
        Change::new(self.id(), summary)
    }
}

/// The wanted state of a node.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) config: &'a TailscaleConfig,
    pub(crate) node: &'a NodeSpec,
    pub(crate) tags: BTreeSet<String>,
}

impl<'a> Target<'a> {
    pub(crate) fn new(config: &'a TailscaleConfig, node: &'a NodeSpec) -> Self {
        let tags = config.tags_of(&node.role);
        Self {
            config,
            node,
            tags: tags.iter().map(ToString::to_string).collect(),
        }
    }

    /// The wanted tags, in the format of `--advertise-tags`.
    pub(crate) fn tag_list(&self) -> String {
        let tags: Vec<&str> = self.tags.iter().map(String::as_str).collect();
        tags.join(",")
    }

    /// The wanted full name of the node in the tailnet.
    pub(crate) fn fqdn(&self) -> String {
        fqdn(&self.node.name, self.config)
    }

    /// Whether the node has the wanted name in the tailnet.
    pub(crate) fn is_named(&self, status: &Status) -> bool {
        status.dns_name.eq_ignore_ascii_case(&self.fqdn())
    }

    /// Decides what to change.
    pub(crate) fn decide(&self, facts: &HostFacts) -> Result<Vec<Action>, Failure> {
        if let Some(action) = self.decide_client(facts)? {
            return Ok(match action {
                Action::Install => vec![Action::Install, Action::Join],
                other => vec![other],
            });
        }
        let Client::Answering {
            preferences,
            status,
        } = &facts.client
        else {
            return Ok(Vec::new());
        };
        self.check_owner(preferences, status)?;
        let membership = self.decide_membership(preferences, status)?;
        let clean = facts.has_stale_key && membership != Some(Action::Join);
        let clean = clean.then_some(Action::Clean);
        Ok(membership.into_iter().chain(clean).collect())
    }

    /// Decides what the client itself needs, apart from any membership.
    pub(crate) fn decide_client(&self, facts: &HostFacts) -> Result<Option<Action>, Failure> {
        let version = match &facts.client {
            Client::Missing => {
                if self.config.install.method == InstallMethod::Skip {
                    return Err(Failure::NotInstalled);
                }
                check_system(&facts.system)?;
                return Ok(Some(Action::Install));
            }
            Client::Silent { version } => version,
            Client::Answering { status, .. } => &status.version,
        };
        self.check_version(version)?;
        Ok(matches!(facts.client, Client::Silent { .. }).then_some(Action::Daemon))
    }

    fn check_version(&self, found: &str) -> Result<(), Failure> {
        let Some(wanted) = &self.config.install.min_version else {
            return Ok(());
        };
        let version: ClientVersion = found
            .parse()
            .map_err(|_| Failure::Unreadable(format!("version {found:?}")))?;
        if version < *wanted {
            return Err(Failure::TooOld {
                found: version.to_string(),
                wanted: wanted.to_string(),
            });
        }
        Ok(())
    }

    /// Refuses a host that is logged in to another tailnet or control server.
    fn check_owner(&self, preferences: &Preferences, status: &Status) -> Result<(), Failure> {
        if !status.has_login() {
            return Ok(());
        }
        if let Some(found) = &preferences.control_url {
            let found = found.trim_end_matches('/');
            let wanted = self.config.login_server.as_ref().map(LoginServer::as_str);
            let same = match wanted {
                Some(wanted) => {
                    found.eq_ignore_ascii_case(wanted)
                        || (VENDOR_SERVERS.contains(&wanted) && VENDOR_SERVERS.contains(&found))
                }
                None => VENDOR_SERVERS.contains(&found),
            };
            if !same {
                return Err(Failure::OtherServer {
                    found: found.to_owned(),
                    wanted: wanted.unwrap_or(VENDOR_SERVERS[0]).to_owned(),
                });
            }
        }
        self.check_tailnet(status)
    }

    fn check_tailnet(&self, status: &Status) -> Result<(), Failure> {
        let wanted = self.config.tailnet_domain.as_str();
        if status.suffix.is_empty() || status.suffix == wanted {
            return Ok(());
        }
        Err(Failure::OtherTailnet {
            found: status.suffix.clone(),
            wanted: wanted.to_owned(),
        })
    }

    fn decide_membership(
        &self,
        preferences: &Preferences,
        status: &Status,
    ) -> Result<Option<Action>, Failure> {
        Ok(match &status.state {
            BackendState::NeedsMachineAuth => {
                return Err(Failure::NeedsApproval(self.node.name.to_string()));
            }
            BackendState::Other(other) => {
                return Err(Failure::Unreadable(format!("state {other:?}")));
            }
            BackendState::NeedsLogin => Some(Action::Join),
            _ if !status.has_login() => Some(Action::Join),
            BackendState::Stopped => Some(Action::Start),
            BackendState::NoState | BackendState::Starting => Some(Action::Reconnect),
            BackendState::Running if status.is_locked_out() => {
                return Err(self.locked_out(status));
            }
            BackendState::Running if !status.is_connected() => Some(Action::Reconnect),
            // If the name was never requested, the change requests it. If it was, another device
            // has it, and a person has to act.
            BackendState::Running
                if !self.is_named(status) && !self.will_ask_for_name(preferences, status) =>
            {
                return Err(Failure::OtherName {
                    found: status.dns_name.clone(),
                    wanted: self.fqdn(),
                });
            }
            BackendState::Running if !self.missing_tags(status).is_empty() => Some(Action::Retag),
            BackendState::Running if self.settings_differ(preferences, status) => {
                Some(Action::Settings)
            }
            BackendState::Running => None,
        })
    }

    /// Why a node under tailnet lock is not ready, with the command that signs it.
    pub(crate) fn locked_out(&self, status: &Status) -> Failure {
        Failure::LockedOut {
            node: self.node.name.to_string(),
            key: status.node_key.clone(),
        }
    }

    /// Whether the node requested another name, and a change makes it request the wanted one.
    fn will_ask_for_name(&self, preferences: &Preferences, status: &Status) -> bool {
        self.hostname_differs(preferences, status)
            && (!self.missing_tags(status).is_empty() || self.settings_differ(preferences, status))
    }

    fn missing_tags(&self, status: &Status) -> Vec<&str> {
        self.tags
            .iter()
            .filter(|tag| !status.tags.contains(tag))
            .map(String::as_str)
            .collect()
    }

    /// Whether settings differ. Settings that could not be read do not.
    fn settings_differ(&self, preferences: &Preferences, status: &Status) -> bool {
        let Some(accept_dns) = preferences.accept_dns else {
            return false;
        };
        accept_dns != self.config.accept_dns || self.hostname_differs(preferences, status)
    }

    fn hostname_differs(&self, preferences: &Preferences, status: &Status) -> bool {
        let name = preferences.hostname.as_ref().unwrap_or(&status.host_name);
        name != self.node.name.as_str()
    }

    /// Verifies that the node is connected as wanted.
    pub(crate) fn verify(&self, status: &Status) -> Result<Joined, Failure> {
        self.check_tailnet(status)?;
        let missing = self.missing_tags(status);
        if !missing.is_empty() {
            return Err(Failure::TagsMissing(missing.join(", ")));
        }
        Ok(Joined {
            node_id: status.node_id.clone(),
            fqdn: status.dns_name.clone(),
            addresses: status.addresses.clone(),
        })
    }
}

/// A node's full name in a tailnet, unless another device has it.
pub(crate) fn fqdn(node: &NodeName, config: &TailscaleConfig) -> String {
    format!("{node}.{}", config.tailnet_domain)
}

/// Checks that the vendor's package source supports the system.
fn check_system(system: &System) -> Result<(), Failure> {
    let name = match system.id.as_str() {
        "" => "unknown system",
        id => id,
    };
    if !matches!(name, "debian" | "ubuntu") {
        return Err(Failure::System(name.to_owned()));
    }
    let codename = &system.codename;
    // It becomes a part of a URL.
    if codename.is_empty() || !codename.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(Failure::System(format!("{name} {codename:?}")));
    }
    Ok(())
}
