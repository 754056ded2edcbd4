//! The configuration of Docker.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stagecraft_core::config::parse_text;

use super::source::{DockerPackages, DownloadUrl, VENDOR, VENDOR_SCRIPT};

/// The configuration of the step `docker`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DockerConfig {
    /// Whether the step is carried out. Default: `true`.
    pub enabled: bool,
    /// `latest`, or a version such as `27.5.1`; `27.5` means any `27.5.x`. An installed
    /// engine of another version is a failure, `latest` accepts every one. A named version is
    /// put on hold, so that no upgrade replaces it; `latest` takes the hold away.
    /// Default: `latest`.
    pub version: DockerVersion,
    /// How Docker is installed where it is missing. Default: `apt`.
    #[serde(alias = "installMethod")]
    pub install_method: InstallMethod,
    /// The address in place of <https://download.docker.com/linux>, below which `ubuntu` and
    /// `debian` lie. Default: that one.
    pub mirror: DownloadUrl,
    /// The address of the key that signs the packages. Nothing but the address vouches for it:
    /// name one of `https://` or `file://` (a file of the host) if the mirror has no TLS.
    /// Default: `gpg` beside the packages.
    pub key: Option<DownloadUrl>,
    /// The address of the script of `install_method: script`, which runs as root. Default: <https://get.docker.com>.
    pub script: DownloadUrl,
    /// What the packages are called. Default: Docker's own names.
    pub packages: DockerPackages,
}

impl Default for DockerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            version: DockerVersion::Latest,
            install_method: InstallMethod::Apt,
            mirror: VENDOR.parse().expect("it is a plain URL"),
            key: None,
            script: VENDOR_SCRIPT.parse().expect("it is a plain URL"),
            packages: DockerPackages::default(),
        }
    }
}

/// How Docker is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum InstallMethod {
    /// From Docker's own apt repository.
    Apt,
    /// With the script from <https://get.docker.com>.
    Script,
    /// Not at all.
    Skip,
}

/// The wanted version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerVersion {
    /// The newest version at installation.
    Latest,
    /// This one: one to three numbers, joined by dots.
    Pinned(String),
}

impl DockerVersion {
    /// Whether an installed version matches the wanted one.
    pub fn accepts(&self, installed: &str) -> bool {
        match self {
            Self::Latest => true,
            Self::Pinned(wanted) => installed
                .strip_prefix(wanted.as_str())
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit())),
        }
    }
}

impl Serialize for DockerVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Latest => "latest",
            Self::Pinned(version) => version,
        })
    }
}

impl<'de> Deserialize<'de> for DockerVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_text(deserializer)
    }
}

impl FromStr for DockerVersion {
    type Err = String;

    fn from_str(value: &str) -> Result<Self, String> {
        if value == "latest" {
            return Ok(Self::Latest);
        }
        let parts: Vec<&str> = value.split('.').collect();
        let is_number = |part: &&str| {
            (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if parts.len() <= 3 && parts.iter().all(is_number) {
            Ok(Self::Pinned(value.to_owned()))
        } else {
            Err(format!(
                "invalid docker version {value:?}: write `latest` or numbers such as \"27.5.1\""
            ))
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for DockerVersion {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DockerVersion".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^(latest|[0-9]{1,4}(\.[0-9]{1,4}){0,2})$",
            "examples": ["latest", "27.5.1"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_latest_and_numbers_are_versions() {
        for good in ["latest", "27", "27.5", "27.5.1"] {
            assert!(good.parse::<DockerVersion>().is_ok(), "{good}");
        }
        for bad in [
            "", "newest", "27.", "27.5.1.2", "27.5.1-1", "v27", "27 ", "$(id)", "27.*",
        ] {
            assert!(bad.parse::<DockerVersion>().is_err(), "{bad}");
        }
    }

    #[test]
    fn pin_accepts_its_own_version_and_whatever_is_more_exact() {
        let accepts = |wanted: &str, installed: &str| {
            DockerVersion::Pinned(wanted.to_owned()).accepts(installed)
        };
        assert!(accepts("27.5.1", "27.5.1"));
        assert!(accepts("27.5", "27.5.1"));
        assert!(accepts("20.10.24", "20.10.24+dfsg1"));
        assert!(!accepts("27.5.1", "27.5.10"));
        assert!(!accepts("27.5.1", "27.5"));
        assert!(!accepts("2", "27.5.1"));
    }
}
