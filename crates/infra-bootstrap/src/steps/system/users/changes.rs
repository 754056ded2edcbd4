//! Changes to the accounts of a host, and warnings about them.

use std::collections::BTreeSet;

use stagecraft_core::{Change, HostContext, Login, ProbeFacts};

use super::super::SET;
use super::{AuthorizedKey, LoginName, UserConfig, UsersConfig};

/// The id of the change that revokes access.
const REVOKE: &str = "revoke";
/// The id of the change that revokes the keys that the host was created with.
pub(super) const ROOT_KEY: &str = "revoke_root_key";

/// The facts found on a host.
struct Found<'a> {
    facts: &'a ProbeFacts,
    login: Option<&'a Login>,
}

impl<'a> Found<'a> {
    /// Returns what follows `KIND=` in each line that has it.
    fn all(&self, kind: &str) -> impl Iterator<Item = &'a str> {
        let lines = self.facts.output.lines();
        lines.filter_map(move |line| line.strip_prefix(kind)?.strip_prefix('='))
    }

    /// Returns what follows `KIND=NAME:` in each line that has it.
    fn of(&self, kind: &str, name: &str) -> impl Iterator<Item = &'a str> {
        self.all(kind)
            .filter_map(move |rest| rest.strip_prefix(name)?.strip_prefix(':'))
    }

    /// Returns home and shell of an account, if it exists.
    fn account(&self, name: &str) -> Option<&'a str> {
        self.of("user", name).next()
    }

    fn has_sudo(&self, name: &str) -> bool {
        self.all("sudo").any(|own| own == name)
    }

    /// Returns the keys in our part of `authorized_keys`.
    fn keys(&self, name: &str) -> BTreeSet<&'a str> {
        let keys = self.of("key", name).map(str::trim);
        keys.filter(|key| !key.is_empty()).collect()
    }

    fn is_member(&self, name: &str, group: &str) -> bool {
        let mut members = self.of("group", group).flat_map(|all| all.split(','));
        members.any(|member| member == name)
    }

    /// Returns the recorded grants of this kind to `name`: each line's words after the name.
    fn given(&self, kind: &str, name: &str) -> impl Iterator<Item = &'a str> {
        self.all("given").filter_map(move |line| {
            let rest = line.strip_prefix(kind)?.strip_prefix(' ')?;
            let rest = rest.strip_prefix(name)?;
            (rest.is_empty() || rest.starts_with(' ')).then(|| rest.trim_start())
        })
    }

    fn is_given(&self, kind: &str, name: &str) -> bool {
        self.given(kind, name).next().is_some()
    }

    /// Returns the accounts with recorded grants.
    fn holders(&self) -> BTreeSet<&'a str> {
        let holder = |line: &'a str| {
            let (kind, rest) = line.split_once(' ')?;
            let is_access = ["account", "keys", "sudo", "group"].contains(&kind);
            is_access.then(|| rest.split(' ').next().unwrap_or(rest))
        };
        self.all("given").filter_map(holder).collect()
    }

    /// Whether `name` must lose nothing: it is the login of this run, or that login is unknown.
    fn is_kept(&self, name: &str) -> bool {
        self.login.is_none_or(|login| login.user == name)
    }

    /// Whether a line of `authorized_keys` is the key of this run's login.
    fn is_own_key(&self, line: &str) -> bool {
        let is_own = |login: &Login| line.split(' ').any(|word| word == login.key);
        self.login.is_none_or(is_own)
    }

    /// Returns the groups to which Stagecraft added `name` and that are no longer wanted.
    fn lost_groups(&self, name: &str, wanted: &[LoginName]) -> Vec<&'a str> {
        let is_wanted = |group: &str| wanted.iter().any(|own| own.as_str() == group);
        let given = self.given("group", name);
        given.filter(|group| !is_wanted(group)).collect()
    }

    /// Returns the recorded keys that the host was created with and root still accepts, if the file
    /// names another key now.
    fn former_root_keys(&self, host: &HostContext) -> Vec<&'a str> {
        let body = |line: &'a str| line.split(' ').nth(1).filter(|body| !body.is_empty());
        let is_let_in = |body: &str| {
            self.all("root")
                .any(|line| line.split(' ').any(|word| word == body))
        };
        former_keys(self.facts, host.operator_key.as_deref())
            .filter(|line| body(line).is_some_and(is_let_in))
            .collect()
    }
}

