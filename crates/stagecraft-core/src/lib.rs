#![doc = include_str!("../README.md")]

mod advice;
mod approval;
mod cloud;
pub mod config;
mod error;
mod event;
mod failure_code;
mod host;
mod hostkey;
pub mod json;
mod lease;
mod limits;
mod money;
mod name;
mod naming;
mod network;
mod outcome;
mod pins;
mod plain;
mod plan;
mod probe;
#[cfg(feature = "yaml")]
mod registry;
mod remote;
mod run;
mod secret;
mod shell;
mod step;
pub mod tags;
mod write_guard;

pub use advice::Advice;
pub use approval::{ApprovedPlan, Confirmation};
pub use cloud::{
    ApplyReport, CloudProvider, ExistsNow, Finding, HostFailure, HostSink, Leftover, pins_of,
};
pub use error::{Error, ErrorKind, Result, Retry};
pub use event::{Event, EventSink, NoEvents};
pub use failure_code::FailureCode;
pub use host::{Host, HostFeatures, HostOptions, HostSpec, HostStatus};
pub use hostkey::{FIRST_HOST_KEY_COMMENT, Fingerprint, HOST_KEY_TAG_PREFIX, HostKey};
pub use lease::{Holder, LeaseProvider, LeaseTiming, Marker, Take};
pub use limits::Limits;
pub use money::MicroUsd;
pub use name::{EnvironmentName, HostId, HostName, NameError, NodeName, ProjectName, RoleName};
pub use naming::{NamePattern, NamePatternError, Naming, NamingError};
pub use network::{Change, Joined, NetworkProvider, NodeSpec};
pub use outcome::{StepFailure, StepOutcome};
pub use pins::{HostKeyCache, HostKeyPins};
pub use plain::{is_plain, shorten};
pub use plan::{
    Account, CloudFacts, Cost, CreateEntry, Difference, ExpiryChange, FieldDifference, HeldEntry,
    HostChanges, HostRef, InfraPlan, Makes, OperatorKey, OtherImage, PLAN_VERSION, PlanChange,
    PlanMode, PlanRequest, PlanSetting, Protection, Remedy, ResizeEntry, ResizeMode, RetagEntry,
    SAVED_PLAN_LIMIT, SAVED_PLAN_VERSION, SavedPlan, SizeOffer, StepChanges, plan_hosts,
};
pub use probe::{ProbeFacts, ProbeScript, join_probes, split_probes};
#[cfg(feature = "inventory")]
pub use registry::Registration;
#[cfg(feature = "yaml")]
pub use registry::{
    Build, BuildContext, BuildFn, Descriptor, Kind, Registry, RegistryError, RegistryHooks,
};
pub use remote::{
    CommandLine, ConnectPhase, Connector, Exit, JUMP_HOST, Login, OUTPUT_LIMIT, Remote,
    RemoteCommand, RemoteOutput, RemoteTarget, Upload,
};
pub use run::{LoginKey, Lookup, PollPolicy, Run, seconds};
pub use secret::{SecretKeyError, SecretKeys, SecretSource};
pub use shell::shell_quote;
pub use step::{Decision, HostContext, HostStep};
pub use tags::HostOwner;
pub use write_guard::WriteGuard;

#[cfg(feature = "inventory")]
#[doc(hidden)]
pub mod __private {
    pub use inventory;
}
