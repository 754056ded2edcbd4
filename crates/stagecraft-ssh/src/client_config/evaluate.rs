//! Evaluates which lines apply to a host.

use std::collections::BTreeSet;

use super::read::{Criterion, Item, Line, Place, Setting, counts};
use super::unsupported::unsupported;
use super::{Asked, expand, machine};
use crate::known_hosts::is_match;

/// The values of the settings that apply, unparsed.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) host_name: Option<(String, Place)>,
    /// The name that the second pass looks up instead.
    resolved: Option<String>,
    pub(super) user: Option<String>,
    pub(super) port: Option<String>,
    pub(super) identity_files: Vec<(String, Place)>,
    pub(super) certificate_files: Vec<(String, Place)>,
    pub(super) identities_only: Option<String>,
    pub(super) identity_agent: Option<(String, Place)>,
    pub(super) jump: Option<(String, Place)>,
    pub(super) command: Option<(String, Place)>,
    pub(super) connect_timeout: Option<String>,
    pub(super) host_key_alias: Option<String>,
    tag: Option<String>,
    /// Other keywords that were seen: only the first value would apply.
    others: BTreeSet<String>,
    wants_second: bool,
    is_second: bool,
    pub(super) warnings: Vec<(Place, String)>,
}

/// Whether lines apply at some place.
#[derive(Debug, Clone)]
enum State {
    On,
    Off,
    /// Unknown: a criterion of this `Match` is not supported.
    Unclear(Place, String),
}

/// Whether a `Match` line matches.
enum Verdict {
    Holds,
    Fails,
    Unclear(String),
}

/// Evaluates the lines once, and again under the host's final name where OpenSSH does.
pub(super) fn evaluate(lines: &[Line], asked: &Asked<'_>) -> Found {
    let mut found = Found {
        user: asked.chosen_user.map(ToOwned::to_owned),
        port: asked.chosen_port.map(|port| port.to_string()),
        ..Found::default()
    };
    found.read(lines, &State::On, asked);
    if found.wants_second {
        found.resolved = found.own_name(asked);
        found.is_second = true;
        found.read(lines, &State::On, asked);
    }
    found
}

impl Found {
    /// `HostName` with its token replaced.
    fn own_name(&self, asked: &Asked<'_>) -> Option<String> {
        let (text, _) = self.host_name.as_ref()?;
        let original = asked.original();
        let name = expand::expand(text, |token| (token == 'h').then(|| original.to_owned()));
        Some(name.unwrap_or_else(|_| text.clone()))
    }

    fn read(&mut self, lines: &[Line], parent: &State, asked: &Asked<'_>) {
        let mut state = parent.clone();
        for Line { place, item } in lines {
            match item {
                Item::Host(patterns) => {
                    let fits = match &self.resolved {
                        Some(name) => matches_host(patterns, &[name.to_ascii_lowercase().as_str()]),
                        None => matches_host(patterns, asked.names),
                    };
                    state = if fits { parent.clone() } else { State::Off };
                }
                Item::Match(_) if matches!(parent, State::Off) => {}
                Item::Match(criteria) => {
                    state = match self.judge(criteria, asked) {
                        Verdict::Holds => parent.clone(),
                        Verdict::Fails => State::Off,
                        Verdict::Unclear(what) => State::Unclear(place.clone(), what),
                    };
                }
                Item::Include(files) => {
                    for file in files {
                        self.read(file, &state, asked);
                    }
                }
                Item::Ignored(_) if matches!(state, State::Off) => {}
                Item::Ignored(what) => self.warn(place, what.clone()),
                Item::Set(setting) => match &state {
                    State::On => self.set(setting, place),
                    State::Off => {}
                    State::Unclear(at, what) => {
                        if counts(&setting.key) {
                            self.warn(
                                at,
                                format!("{what}, so {} under it is ignored", setting.word),
                            );
                        }
                    }
                },
            }
        }
    }

    fn warn(&mut self, place: &Place, what: String) {
        if self.warnings.iter().all(|(known, _)| known != place) {
            self.warnings.push((place.clone(), what));
        }
    }

