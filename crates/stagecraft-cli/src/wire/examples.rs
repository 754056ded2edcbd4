//! One example of each line and document, made the way real ones are made: from the internal
//! types. The schema bears them and the documentation shows them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use infra_bootstrap::{HostReport, Retried, StepReport};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use stagecraft_core as core;
use stagecraft_core::config::{Location, Origin};
use stagecraft_core::{EnvironmentName, HostName, RoleName};
use stagecraft_engine::LeaseState;

use super::document::{
    ConfigDocument, ConfigEnvironment, HostsDocument, InitDocument, PlanDocument, Provider,
    ProviderKind, ProvidersDocument, SandboxDocument, VersionDocument,
};
use super::event::Event;
use super::line::{Line, Lines};
use super::plan::Planned;
use super::result::{
    Body, BootstrapResult, DownResult, DryRunResult, Outcome, ReplaceResult, Result, RetagResult,
    TrustResult, UnlockResult, UpResult,
};
use super::setting::{Setting, ShowDocument, WhyDocument};

/// The moment at which all examples happen: 1 November 2026, noon.
const MOMENT: i64 = 1_793_534_400;
const ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
const ID: &str = "512345678";

/// The examples of each line and document, by the name of the type in the schema.
pub(super) fn all() -> [(String, Value); 10] {
    let environments = [ConfigEnvironment {
        name: "staging".to_owned(),
        hosts: 3,
    }];
    let config = json!({ "cloud": { "provider": "digitalocean" } });
    let variables = [
        ("DIGITALOCEAN_API_URL", "http://127.0.0.1:41234"),
        ("STAGECRAFT_SSH_PORT", "2222"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    [
        of(&lines()),
        of(&[PlanDocument::from(planned())]),
        of(&[HostsDocument::new(&environment(), &[host()], &[])]),
        of(&[ConfigDocument::new(environments)]),
        of(&[ProvidersDocument::new([provider()])]),
        of(&[ShowDocument::new(config, vec![setting()])]),
        of(&[WhyDocument::new(setting())]),
        of(&[VersionDocument::new("0.1.0")]),
        of(&[InitDocument::written(Path::new("stagecraft.yml"))]),
        of(&[SandboxDocument::new(variables)]),
    ]
}

fn of<T: JsonSchema + Serialize>(examples: &[T]) -> (String, Value) {
    let examples = serde_json::to_value(examples);
    let examples = examples.unwrap_or_else(|error| json!(error.to_string()));
    (T::schema_name().into_owned(), examples)
}

/// One line of each event, and one of each kind of result.
fn lines() -> Vec<Line> {
    let mut lines = Lines::new();
    let mut now = Timestamp::from_second(MOMENT).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut events = vec![Event::Planned(planned())];
    events.extend(internal().into_iter().map(Event::from));
    events.extend(results().map(Event::Result));
    let stamped = events.into_iter().map(|event| {
        now += Duration::from_millis(1_500);
        lines.stamp(now, event)
    });
    stamped.collect()
}

/// One of each event of the framework.
fn internal() -> Vec<core::Event> {
    let host = host_name();
    let id = || ID.to_owned();
    let step = || "docker".to_owned();
    let environment = || plan().environment;
    let holder = || "`up` on laptop, pid 4711, since 2026-11-01T11:59:00Z".to_owned();
    vec![
        core::Event::LeaseTakenOver {
            environment: environment(),
            holder: holder(),
            reason: "its process on this machine has ended".to_owned(),
        },
        core::Event::LeaseTaken {
            environment: environment(),
            run: "9f86d081884c7d65".to_owned(),
        },
        core::Event::LeaseLost {
            environment: environment(),
            holder: Some(holder()),
        },
        core::Event::LeaseLeft {
            environment: environment(),
            reason: "no answer within 15s".to_owned(),
        },
        core::Event::HostsRequested {
            hosts: vec![host.clone()],
        },
        core::Event::HostAccepted {
            host: host.clone(),
            id: id(),
            adopted: false,
        },
        core::Event::Waiting {
            host: None,
            what: "new droplets to get an address".to_owned(),
            elapsed: Duration::from_secs(5),
            deadline: Duration::from_mins(5),
        },
        core::Event::HostActive {
            host: host.clone(),
            id: id(),
            address: ADDRESS.to_string(),
        },
        core::Event::Retrying {
            host: Some(host.clone()),
            what: "ssh login".to_owned(),
            reason: "connection refused".to_owned(),
            delay: Duration::from_secs(2),
        },
        core::Event::HostConnected {
            host: host.clone(),
            host_key: "SHA256:uNiVztksCsDhcc0u9e8BrrATdxdzUYskjMyqs8DClc0".to_owned(),
        },
        core::Event::StepStarted {
            host: host.clone(),
            step: step(),
        },
        core::Event::StepFinished {
            host: host.clone(),
            step: step(),
            outcome: changed(),
        },
        core::Event::HostFailed {
            host: host.clone(),
            message: "the droplet ended in the state errored".to_owned(),
        },
        core::Event::HostDeleteAccepted {
            host: host.clone(),
            id: id(),
        },
        core::Event::HostGone { host, id: id() },
    ]
}

fn results() -> [Result; 9] {
    let plan = plan();
    let created = core::ApplyReport {
        created: vec![host()],
        ..core::ApplyReport::default()
    };
    let deleted = core::ApplyReport {
        deleted: vec![host_ref()],
        leftovers: vec![core::Leftover {
            host: host_name(),
            kind: "volume",
            id: "506f78a4-e098-11e5-ad9f-000f53306ae1".to_owned(),
            name: Some("data".to_owned()),
            monthly: Some(core::MicroUsd(10_000_000)),
        }],
        ..core::ApplyReport::default()
    };
    let adopted = core::ApplyReport {
        retagged: vec![host_ref()],
        ..core::ApplyReport::default()
    };
    let missing = core::Finding {
        host: Some(host_name()),
        message: "there is no host `staging-app-1` in the cloud".to_owned(),
        hint: Some("rename the host to staging-app-1 in the cloud's console first".to_owned()),
        is_guard: true,
    };
    let refused = core::Error::new(
        core::ErrorKind::Guard,
        "there is no terminal on which to confirm to create hosts",
    )
    .with_hint("nothing was changed; add --yes to skip the confirmation");
    [
        Result {
            outcome: Outcome::Done,
            exit_code: 0,
            body: Body::Up(UpResult::new(
                "9f86d081884c7d65",
                &plan,
                &created,
                &[report(changed())],
            )),
        },
        Result {
            outcome: Outcome::Done,
            exit_code: 0,
            body: Body::Bootstrap(BootstrapResult::new(
                &plan.environment,
                &[report(changed())],
                &[HostName::new("app-2").expect("a valid name")],
                &[],
            )),
        },
        Result {
            outcome: Outcome::Done,
            exit_code: 0,
            body: Body::Down(DownResult::new(&plan, &deleted, &[], None)),
        },
        Result {
            outcome: Outcome::Done,
            exit_code: 0,
            body: Body::Replace(
                ReplaceResult::new(&plan, [Some(&deleted), Some(&created)], &[])
                    .with_new("9f86d081884c7d65", &[report(changed())]),
            ),
        },
        Result {
            outcome: Outcome::Partial,
            exit_code: 10,
            body: Body::Retag(RetagResult::new(&plan, &adopted, &[missing], &[])),
        },
        Result {
            outcome: Outcome::Done,
            exit_code: 0,
            body: Body::Unlock(UnlockResult::new(&plan.environment, Some(&lease()), true)),
        },
        Result {
            outcome: Outcome::Done,
            exit_code: 0,
            body: Body::Trust(TrustResult::new(
                &plan.environment,
                &stagecraft_engine::TrustReport {
                    host: host().name.expect("it has one"),
                    key: core::Fingerprint::of_wire(b"key"),
                    is_new: true,
                    replaced: Vec::new(),
                },
            )),
        },
        Result {
            outcome: Outcome::DryRun,
            exit_code: 0,
            body: Body::DryRun(DryRunResult::new(
                &plan,
                &[&report(core::StepOutcome::WouldChange {
                    changes: vec!["install docker".to_owned()],
                })],
            )),
        },
        Result {
            outcome: Outcome::Failed,
            exit_code: 7,
            body: Body::Failed {
                error: (&refused).into(),
            },
        },
    ]
}

fn lease() -> LeaseState {
    LeaseState {
        environment: environment(),
        marker: core::Marker {
            id: "bb4b2611-3d72-467b-8602-280330ecd65c".to_owned(),
            holder: Some(core::Holder {
                run: "9f86d081884c7d65".to_owned(),
                machine: "laptop".to_owned(),
                boot: None,
                space: None,
                pid: 4711,
                started: None,
                operation: "up".to_owned(),
            }),
            since: "2026-11-01T11:40:00Z".to_owned(),
            idle: Some(Duration::from_mins(20)),
            expiry: Duration::from_secs(90),
        },
        gone: Some("it has shown no sign of life for 20m".to_owned()),
    }
}

fn provider() -> Provider {
    Provider {
        kind: ProviderKind::Cloud,
        id: "digitalocean".to_owned(),
        summary: "DigitalOcean droplets".to_owned(),
        origin: "provider-digitalocean".to_owned(),
        version: "0.1.0".to_owned(),
        experimental: false,
        capabilities: Vec::new(),
        keys: None,
    }
}

fn setting() -> Setting {
    let setting = stagecraft_core::config::Setting {
        path: vec!["cloud".to_owned(), "provider".to_owned()],
        value: json!("digitalocean"),
        origin: Origin::File {
            location: Location {
                line: 2,
                column: 13,
            },
            variables: Vec::new(),
        },
    };
    Setting::new(&setting, "stagecraft.yml", None)
}

fn planned() -> Planned {
    Planned::new(&plan(), &[])
}

fn plan() -> core::InfraPlan {
    let monthly = Some(core::MicroUsd(24_000_000));
    core::InfraPlan {
        version: core::PLAN_VERSION,
        mode: core::PlanMode::Reconcile,
        project: core::ProjectName::new("shop").ok(),
        name_pattern: None,
        environment: environment(),
        provider: "digitalocean".to_owned(),
        account: core::Account {
            id: "b6fr89dbf6d9156cace5f3c78dc9851d957381ef".to_owned(),
            name: "ops@example.com".to_owned(),
            team: None,
        },
        endpoint: "https://api.digitalocean.com".to_owned(),
        create: vec![core::CreateEntry {
            spec: core::HostSpec {
                name: host_name(),
                role: role(),
                size: "s-2vcpu-4gb".to_owned(),
                region: "nyc3".to_owned(),
                image: "ubuntu-24-04-x64".to_owned(),
                options: core::HostOptions::default(),
            },
            node: core::NodeName::new("staging-app-1").expect("a short name"),
            tags: tags(),
            ssh_key_fingerprint: Some("3b:16:e4:bf:8b:00:8b:b8:59:8c:a9:d3:f0:19:fa:45".to_owned()),
            monthly,
            hourly: Some(core::MicroUsd(35_710)),
            backups_monthly: None,
        }],
        delete: Vec::new(),
        protected: Vec::new(),
        held: Vec::new(),
        resize: Vec::new(),
        retag: Vec::new(),
        power_on: Vec::new(),
        undeclared: Vec::new(),
        differ: Vec::new(),
        unchanged: Vec::new(),
        other_image: Vec::new(),
        unmanaged: Vec::new(),
        duplicates: Vec::new(),
        cost: core::Cost {
            monthly_before: core::MicroUsd(0),
            monthly_after: core::MicroUsd(24_000_000),
            hourly_before: core::MicroUsd(0),
            hourly_after: core::MicroUsd(35_710),
        },
    }
}

fn host() -> core::Host {
    core::Host {
        id: core::HostId::new(ID),
        node: "staging-app-1".to_owned(),
        name: Some(host_name()),
        role: Some(role()),
        size: "s-2vcpu-4gb".to_owned(),
        region: "nyc3".to_owned(),
        public_ipv4: Some(ADDRESS),
        private_ipv4: Some(Ipv4Addr::new(10, 132, 0, 2)),
        status: core::HostStatus::Active,
        disk_gb: None,
        vpc: None,
        cloud_project: None,
        image: None,
        features: None,
        tags: tags(),
    }
}

fn host_ref() -> core::HostRef {
    core::HostRef {
        name: "app-1".to_owned(),
        id: core::HostId::new(ID),
        size: "s-2vcpu-4gb".to_owned(),
        region: "nyc3".to_owned(),
        monthly: Some(core::MicroUsd(24_000_000)),
        hourly: Some(core::MicroUsd(35_710)),
        backups_monthly: None,
        protection: core::Protection::default(),
        expires_at: None,
        node: None,
        owner: None,
    }
}

fn report(outcome: core::StepOutcome) -> HostReport {
    HostReport {
        host: host_name(),
        id: core::HostId::new(ID),
        address: Some(IpAddr::V4(ADDRESS)),
        fqdn: Some("staging-app-1.example.ts.net".to_owned()),
        system: Some("Ubuntu 24.04.3 LTS".to_owned()),
        steps: vec![StepReport {
            step: "docker",
            outcome,
            duration: Duration::from_secs(21),
        }],
        failure: None,
        warnings: vec!["the first boot failed in part".to_owned()],
        retries: vec![Retried {
            what: "connect".to_owned(),
            times: 3,
            reason: "connection refused".to_owned(),
        }],
        duration: Duration::from_secs(34),
    }
}

fn changed() -> core::StepOutcome {
    core::StepOutcome::Changed {
        changes: vec!["install docker".to_owned()],
    }
}

fn tags() -> Vec<String> {
    [
        "stagecraft",
        "stagecraft-env-staging",
        "stagecraft-project-shop",
        "stagecraft-role-app",
    ]
    .map(str::to_owned)
    .into()
}

fn environment() -> EnvironmentName {
    EnvironmentName::new("staging").expect("a valid name")
}

fn host_name() -> HostName {
    HostName::new("app-1").expect("a valid name")
}

fn role() -> RoleName {
    RoleName::new("app").expect("a valid name")
}
