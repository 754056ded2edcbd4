//! What `~/.ssh/config` says of a host: `ssh_config(5)`, as far as it is about where a host is
//! and how it is logged in to.
//!
//! Everything else is ignored, on purpose so `StrictHostKeyChecking` and `UserKnownHostsFile`:
//! no file weakens the check of host keys. Nothing is run: `Match exec` matches nothing.

mod read;
#[cfg(test)]
mod tests;
mod words;

use std::path::{Path, PathBuf};

use stagecraft_core::{Error, ErrorKind, Result};

use crate::jump::JumpHost;
use crate::known_hosts::is_match;
use read::Item;

/// A file that was read, with those that it includes.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientConfig {
    items: Vec<Item>,
    home: PathBuf,
}

/// What is said of one host. First values win, as in OpenSSH.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    pub(crate) host_name: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) identity_files: Vec<PathBuf>,
    jump: Option<Vec<JumpHost>>,
    /// Whose `ProxyCommand` it is, in place of jump hosts. Refused by whoever needs those.
    proxy_command: Option<String>,
}

impl Answers {
    /// The jump hosts, if it says anything about them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if a `ProxyCommand` is asked for.
    pub(crate) fn jump(&self) -> Result<Option<Vec<JumpHost>>> {
        match &self.proxy_command {
            None => Ok(self.jump.clone()),
            Some(name) => Err(Error::new(
                ErrorKind::Config,
                format!("ssh_config asks for a ProxyCommand for {name}, which is not supported"),
            )
            .with_hint("use ProxyJump there, or set infra.bootstrap.ssh.jump")),
        }
    }
}

/// The words of the settings that count, before they are understood.
#[derive(Debug, Default)]
struct Found {
    host_name: Option<String>,
    user: Option<String>,
    port: Option<String>,
    identity_files: Vec<String>,
    /// `ProxyJump`, or `ProxyCommand` with `true`: the first of both counts.
    proxy: Option<(String, bool)>,
}

impl ClientConfig {
    /// Reads the file, and those that it includes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if it cannot be read or understood.
    pub(crate) fn load(path: &Path, home: &Path) -> Result<Self> {
        Ok(Self {
            items: read::file(path, home)?,
            home: home.to_path_buf(),
        })
    }

    /// What is said of a host that is known by several names, the most usual first. `user` is
    /// who logs in unless the file says otherwise.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if it asks for something that cannot be done for this host.
    pub(crate) fn query(&self, names: &[&str], user: &str) -> Result<Answers> {
        let mut found = Found::default();
        evaluate(&self.items, true, names, user, &mut found);
        self.understood(names, user, found)
    }

    /// Whether one of these keywords may be said of a host by its address only.
    pub(crate) fn asks_for_address(&self, keywords: &[&str]) -> bool {
        says_by_address(&self.items, false, keywords)
    }

    fn understood(&self, names: &[&str], user: &str, found: Found) -> Result<Answers> {
        let name = names.first().copied().unwrap_or_default();
        let wrong = |message: String| Error::new(ErrorKind::Config, message);
        let port = match &found.port {
            Some(text) => Some(text.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
                wrong(format!(
                    "ssh_config says Port {text:?} for {name}, which is no port"
                ))
            })?),
            None => None,
        };
        let who = found.user.clone().unwrap_or_else(|| user.to_owned());
        let host_name = match &found.host_name {
            Some(text) => Some(
                expand(text, |token| (token == 'h').then(|| name.to_owned())).ok_or_else(|| {
                    wrong(format!(
                        "ssh_config says HostName {text} for {name}, which is unclear"
                    ))
                })?,
            ),
            None => None,
        };
        let address = names.last().copied().unwrap_or_default();
        let remote = host_name.clone().unwrap_or_else(|| address.to_owned());
        let token = |token| match token {
            'h' => Some(remote.clone()),
            'n' => Some(name.to_owned()),
            'p' => Some(port.unwrap_or(22).to_string()),
            'r' => Some(who.clone()),
            'd' => Some(self.home.display().to_string()),
            _ => None,
        };
        let mut identity_files = Vec::new();
        for text in &found.identity_files {
            match expand(text, token) {
                _ if text.eq_ignore_ascii_case("none") => {}
                // Variables of the environment are not read here.
                Some(path) if !path.contains("${") => {
                    identity_files.push(read::beneath_home(&path, &self.home));
                }
                _ => tracing::debug!(text, "IdentityFile is left out"),
            }
        }
        let jump = match &found.proxy {
            Some((text, _)) if text.eq_ignore_ascii_case("none") => Some(Vec::new()),
            None | Some((_, true)) => None,
            Some((text, false)) => {
                let text = expand(text, token).unwrap_or_else(|| text.clone());
                Some(JumpHost::parse_chain(&text)?)
            }
        };
        Ok(Answers {
            host_name,
            user: found.user,
            port,
            identity_files,
            proxy_command: match &found.proxy {
                Some((text, true)) if !text.eq_ignore_ascii_case("none") => Some(name.to_owned()),
                _ => None,
            },
            jump,
        })
    }
}

