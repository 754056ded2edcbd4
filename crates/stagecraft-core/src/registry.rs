//! The available providers and steps, and their constructors.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::cloud::CloudProvider;
use crate::config::{ConfigBlock, ConfigErrors, EffectiveBlock, nearest};
use crate::error::{Error, ErrorKind, Result};
use crate::name::ProjectName;
use crate::naming::{NamePattern, Naming};
use crate::network::NetworkProvider;
use crate::step::HostStep;

/// What a descriptor builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A [`CloudProvider`].
    Cloud,
    /// A [`NetworkProvider`].
    Network,
    /// A [`HostStep`].
    Step,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cloud => "cloud provider",
            Self::Network => "network provider",
            Self::Step => "host step",
        })
    }
}

/// The inputs for building a provider or step. Building does no I/O.
#[derive(Debug, Clone, Default)]
pub struct BuildContext {
    /// The project's name, if it has one.
    pub project: Option<ProjectName>,
    /// The pattern of host names.
    pub name_pattern: NamePattern,
    /// The network provider that hosts join, for steps.
    pub network: Option<Arc<dyn NetworkProvider>>,
}

impl BuildContext {
    /// Returns the naming of the project's hosts.
    pub fn naming(&self) -> Naming {
        Naming::new(self.project.clone(), self.name_pattern.clone())
    }
}

/// Builds one thing from its block of the configuration.
pub type BuildFn<T> = fn(&ConfigBlock, &BuildContext) -> Result<Arc<T>>;

/// The constructor of a provider or step.
#[derive(Debug, Clone, Copy)]
pub enum Build {
    /// Builds a cloud provider.
    Cloud(BuildFn<dyn CloudProvider>),
    /// Builds a network provider.
    Network(BuildFn<dyn NetworkProvider>),
    /// Builds a host step.
    Step(BuildFn<dyn HostStep>),
}

/// Describes a provider or step. Each crate exports its own as a `static`.
#[derive(Debug)]
pub struct Descriptor {
    /// The id, used in configurations.
    pub id: &'static str,
    /// A summary in one line.
    pub summary: &'static str,
    /// Its crate.
    pub origin: &'static str,
    /// That crate's version.
    pub version: &'static str,
    /// Whether its behaviour may still change between minor versions.
    pub is_experimental: bool,
    /// Whether a step runs when the file does not name it. Irrelevant for providers.
    pub is_default_step: bool,
    /// What it supports beyond the duties of its trait.
    pub capabilities: &'static [&'static str],
    /// The schema of its block of the configuration.
    pub schema: fn() -> schemars::Schema,
    /// Returns its block in effect, with all defaults:
    /// [`ConfigBlock::effective`](crate::config::ConfigBlock::effective) for most.
    pub effective: fn(&ConfigBlock) -> Result<EffectiveBlock, ConfigErrors>,
    /// Its constructor.
    pub build: Build,
}

/// Observes a registry. Must neither block nor fail.
pub trait RegistryHooks: Send + Sync + std::fmt::Debug {
    /// Called for each registered descriptor, in the order of kinds and ids.
    fn registered(&self, descriptor: &'static Descriptor) {
        let _ = descriptor;
    }

    /// Called for each look-up of an id; `found` is `None` if it is not registered.
    fn looked_up(&self, kind: Kind, id: &str, found: Option<&'static Descriptor>) {
        let _ = (kind, id, found);
    }
}

impl Descriptor {
    /// What the descriptor builds.
    pub fn kind(&self) -> Kind {
        match self.build {
            Build::Cloud(_) => Kind::Cloud,
            Build::Network(_) => Kind::Network,
            Build::Step(_) => Kind::Step,
        }
    }
}

/// An entry that the linker collects. Created by [`register!`](crate::register).
#[cfg(feature = "inventory")]
#[derive(Debug)]
pub struct Registration(pub &'static Descriptor);

#[cfg(feature = "inventory")]
inventory::collect!(Registration);

/// Registers an exported [`Descriptor`], so that [`Registry::discover`] finds it.
///
/// The compiler silently drops a crate that is only listed in `Cargo.toml`: the binary must
/// name it in its source.
#[cfg(feature = "inventory")]
#[macro_export]
macro_rules! register {
    ($descriptor:expr) => {
        $crate::__private::inventory::submit! {
            $crate::Registration(&$descriptor)
        }
    };
}

/// Why a registry could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// An id is empty.
    #[error("{kind} of crate {origin} has an empty id")]
    EmptyId {
        /// The kind.
        kind: Kind,
        /// The crate.
        origin: &'static str,
    },
    /// Two crates register the same id.
    #[error("{kind} id `{id}` is registered by both {} and {}", origins[0], origins[1])]
    DuplicateId {
        /// The kind.
        kind: Kind,
        /// The id.
        id: &'static str,
        /// Both crates, sorted.
        origins: [&'static str; 2],
    },
}

/// All providers and steps of a program, in the order of their ids.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    entries: BTreeMap<(Kind, &'static str), &'static Descriptor>,
    hooks: Option<Arc<dyn RegistryHooks>>,
}

