//! What `tailscale status --json` tells, read leniently: its form is not promised.
//!
//! Fields as in `ipn/ipnstate/ipnstate.go` of Tailscale 1.102.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer};

/// The state of the client on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// The daemon's version; empty if it does not tell.
    pub(crate) version: String,
    pub(crate) state: BackendState,
    /// Whether a login has been made. It outlives `tailscale down`.
    pub(crate) have_node_key: bool,
    pub(crate) node_id: String,
    /// The node's full name without the dot at its end; empty if it has none.
    pub(crate) dns_name: String,
    pub(crate) host_name: String,
    pub(crate) tags: Vec<String>,
    /// Whether the node is connected to the control server.
    pub(crate) online: bool,
    pub(crate) addresses: Vec<IpAddr>,
    /// The tailnet's domain; empty if it is not known yet.
    pub(crate) suffix: String,
    pub(crate) health: Vec<String>,
}

/// `BackendState`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BackendState {
    NoState,
    NeedsLogin,
    NeedsMachineAuth,
    Stopped,
    Starting,
    Running,
    /// One that this version does not know.
    Other(String),
}

impl BackendState {
    fn parse(text: &str) -> Self {
        match text {
            "NoState" => Self::NoState,
            "NeedsLogin" => Self::NeedsLogin,
            "NeedsMachineAuth" => Self::NeedsMachineAuth,
            "Stopped" => Self::Stopped,
            "Starting" => Self::Starting,
            "Running" => Self::Running,
            other => Self::Other(other.to_owned()),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::NoState => "NoState",
            Self::NeedsLogin => "NeedsLogin",
            Self::NeedsMachineAuth => "NeedsMachineAuth",
            Self::Stopped => "Stopped",
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Other(other) => other,
        }
    }
}

impl Status {
    /// Reads the JSON.
    pub(crate) fn parse(json: &str) -> Result<Self, serde_json::Error> {
        let wire: Wire = serde_json::from_str(json.trim())?;
        let own = wire.own;
        let suffix = match wire.current_tailnet.magic_dns_suffix {
            suffix if suffix.is_empty() => wire.magic_dns_suffix,
            suffix => suffix,
        };
        let texts = match own.tailscale_ips {
            ips if ips.is_empty() => wire.tailscale_ips,
            ips => ips,
        };
        Ok(Self {
            version: wire.version,
            state: BackendState::parse(&wire.backend_state),
            have_node_key: wire.have_node_key,
            node_id: own.id,
            dns_name: own.dns_name.trim_end_matches('.').to_owned(),
            host_name: own.host_name,
            tags: own.tags,
            online: own.online,
            addresses: texts.iter().filter_map(|text| text.parse().ok()).collect(),
            suffix: suffix.trim_end_matches('.').to_ascii_lowercase(),
            health: wire.health,
        })
    }

    /// Whether the client has a login, so that no key is needed and none may be sent.
    pub(crate) fn has_login(&self) -> bool {
        match self.state {
            BackendState::Running | BackendState::NeedsMachineAuth => true,
            BackendState::Stopped | BackendState::Starting | BackendState::NoState => {
                self.have_node_key
            }
            BackendState::NeedsLogin | BackendState::Other(_) => false,
        }
    }

    /// Whether the node is connected, and known by a full name in its tailnet.
    ///
    /// `Running` alone does not tell: it stays when the node was deleted at the server.
    pub(crate) fn is_connected(&self) -> bool {
        self.state == BackendState::Running
            && self.online
            && !self.suffix.is_empty()
            && self.dns_name.contains('.')
    }

    /// The state as a person reads it.
    pub(crate) fn describe(&self) -> String {
        let state = self.state.as_str();
        if self.state != BackendState::Running {
            format!("state {state}")
        } else if !self.online {
            format!("state {state}, but not connected to the control server")
        } else if self.is_connected() {
            format!("state {state}, connected")
        } else {
            format!("state {state}, but without a full DNS name")
        }
    }