/// Returns the changes that make the accounts match the file.
pub(super) fn changes(users: &UsersConfig, facts: &ProbeFacts, host: &HostContext) -> Vec<Change> {
    let found = Found {
        facts,
        login: host.login.as_ref(),
    };
    let mut changes = Vec::new();
    for (name, wanted) in users {
        let name = name.as_str();
        if wanted.revoked {
            changes.extend(revocation(&found, name, true));
        } else {
            changes.extend(differences(&found, name, wanted));
        }
    }
    for name in found.holders() {
        if !is_declared(users, name) {
            changes.extend(revocation(&found, name, false));
        }
    }
    for key in found.former_root_keys(host) {
        if host.is_operator_login && !found.is_own_key(key) {
            let summary = format!(
                "revoke root's key {}, which the host was created with and ssh_key_name no longer names",
                shown(key)
            );
            changes.push(Change::new(ROOT_KEY, summary));
        }
    }
    changes
}

/// Returns warnings about what is not changed.
pub(super) fn warnings(users: &UsersConfig, facts: &ProbeFacts, host: &HostContext) -> Vec<String> {
    let found = Found {
        facts,
        login: host.login.as_ref(),
    };
    let mut warnings = Vec::new();
    if found.all("record").any(|how| how == "unreadable") {
        warnings.push(
            "what this host was given cannot be read without root's rights, so nothing is revoked"
                .to_owned(),
        );
    }
    let mut names: BTreeSet<&str> = found.holders();
    names.extend(users.keys().map(LoginName::as_str));
    for name in names {
        let wanted = users.iter().find(|(own, _)| own.as_str() == name);
        let wanted = wanted.map(|(_, wanted)| wanted);
        if found.is_kept(name) && loses(&found, name, wanted) {
            warnings.push(match &found.login {
                Some(_) => format!(
                    "{name} keeps access that the file no longer gives it, since this run is logged in as {name}: log in as another account to revoke it"
                ),
                None => format!(
                    "{name} keeps access that the file no longer gives it, since it is not known as whom this run is logged in"
                ),
            });
        } else if let Some(wanted) = wanted
            && wanted.sudo.is_none()
            && !wanted.revoked
            && found.has_sudo(name)
            && !found.is_given("sudo", name)
        {
            warnings.push(format!(
                "{name} may use sudo by a rule from a build that kept no record: `sudo: false` revokes it"
            ));
        }
    }
    let accounts = found.all("user").filter_map(|line| line.split(':').next());
    let unrecorded = accounts.filter(|name| {
        let has_access = found.has_sudo(name) || !found.keys(name).is_empty();
        has_access && !is_declared(users, name) && !found.holders().contains(name)
    });
    warnings.extend(unrecorded.map(|name| {
        format!(
            "the account {name} has access from a build that kept no record, and the file does not name it: `users: {{ {name}: {{ revoked: true }} }}` revokes it"
        )
    }));
    for key in found.former_root_keys(host) {
        if !host.is_operator_login {
            warnings.push(format!(
                "root still lets in the key {}, which ssh_key_name no longer names: add the key `{}` to root's authorized_keys and log in by it to have the former one revoked",
                shown(key),
                host.operator_key.as_deref().unwrap_or_default()
            ));
        }
    }
    warnings
}

/// Whether the host records a key that it was created with under a name other than this.
pub(crate) fn has_former_operator(facts: &ProbeFacts, name: Option<&str>) -> bool {
    former_keys(facts, name).next().is_some()
}

/// Returns the keys that the host was created with under other names, as type, base64 and name.
fn former_keys<'a>(facts: &'a ProbeFacts, name: Option<&str>) -> impl Iterator<Item = &'a str> {
    let recorded = facts
        .output
        .lines()
        .filter_map(|line| line.strip_prefix("given=rootkey "));
    recorded.filter(move |line| name.is_some() && line.splitn(3, ' ').nth(2) != name)
}

fn is_declared(users: &UsersConfig, name: &str) -> bool {
    users.keys().any(|own| own.as_str() == name)
}

/// Whether an account has something that the file no longer gives it.
fn loses(found: &Found<'_>, name: &str, wanted: Option<&UserConfig>) -> bool {
    match wanted {
        None => true,
        Some(wanted) if wanted.revoked => found.account(name).is_some(),
        Some(wanted) => {
            let has_lost_sudo = match wanted.sudo {
                Some(true) => false,
                Some(false) => found.has_sudo(name),
                None => found.has_sudo(name) && found.is_given("sudo", name),
            };
            let lost = lost_keys(found, name, wanted);
            has_lost_sudo
                || !found.lost_groups(name, &wanted.groups).is_empty()
                || lost.iter().any(|key| found.is_own_key(key))
        }
    }
}

/// Returns the keys in our part that the file no longer has.
fn lost_keys<'a>(found: &Found<'a>, name: &str, wanted: &UserConfig) -> Vec<&'a str> {
    let is_wanted = |key: &str| wanted.authorized_keys.iter().any(|own| own.as_str() == key);
    let keys = found.keys(name).into_iter();
    keys.filter(|key| !is_wanted(key)).collect()
}