impl Registry {
    /// Builds a registry from descriptors.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] for an empty id, or a duplicate within a kind.
    pub fn new(
        descriptors: impl IntoIterator<Item = &'static Descriptor>,
    ) -> Result<Self, RegistryError> {
        let mut entries = BTreeMap::new();
        for descriptor in descriptors {
            let (kind, id) = (descriptor.kind(), descriptor.id);
            if id.trim().is_empty() {
                return Err(RegistryError::EmptyId {
                    kind,
                    origin: descriptor.origin,
                });
            }
            if let Some(first) = entries.insert((kind, id), descriptor) {
                let mut origins = [first.origin, descriptor.origin];
                origins.sort_unstable();
                return Err(RegistryError::DuplicateId { kind, id, origins });
            }
        }
        Ok(Self {
            entries,
            hooks: None,
        })
    }

    /// Collects every descriptor registered in a crate that this program names.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    #[cfg(feature = "inventory")]
    pub fn discover() -> Result<Self, RegistryError> {
        Self::new(inventory::iter::<Registration>().map(|registration| registration.0))
    }

    /// Reports every descriptor, and from now on every look-up, to `hooks`.
    #[must_use]
    pub fn with_hooks(mut self, hooks: Arc<dyn RegistryHooks>) -> Self {
        for descriptor in self.entries.values() {
            hooks.registered(descriptor);
        }
        self.hooks = Some(hooks);
        self
    }

    /// Returns all descriptors: by kind, then by id.
    pub fn descriptors(&self) -> impl Iterator<Item = &'static Descriptor> {
        self.entries.values().copied()
    }

    /// Returns the ids of a kind, sorted.
    pub fn ids(&self, kind: Kind) -> Vec<&'static str> {
        self.entries
            .keys()
            .filter(|(own, _)| *own == kind)
            .map(|(_, id)| *id)
            .collect()
    }

    /// Returns the descriptor of an id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the known ids, and the nearest as a hint.
    pub fn get(&self, kind: Kind, id: &str) -> Result<&'static Descriptor> {
        let found = self
            .entries
            .iter()
            .find(|((own, name), _)| *own == kind && *name == id)
            .map(|(_, descriptor)| *descriptor);
        if let Some(hooks) = &self.hooks {
            hooks.looked_up(kind, id, found);
        }
        if let Some(descriptor) = found {
            return Ok(descriptor);
        }
        Err(unknown(&kind.to_string(), id, self.ids(kind)))
    }

    /// Returns the descriptors of an id, of all kinds: at least one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with the known ids, and the nearest as a hint.
    pub fn find(&self, id: &str) -> Result<Vec<&'static Descriptor>> {
        let mut found = Vec::new();
        for kind in [Kind::Cloud, Kind::Network, Kind::Step] {
            found.extend(self.get(kind, id));
        }
        if found.is_empty() {
            let known = self.entries.keys().map(|(_, id)| *id).collect();
            return Err(unknown("provider or step", id, known));
        }
        Ok(found)
    }

    /// Builds a cloud provider.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get), and mistakes in its configuration.
    pub fn cloud(
        &self,
        id: &str,
        block: &ConfigBlock,
        context: &BuildContext,
    ) -> Result<Arc<dyn CloudProvider>> {
        match self.get(Kind::Cloud, id)?.build {
            Build::Cloud(build) => build(block, context),
            Build::Network(_) | Build::Step(_) => unreachable!("entries are kept by their kind"),
        }
    }

    /// Builds a network provider.
    ///
    /// # Errors
    ///
    /// Those of [`cloud`](Self::cloud).
    pub fn network(
        &self,
        id: &str,
        block: &ConfigBlock,
        context: &BuildContext,
    ) -> Result<Arc<dyn NetworkProvider>> {
        match self.get(Kind::Network, id)?.build {
            Build::Network(build) => build(block, context),
            Build::Cloud(_) | Build::Step(_) => unreachable!("entries are kept by their kind"),
        }
    }

    /// Builds a host step.
    ///
    /// # Errors
    ///
    /// Those of [`cloud`](Self::cloud).
    pub fn step(
        &self,
        id: &str,
        block: &ConfigBlock,
        context: &BuildContext,
    ) -> Result<Arc<dyn HostStep>> {
        match self.get(Kind::Step, id)?.build {
            Build::Step(build) => build(block, context),
            Build::Cloud(_) | Build::Network(_) => unreachable!("entries are kept by their kind"),
        }
    }
}

