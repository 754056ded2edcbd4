#![doc = include_str!("../README.md")]

mod agent;
mod algorithms;
mod banner;
mod capture;
mod certificate;
mod client;
mod client_config;
mod config;
mod connection;
mod connector;
mod failure;
mod file;
mod gate;
mod identity;
mod jump;
mod key_file;
pub mod known_hosts;
mod login;
mod printable;
mod public;
mod quote;
mod refusal;
mod remote;
mod route;
mod start;
mod sudo;
mod tether;
mod trust;
mod upload;
mod vault;

pub use client_config::{AgentSocket, HostSettings};
pub use config::{ClientConfigFile, Elevate, Fixed, Identity, SshConfig};
pub use connector::{ShownKey, SshConnector};
pub use jump::JumpHost;
pub use public::public_keys;
pub use vault::AskPassphrase;
