//! Carrying out an approved plan.

mod create;
mod delete;
mod wait;

use stagecraft_core::{
    ApplyReport, EnvironmentName, Error, ErrorKind, HostFailure, HostId, HostName, HostRef,
    InfraPlan, ProjectName, Run,
};

use crate::client::Client;
use crate::config::PollConfig;
use crate::error::provider_error;

/// What every part of an apply needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Apply<'a> {
    pub(crate) client: &'a Client,
    pub(crate) run: &'a Run,
    pub(crate) poll: &'a PollConfig,
    pub(crate) project: Option<&'a ProjectName>,
    pub(crate) environment: &'a EnvironmentName,
}

impl Apply<'_> {
    /// The report of an apply that could not even begin.
    pub(crate) fn nothing_done(plan: &InfraPlan, error: &Error) -> ApplyReport {
        let mut report = ApplyReport::default();
        for entry in &plan.create {
            report.failed.push(HostFailure {
                host: entry.spec.name.clone(),
                id: None,
                error: error.duplicate(),
            });
        }
        for host in &plan.delete {
            report.failed.push(delete_failure(host, error.duplicate()));
        }
        report
    }
}

/// The failure of one host of a create, in the seeds' words, with the cause below it.
fn create_failure(host: &HostName, node: &str, id: Option<HostId>, cause: Error) -> HostFailure {
    failure_of("creation failed", host, node, id, cause)
}

fn failure_of(
    what: &str,
    host: &HostName,
    node: &str,
    id: Option<HostId>,
    cause: Error,
) -> HostFailure {
    let mut error = provider_error(cause.kind(), format!("droplet '{node}' {what}"))
        .with_operation("apply")
        .with_retry(cause.retry());
    if let Some(hint) = cause.hint() {
        error = error.with_hint(hint);
    }
    HostFailure {
        host: host.clone(),
        id,
        error: error.with_source(cause),
    }
}

fn delete_failure(host: &HostRef, cause: Error) -> HostFailure {
    // The name of a host in `delete` follows the naming rule, or the plan would not own it.
    let name = HostName::new(host.name.clone()).expect("a plan deletes only hosts that it names");
    failure_of(
        "deletion failed",
        &name,
        &host.name,
        Some(host.id.clone()),
        cause,
    )
}

fn timeout(what: &str) -> Error {
    provider_error(
        ErrorKind::Timeout,
        format!("droplet operation timeout: {what}"),
    )
}
