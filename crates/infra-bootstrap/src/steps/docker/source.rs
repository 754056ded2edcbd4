//! The source of Docker's packages, and their names there.

use serde::{Deserialize, Serialize};

use super::super::text::checked_text;

/// The URL of Docker's packages.
pub(super) const VENDOR: &str = "https://download.docker.com/linux";
/// The URL of Docker's script.
pub(super) const VENDOR_SCRIPT: &str = "https://get.docker.com";

checked_text!(
    /// Where something is downloaded from: `http`, `https` or `file`, without credentials. A
    /// slash at its end is dropped.
    DownloadUrl,
    download_url,
    r#"^(https?://|file:///)[^@?#\s'"\\]+$"#
);

checked_text!(
    /// The name of a Debian package.
    PackageName,
    package_name,
    "^[a-z0-9][a-z0-9+.-]+$"
);

fn download_url(value: &str) -> Result<String, String> {
    let rest = value
        .strip_prefix("https://")
        .or_else(|| value.strip_prefix("http://"))
        .or_else(|| {
            value
                .strip_prefix("file://")
                .filter(|path| path.starts_with('/'))
        })
        .ok_or_else(|| "must begin with https://, http:// or file:///".to_owned())?;
    if rest.contains('@') {
        // Not shown: it may be a password.
        return Err(
            "must not hold credentials: put them into /etc/apt/auth.conf.d on the host".to_owned(),
        );
    }
    let is_plain = |c: char| c.is_ascii_graphic() && !"?#'\"\\`$<>{}|^".contains(c);
    if rest.trim_end_matches('/').is_empty() || !rest.chars().all(is_plain) {
        return Err(format!(
            "invalid URL {value:?}: write for example \"{VENDOR}\""
        ));
    }
    Ok(value.trim_end_matches('/').to_owned())
}

/// Debian's rule: <https://www.debian.org/doc/debian-policy/ch-controlfields.html#source>.
fn package_name(value: &str) -> Result<String, String> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    let first = value.chars().next();
    let is_first = first.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if is_first && value.len() >= 2 && value.chars().all(is_allowed) {
        Ok(value.to_owned())
    } else {
        Err(format!("invalid package name {value:?}"))
    }
}

/// What the packages are called that make up Docker.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DockerPackages {
    /// The engine. Default: `docker-ce`.
    pub engine: PackageName,
    /// The client. Default: `docker-ce-cli`.
    pub cli: PackageName,
    /// The container runtime. Default: `containerd.io`.
    pub containerd: PackageName,
    /// The plugin `docker buildx`. Default: `docker-buildx-plugin`.
    pub buildx: PackageName,
    /// The plugin `docker compose`. Default: `docker-compose-plugin`.
    pub compose: PackageName,
}

impl Default for DockerPackages {
    fn default() -> Self {
        let name = |name: &str| PackageName(name.to_owned());
        Self {
            engine: name("docker-ce"),
            cli: name("docker-ce-cli"),
            containerd: name("containerd.io"),
            buildx: name("docker-buildx-plugin"),
            compose: name("docker-compose-plugin"),
        }
    }
}

impl DockerPackages {
    /// Returns all of them, the engine first.
    pub(super) fn all(&self) -> [&str; 5] {
        [
            self.engine.as_str(),
            self.cli.as_str(),
            self.containerd.as_str(),
            self.buildx.as_str(),
            self.compose.as_str(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_plain_and_hold_no_credentials() {
        for (given, kept) in [
            (VENDOR, VENDOR),
            (
                "http://172.20.0.1:8080/linux/",
                "http://172.20.0.1:8080/linux",
            ),
            ("file:///srv/mirror", "file:///srv/mirror"),
        ] {
            assert_eq!(given.parse::<DownloadUrl>().unwrap().as_str(), kept);
        }
        for bad in [
            "",
            "https://",
            "http:///",
            "ftp://a/b",
            "file://host/x",
            "https://a b",
            "https://a'b",
            "https://a/$(id)",
            "https://a?x=1",
            "a.example",
            "https://a/\n",
        ] {
            assert!(bad.parse::<DownloadUrl>().is_err(), "{bad}");
        }
        let refusal = "https://me:s3cret@a/b".parse::<DownloadUrl>().unwrap_err();
        assert!(refusal.contains("credentials") && !refusal.contains("s3cret"));
    }

    #[test]
    fn package_names_are_debians() {
        for good in ["docker.io", "containerd.io", "g++", "0ad"] {
            assert!(good.parse::<PackageName>().is_ok(), "{good}");
        }
        for bad in ["", "x", "-y", "Docker", "a b", "a=1", "a;b", ".a"] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad}");
        }
    }
}
