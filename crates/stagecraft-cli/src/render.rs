//! Renders results as text.

mod advice;
mod apply;
mod bootstrap;
mod down;
mod ends;
mod event;
mod hosts;
mod look;
mod machines;
mod plan;
mod replace;
mod retag;
mod text;
mod up;

pub(crate) use bootstrap::bootstrap_text;
pub(crate) use down::{down_text, held_hosts_text};
pub(crate) use ends::held_text;
pub(crate) use event::{end_at_once, event_line};
pub(crate) use hosts::hosts_text;
pub(crate) use look::{dry_run_text, found_text};
pub(crate) use plan::{
    OnHosts, REFUSED, change_text, plan_text, undeclared_text, where_text, work_text,
};
pub(crate) use replace::replace_text;
pub(crate) use retag::{as_wanted_text, retag_text};
pub(crate) use text::{account_text, plural, table, them};
pub(crate) use up::up_text;
