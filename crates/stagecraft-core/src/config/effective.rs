//! The configuration in effect: every key, its value, and where it comes from.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::block::{ConfigBlock, EffectiveBlock};
use super::error::{ConfigErrors, Location};
use super::project::Project;
use crate::registry::{Descriptor, Kind, Registry};
use crate::secret::is_secret_name;

/// The shortest secret that is redacted within another text.
const SHORTEST_PART: usize = 6;

/// One key with the value in effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The keys that lead to it.
    pub path: Vec<String>,
    /// The value; `***` replaces a possible secret. `null` means not set.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The file.
    File {
        /// Where.
        location: Location,
        /// The variables that were inserted into it.
        variables: Vec<String>,
    },
    /// Another key, whose value it takes.
    Key {
        /// The keys that lead there.
        path: Vec<String>,
        /// Where the other key's value is, unless it is a default.
        location: Option<Location>,
        /// The variables that were inserted into it.
        variables: Vec<String>,
    },
    /// It is the default.
    Default,
}

impl Setting {
    /// The keys that lead to it, joined by dots.
    pub fn key(&self) -> String {
        self.path.join(".")
    }
}

/// Returns every setting of a project: those of the file, and all defaults of its providers and
/// steps. `more` are the further blocks of `infra.bootstrap`, by key.
///
/// # Errors
///
/// [`ConfigErrors`] of all blocks.
pub fn effective(
    project: &Project,
    registry: &Registry,
    more: Vec<(&str, Result<EffectiveBlock, ConfigErrors>)>,
) -> Result<Vec<Setting>, ConfigErrors> {
    let mut blocks: Vec<(Vec<String>, Result<EffectiveBlock, ConfigErrors>)> = Vec::new();
    let mut add = |path: &[&str], descriptor: &Descriptor, block: ConfigBlock| {
        let path = path.iter().map(|key| (*key).to_owned()).collect();
        blocks.push((path, (descriptor.effective)(&block)));
    };
    if let Ok(id) = project.cloud()
        && let Ok(descriptor) = registry.get(Kind::Cloud, id)
    {
        add(
            &["cloud", "providers", id],
            descriptor,
            project.cloud_block(id),
        );
    }
    if let Some(id) = project.network()
        && let Ok(descriptor) = registry.get(Kind::Network, id)
    {
        let path = ["network", "providers", id];
        add(&path, descriptor, project.network_block(id));
    }
    for id in registry.ids(Kind::Step) {
        if let Ok(descriptor) = registry.get(Kind::Step, id)
            && (descriptor.is_default_step || project.has_bootstrap(id))
        {
            let path = ["infra", "bootstrap", id];
            add(&path, descriptor, project.bootstrap_block(id));
        }
    }
    let more = more.into_iter().map(|(key, block)| {
        let path = ["infra", "bootstrap", key].map(str::to_owned);
        (path.to_vec(), block)
    });
    blocks.extend(more);

    let mut settings = Vec::new();
    let mut errors = Vec::new();
    for (path, value) in project.envelope_values() {
        collect(project, &mut settings, path, value, &BTreeMap::new(), 0);
    }
    for (path, block) in blocks {
        let depth = path.len();
        match block {
            Ok(block) => collect(
                project,
                &mut settings,
                path,
                block.value,
                &block.taken_from,
                depth,
            ),
            Err(found) => errors.extend(found),
        }
    }
    if let Some(errors) = ConfigErrors::new(errors) {
        return Err(errors);
    }
    settings.sort_by(|a, b| a.path.cmp(&b.path));
    mask(project, &mut settings);
    Ok(settings)
}

/// Returns the settings as one tree, without those that are not set.
pub fn tree(settings: &[Setting]) -> Value {
    let mut root = Value::Object(Map::new());
    for setting in settings.iter().filter(|setting| !setting.value.is_null()) {
        let mut at = &mut root;
        for key in &setting.path {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            at = at
                .as_object_mut()
                .expect("made an object just now")
                .entry(key.as_str())
                .or_insert(Value::Null);
        }
        *at = setting.value.clone();
    }
    root
}

/// Formats a value as YAML.
pub fn to_yaml(value: &Value) -> String {
    serde_yaml::to_string(value).unwrap_or_default()
}

fn collect(
    project: &Project,
    settings: &mut Vec<Setting>,
    path: Vec<String>,
    value: Value,
    taken_from: &BTreeMap<Vec<String>, Vec<String>>,
    depth: usize,
) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                let mut path = path.clone();
                path.push(key);
                collect(project, settings, path, value, taken_from, depth);
            }
        }
        value => {
            let origin = origin(project, &path, taken_from, depth);
            settings.push(Setting {
                path,
                value,
                origin,
            });
        }
    }
}

fn origin(
    project: &Project,
    path: &[String],
    taken_from: &BTreeMap<Vec<String>, Vec<String>>,
    depth: usize,
) -> Origin {
    let find = |path: &[String]| {
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        if !project.document().has(&keys) {
            return None;
        }
        let location = project.document().place(&keys)?;
        Some((location, project.document().variables_in(&keys)))
    };
    if let Some((location, variables)) = find(path) {
        return Origin::File {
            location,
            variables,
        };
    }
    let Some(below) = path.get(depth..).and_then(|below| taken_from.get(below)) else {
        return Origin::Default;
    };
    let source: Vec<String> = path[..depth].iter().chain(below).cloned().collect();
    let (location, variables) = find(&source).unzip();
    Origin::Key {
        path: source,
        location,
        variables: variables.unwrap_or_default(),
    }
}

/// Redacts possible secrets: user data, and the values of variables that a setting names as holding
/// a secret, or whose name suggests one and that were inserted into a value.
fn mask(project: &Project, settings: &mut [Setting]) {
    let mut secrets = BTreeSet::new();
    for setting in settings.iter() {
        let is_name = setting.path.last().is_some_and(|key| key.ends_with("_env"));
        if let (true, Some(name)) = (is_name, setting.value.as_str()) {
            secrets.extend(project.document().variable(name));
        }
    }
    for setting in settings {
        let variables = match &setting.origin {
            Origin::File { variables, .. } | Origin::Key { variables, .. } => variables.as_slice(),
            Origin::Default => &[],
        };
        let key = setting.path.last().map(String::as_str);
        if variables.iter().any(|name| is_secret_name(name)) {
            setting.value = Value::from("***");
        } else if let (Some("user_data"), Some(text)) = (key, setting.value.as_str()) {
            // It often holds passwords that no pattern finds.
            setting.value = Value::from(withheld(text));
        }
        blot(&mut setting.value, &secrets);
    }
}

/// Returns what is shown instead of a long text. The digest, which is the one in plans,
/// distinguishes it from others.
fn withheld(text: &str) -> String {
    let digest = HEXLOWER.encode(&Sha256::digest(text.trim()));
    format!("*** ({} bytes, SHA-256 {digest})", text.trim().len())
}

fn blot(value: &mut Value, secrets: &BTreeSet<String>) {
    match value {
        Value::String(text) => {
            for secret in secrets {
                if text == secret {
                    "***".clone_into(text);
                } else if secret.len() >= SHORTEST_PART {
                    *text = text.replace(secret, "***");
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| blot(item, secrets)),
        _ => {}
    }
}
