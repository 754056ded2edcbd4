#![doc = include_str!("../README.md")]

mod api;
mod cloud_config;
mod container;
mod control;
mod driver;
mod fault;
mod knobs;
mod process;
mod sandbox;
mod ssh_server;
mod state;

pub use container::{ContainerHosts, ContainerHostsConfig};
pub use control::{
    Breakage, Control, ControlError, DropletState, DropletView, ForeignDroplet, PrivateImage,
};
pub use driver::{BootRequest, DriverError, HostDriver};
pub use fault::{Fault, FaultKind};
pub use knobs::{AccountStatus, KnobError, Knobs, Team};
pub use process::{ProcessHosts, ProcessHostsConfig};
pub use sandbox::{Sandbox, SandboxConfig, SandboxError};
pub use ssh_server::SshFault;
pub use state::armed::FailTimes;
pub use state::journal::RecordedRequest;
