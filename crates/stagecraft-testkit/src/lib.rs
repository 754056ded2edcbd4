//! Conformance suites and fault-injecting doubles for Stagecraft providers

mod remote;

pub use remote::{Call, Reply, ScriptedRemote};
