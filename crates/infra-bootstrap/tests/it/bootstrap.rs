//! Behaviour of the crate, with every script run by the real `/bin/sh`.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod access;
mod connecting;
mod cut;
mod docker;
mod docker_apt;
mod docker_present;
mod docker_room;
mod engine;
mod fleet;
mod lock;
mod look;
mod network;
mod reachable;
mod readiness;
mod registered;
mod support;
mod system;
mod undeclared;
mod users;
mod verify;
