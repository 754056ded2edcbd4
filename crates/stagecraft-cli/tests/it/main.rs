//! The program as its users run it: the real binary against the sandbox. One test binary, since
//! each would link the whole program again.

#[path = "../support/mod.rs"]
mod support;

mod adopt;
mod advice;
mod approval;
mod bootstrap;
mod bundle;
mod call_economy;
mod cloud_faults;
mod cloud_project;
mod config;
mod dry_run;
mod error_texts;
mod events;
mod everyday;
mod exists;
mod first_steps;
mod host_faults;
mod host_identity;
mod hostile_config;
mod hostile_texts;
mod interrupt;
mod keys;
mod kill;
mod lease;
mod lifecycle;
mod limits;
mod login_settings;
mod passphrase;
mod plan_rows;
mod projects;
mod protect;
mod prune;
mod reap;
mod replace;
mod resize;
mod saved_plan;
mod selection;
mod show;
mod undo;
mod variables;