    /// The health reports that say something about the connection.
    pub(crate) fn evidence(&self) -> Vec<String> {
        // Userspace networking always reports this one.
        const NOISE: &str = "getting OS base config is not supported";
        self.health
            .iter()
            .filter(|report| !report.contains(NOISE))
            .cloned()
            .collect()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Wire {
    #[serde(deserialize_with = "or_default")]
    version: String,
    #[serde(deserialize_with = "or_default")]
    backend_state: String,
    #[serde(deserialize_with = "or_default")]
    have_node_key: bool,
    #[serde(rename = "TailscaleIPs", deserialize_with = "or_default")]
    tailscale_ips: Vec<String>,
    #[serde(rename = "Self", deserialize_with = "or_default")]
    own: WireSelf,
    #[serde(deserialize_with = "or_default")]
    health: Vec<String>,
    #[serde(rename = "MagicDNSSuffix", deserialize_with = "or_default")]
    magic_dns_suffix: String,
    #[serde(deserialize_with = "or_default")]
    current_tailnet: WireTailnet,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct WireSelf {
    #[serde(rename = "ID", deserialize_with = "or_default")]
    id: String,
    #[serde(deserialize_with = "or_default")]
    host_name: String,
    #[serde(rename = "DNSName", deserialize_with = "or_default")]
    dns_name: String,
    #[serde(rename = "TailscaleIPs", deserialize_with = "or_default")]
    tailscale_ips: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    tags: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    online: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireTailnet {
    #[serde(rename = "MagicDNSSuffix", deserialize_with = "or_default")]
    magic_dns_suffix: String,
}

/// Takes `null` for absent: the client writes it for empty lists.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JOINED: &str = include_str!("../tests/fixtures/status-joined.json");
    const SECOND: &str = include_str!("../tests/fixtures/status-second-node.json");

    #[test]
    fn status_of_a_joined_node_is_read() {
        let status = Status::parse(JOINED).unwrap();
        assert_eq!(status.version, "1.82.0-tlocal");
        assert_eq!(status.state, BackendState::Running);
        assert_eq!(status.dns_name, "web-1.tail.internal");
        assert_eq!(status.suffix, "tail.internal");
        assert_eq!(status.tags, ["tag:gw"]);
        assert_eq!(status.addresses.len(), 2);
        assert!(status.is_connected() && status.has_login());
        assert!(status.evidence().is_empty());
    }

    #[test]
    fn server_given_name_and_absent_tags_are_read() {
        let status = Status::parse(SECOND).unwrap();
        assert_eq!(status.dns_name, "web-1-wns3zcct.tail.internal");
        assert_eq!(status.host_name, "web-1");
        assert!(status.tags.is_empty());
    }

    #[test]
    fn nulls_absent_and_unknown_fields_are_taken() {
        let json = r#"{"BackendState":"NeedsLogin","TailscaleIPs":null,"CurrentTailnet":null,
            "Self":{"ID":"","DNSName":"","Tags":null,"New":[1]},"Health":["Tailscale is stopped."],"X":{}}"#;
        let status = Status::parse(json).unwrap();
        assert_eq!(status.state, BackendState::NeedsLogin);
        assert!(!status.has_login() && !status.is_connected());
        let status = Status::parse(r#"{"BackendState":"Dreaming","Self":null}"#).unwrap();
        assert_eq!(status.state, BackendState::Other("Dreaming".into()));
    }

    proptest! {
        #[test]
        fn parsing_arbitrary_text_never_panics(text in "\\PC{0,200}") {
            let _status = Status::parse(&text);
        }

        #[test]
        fn parsing_a_damaged_status_never_panics(
            at in 0..JOINED.len(),
            length in 0usize..40,
            put in "[\\[\\]{}\",:a0nul. -]{0,8}",
        ) {
            let end = (at + length).min(JOINED.len());
            let mut bytes = JOINED.as_bytes().to_vec();
            bytes.splice(at..end, put.bytes());
            if let Ok(status) = Status::parse(&String::from_utf8_lossy(&bytes)) {
                let _all = (status.is_connected(), status.has_login(), status.describe(), status.evidence());
            }
        }
    }
}
