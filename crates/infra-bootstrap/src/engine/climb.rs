//! The bootstrap of one host, from its first connection to its last step.

use std::sync::Arc;
use std::time::Duration;

use stagecraft_core::{
    EnvironmentName, FailureCode, Fingerprint, Host, HostChanges, HostContext, NodeName, Remote,
    RemoteTarget, Run, StepFailure, StepOutcome,
};

use super::Bootstrap;
use super::host_key;
use super::session::Session;
use crate::failure;
use crate::mode::Mode;
use crate::peers::Peers;
use crate::readiness;
use crate::report::HostReport;
use crate::steps::users;

/// One host on its way to its last step.
pub(super) struct Climb<'a> {
    pub(super) host: &'a Host,
    pub(super) mode: Mode,
    /// A connection that was opened when the host was read.
    pub(super) former: Option<Box<Session>>,
    /// The changes that may be made; `None` for any.
    pub(super) approved: Option<&'a HostChanges>,
    pub(super) report: &'a mut HostReport,
    /// Pins to be removed.
    pub(super) stale: Vec<Fingerprint>,
}

impl Bootstrap {
    /// Connects, waits for the end of the first boot and runs or reads the steps. Returns the
    /// connection unless the host failed as a whole.
    pub(super) async fn climb(
        &self,
        run: &Run,
        environment: &EnvironmentName,
        climb: &mut Climb<'_>,
    ) -> Result<Session, StepFailure> {
        let host = climb.host;
        let mut context = context_of(environment, host)?;
        let address = climb.report.address.ok_or_else(|| {
            StepFailure::new(FailureCode::HostNotReady, "the host has no public address")
        })?;
        let pinned = host.host_keys();
        let cache = self.cache.as_ref();
        let remembered = cache.map_or_else(Vec::new, |cache| cache.known(&host.id));
        let contradiction = host_key::contradiction(&pinned, &remembered);
        let target = RemoteTarget {
            host: context.name.clone(),
            aliases: vec![context.node.to_string()],
            address,
            host_keys: if pinned.is_empty() {
                remembered
            } else {
                pinned
            },
        };
        let options = format!(" --env {environment} {}", self.command_options);
        let cure = readiness::cure_of_key(&target, options.trim_end());
        let with_cure = |failure: StepFailure| match failure.code {
            // A jump host's key must not become the host's.
            FailureCode::HostKeyMismatch if !failure::is_of_jump_host(&failure) => {
                failure.with_evidence([cure])
            }
            _ => failure,
        };
        let mut session = match self.reach(run, climb, target).await {
            Ok(session) => session,
            Err(failure) => return Err(with_cure(failure)),
        };
        self.recognise(run, &session, &mut context).await;
        match self
            .carry_on(run, &context, climb, &mut session, contradiction)
            .await
        {
            Ok(()) => Ok(session),
            Err(failure) => {
                session.close().await;
                Err(with_cure(failure))
            }
        }
    }

    /// Returns a connection to a host whose first boot has ended, and whose state was just read. It
    /// reuses the earlier connection if that is still to this host.
    async fn reach(
        &self,
        run: &Run,
        climb: &mut Climb<'_>,
        target: RemoteTarget,
    ) -> Result<Session, StepFailure> {
        match climb.former.take() {
            Some(former) if former.is_to(&target) => {
                let mut session = *former;
                if let Err(failure) = session.resume(run).await {
                    session.close().await;
                    return Err(failure);
                }
                return Ok(session);
            }
            Some(former) => former.close().await,
            None => {}
        }
        let opened = Session::open(
            run,
            Arc::clone(&self.connector),
            target,
            self.policy,
            &self.steps,
            &climb.host.id,
            climb.mode,
        );
        let mut session = opened.await?;
        if let Err(failure) = session.first_boot(run, Duration::MAX).await {
            session.close().await;
            return Err(failure);
        }
        Ok(session)
    }

    /// Records the login. Whether it uses the operator's key is queried only if the host was
    /// created with another one.
    async fn recognise(&self, run: &Run, session: &Session, context: &mut HostContext) {
        context.login = session.remote().login();
        let Some(operator) = &self.operator else {
            return;
        };
        context.operator_key = operator.name().map(str::to_owned);
        if let Some(login) = &context.login
            && users::has_former_operator(&session.facts(users::ID), operator.name())
        {
            context.is_operator_login = operator.is_login(run, login).await;
        }
    }

    async fn carry_on(
        &self,
        run: &Run,
        context: &HostContext,
        climb: &mut Climb<'_>,
        session: &mut Session,
        contradiction: Option<StepOutcome>,
    ) -> Result<(), StepFailure> {
        climb.report.system = session.system();
        climb.report.warnings = session.login_warnings();
        let of_login = climb.report.warnings.len();
        let of_boot = session.boot_warnings(run);
        let is_first_run = self.is_first_run(climb.host, session);
        let result = self
            .work_on(run, context, climb, session, contradiction)
            .await;
        // They may be why a step fails, in any run.
        if is_first_run || result.is_err() || !climb.report.is_ok() {
            climb.report.warnings.splice(of_login..of_login, of_boot);
        }
        result
    }

    async fn work_on(
        &self,
        run: &Run,
        context: &HostContext,
        climb: &mut Climb<'_>,
        session: &mut Session,
        contradiction: Option<StepOutcome>,
    ) -> Result<(), StepFailure> {
        let (host, mode) = (climb.host, climb.mode);
        if mode == Mode::Apply {
            self.check_approved(run, session, context, host, climb.approved)?;
        }
        let identified = self.identify(run, host, mode, session, climb.report, contradiction);
        let Some(former) = identified.await else {
            return self.skip_steps(run, context, climb.report);
        };
        climb.stale.extend(former);
        if mode == Mode::DryRun {
            return self.read_steps(run, session, context, climb.report);
        }
        if let Some(cache) = &self.cache {
            cache.proven(&host.id, session.host_key());
        }
        let approved = climb.approved;
        self.run_steps(run, context, session, climb.report, approved)
            .await
    }
}

/// Hands the connection to a network member to the peers, or closes it.
pub(super) async fn offer(peers: Option<&Peers>, report: &HostReport, remote: Arc<dyn Remote>) {
    let is_member = report.fqdn.is_some() && report.is_ok();
    let unused = match peers.filter(|_| is_member) {
        Some(peers) => peers.offer(&report.id, remote),
        None => Some(remote),
    };
    if let Some(remote) = unused {
        remote.close().await;
    }
}

fn context_of(environment: &EnvironmentName, host: &Host) -> Result<HostContext, StepFailure> {
    let invalid = |message: String| StepFailure::new(FailureCode::ConfigInvalid, message);
    let name = host.name.clone().ok_or_else(|| {
        invalid(format!(
            "the host's name in the cloud, {:?}, fits no name pattern of the file",
            host.node
        ))
    })?;
    let role = host
        .role
        .clone()
        .ok_or_else(|| invalid("no tag of the host tells its role".to_owned()))?;
    // A host that still has an old name keeps it in the network too, until it is renamed.
    let node = NodeName::new(host.node.to_ascii_lowercase());
    let node = node.map_err(|error| invalid(error.to_string()))?;
    Ok(HostContext {
        environment: environment.clone(),
        name,
        role,
        node,
        login: None,
        operator_key: None,
        is_operator_login: false,
    })
}
