#![doc = include_str!("../README.md")]

mod fields;
mod remote;

pub use fields::{Damage, Field, damaged, fields};
pub use remote::{Call, Reply, ScriptedRemote};