/// Returns the change that revokes an account's access, if it has any left.
fn revocation(found: &Found<'_>, name: &str, is_named: bool) -> Option<Change> {
    if found.is_kept(name) {
        return None;
    }
    let Some(_) = found.account(name) else {
        let is_recorded = found.holders().contains(name);
        return is_recorded
            .then(|| Change::new(REVOKE, format!("forget {name}, whose account is gone")));
    };
    let is_recorded = found.holders().contains(name);
    let keys = found.keys(name);
    let is_locked = found.all("expired").any(|own| own == name);
    let locks = !is_locked && (is_named || found.is_given("account", name));
    if is_named && is_locked && !is_recorded && keys.is_empty() && !found.has_sudo(name) {
        return None;
    }
    let mut parts = Vec::new();
    if locks {
        parts.push("lock the account, whose home stays".to_owned());
    }
    if !keys.is_empty() {
        parts.push(format!("remove {}", keys_in_words(keys.len())));
    }
    if found.has_sudo(name) {
        parts.push("remove its sudo rule".to_owned());
    }
    let groups: Vec<&str> = found.given("group", name).collect();
    if !groups.is_empty() {
        parts.push(format!("take it out of {}", groups.join(", ")));
    }
    if !is_named && !found.is_given("account", name) {
        parts.push("the account itself stays, since Stagecraft did not create it".to_owned());
    }
    Some(Change::new(
        REVOKE,
        format!("revoke the access of {name}: {}", parts.join(", ")),
    ))
}

/// Returns the changes for one user whom the file gives access.
fn differences(found: &Found<'_>, name: &str, wanted: &UserConfig) -> Vec<Change> {
    let change = |summary: String| Change::new(SET, summary);
    let revoke = |summary: String| Change::new(REVOKE, summary);
    let Some(account) = found.account(name) else {
        let groups: Vec<&str> = wanted.groups.iter().map(LoginName::as_str).collect();
        let mut with = vec![keys_in_words(wanted.authorized_keys.len())];
        with.extend((!groups.is_empty()).then(|| format!("the groups {}", groups.join(", "))));
        let shell = wanted.shell.as_ref();
        with.extend(shell.map(|shell| format!("the shell {shell}")));
        with.extend((wanted.sudo == Some(true)).then(|| "sudo".to_owned()));
        let summary = format!("add the user {name} with {}", with.join(", "));
        return vec![change(summary)];
    };
    let mut changes = Vec::new();
    let is_kept = found.is_kept(name);
    let is_locked = found.is_given("locked", name);
    if is_locked {
        changes.push(change(format!("let {name} in again")));
    }
    if let Some(shell) = &wanted.shell
        && account.rsplit(':').next() != Some(shell.as_str())
        && !is_locked
    {
        changes.push(change(format!("set the shell of {name} to {shell}")));
    }
    for group in &wanted.groups {
        if !found.is_member(name, group.as_str()) {
            changes.push(change(format!("add {name} to the group {group}")));
        }
    }
    let has_sudo = found.has_sudo(name);
    let revokes_sudo =
        wanted.sudo == Some(false) || (wanted.sudo.is_none() && found.is_given("sudo", name));
    if wanted.sudo == Some(true) && !has_sudo {
        changes.push(change(format!("let {name} use sudo")));
    } else if revokes_sudo && has_sudo && !is_kept {
        changes.push(revoke(format!("no longer let {name} use sudo")));
    }
    if !is_kept {
        let lost = found.lost_groups(name, &wanted.groups);
        changes.extend(
            lost.iter()
                .map(|group| revoke(format!("take {name} out of the group {group}"))),
        );
    }
    let has = found.keys(name);
    let keys = wanted.authorized_keys.iter().map(AuthorizedKey::as_str);
    let new = keys.filter(|key| !has.contains(key)).count();
    if new > 0 {
        changes.push(change(format!("add {} to {name}", keys_in_words(new))));
    }
    for key in lost_keys(found, name, wanted) {
        if !(is_kept && found.is_own_key(key)) {
            changes.push(revoke(format!("revoke the key {} of {name}", shown(key))));
        }
    }
    changes
}

fn keys_in_words(count: usize) -> String {
    match count {
        1 => "1 key".to_owned(),
        _ => format!("{count} keys"),
    }
}

/// Returns a short form of a public key: its comment, or else its last characters.
fn shown(line: &str) -> String {
    let mut words = line.splitn(3, ' ');
    let kind = words.next().unwrap_or_default();
    let body = words.next().unwrap_or_default();
    match words.next() {
        Some(comment) if !comment.is_empty() => {
            format!("`{}`", stagecraft_core::shorten(comment, 60))
        }
        _ => {
            let start = body.len().saturating_sub(8);
            format!("{kind} ...{}", body.get(start..).unwrap_or(body))
        }
    }
}
