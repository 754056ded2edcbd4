//! The API as a client sees it over a real socket.

#![expect(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

mod account;
mod control;
mod create;
mod events;
mod faults;
mod firewalls;
mod leftovers;
mod life;
mod limits;
mod lists;
mod networks;
mod support;
mod tags;
