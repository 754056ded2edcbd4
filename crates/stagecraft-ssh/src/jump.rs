//! Names of jump hosts, in the format of `ProxyJump` of `ssh_config(5)`.

use std::fmt;
use std::str::FromStr;

use stagecraft_core::{Error, ErrorKind, Result};

/// A host through which others are reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct JumpHost {
    /// The user to log in as. `None`: that of `ssh_config`, else that of the hosts.
    pub user: Option<String>,
    /// Its name or address.
    pub host: String,
    /// The port of its SSH server. `None`: that of `ssh_config`, else 22.
    pub port: Option<u16>,
}

impl JumpHost {
    /// Parses several, separated by commas: the first is connected to, the second through it, and
    /// so on. `none` and an empty text mean no jump host.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if one of them is not `user@host:port`.
    pub fn parse_chain(text: &str) -> Result<Vec<Self>> {
        let text = text.trim();
        if text.is_empty() || text.eq_ignore_ascii_case("none") {
            return Ok(Vec::new());
        }
        text.split(',').map(str::parse).collect()
    }
}

impl FromStr for JumpHost {
    type Err = Error;

    /// Parses `[user@]host[:port]`, optionally with the prefix `ssh://`. An IPv6 address with a
    /// port is in brackets. The last `@` ends the user.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let message = format!("invalid jump host {text:?}");
            Error::new(ErrorKind::Config, message)
                .with_hint("write it as user@host:port, several divided by commas")
        };
        let rest = text.trim();
        let rest = match rest.strip_prefix("ssh://") {
            Some(rest) => rest.strip_suffix('/').unwrap_or(rest),
            None => rest,
        };
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, rest),
        };
        let (host, port) = if let Some(bracketed) = rest.strip_prefix('[') {
            let (host, end) = bracketed.split_once(']').ok_or_else(wrong)?;
            match end.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if end.is_empty() => (host, None),
                None => return Err(wrong()),
            }
        } else {
            match rest.split_once(':') {
                // More than one colon: an IPv6 address.
                Some((_, end)) if end.contains(':') => (rest, None),
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            }
        };
        let port: Option<u16> = match port {
            Some("") | None => None,
            Some(port) => Some(port.parse().map_err(|_| wrong())?),
        };
        let is_word = |word: &str, bad: &str| {
            let is_good = |c: char| !c.is_whitespace() && !c.is_control() && !bad.contains(c);
            !word.is_empty() && !word.starts_with('-') && word.chars().all(is_good)
        };
        // User names of directory services may contain an `@`.
        let is_user = |user: &str| is_word(user, "/,\"'");
        let is_host = is_word(host, "/@,\"'");
        if !is_host || port == Some(0) || user.is_some_and(|user| !is_user(user)) {
            return Err(wrong());
        }
        Ok(Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for JumpHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.port {
            Some(port) => f.write_str(&place(&self.host, port)),
            None => f.write_str(&self.host),
        }
    }
}

/// A host with its port, for messages.
pub(crate) fn place(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_read_as_openssh_writes_them() {
        let chain = "admin@bastion.example:2222, ssh://inner/,[2001:db8::1]:22,2001:db8::2,me@corp.example@gw:";
        let hosts = JumpHost::parse_chain(chain).unwrap();
        let shown: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "admin@bastion.example:2222",
                "inner",
                "[2001:db8::1]:22",
                "2001:db8::2",
                "me@corp.example@gw"
            ]
        );
        assert_eq!(hosts[0].user.as_deref(), Some("admin"));
        assert_eq!(hosts[4].user.as_deref(), Some("me@corp.example"));
        assert_eq!(hosts[2].host, "2001:db8::1");
        for none in ["", " ", "none"] {
            assert_eq!(JumpHost::parse_chain(none).unwrap(), []);
        }
    }

    #[test]
    fn what_is_no_jump_host_is_refused() {
        for text in [
            "a,,b",
            "@a",
            "a:0",
            "a:x",
            "a:65536",
            "[a",
            "[a]b",
            "a b",
            "-oProxyCommand=x",
            "u@-x",
            "a/b",
            "\"a\"",
        ] {
            let error = JumpHost::parse_chain(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
            assert!(error.hint().is_some());
        }
    }
}
