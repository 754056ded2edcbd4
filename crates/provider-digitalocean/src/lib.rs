#![doc = include_str!("../README.md")]

mod address;
mod apply;
mod around;
mod availability;
mod client;
mod clock;
mod config;
#[cfg(feature = "yaml")]
mod descriptor;
mod error;
mod facts;
mod findings;
mod key;
mod lease;
mod pins;
mod preflight;
mod provider;
mod retry;
mod settle;
mod side_by_side;
mod tagging;
mod user_data;
mod window;
mod wire;

pub use config::{DigitalOceanConfig, HostConfig, LeaseConfig, PollConfig, UserData};
#[cfg(feature = "yaml")]
pub use descriptor::DESCRIPTOR;
pub use provider::DigitalOcean;
pub use stagecraft_core as core;
pub use window::RateConfig;
