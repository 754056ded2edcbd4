//! The step `network`, with a provider that does as it is told.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use infra_bootstrap::{Bootstrap, HostReport, Mode, NETWORK, NetworkStep};
use stagecraft_core::config::{Document, Project};
use stagecraft_core::{
    BuildContext, Change, Error, ErrorKind, FailureCode, HostStep, Joined, Kind, NetworkProvider,
    NodeName, NodeSpec, ProbeFacts, ProbeScript, Registry, Remote, RemoteCommand, Result, Run,
    StepOutcome,
};

use crate::bootstrap::support::{Connections, Machine, environment, host, policy};

type Fault = (ErrorKind, Option<&'static str>);

#[derive(Debug, Default)]
pub(crate) struct Mesh {
    decide: Option<Fault>,
    change: Option<Fault>,
    name: Option<&'static str>,
    seen: Mutex<Vec<NodeSpec>>,
}

fn error((kind, operation): Fault) -> Error {
    let error = Error::new(kind, "scripted").with_provider("mesh");
    match operation {
        Some(operation) => error.with_operation(operation),
        None => error,
    }
}

#[async_trait]
impl NetworkProvider for Mesh {
    fn id(&self) -> &'static str {
        "mesh"
    }

    fn probe(&self) -> ProbeScript {
        ProbeScript(
            "if [ -e /run/mesh ]; then echo state=joined; cat /run/mesh; else echo state=out; fi",
        )
    }

    fn decide(&self, facts: &ProbeFacts, node: &NodeSpec) -> Result<Vec<Change>> {
        self.seen.lock().unwrap().push(node.clone());
        if let Some(fault) = self.decide {
            return Err(error(fault));
        }
        Ok(match facts.value("state") {
            Some("joined") if facts.value("name") != Some(&*self.node_fqdn(&node.name)?) => {
                return Err(error((ErrorKind::Rejected, Some("verify"))));
            }
            Some("joined") => Vec::new(),
            _ => vec![Change::new("join", "join the mesh")],
        })
    }

    async fn change(
        &self,
        run: &Run,
        host: &dyn Remote,
        node: &NodeSpec,
        _: &[Change],
    ) -> Result<Joined> {
        if let Some(fault) = self.change {
            return Err(error(fault));
        }
        let fqdn = self
            .name
            .map_or_else(|| format!("{}.example.ts.net.", node.name), Into::into);
        let script = format!("echo name={} >/run/mesh", fqdn.trim_end_matches('.'));
        let command = RemoteCommand::script(script, Duration::from_secs(5));
        host.exec(run, &command).await?.success()?;
        Ok(Joined {
            node_id: "n1".into(),
            fqdn,
            addresses: vec![IpAddr::from([100, 64, 0, 1])],
        })
    }

    fn node_fqdn(&self, node: &NodeName) -> Result<String> {
        Ok(format!("{node}.example.ts.net"))
    }

    async fn forget(&self, _: &Run, _: &NodeName) -> Result<StepOutcome> {
        Ok(StepOutcome::Unchanged)
    }
}

async fn apply(machine: &Machine, mesh: Mesh) -> HostReport {
    let mesh = Arc::new(mesh);
    let step = Arc::new(NetworkStep::new(Arc::clone(&mesh) as _));
    Bootstrap::new(
        Connections::to(machine.clone()),
        [step as Arc<dyn HostStep>],
        policy(),
    )
    .unwrap()
    .with_network(mesh)
    .host(&Run::default(), &environment(), &host("app-1"), Mode::Apply)
    .await
}

#[tokio::test]
async fn host_joins_once_and_the_report_tells_its_name() {
    let machine = Machine::new();
    let report = apply(&machine, Mesh::default()).await;
    assert!(matches!(
        report.step("network"),
        Some(StepOutcome::Changed { changes }) if changes == &["join the mesh"]
    ));
    let name = Some("staging-app-1.example.ts.net");
    assert_eq!(report.fqdn.as_deref(), name);
    let report = apply(&machine, Mesh::default()).await;
    assert_eq!(report.step("network"), Some(&StepOutcome::Unchanged));
    assert_eq!(report.fqdn.as_deref(), name);
}

