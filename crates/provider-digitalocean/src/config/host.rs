//! One entry under `hosts.<environment>`, and the options of a host.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stagecraft_core::config::ConfigDuration;
use stagecraft_core::{HostOptions, RoleName};

use crate::user_data::{self, Flaw};

/// Shortest TTL of a host.
const SHORTEST_TTL: Duration = Duration::from_mins(1);
/// Longest TTL of a host: its expiry is still a valid date.
const LONGEST_TTL: Duration = Duration::from_hours(876_000);
/// Longest tag that the API accepts, in characters.
const TAG_LIMIT: usize = 255;
/// The prefix of Stagecraft's own tags.
const RESERVED: &str = "stagecraft";

/// One entry under `hosts.<environment>`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of its own, and any of them may be on"
)]
pub struct HostConfig {
    /// The role, for example `app`. It becomes a tag.
    pub role: RoleName,
    /// The size; `default_size` if absent.
    #[serde(default)]
    pub size: Option<String>,
    /// The region; `default_region` if absent.
    #[serde(default)]
    pub region: Option<String>,
    /// The image, as a slug; `ubuntu-22-04-x64` if absent.
    #[serde(default)]
    pub image: Option<String>,
    /// Makes this many hosts, named `<name>-1`, `<name>-2` and so on, instead of one.
    #[serde(default)]
    pub count: Option<u32>,
    /// Tags beside Stagecraft's own, for example `[team-web, backup:daily]`: lower-case letters,
    /// digits, `-`, `_` and `:`. Hosts that exist get those that they lack, and lose none.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether deleting the host is refused. It counts as soon as it is in the file, and after
    /// that by a tag until `stagecraft infra unprotect`.
    #[serde(default)]
    pub protect: bool,
    /// The time from its creation after which `stagecraft infra reap` deletes the host, for
    /// example `8h`; at least a minute. For a host that was made without it, it counts from the
    /// first `up` that finds it declared. Another value counts from the same moment, so running
    /// `up` again prolongs nothing; without the line `up` removes the end. Not together with
    /// `protect`.
    #[serde(default)]
    pub ttl: Option<ConfigDuration>,
    /// The VPC that the host is in, by name or id. The region's default VPC if absent.
    #[serde(default)]
    pub vpc: Option<String>,
    /// Whether DigitalOcean's agent for metrics is installed.
    #[serde(default)]
    pub monitoring: bool,
    /// Whether DigitalOcean makes backups of the host: daily ones, for 30 % of its price.
    #[serde(default)]
    pub backups: bool,
    /// Whether the host has a public IPv6 address.
    #[serde(default)]
    pub ipv6: bool,
    /// User data for cloud-init on the first boot, in any form that cloud-init knows as text: a
    /// `#cloud-config`, which must be valid YAML, a script that begins with `#!`, an `#include`, a
    /// `## template: jinja`, a MIME message and others. Together with what Stagecraft adds at most
    /// 64 KiB. It may not set `ssh_keys` or `ssh_deletekeys`.
    #[serde(default, alias = "userData")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub user_data: Option<UserData>,
    /// A file with the user data, relative to the configuration.
    #[serde(default, alias = "userDataFile")]
    pub user_data_file: Option<PathBuf>,
    /// The DigitalOcean project that the host is put into, by name or id. The account's default
    /// project if absent.
    #[serde(default)]
    pub project: Option<String>,
}

/// User data as it stands in the configuration. It may hold secrets, so `Debug` withholds it.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct UserData(String);

impl UserData {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for UserData {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for UserData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserData({} bytes)", self.0.len())
    }
}

/// A key and the problem with its value.
#[derive(Debug)]
pub(super) struct KeyProblem {
    pub(super) key: &'static str,
    pub(super) flaw: Flaw,
}

impl From<(&'static str, String)> for KeyProblem {
    fn from((key, message): (&'static str, String)) -> Self {
        let flaw = Flaw::from(message);
        Self { key, flaw }
    }
}

impl HostConfig {
    /// A host of the default size, region and image.
    pub fn new(role: RoleName) -> Self {
        Self {
            role,
            size: None,
            region: None,
            image: None,
            count: None,
            tags: Vec::new(),
            protect: false,
            ttl: None,
            vpc: None,
            monitoring: false,
            backups: false,
            ipv6: false,
            user_data: None,
            user_data_file: None,
            project: None,
        }
    }

    /// The options of the host. Files with user data are not read here, so their digest is missing.
    pub(super) fn options(&self) -> Result<HostOptions, KeyProblem> {
        if self.protect && self.ttl.is_some() {
            let message = "a protected host has no ttl: give one of protect and ttl";
            return Err(("ttl", message.to_owned()).into());
        }
        let ttl = self.ttl.map(ConfigDuration::get);
        if ttl.is_some_and(|ttl| ttl < SHORTEST_TTL) {
            return Err(("ttl", "must be at least 1m".to_owned()).into());
        }
        if ttl.is_some_and(|ttl| ttl > LONGEST_TTL) {
            return Err(("ttl", "must be at most 876000h, a hundred years".to_owned()).into());
        }
        for (key, value) in [("vpc", &self.vpc), ("project", &self.project)] {
            if value.as_ref().is_some_and(|value| value.trim().is_empty()) {
                return Err((key, format!("{key} must not be empty")).into());
            }
        }
        if self.user_data.is_some() && self.user_data_file.is_some() {
            let message = "only one of user_data and user_data_file may be given";
            return Err(("user_data_file", message.to_owned()).into());
        }
        let is_nowhere = |path: &PathBuf| path.as_os_str().is_empty();
        if self.user_data_file.as_ref().is_some_and(is_nowhere) {
            let message = "user_data_file must be the path of a file";
            return Err(("user_data_file", message.to_owned()).into());
        }
        if let Some(text) = &self.user_data {
            user_data::check(text.as_str()).map_err(|flaw| KeyProblem {
                key: "user_data",
                flaw,
            })?;
        }
        Ok(HostOptions {
            own_tags: self.own_tags()?,
            protect: self.protect,
            ttl_seconds: ttl.map(|ttl| ttl.as_secs()),
            vpc: self.vpc.clone(),
            monitoring: self.monitoring,
            backups: self.backups,
            ipv6: self.ipv6,
            user_data_sha256: self
                .user_data
                .as_ref()
                .map(|text| user_data::digest(text.as_str())),
            cloud_project: self.project.clone(),
        })
    }

    fn own_tags(&self) -> Result<Vec<String>, KeyProblem> {
        let mut own = self.tags.clone();
        own.sort();
        for tag in &own {
            let refused = |why: &str| Err(("tags", format!("tag `{tag}`: {why}")).into());
            let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':');
            if tag.is_empty() || tag.len() > TAG_LIMIT || !tag.chars().all(is_letter) {
                return refused("1 to 255 letters, digits, `-`, `_` and `:` are allowed");
            }
            if tag.chars().any(|c| c.is_ascii_uppercase()) {
                return refused("write it in lower case, since tags ignore case");
            }
            if tag.starts_with(RESERVED) {
                return refused("names that begin with `stagecraft` are Stagecraft's own");
            }
        }
        match own.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(("tags", format!("tag `{}` stands twice", pair[0])).into()),
            None => Ok(own),
        }
    }
}
