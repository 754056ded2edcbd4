//! `stagecraft.yml`: the file, its envelope, and blocks that only their owners understand.
//!
//! Core reads the envelope. A provider's block is decoded by the provider, from its place in
//! the file, so that every error keeps file, line and column.

#[cfg(feature = "yaml")]
mod block;
#[cfg(feature = "yaml")]
mod blot;
#[cfg(feature = "yaml")]
mod decode;
#[cfg(feature = "yaml")]
mod document;
mod duration;
#[cfg(feature = "yaml")]
mod effective;
#[cfg(feature = "yaml")]
mod envelope;
mod error;
#[cfg(feature = "yaml")]
mod keys;
mod map;
#[cfg(feature = "yaml")]
mod mapping;
#[cfg(feature = "yaml")]
mod project;
#[cfg(feature = "yaml")]
mod scanned;
#[cfg(feature = "yaml")]
mod schema;
mod text;
#[cfg(feature = "yaml")]
mod variables;
#[cfg(feature = "yaml")]
mod walk;
#[cfg(feature = "yaml")]
mod words;

#[cfg(feature = "yaml")]
pub use block::{ConfigBlock, EffectiveBlock};
#[cfg(feature = "yaml")]
pub use document::Document;
pub use duration::ConfigDuration;
#[cfg(feature = "yaml")]
pub use effective::{Origin, Setting, effective, to_yaml, tree};
pub use error::{ConfigError, ConfigErrors, Location, nearest, unsupported};
pub use map::UniqueMap;
#[cfg(feature = "yaml")]
pub use mapping::{NoMapping, check_mapping};
#[cfg(feature = "yaml")]
pub use project::{KnownKeys, Project};
#[cfg(feature = "yaml")]
pub use schema::{SchemaKey, project_schema, schema_keys};
pub use text::{is_variable_name, parse_text};
