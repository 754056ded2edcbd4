#![doc = include_str!("../README.md")]

mod apply;
mod client;
mod config;
mod error;
mod facts;
mod preflight;
mod provider;
mod user_data;
mod wire;

pub use config::{DigitalOceanConfig, HostConfig, PollConfig};
pub use provider::{DESCRIPTOR, DigitalOcean};
pub use stagecraft_core as core;
