//! A DigitalOcean-compatible API and disposable hosts on this machine.
//!
//! The API keeps state and behaves over time as the real one does: droplets
//! are accepted, missing from lists, active without an address, and finally
//! there; tags ignore case; requests run into limits. [`Knobs`] set each of
//! these, [`Control`] does what a cloud would not let you do: commit a
//! [`Fault`], break a droplet, make a program in a host fail.
//!
//! ```
//! use stagecraft_sandbox::{Fault, Sandbox, SandboxConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), stagecraft_sandbox::SandboxError> {
//! let sandbox = Sandbox::start(SandboxConfig::default()).await?;
//! sandbox.control().add_fault(Fault::status("POST", "/v2/droplets", 503));
//! assert!(sandbox.url().starts_with("http://127.0.0.1:"));
//! sandbox.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! It listens on loopback only. What stands behind a droplet is up to a
//! [`HostDriver`]; without one droplets are API objects.

mod api;
mod cloud_config;
mod control;
mod driver;
mod fault;
mod knobs;
mod process;
mod sandbox;
mod ssh_server;
mod state;

pub use control::{
    Breakage, Control, ControlError, DropletState, DropletView, FailTimes, ForeignDroplet,
};
pub use driver::{BootRequest, DriverError, HostDriver};
pub use fault::{Fault, FaultKind};
pub use knobs::Knobs;
pub use process::{ProcessHosts, ProcessHostsConfig};
pub use sandbox::{Sandbox, SandboxConfig, SandboxError};
pub use ssh_server::SshFault;
pub use state::journal::RecordedRequest;