#[tokio::test]
async fn another_name_than_expected_fails_verification() {
    let mesh = Mesh {
        name: Some("staging-app-1-1.example.ts.net."),
        ..Mesh::default()
    };
    let machine = Machine::new();
    let report = apply(&machine, mesh).await;
    let failure = report.first_failure().unwrap();
    assert_eq!(failure.code, FailureCode::NetworkVerifyFailed);
    assert_eq!(
        failure.message,
        "the host was named `staging-app-1-1.example.ts.net.` instead of `staging-app-1.example.ts.net`"
    );
    assert_eq!(report.fqdn, None);

    // The host is a member now, but not under its name.
    let report = apply(&machine, Mesh::default()).await;
    let failure = report.first_failure().unwrap();
    assert_eq!(failure.code, FailureCode::NetworkVerifyFailed);
    assert_eq!(report.fqdn, None);
}

#[tokio::test]
async fn errors_of_the_provider_become_codes() {
    let verify = FailureCode::NetworkVerifyFailed;
    for (fault, code) in [
        ((ErrorKind::Protocol, None), verify),
        ((ErrorKind::Rejected, None), verify),
        ((ErrorKind::Config, None), FailureCode::ConfigInvalid),
    ] {
        let mesh = Mesh {
            decide: Some(fault),
            ..Mesh::default()
        };
        let report = apply(&Machine::new(), mesh).await;
        assert_eq!(report.first_failure().unwrap().code, code, "{fault:?}");
    }
    for (fault, code) in [
        (
            (ErrorKind::CommandFailed, Some("install")),
            FailureCode::NetworkInstallFailed,
        ),
        (
            (ErrorKind::Timeout, Some("join")),
            FailureCode::NetworkJoinFailed,
        ),
        ((ErrorKind::Timeout, Some("verify")), verify),
        ((ErrorKind::Unavailable, None), FailureCode::SshFailed),
        (
            (ErrorKind::CommandFailed, None),
            FailureCode::NetworkJoinFailed,
        ),
        (
            (ErrorKind::SecretMissing, Some("join")),
            FailureCode::ConfigInvalid,
        ),
        (
            (ErrorKind::Cancelled, Some("join")),
            FailureCode::Interrupted,
        ),
    ] {
        let mesh = Mesh {
            change: Some(fault),
            ..Mesh::default()
        };
        let report = apply(&Machine::new(), mesh).await;
        assert_eq!(report.first_failure().unwrap().code, code, "{fault:?}");
    }
}

#[test]
fn step_is_built_only_with_the_network_that_it_names() {
    let registry = Registry::new([&NETWORK]).unwrap();
    assert_eq!(registry.ids(Kind::Step), ["network"]);
    let build = |text: &str, network: Option<Arc<dyn NetworkProvider>>| {
        let text = format!("infra:\n  bootstrap:\n    network: {text}\n");
        let project = Project::new(Document::new("f.yml", text).unwrap()).unwrap();
        let context = BuildContext {
            network,
            ..BuildContext::default()
        };
        registry
            .step("network", &project.bootstrap_block("network"), &context)
            .map(|step| step.id())
            .map_err(|error| error.chain().join(": "))
    };
    let mesh = || Some(Arc::new(Mesh::default()) as Arc<dyn NetworkProvider>);
    assert_eq!(build("{ provider: mesh }", mesh()), Ok("network"));
    for (text, network, message) in [
        (
            "{ provider: other }",
            mesh(),
            "`other` is not the configured network provider, which is `mesh`",
        ),
        (
            "{ provider: mesh }",
            None,
            "`mesh` cannot be used without the key `network`",
        ),
        ("{}", mesh(), "missing field `provider`"),
        ("{ provider: mesh, x: 1 }", mesh(), "unknown field `x`"),
    ] {
        let error = build(text, network).unwrap_err();
        assert!(error.contains(message), "{error}");
        assert!(error.contains("f.yml:3:"), "{error}");
    }
}
