//! Parses `tailscale status --json` leniently, because its format is not stable.
//!
//! Fields as in `ipn/ipnstate/ipnstate.go` of Tailscale 1.102.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use stagecraft_core::json;

/// The state of the client on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// The daemon's version; empty if unknown.
    pub(crate) version: String,
    pub(crate) state: BackendState,
    /// Whether the node has logged in. Stays set after `tailscale down`.
    pub(crate) have_node_key: bool,
    pub(crate) node_id: String,
    /// The node's full name without the trailing dot; empty if it has none.
    pub(crate) dns_name: String,
    pub(crate) host_name: String,
    pub(crate) tags: Vec<String>,
    /// Whether the node is connected to the control server.
    pub(crate) online: bool,
    pub(crate) addresses: Vec<IpAddr>,
    /// The tailnet's domain; empty if it is not known yet.
    pub(crate) suffix: String,
    pub(crate) health: Vec<String>,
    /// The public half of the node's key, as `tailscale lock sign` expects it; empty if unknown.
    pub(crate) node_key: String,
}

/// Health reports of a node that is under tailnet lock and not signed. It is `Running` and
/// `Online`, and no other node accepts it.
///
/// Texts of `health/healthmsg` and `health/warnings.go` of Tailscale 1.82 to 1.102: `status`
/// shows no codes.
const LOCKED_OUT: [&str; 2] = ["locked out", "until it is signed"];
/// Health reports that make other nodes unreachable, whatever else the status says.
const CUT_OFF: [&str; 5] = [
    "will not have connectivity",
    "cannot connect because the network is down",
    "could not connect to any relay server",
    "rejecting all packets",
    // Of clients before 1.78.
    "no derp home",
];
/// Health reports unrelated to the connection: userspace networking always emits this one.
const NOISE: &str = "getting OS base config is not supported";

