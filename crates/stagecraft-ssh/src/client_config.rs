//! Reads `~/.ssh/config`: the settings of `ssh_config(5)` about a host's address and login.
//!
//! `StrictHostKeyChecking`, `UserKnownHostsFile` and the like are ignored on purpose: no file
//! weakens the check of host keys. Nothing is executed: `Match exec` matches nothing. Each setting
//! for a host that is not supported causes a warning that names the line.

mod evaluate;
mod expand;
mod glob;
mod machine;
mod read;
mod settings;
#[cfg(test)]
mod tests;
mod unsupported;
mod words;

use std::path::{Path, PathBuf};

use stagecraft_core::{Error, ErrorKind, Result};

use crate::jump::JumpHost;
use evaluate::Found;
use expand::Tokens;
use read::{Item, Line, Place};
pub use settings::{AgentSocket, HostSettings};

/// A parsed file with its includes.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientConfig {
    lines: Vec<Line>,
    home: PathBuf,
}

/// The requested host, with what is known beside the file.
pub(crate) struct Asked<'a> {
    /// The names of the host, the most common first; the last is the one to connect to.
    pub(crate) names: &'a [&'a str],
    /// The login user unless the file sets one.
    pub(crate) user: &'a str,
    pub(crate) port: u16,
    /// The login user regardless of the file.
    pub(crate) chosen_user: Option<&'a str>,
    pub(crate) chosen_port: Option<u16>,
    pub(crate) variables: &'a dyn Fn(&str) -> Option<String>,
}

impl Asked<'_> {
    fn original(&self) -> &str {
        self.names.first().copied().unwrap_or_default()
    }

    fn address(&self) -> &str {
        self.names.last().copied().unwrap_or_default()
    }
}

impl ClientConfig {
    /// Reads the file and its includes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if it cannot be read or parsed.
    pub(crate) fn load(path: &Path, home: &Path) -> Result<Self> {
        Ok(Self {
            lines: read::file(path, home)?,
            home: home.to_path_buf(),
        })
    }

    /// The settings of a host.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if a setting for this host is impossible.
    pub(crate) fn query(&self, asked: &Asked<'_>) -> Result<HostSettings> {
        self.understood(asked, evaluate::evaluate(&self.lines, asked))
    }

    /// Whether the file may set one of these keywords for a host only by its address.
    pub(crate) fn asks_for_address(&self, keywords: &[&str]) -> bool {
        says_by_address(&self.lines, false, keywords)
    }

    fn understood(&self, asked: &Asked<'_>, found: Found) -> Result<HostSettings> {
        let wrong =
            |place: &Place, what: String| Error::new(ErrorKind::Config, format!("{place}: {what}"));
        let host_name = match &found.host_name {
            Some((text, place)) => {
                let original = asked.original();
                let token = |token| (token == 'h').then(|| original.to_owned());
                let name = expand::expand(text, token);
                Some(name.map_err(|what| wrong(place, format!("HostName {text}: {what}")))?)
            }
            None => None,
        };
        let port = found.port.as_deref().and_then(read::port);
        let alias = found.host_key_alias.map(|alias| alias.to_ascii_lowercase());
        let jump_text = match &found.jump {
            Some((text, _)) if !is_none(text) => text.as_str(),
            _ => "",
        };
        let tokens = Tokens {
            original: asked.original(),
            host: host_name.as_deref().unwrap_or_else(|| asked.address()),
            alias: alias.as_deref().unwrap_or_else(|| asked.original()),
            port: port.unwrap_or(asked.port),
            user: found.user.as_deref().unwrap_or(asked.user),
            home: &self.home,
            jump: jump_text,
            variable: asked.variables,
        };
        let mut warnings = found.warnings;
        let mut path = |keyword: &str, (text, place): &(String, Place)| match tokens.in_path(text) {
            Ok(path) => Some(PathBuf::from(path)),
            Err(what) => {
                warnings.push((
                    place.clone(),
                    format!("{keyword} {text} is ignored: {what}"),
                ));
                None
            }
        };
        let mut paths = |keyword: &str, values: &[(String, Place)]| {
            let named = values.iter().filter(|(text, _)| !is_none(text));
            named
                .filter_map(|value| path(keyword, value))
                .collect::<Vec<_>>()
        };
        let identity_files = paths("IdentityFile", &found.identity_files);
        let certificate_files = paths("CertificateFile", &found.certificate_files);
        let identity_agent = match &found.identity_agent {
            None => AgentSocket::Unset,
            Some((text, _)) if text == "none" => AgentSocket::None,
            Some((text, _)) if text == "SSH_AUTH_SOCK" => of_variable(asked, text),
            Some(value) => match value
                .0
                .strip_prefix('$')
                .filter(|rest| !rest.starts_with('{'))
            {
                Some(name) => of_variable(asked, name),
                None => path("IdentityAgent", value).map_or(AgentSocket::Unset, AgentSocket::Path),
            },
        };
        let is_direct = found.command.is_some();
        let command = found.command.filter(|(text, _)| !is_none(text));
        let jump = match &found.jump {
            Some((text, _)) if is_none(text) => Some(Vec::new()),
            None if is_direct => Some(Vec::new()),
            Some((text, place)) => {
                let chain = tokens
                    .in_jump(text)
                    .map(|text| JumpHost::parse_chain(&text));
                let unusable = |what: String| wrong(place, format!("ProxyJump {text}: {what}"));
                Some(chain.map_err(unusable)?.map_err(|error| {
                    let hint = error.hint().map(ToOwned::to_owned);
                    let error = unusable(error.to_string());
                    match hint {
                        Some(hint) => error.with_hint(hint),
                        None => error,
                    }
                })?)
            }
            None => None,
        };
        let timeout = found.connect_timeout.as_deref().and_then(read::time);
        let warnings = warnings
            .iter()
            .map(|(place, what)| format!("{place}: {what}"));
        Ok(HostSettings {
            identity_files: (!found.identity_files.is_empty()).then_some(identity_files),
            certificate_files,
            identities_only: found.identities_only.as_deref().and_then(read::flag) == Some(true),
            identity_agent,
            jump: jump.filter(|_| command.is_none()),
            proxy_place: command
                .as_ref()
                .map_or(String::new(), |(_, place)| place.to_string()),
            proxy_command: command.map(|(text, _)| text),
            connect_timeout: timeout.filter(|time| !time.is_zero()),
            warnings: warnings.collect(),
            host_key_alias: alias,
            user: found.user,
            host_name,
            port,
        })
    }
}

