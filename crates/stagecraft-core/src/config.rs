//! `stagecraft.yml`: the file, its envelope, and blocks that only their owner understands.
//!
//! Core reads the envelope. A provider's block is decoded by the provider, from its place in
//! the file, so that every error keeps file, line and column.

mod block;
mod decode;
mod document;
mod duration;
mod error;
mod keys;
mod map;
mod project;
mod schema;
mod text;
mod variables;

pub use block::ConfigBlock;
pub use document::Document;
pub use duration::ConfigDuration;
pub use error::{ConfigError, ConfigErrors, Location, unsupported};
pub use map::UniqueMap;
pub use project::{KnownKeys, Project};
pub use schema::project_schema;
pub use text::{is_variable_name, parse_text};

pub(crate) use error::nearest;
