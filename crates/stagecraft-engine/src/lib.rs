#![doc = include_str!("../README.md")]

mod down;
mod engine;
mod lease;
mod outcome;
mod up;

pub use down::{DownReport, Forgotten};
pub use engine::{Engine, Planned};
pub use lease::LeaseState;
pub use outcome::Outcome;
pub use up::{UpOptions, UpReport};
