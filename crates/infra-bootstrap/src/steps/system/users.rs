//! The step `users`: accounts of people.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use stagecraft_core::config::UniqueMap;
use stagecraft_core::{
    Change, Decision, HostContext, HostStep, ProbeFacts, ProbeScript, Remote, Result, Run,
    StepFailure, shell_quote,
};

use super::super::{script, text::checked_text};
use super::{PRELUDE, SET, check_whole, id};

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
    /// Groups that the user belongs to, beside those that it is in already. Example: `docker`.
    pub groups: Vec<LoginName>,
    /// Whether the user may do everything with `sudo`, without a password. Default: as it is.
    pub sudo: Option<bool>,
    /// The shell. Default: as it is, and `/bin/bash` for a new user.
    pub shell: Option<ShellPath>,
}

/// Users by their names.
pub type UsersConfig = UniqueMap<LoginName, UserConfig>;

/// Makes accounts and gives them keys, groups and rights. Never deletes one.
#[derive(Debug, Clone)]
pub struct UsersStep {
    users: UsersConfig,
}

impl UsersStep {
    /// Wants these users.
    pub fn new(users: UsersConfig) -> Self {
        Self { users }
    }

    fn script(&self) -> String {
        let mut text = format!("{PRELUDE}\n{}", include_str!("users_set.sh"));
        for (name, user) in &self.users {
            let groups: Vec<&str> = user.groups.iter().map(LoginName::as_str).collect();
            let keys = user.authorized_keys.iter();
            let keys: String = keys.flat_map(|key| [key.as_str(), "\n"]).collect();
            let sudo = match user.sudo {
                None => "",
                Some(true) => "yes",
                Some(false) => "no",
            };
            let shell = user.shell.as_ref().map_or("", ShellPath::as_str);
            write!(text, "\nuser {name}").expect("writing to a string cannot fail");
            for word in [shell, &groups.join(" "), sudo, &keys] {
                write!(text, " {}", shell_quote(word)).expect("writing to a string cannot fail");
            }
        }
        text.push('\n');
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

    fn inspect(&self) -> ProbeScript {
        ProbeScript(include_str!("users.sh"))
    }

    // Files of others are none of its business, and cost what their owners like.
    fn inspect_args(&self) -> Vec<String> {
        self.users.keys().map(ToString::to_string).collect()
    }

    fn decide(&self, facts: &ProbeFacts, _: &HostContext) -> Result<Decision, StepFailure> {
        check_whole(facts, "the users")?;
        let users = self.users.iter();
        let changes: Vec<Change> = users
            .flat_map(|(name, wanted)| differences(facts, name.as_str(), wanted))
            .map(|summary| Change::new(SET, summary))
            .collect();
        Ok(changes.into())
    }

    async fn change(
        &self,
        run: &Run,
        remote: &dyn Remote,
        _: &HostContext,
        _: &[Change],
    ) -> Result<(), StepFailure> {
        let what = "the users could not be set up";
        script::change(run, remote, self.script(), Duration::from_mins(5), what).await
    }
}

fn keys_in_words(count: usize) -> String {
    match count {
        1 => "1 key".to_owned(),
        _ => format!("{count} keys"),
    }
}

/// What has to be changed for one user.
fn differences(facts: &ProbeFacts, name: &str, wanted: &UserConfig) -> Vec<String> {
    let of = |kind: &str| -> Vec<&str> {
        let prefix = format!("{kind}={name}:");
        let lines = facts.output.lines();
        lines
            .filter_map(|line| line.strip_prefix(&prefix))
            .collect()
    };
    let Some(account) = of("user").first().copied() else {
        let groups: Vec<&str> = wanted.groups.iter().map(LoginName::as_str).collect();
        let mut with = vec![keys_in_words(wanted.authorized_keys.len())];
        with.extend((!groups.is_empty()).then(|| format!("the groups {}", groups.join(", "))));
        with.extend(
            wanted
                .shell
                .as_ref()
                .map(|shell| format!("the shell {shell}")),
        );
        with.extend((wanted.sudo == Some(true)).then(|| "sudo".to_owned()));
        return vec![format!("add the user {name} with {}", with.join(", "))];
    };
    let mut found = Vec::new();
    if let Some(shell) = &wanted.shell
        && account.rsplit(':').next() != Some(shell.as_str())
    {
        found.push(format!("set the shell of {name} to {shell}"));
    }
    let is_member = |group: &str| {
        let prefix = format!("group={group}:");
        let line = facts
            .output
            .lines()
            .find_map(|line| line.strip_prefix(&prefix));
        line.is_some_and(|members| members.split(',').any(|member| member == name))
    };
    for group in wanted
        .groups
        .iter()
        .filter(|group| !is_member(group.as_str()))
    {
        found.push(format!("add {name} to the group {group}"));
    }
    let has_sudo = facts
        .output
        .lines()
        .any(|line| line == format!("sudo={name}"));
    match wanted.sudo {
        Some(true) if !has_sudo => found.push(format!("let {name} use sudo")),
        Some(false) if has_sudo => found.push(format!("no longer let {name} use sudo")),
        _ => {}
    }
    let has: BTreeSet<&str> = of("key").into_iter().map(str::trim).collect();
    let keys: BTreeSet<&str> = wanted
        .authorized_keys
        .iter()
        .map(AuthorizedKey::as_str)
        .collect();
    if has != keys {
        found.push(format!("set the {} of {name}", keys_in_words(keys.len())));
    }
    found
}