fn unknown(what: &str, id: &str, known: Vec<&'static str>) -> Error {
    let list = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    let error = Error::new(
        ErrorKind::Config,
        format!("unknown {what} `{id}`, known: {list}"),
    );
    match nearest(id, known) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> schemars::Schema {
        schemars::json_schema!({})
    }

    fn refuse(_: &ConfigBlock, _: &BuildContext) -> Result<Arc<dyn NetworkProvider>> {
        Err(Error::new(ErrorKind::Unsupported, "not to be built"))
    }

    const fn descriptor(id: &'static str, origin: &'static str) -> Descriptor {
        Descriptor {
            id,
            summary: "",
            origin,
            version: "1.2.3",
            is_experimental: false,
            is_default_step: false,
            capabilities: &[],
            schema,
            effective: |block| block.effective::<Vec<()>>(),
            build: Build::Network(refuse),
        }
    }

    static MESH: Descriptor = descriptor("mesh", "crate-b");
    static MESH_AGAIN: Descriptor = descriptor("mesh", "crate-a");
    static ALPHA: Descriptor = descriptor("alpha", "crate-a");
    static EMPTY: Descriptor = descriptor(" ", "crate-c");

    #[test]
    fn ids_come_in_lexicographic_order() {
        let registry = Registry::new([&MESH, &ALPHA]).unwrap();
        assert_eq!(registry.ids(Kind::Network), ["alpha", "mesh"]);
        assert!(registry.ids(Kind::Cloud).is_empty());
    }

    #[test]
    fn duplicate_id_names_both_crates_in_stable_order() {
        let error = Registry::new([&MESH, &MESH_AGAIN]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "network provider id `mesh` is registered by both crate-a and crate-b"
        );
    }

    #[test]
    fn empty_id_names_its_crate() {
        let error = Registry::new([&EMPTY]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "network provider of crate crate-c has an empty id"
        );
    }

    #[test]
    fn hooks_hear_of_registration_and_look_ups() {
        #[derive(Debug, Default)]
        struct Heard(std::sync::Mutex<Vec<String>>);

        impl RegistryHooks for Heard {
            fn registered(&self, descriptor: &'static Descriptor) {
                let line = format!("registered {} {}", descriptor.kind(), descriptor.id);
                self.0.lock().unwrap().push(line);
            }

            fn looked_up(&self, kind: Kind, id: &str, found: Option<&'static Descriptor>) {
                let origin = found.map_or("nobody", |descriptor| descriptor.origin);
                let line = format!("looked up {kind} {id}: {origin}");
                self.0.lock().unwrap().push(line);
            }
        }
        let heard = Arc::new(Heard::default());
        let registry = Registry::new([&MESH, &ALPHA])
            .unwrap()
            .with_hooks(Arc::clone(&heard) as Arc<dyn RegistryHooks>);
        registry.get(Kind::Network, "mesh").unwrap();
        registry.get(Kind::Cloud, "mesh").unwrap_err();
        assert_eq!(
            *heard.0.lock().unwrap(),
            [
                "registered network provider alpha",
                "registered network provider mesh",
                "looked up network provider mesh: crate-b",
                "looked up cloud provider mesh: nobody",
            ]
        );
    }

    #[test]
    fn unknown_id_lists_the_known_and_the_nearest() {
        let registry = Registry::new([&MESH, &ALPHA]).unwrap();
        let error = registry.get(Kind::Network, "mehs").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown network provider `mehs`, known: alpha, mesh"
        );
        assert_eq!(error.hint(), Some("did you mean `mesh`?"));
        let error = registry.find("mehs").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown provider or step `mehs`, known: alpha, mesh"
        );
        assert_eq!(registry.find("mesh").unwrap().len(), 1);
    }
}
