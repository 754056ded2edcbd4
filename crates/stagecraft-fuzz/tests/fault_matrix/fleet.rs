//! What is declared, and what the account holds before a story begins.

use std::sync::OnceLock;

use provider_digitalocean::{DigitalOcean, DigitalOceanConfig, HostConfig};
use stagecraft_core::{EnvironmentName, HostKey};

use crate::schedule::{Operation, Weather};

/// Two groups, of which the first needs two creates.
const GROUPS: [(&str, u32, &str); 2] = [("app", 12, "s-1vcpu-1gb"), ("db", 3, "s-4vcpu-8gb")];
/// Which hosts exist where a part of the fleet does.
const EXISTING: [&str; 5] = ["app-1", "app-2", "app-7", "app-12", "db-2"];
/// The host that has another size than it should where one is resized.
const SMALL: &str = "db-2";
/// The declared name that another project's droplet bears where droplets are adopted.
const TAKEN: &str = "db-3";

/// The host key that stands for those of earlier runs.
pub(crate) fn key() -> &'static HostKey {
    static KEY: OnceLock<HostKey> = OnceLock::new();
    KEY.get_or_init(|| HostKey::generate().expect("randomness"))
}

pub(crate) fn environment() -> EnvironmentName {
    "staging".parse().expect("a name")
}

fn configuration() -> DigitalOceanConfig {
    let mut config = DigitalOceanConfig::new("DO_TOKEN", "ops");
    config.default_region = Some("nyc3".to_owned());
    for (name, count, size) in GROUPS {
        let mut host = HostConfig::new(name.parse().expect("a role"));
        host.count = Some(count);
        host.size = Some(size.to_owned());
        config = config.with_host(environment(), name.parse().expect("a name"), host);
    }
    config
}

pub(crate) fn provider() -> DigitalOcean {
    let project = "shop".parse().expect("a name");
    DigitalOcean::new(configuration(), Some(project)).expect("a sound configuration")
}

/// The declared hosts: name, role and size.
fn hosts() -> impl Iterator<Item = (String, &'static str, &'static str)> {
    GROUPS.into_iter().flat_map(|(group, count, size)| {
        (1..=count).map(move |at| (format!("{group}-{at}"), group, size))
    })
}

/// A droplet that there is, or should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Piece {
    pub(crate) name: String,
    pub(crate) size: String,
    pub(crate) tags: Vec<String>,
}

impl Piece {
    fn new(host: &str, size: &str, tags: &[&str]) -> Self {
        Self {
            name: format!("staging-{host}"),
            size: size.to_owned(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        }
    }

    fn foreign(name: &str, tags: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::new("", "s-1vcpu-1gb", tags)
        }
    }
}

fn fleet_tags(role: &str) -> Vec<String> {
    vec![
        "stagecraft".to_owned(),
        "stagecraft-env-staging".to_owned(),
        "stagecraft-project-shop".to_owned(),
        format!("stagecraft-role-{role}"),
    ]
}

/// The hosts that must be there in the end, sorted by name, with the tags that they must bear.
pub(crate) fn wanted(operation: Operation) -> Vec<Piece> {
    let stays = |name: &str| match operation {
        Operation::Down => false,
        Operation::Adopt => name != TAKEN,
        Operation::Plan => EXISTING.contains(&name),
        _ => true,
    };
    let mut all: Vec<Piece> = hosts()
        .filter(|(name, _, _)| stays(name))
        .map(|(name, role, size)| Piece {
            tags: fleet_tags(role),
            ..Piece::new(&name, size, &[])
        })
        .collect();
    all.sort();
    all
}

/// The droplets of ours, or those to be adopted, before the story begins.
pub(crate) fn before(operation: Operation) -> Vec<Piece> {
    let pin = key().fingerprint().tag();
    let mut pieces = Vec::new();
    for (name, role, size) in hosts() {
        let exists = EXISTING.contains(&name.as_str());
        let mut tags = fleet_tags(role);
        tags.push(pin.clone());
        let mut piece = Piece {
            tags,
            ..Piece::new(&name, size, &[])
        };
        match operation {
            Operation::Up => continue,
            Operation::Plan | Operation::UpTheRest if !exists => continue,
            Operation::Adopt if name == TAKEN => continue,
            Operation::Adopt if !exists => piece.tags.clear(),
            Operation::Resize | Operation::ResizeThenUp if name == SMALL => {
                "s-1vcpu-2gb".clone_into(&mut piece.size);
            }
            // It has no role, or another one.
            Operation::Retag if exists => {
                piece.tags.retain(|tag| !tag.contains("role"));
                if name == SMALL {
                    piece.tags.push("stagecraft-role-app".to_owned());
                }
            }
            _ => {}
        }
        pieces.push(piece);
    }
    if operation == Operation::Prune {
        for name in ["app-14", "cache-1", "old"] {
            let mut tags = fleet_tags("app");
            tags.push(pin.clone());
            pieces.push(Piece {
                tags,
                ..Piece::new(name, "s-1vcpu-1gb", &[])
            });
        }
    }
    pieces
}

/// Droplets that a careless rule would take for ours.
pub(crate) fn foreign(operation: Operation, weather: Weather) -> Vec<Piece> {
    let other = [
        "stagecraft",
        "stagecraft-env-staging",
        "stagecraft-project-other",
        "stagecraft-role-app",
    ];
    let prod = [
        "stagecraft",
        "stagecraft-env-prod",
        "stagecraft-project-shop",
    ];
    let mut pieces = Vec::new();
    if weather.capitals {
        // The account keeps the spelling that it saw first.
        let shouted = ["Stagecraft", "STAGECRAFT-ENV-STAGING"];
        pieces.push(Piece::foreign("staging-shouting-1", &shouted));
    }
    let nameless = ["stagecraft", "stagecraft-env-staging", "stagecraft-role-db"];
    let alike = [
        "stagecraft",
        "stagecraft-env-staging-2",
        "stagecraft-project-shop",
    ];
    pieces.extend([
        Piece::foreign("web", &[]),
        Piece::foreign("staging-app-13", &[]),
        Piece::foreign("staging-app", &[]),
        Piece::foreign("Staging-Cache-1", &["stagecraft"]),
        Piece::foreign("staging-app-99", &other),
        Piece::foreign("staging-db-99", &nameless),
        Piece::foreign("prod-app-1", &prod),
        Piece::foreign(
            "staging-app-98",
            &["stagecraft-env-staging", "stagecraft-project-shop"],
        ),
        Piece::foreign("staging-2-app-1", &alike),
    ]);
    match operation {
        // With these an up would be refused.
        Operation::Plan | Operation::Down | Operation::Prune => pieces.extend([
            Piece::foreign("staging-app-1", &[]),
            Piece::foreign("staging-app-3", &other),
            Piece::foreign("staging-db-2", &prod),
            Piece::foreign("staging-old", &nameless),
        ]),
        Operation::Adopt => pieces.push(Piece::foreign(&format!("staging-{TAKEN}"), &other)),
        _ => {}
    }
    pieces
}
