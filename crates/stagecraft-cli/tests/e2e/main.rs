//! Hosts that are containers, with real cloud-init, sshd, apt and Docker Engine. Run by
//! `cargo xtask e2e`, which makes the images and serves the packages.

#[path = "../support/mod.rs"]
mod support;

mod access;
mod broken_off;
mod connect;
mod docker;
mod dry_run;
mod fleet;
mod fleet_faults;
mod hosts;
mod identity;
mod mesh;
mod packages;
mod penalties;
mod power;
mod rights;
mod room;
mod script;
mod stand_ins;
mod system;