/// Replaces `%x`; `None` if one is not known.
fn expand(text: &str, token: impl Fn(char) -> Option<String>) -> Option<String> {
    let mut expanded = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            expanded.push(letter);
            continue;
        }
        match letters.next()? {
            '%' => expanded.push('%'),
            other => expanded += &token(other)?,
        }
    }
    Some(expanded)
}

fn evaluate(items: &[Item], is_parent_active: bool, names: &[&str], user: &str, found: &mut Found) {
    let mut is_active = is_parent_active;
    for item in items {
        match item {
            Item::Host(patterns) => {
                is_active = is_parent_active && matches_any(patterns, names);
            }
            Item::Match(criteria) => {
                let criteria = criteria.as_slice();
                is_active = is_parent_active && matches_all(criteria, names, user, found);
            }
            Item::Include(files) => {
                for file in files {
                    evaluate(file, is_active, names, user, found);
                }
            }
            Item::Set(key, value) if is_active => set(found, key, value),
            Item::Set(..) => {}
        }
    }
}

fn says_by_address(items: &[Item], is_parent_by_address: bool, keywords: &[&str]) -> bool {
    let mut is_by_address = is_parent_by_address;
    items.iter().any(|item| {
        match item {
            Item::Host(patterns) => {
                let is_any = patterns.iter().any(|pattern| is_of_addresses(pattern));
                is_by_address = is_parent_by_address || is_any;
            }
            Item::Match(criteria) => {
                let mut patterns = criteria.iter().flat_map(|(_, value)| value.split(','));
                is_by_address = is_parent_by_address || patterns.any(is_of_addresses);
            }
            Item::Include(files) => {
                let mut files = files.iter();
                return files.any(|file| says_by_address(file, is_by_address, keywords));
            }
            // `%h` is the address unless `HostName` says otherwise.
            Item::Set(key, value) if keywords.contains(&key.as_str()) => {
                return is_by_address || value.contains("%h");
            }
            Item::Set(..) => {}
        }
        false
    })
}

/// Whether a pattern is one of addresses. `*` fits names too, so no address is needed for it.
fn is_of_addresses(pattern: &str) -> bool {
    let pattern = pattern.trim().trim_start_matches('!');
    let is_v4 = pattern.bytes().all(|byte| b"0123456789.*?".contains(&byte))
        && pattern.bytes().any(|byte| byte.is_ascii_digit());
    is_v4 || pattern.contains(':')
}

fn set(found: &mut Found, key: &str, value: &str) {
    let first = |slot: &mut Option<String>| {
        slot.get_or_insert_with(|| value.to_owned());
    };
    match key {
        "hostname" => first(&mut found.host_name),
        "user" => first(&mut found.user),
        "port" => first(&mut found.port),
        "identityfile" if found.identity_files.iter().any(|known| known == value) => {}
        "identityfile" => found.identity_files.push(value.to_owned()),
        "proxyjump" | "proxycommand" => {
            let is_command = key == "proxycommand";
            found
                .proxy
                .get_or_insert_with(|| (value.to_owned(), is_command));
        }
        _ => {}
    }
}

/// Whether one pattern fits one of the names, and none that begins with `!` does.
fn matches_any<T: AsRef<str>>(patterns: &[T], names: &[&str]) -> bool {
    let fits = |pattern: &str| {
        let pattern = pattern.to_ascii_lowercase();
        names
            .iter()
            .any(|name| is_match(pattern.as_bytes(), name.to_ascii_lowercase().as_bytes()))
    };
    let mut is_positive = false;
    for pattern in patterns {
        match pattern.as_ref().strip_prefix('!') {
            Some(pattern) if fits(pattern) => return false,
            Some(_) => {}
            None => is_positive |= fits(pattern.as_ref()),
        }
    }
    is_positive
}

/// Whether all criteria of a `Match` line hold.
fn matches_all(criteria: &[(String, String)], names: &[&str], user: &str, found: &Found) -> bool {
    criteria.iter().all(|(key, value)| {
        let (is_negated, key) = match key.strip_prefix('!') {
            Some(key) => (true, key),
            None => (false, key.as_str()),
        };
        let patterns: Vec<&str> = value.split(',').map(str::trim).collect();
        let holds = match key {
            "all" => true,
            "host" => match &found.host_name {
                Some(text) => {
                    let original = names.first().copied().unwrap_or_default();
                    let name = expand(text, |token| (token == 'h').then(|| original.to_owned()));
                    matches_any(&patterns, &[name.as_deref().unwrap_or(text)])
                }
                None => matches_any(&patterns, names),
            },
            "originalhost" => matches_any(&patterns, names),
            "user" => matches_any(&patterns, &[found.user.as_deref().unwrap_or(user)]),
            // Neither way: nobody knows.
            _ => return false,
        };
        holds != is_negated
    })
}
