//! The provider against mock servers and the sandbox: one test binary, since each would link the crate again.

mod connections;
mod deletes;
mod failures;
mod gpus;
mod lab;
mod leftovers;
mod lists;
mod options;
mod pins;
mod preflight;
mod rate;
mod requests;
mod resize;
mod retag;
mod support;
mod unreadable;