fn has_any(report: &str, texts: &[&str]) -> bool {
    let report = report.to_ascii_lowercase();
    texts.iter().any(|text| report.contains(text))
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
    /// A state that this version does not know.
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
    /// Parses the JSON.
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let wire: Wire = json::decode(text.trim().as_bytes())?;
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
            node_key: own.public_key,
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

    /// Whether the node is connected and has a full name in its tailnet.
    ///
    /// `Running` is not enough: it stays after the node was deleted on the server. Neither is
    /// `Online`: it means that the control server is reachable, not that any node is.
    pub(crate) fn is_connected(&self) -> bool {
        self.state == BackendState::Running
            && self.online
            && self.cut_off().is_none()
            && !self.suffix.is_empty()
            && self.dns_name.contains('.')
    }

    /// Whether the node waits for a signature under tailnet lock.
    pub(crate) fn is_locked_out(&self) -> bool {
        self.health
            .iter()
            .any(|report| has_any(report, &LOCKED_OUT))
    }

    /// The health report that makes other nodes unreachable.
    pub(crate) fn cut_off(&self) -> Option<&str> {
        let is_cut = |report: &&String| has_any(report, &LOCKED_OUT) || has_any(report, &CUT_OFF);
        self.health.iter().find(is_cut).map(String::as_str)
    }

    /// The state in readable words.
    pub(crate) fn describe(&self) -> String {
        let state = self.state.as_str();
        if self.state != BackendState::Running {
            format!("state {state}")
        } else if !self.online {
            format!("state {state}, but not connected to the control server")
        } else if let Some(report) = self.cut_off().filter(|_| self.online) {
            format!("state {state}, but: {report}")
        } else if self.is_connected() {
            format!("state {state}, connected")
        } else {
            format!("state {state}, but without a full DNS name")
        }
    }

    /// The health reports about the connection.
    pub(crate) fn evidence(&self) -> Vec<String> {
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
    version: String,
    backend_state: String,
    have_node_key: bool,
    #[serde(rename = "TailscaleIPs", deserialize_with = "texts")]
    tailscale_ips: Vec<String>,
    #[serde(rename = "Self")]
    own: WireSelf,
    #[serde(deserialize_with = "texts")]
    health: Vec<String>,
    #[serde(rename = "MagicDNSSuffix")]
    magic_dns_suffix: String,
    current_tailnet: WireTailnet,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct WireSelf {
    #[serde(rename = "ID")]
    id: String,
    public_key: String,
    host_name: String,
    #[serde(rename = "DNSName")]
    dns_name: String,
    #[serde(rename = "TailscaleIPs", deserialize_with = "texts")]
    tailscale_ips: Vec<String>,
    #[serde(deserialize_with = "texts")]
    tags: Vec<String>,
    online: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireTailnet {
    #[serde(rename = "MagicDNSSuffix")]
    magic_dns_suffix: String,
}

/// The texts of a list. Values of another type are ignored, and so is anything but a list.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let Value::Array(list) = Value::deserialize(deserializer)? else {
        return Ok(Vec::new());
    };
    let texts = list.into_iter().filter_map(|value| match value {
        Value::String(text) => Some(text),
        _ => None,
    });
    Ok(texts.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use stagecraft_testkit::{Damage, damaged, fields};

    use super::*;

    const JOINED: &str = include_str!("../tests/fixtures/status-joined.json");
    const SECOND: &str = include_str!("../tests/fixtures/status-second-node.json");
    const LOCKED_OUT: &str = include_str!("../tests/fixtures/status-locked-out.json");

    #[test]
    fn node_under_tailnet_lock_is_not_connected_although_it_runs_and_is_online() {
        let status = Status::parse(LOCKED_OUT).unwrap();
        assert!(status.online && status.state == BackendState::Running);
        assert!(status.is_locked_out() && !status.is_connected());
        assert_eq!(status.node_key, "nodekey:00");
        assert!(
            status
                .describe()
                .starts_with("state Running, but: this node is locked out")
        );
    }

    #[test]
    fn reports_that_cut_a_node_off_count_and_others_do_not() {
        let with = |report: &str| {
            let mut status = Status::parse(JOINED).unwrap();
            status.health = vec![report.to_owned()];
            status
        };
        for report in [
            "Tailscale cannot connect because the network is down. Check your Internet connection.",
            "Tailscale could not connect to any relay server. Check your Internet connection.",
            "The coordination server sent an invalid packet filter permitting traffic to unlocked nodes; rejecting all packets for safety",
        ] {
            let status = with(report);
            assert_eq!(status.cut_off(), Some(report));
            assert!(
                !status.is_connected() && !status.is_locked_out(),
                "{report}"
            );
        }
        for report in [
            "An update from version 1.92.3 to 1.94.0 is available. Run `tailscale update` or `tailscale set --auto-update` to update now.",
            "Tailscale could not connect to the 'Paris' relay server. Your Internet connection might be down, or the server might be temporarily unavailable.",
            "Some peers are advertising routes but --accept-routes is false",
            "Tailscale hasn't received a network map from the coordination server in 2m0s.",
        ] {
            assert!(with(report).is_connected(), "{report}");
            assert_eq!(with(report).evidence(), [report]);
        }
    }

    #[test]
    fn every_field_of_a_status_may_be_null_absent_or_in_lists_of_another_type() {
        let sample: Value = serde_json::from_str(LOCKED_OUT).unwrap();
        let all = fields::<Wire>(&sample);
        assert!(all.len() > 14, "{all:?}");
        for field in all {
            for (damage, status) in damaged(&sample, &field) {
                let read = Status::parse(&status.to_string());
                if matches!(damage, Damage::Null | Damage::Absent) {
                    read.unwrap_or_else(|error| panic!("{field} {damage:?}: {error}"));
                }
            }
        }
        for list in ["/Health", "/Self/Tags", "/Self/TailscaleIPs"] {
            let mut status = sample.clone();
            let list = status
                .pointer_mut(list)
                .and_then(Value::as_array_mut)
                .unwrap();
            list.splice(0..0, [json!(null), json!(7), json!({"Code": "x"})]);
            let read = Status::parse(&status.to_string()).unwrap();
            assert_eq!(read, Status::parse(LOCKED_OUT).unwrap());
        }
    }

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
