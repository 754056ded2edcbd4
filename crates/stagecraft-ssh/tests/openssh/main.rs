//! Everything against OpenSSH's own server and agent, unprivileged on a loopback port.

#![expect(
    clippy::unwrap_used,
    reason = "what a test sets up may fail it; the lint knows only functions marked as tests"
)]

mod algorithms;
mod certificates;
mod client_config;
mod commands;
mod encrypted;
mod faults;
mod host_key;
mod jump;
mod key_forms;
mod login;
mod refusals;
mod round_trips;
mod start_up;
mod sudo;
mod support;
