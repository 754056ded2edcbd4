#![doc = include_str!("../README.md")]

mod builder;
mod classify;
mod config;
mod converge;
mod decide;
#[cfg(feature = "yaml")]
mod descriptor;
mod error;
mod facts;
mod install;
mod join;
mod provider;
mod session;
mod shell;
mod status;
mod version;

pub use stagecraft_core as core;

pub use builder::TailscaleBuilder;
pub use config::{
    InstallConfig, InstallMethod, LoginServer, Tag, TailnetDomain, TailscaleConfig, ValueError,
};
#[cfg(feature = "yaml")]
pub use descriptor::DESCRIPTOR;
pub use provider::{Ensured, Tailscale};
pub use version::{ClientVersion, VersionError};
