//! The steps, the engine and the rotation of host keys, on test doubles and on hosts that are processes.

mod bootstrap;
mod process_host;
mod rotation;
mod sandbox;
