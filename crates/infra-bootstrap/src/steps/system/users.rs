//! The step `users`: accounts of people, and the revocation of their access.

use std::fmt::Write as _;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use stagecraft_core::config::UniqueMap;
use stagecraft_core::{
    Change, Decision, HostContext, HostStep, Login, ProbeFacts, ProbeScript, Remote, Result, Run,
    StepFailure, shell_quote,
};

use super::super::{script, text::checked_text};
use super::{PRELUDE, check_whole, id};

mod changes;

pub(crate) use super::id::USERS as ID;
pub(crate) use changes::has_former_operator;

checked_text!(
    /// The name of a user or a group, other than `root`.
    LoginName,
    login_name,
    "^[a-z_][a-z0-9_-]{0,31}$"
);
checked_text!(
    /// A public key as one line of `authorized_keys`, without options.
    AuthorizedKey,
    authorized_key,
    "^(ssh|ecdsa|sk)-[^ ]+ [A-Za-z0-9+/=]+( .*)?$"
);
checked_text!(
    /// The full path of a shell.
    ShellPath,
    shell_path,
    "^(/[A-Za-z0-9._-]+)+$"
);

fn login_name(value: &str) -> Result<String, String> {
    let is_plain = value
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c));
    let begins_well = value.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if value == "root" {
        return Err("`root` is left as it is: name another user or group".to_owned());
    }
    if begins_well && is_plain && value.len() <= 32 {
        Ok(value.to_owned())
    } else {
        Err(format!(
            "invalid name {value:?} of a user or group: write at most 32 lower-case letters, digits, '_' and '-', starting with a letter or '_'"
        ))
    }
}

fn authorized_key(value: &str) -> Result<String, String> {
    let value = value.trim();
    let mut words = value.split(' ');
    let kind = words.next().unwrap_or_default();
    let is_kind = ["ssh-", "ecdsa-", "sk-"]
        .iter()
        .any(|start| kind.starts_with(start));
    let is_body = words.next().is_some_and(|body| {
        body.len() >= 40
            && body
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c))
    });
    if is_kind && is_body && !value.chars().any(char::is_control) {
        Ok(value.to_owned())
    } else {
        // Not shown: it may be a private key.
        Err("invalid public key: write a line such as \"ssh-ed25519 AAAA... name\"".to_owned())
    }
}

fn shell_path(value: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if value.starts_with('/') && !value.ends_with('/') && value.chars().all(is_plain) {
        Ok(value.to_owned())
    } else {
        Err(format!("invalid shell {value:?}: write its full path"))
    }
}

/// What an account is to be like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UserConfig {
    /// The public keys that log in, one line each. They stand in a part of `authorized_keys` of
    /// their own; other lines of it stay. Default: none.
    pub authorized_keys: Vec<AuthorizedKey>,
    /// Groups that the user belongs to, beside those that others put it in. Example: `docker`. A
    /// group that leaves the file loses the user if Stagecraft put it there.
    pub groups: Vec<LoginName>,
    /// Whether the user may do everything with `sudo`, without a password. Default: as others
    /// made it; a rule that Stagecraft gave goes when this line does.
    pub sudo: Option<bool>,
    /// The shell. Default: as it is, and `/bin/bash` for a new user.
    pub shell: Option<ShellPath>,
    /// Whether the account must have no access: it is locked, its keys from this file and its
    /// `sudo` rule are removed, and its home stays. For accounts that the record on the host does
    /// not know; those that it knows are revoked when they leave the file. Goes with no other
    /// key. Default: `false`.
    pub revoked: bool,
}

#[cfg(feature = "yaml")]
impl UserConfig {
    /// Whether it both gives and revokes access.
    pub(in crate::steps) fn contradicts_itself(&self) -> bool {
        let given = Self {
            revoked: false,
            ..self.clone()
        };
        self.revoked && given != Self::default()
    }
}

/// Users by their names.
pub type UsersConfig = UniqueMap<LoginName, UserConfig>;

/// Creates accounts with their keys, groups and rights, and removes what it gave once the file
/// no longer declares it. Never deletes an account.
#[derive(Debug, Clone)]
pub struct UsersStep {
    users: UsersConfig,
    is_undeclared: bool,
}

impl UsersStep {
    /// Ensures these users.
    pub fn new(users: UsersConfig) -> Self {
        Self {
            users,
            is_undeclared: false,
        }
    }

    /// Removes what earlier runs gave.
    pub fn undeclared() -> Self {
        Self {
            users: UsersConfig::default(),
            is_undeclared: true,
        }
    }

    fn script(&self, login: Option<&Login>, changes: &[Change], host: &HostContext) -> String {
        // No access is removed while the login of this run is unknown.
        let (user, key) = login.map_or(("*", ""), |own| (own.user.as_str(), own.key.as_str()));
        let names: Vec<&str> = self.users.keys().map(LoginName::as_str).collect();
        let mut text = format!(
            "{PRELUDE}\nlogin={} key={} declared={}\n{}",
            shell_quote(user),
            shell_quote(key),
            shell_quote(&names.join(" ")),
            include_str!("users_set.sh")
        );
        let mut line = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| shell_quote(word)).collect();
            writeln!(text, "{}", words.join(" ")).expect("writing to a string cannot fail");
        };
        for (name, user) in &self.users {
            if user.revoked {
                line(&["revoke", name.as_str(), "lock"]);
                continue;
            }
            let groups: Vec<&str> = user.groups.iter().map(LoginName::as_str).collect();
            let keys = user.authorized_keys.iter();
            let keys: String = keys.flat_map(|key| [key.as_str(), "\n"]).collect();
            let sudo = match user.sudo {
                None => "",
                Some(true) => "yes",
                Some(false) => "no",
            };
            let shell = user.shell.as_ref().map_or("", ShellPath::as_str);
            let groups = groups.join(" ");
            line(&["user", name.as_str(), shell, &groups, sudo, &keys]);
        }
        line(&["revoke_others"]);
        if changes.iter().any(|change| change.id == changes::ROOT_KEY)
            && let Some(name) = &host.operator_key
        {
            line(&["revoke_root_keys", name]);
        }
        text
    }
}

#[async_trait]
impl HostStep for UsersStep {
    fn id(&self) -> &'static str {
        id::USERS
    }

    // The group `docker` comes with the engine.
    fn follows(&self) -> &'static [&'static str] {
        &["docker"]
    }

    fn is_undeclared(&self) -> bool {
        self.is_undeclared
    }

    fn inspect(&self) -> ProbeScript {
        ProbeScript(include_str!("users.sh"))
    }

    fn inspect_args(&self) -> Vec<String> {
        self.users.keys().map(ToString::to_string).collect()
    }

    fn decide(&self, facts: &ProbeFacts, host: &HostContext) -> Result<Decision, StepFailure> {
        check_whole(facts, "the users")?;
        Ok(changes::changes(&self.users, facts, host).into())
    }

    fn warnings(&self, facts: &ProbeFacts, host: &HostContext) -> Vec<String> {
        changes::warnings(&self.users, facts, host)
    }

    async fn change(
        &self,
        run: &Run,
        remote: &dyn Remote,
        host: &HostContext,
        changes: &[Change],
    ) -> Result<(), StepFailure> {
        let what = "the users could not be set up";
        let script = self.script(host.login.as_ref(), changes, host);
        script::change(run, remote, script, Duration::from_mins(5), what).await
    }
}
