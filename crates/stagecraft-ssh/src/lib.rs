#![doc = include_str!("../README.md")]

mod capture;
mod client;
mod config;
mod connector;
mod failure;
mod identity;
pub mod known_hosts;
mod login;
mod public;
mod quote;
mod remote;
mod tether;
mod upload;

pub use config::{Identity, SshConfig};
pub use connector::SshConnector;
pub use public::public_keys;