    fn set(&mut self, setting: &Setting, place: &Place) {
        let value = &setting.value;
        let placed = || (value.clone(), place.clone());
        let first = |slot: &mut Option<String>| {
            slot.get_or_insert_with(|| value.clone());
        };
        let add = |list: &mut Vec<(String, Place)>| {
            if list.iter().all(|(known, _)| known != value) {
                list.push(placed());
            }
        };
        match setting.key.as_str() {
            // The second pass has its name from the first.
            "hostname" if self.is_second => {}
            "hostname" => {
                self.host_name.get_or_insert_with(placed);
            }
            "user" => first(&mut self.user),
            "port" => first(&mut self.port),
            "identityfile" => add(&mut self.identity_files),
            "certificatefile" => add(&mut self.certificate_files),
            "identitiesonly" => first(&mut self.identities_only),
            "identityagent" => {
                self.identity_agent.get_or_insert_with(placed);
            }
            "hostkeyalias" => first(&mut self.host_key_alias),
            "tag" => first(&mut self.tag),
            // It sets nothing, and another line may.
            "connecttimeout" if value == "none" => {}
            "connecttimeout" => first(&mut self.connect_timeout),
            "proxyjump" if self.jump.is_none() && self.command.is_none() => {
                self.jump = Some(placed());
            }
            // Contrary to its manual, OpenSSH uses a command after `ProxyJump none`.
            "proxycommand" if self.command.is_none() && !self.has_jump() => {
                self.command = Some(placed());
            }
            "proxyjump" | "proxycommand" => {}
            "canonicalizehostname" => {
                let is_first = self.others.insert(setting.key.clone());
                if is_first && !value.eq_ignore_ascii_case("no") {
                    self.wants_second = true;
                    self.unsupported(setting, place);
                }
            }
            _ => {
                if self.others.insert(setting.key.clone()) {
                    self.unsupported(setting, place);
                }
            }
        }
    }

    fn has_jump(&self) -> bool {
        let jump = self.jump.as_ref();
        jump.is_some_and(|(text, _)| !text.eq_ignore_ascii_case("none"))
    }

    fn unsupported(&mut self, setting: &Setting, place: &Place) {
        if let Some(effect) = unsupported(&setting.key, &setting.value) {
            self.warn(
                place,
                format!("{} is not supported: {effect}", setting.word),
            );
        }
    }

    /// Whether all criteria of a `Match` line match.
    fn judge(&mut self, criteria: &[Criterion], asked: &Asked<'_>) -> Verdict {
        let mut unclear = None;
        let mut fails = false;
        for Criterion {
            is_negated,
            key,
            value,
        } in criteria
        {
            let patterns: Vec<&str> = value.split(',').map(str::trim).collect();
            let holds = match key.as_str() {
                "all" => true,
                "host" => match self.resolved.clone().or_else(|| self.own_name(asked)) {
                    Some(name) => matches_any(&patterns, &[&name]),
                    None => matches_any(&patterns, asked.names),
                },
                "originalhost" => matches_any(&patterns, asked.names),
                "user" => {
                    let user = self.user.as_deref().unwrap_or(asked.user);
                    matches_text(&patterns, user)
                }
                "localuser" => {
                    let Some(user) = machine::user_name(asked.variables) else {
                        unclear = Some("the name of the local user is not known".to_owned());
                        continue;
                    };
                    matches_text(&patterns, &user)
                }
                "tagged" => matches_text(&patterns, self.tag.as_deref().unwrap_or_default()),
                "canonical" => self.is_second,
                "final" => {
                    self.wants_second = true;
                    self.is_second
                }
                _ => {
                    unclear = Some(format!("`Match {key}` is not supported"));
                    continue;
                }
            };
            fails |= holds == *is_negated;
        }
        match unclear {
            _ if fails => Verdict::Fails,
            Some(what) => Verdict::Unclear(what),
            None => Verdict::Holds,
        }
    }
}

/// Whether a pattern matches one of the names, and none that begins with `!` does.
fn matches<T: AsRef<str>>(patterns: &[T], fits: impl Fn(&str) -> bool) -> bool {
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

/// The patterns of `Host`, case-sensitive as in OpenSSH.
fn matches_host(patterns: &[String], names: &[&str]) -> bool {
    matches(patterns, |pattern| {
        let mut names = names.iter();
        names.any(|name| is_match(pattern.as_bytes(), name.as_bytes()))
    })
}

/// Host patterns in a list.
fn matches_any(patterns: &[&str], names: &[&str]) -> bool {
    matches(patterns, |pattern| {
        let pattern = pattern.to_ascii_lowercase();
        let mut names = names.iter();
        names.any(|name| is_match(pattern.as_bytes(), name.to_ascii_lowercase().as_bytes()))
    })
}

/// Other patterns in a list.
fn matches_text(patterns: &[&str], text: &str) -> bool {
    matches(patterns, |pattern| {
        is_match(pattern.as_bytes(), text.as_bytes())
    })
}
