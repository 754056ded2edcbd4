//! Hosts in a directory, connectors with a script, and what they are called.

mod connector;
mod machine;
mod steps;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use infra_bootstrap::{Bootstrap, HostReport, Mode, ReadinessPolicy};
use stagecraft_core::{
    EnvironmentName, Event, EventSink, Fingerprint, Host, HostId, HostName, HostStatus, HostStep,
    PollPolicy, RoleName, Run,
};

pub(crate) use connector::{Answers, Connections};
pub(crate) use machine::Machine;
pub(crate) use steps::FileStep;

pub(crate) fn environment() -> EnvironmentName {
    EnvironmentName::new("staging").unwrap()
}

/// A host as a cloud hands it over, with a pinned host key.
pub(crate) fn host(name: &str) -> Host {
    Host {
        id: HostId::new(format!("id-{name}")),
        node: format!("staging-{name}"),
        name: Some(HostName::new(name).unwrap()),
        role: Some(RoleName::new("app").unwrap()),
        size: "small".into(),
        region: "here".into(),
        public_ipv4: Some(Ipv4Addr::new(192, 0, 2, 7)),
        private_ipv4: None,
        status: HostStatus::Active,
        disk_gb: None,
        vpc: None,
        cloud_project: None,
        image: None,
        features: None,
        tags: vec![host_key().tag()],
    }
}

pub(crate) fn host_key() -> Fingerprint {
    Fingerprint::of_wire(b"the key of all hosts here")
}

/// Looks every 2 s, for up to 1 minute.
pub(crate) fn policy() -> ReadinessPolicy {
    ReadinessPolicy::every(PollPolicy {
        interval: Duration::from_secs(2),
        deadline: Duration::from_mins(1),
    })
}

/// Keeps all events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<Event>>>);

impl EventSink for Events {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Events {
    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    /// What kinds of events there were.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let name = |event: &Event| match event {
            Event::HostConnected { .. } => "host_connected",
            Event::StepStarted { .. } => "step_started",
            Event::StepFinished { .. } => "step_finished",
            Event::HostFailed { .. } => "host_failed",
            Event::Waiting { .. } => "waiting",
            Event::Retrying { .. } => "retrying",
            other => panic!("not an event of the bootstrap: {other:?}"),
        };
        self.all().iter().map(name).collect()
    }

    pub(crate) fn run(&self) -> Run {
        Run::new(
            Arc::new(self.clone()),
            Arc::new(std::collections::BTreeMap::from([(
                "SECRET".to_owned(),
                "hunter2".to_owned(),
            )])),
        )
    }
}

/// Tells whether there is a file.
pub(crate) const FILE: &str = "if [ -e /run/file ]; then echo present; else echo absent; fi";

/// Bootstraps a host with a step that makes that file.
pub(crate) async fn bootstrap(
    connections: &Arc<Connections>,
    host: &Host,
    events: &Events,
) -> HostReport {
    let step = Arc::new(FileStep::new("file", FILE, &[]));
    Bootstrap::new(Arc::clone(connections) as _, [step as _], policy())
        .unwrap()
        .host(&events.run(), &environment(), host, Mode::Apply)
        .await
}

/// Bootstraps one host with one step.
pub(crate) async fn converge(
    connections: &Arc<Connections>,
    steps: Vec<Arc<dyn HostStep>>,
    mode: Mode,
) -> HostReport {
    Bootstrap::new(Arc::clone(connections) as _, steps, policy())
        .unwrap()
        .host(&Run::default(), &environment(), &host("app-1"), mode)
        .await
}