/// A jump host from our own settings, with the tokens of `ProxyJump` replaced.
///
/// # Errors
///
/// [`ErrorKind::Config`] if a token is not known.
pub(crate) fn expanded_jump(
    jump: &JumpHost,
    token: impl Fn(char) -> Option<String>,
) -> Result<JumpHost> {
    let expanded = |text: &str| {
        expand::expand(text, &token).map_err(|what| {
            Error::new(ErrorKind::Config, format!("jump host {jump}: {what}"))
                .with_hint("correct infra.bootstrap.ssh.jump; `%%` is a single `%`")
        })
    };
    Ok(JumpHost {
        user: jump.user.as_deref().map(expanded).transpose()?,
        host: expanded(&jump.host)?,
        port: jump.port,
    })
}

fn is_none(text: &str) -> bool {
    text.eq_ignore_ascii_case("none")
}

/// The agent that a variable names; none if it is not set, as in OpenSSH.
fn of_variable(asked: &Asked<'_>, name: &str) -> AgentSocket {
    match (asked.variables)(name) {
        Some(path) => AgentSocket::Path(path.into()),
        None => AgentSocket::None,
    }
}

fn says_by_address(lines: &[Line], is_parent_by_address: bool, keywords: &[&str]) -> bool {
    let mut is_by_address = is_parent_by_address;
    lines.iter().any(|line| {
        match &line.item {
            Item::Host(patterns) => {
                let is_any = patterns.iter().any(|pattern| is_of_addresses(pattern));
                is_by_address = is_parent_by_address || is_any;
            }
            Item::Match(criteria) => {
                let mut patterns = criteria.iter().flat_map(|one| one.value.split(','));
                is_by_address = is_parent_by_address || patterns.any(is_of_addresses);
            }
            Item::Include(files) => {
                let mut files = files.iter();
                return files.any(|file| says_by_address(file, is_by_address, keywords));
            }
            // `%h` is the address unless `HostName` says otherwise. Commands are not executed.
            Item::Set(setting) if keywords.contains(&setting.key.as_str()) => {
                let has_token = setting.value.contains("%h") || setting.value.contains("%C");
                return is_by_address || (has_token && setting.key != "proxycommand");
            }
            Item::Set(_) | Item::Ignored(_) => {}
        }
        false
    })
}

/// Whether a pattern matches addresses only. `*` matches names too, so it needs no address.
fn is_of_addresses(pattern: &str) -> bool {
    let pattern = pattern.trim().trim_start_matches('!');
    let is_v4 = pattern.bytes().all(|byte| b"0123456789.*?".contains(&byte))
        && pattern.bytes().any(|byte| byte.is_ascii_digit());
    is_v4 || pattern.contains(':')
}
