//! What programs read: the lines and documents of `--output json`.
//!
//! These types repeat the internal ones on purpose: an internal type may be renamed or grow
//! without a script noticing, and a change here shows in `docs/events.schema.json`.
//! Within one [`VERSION`] fields and events may be added; none is renamed, removed or given
//! another meaning.

mod apply;
mod document;
mod duration;
mod error;
mod event;
mod examples;
mod host;
mod line;
mod plan;
mod result;
mod schema;
mod setting;
mod step;

pub(crate) use document::{
    ConfigDocument, ConfigEnvironment, HostsDocument, InitDocument, PlanDocument, Provider,
    ProvidersDocument, SandboxDocument, VersionDocument,
};
pub(crate) use error::{Error, ErrorKind};
pub(crate) use event::Event;
pub(crate) use line::Lines;
pub(crate) use plan::Planned;
pub(crate) use result::{
    Body, BootstrapResult, DownResult, DryRunResult, Outcome, ReplaceResult, Result, RetagResult,
    TrustResult, UnlockResult, UpResult,
};
pub(crate) use schema::schema;
pub(crate) use setting::{Setting, ShowDocument, WhyDocument};

/// The version of the contract, the `v` of every line and document.
pub(crate) const VERSION: u32 = 1;
