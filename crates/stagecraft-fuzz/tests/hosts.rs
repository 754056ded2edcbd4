//! Hostile hosts: what their commands print is read by every parser that a bootstrap has, and the
//! bootstrap ends, with short reports and within bounds of memory.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows test functions only, not their helpers"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use infra_bootstrap::{
    Bootstrap, DockerConfig, DockerStep, HostReport, Mode, NetworkStep, ReadinessPolicy,
};
use proptest::prelude::*;
use proptest::sample::select;
use provider_tailscale::{Tailscale, TailscaleConfig};
use stagecraft_core::{
    CommandLine, Connector, Exit, Fingerprint, Host, HostId, HostName, HostStatus, HostStep,
    NetworkProvider, NoEvents, OUTPUT_LIMIT, PollPolicy, Remote, RemoteCommand, RemoteOutput,
    RemoteTarget, Result, Run, Upload, split_probes,
};
use stagecraft_fuzz::{MEBIBYTE, cases, changed_json, damaged, measured_async};

const STATUS: &str = include_str!("../../provider-tailscale/tests/fixtures/status-joined.json");

/// What the probes print on a host in good order.
const READY: &str = "uid=0\nboot=finished\n";
const DOCKER: &str = "os=ubuntu\nrelease=24.04\npath=/usr/bin/docker\nclient=Docker version 27.5.1, build 9f9e405\n\
     server=27.5.1\ncompose=2.32.4\nengine=/usr/bin/dockerd\nvendor=yes\nconflicts=\nprobe=done\n";
const BARE: &str =
    "os=debian\nrelease=12\nengine=\nvendor=\nconflicts= docker.io runc\nprobe=done\n";
const MEMBER: &str = concat!(
    "os_id=ubuntu\nos_codename=noble\ninstalled=yes\ncontrol_url=https://controlplane.tailscale.com\n",
    "accept_dns=false\nhostname=web-1\nstatus_code=0\nstatus:\n",
    include_str!("../../provider-tailscale/tests/fixtures/status-joined.json"),
    "\n"
);

const READINESS_TEXTS: &[&str] = &[
    READY,
    "uid=1000\nboot=running\nlocked=/var/lib/dpkg/lock 42 apt-get -y install x \nevidence:\n{\"v1\": {}}\nCloud-init v. 24\n",
    "uid=0\nboot=disabled\nlocked=/run/stagecraft.lock 7 up\nlocked=/var/lib/apt/lists/lock 8 apt\n",
];
const DOCKER_TEXTS: &[&str] = &[
    DOCKER,
    BARE,
    "os=\nrelease=\nengine=\nvendor=\nconflicts=\nprobe=done\n",
];
const NETWORK_TEXTS: &[&str] = &[
    MEMBER,
    "os_id=debian\nos_codename=bookworm\ninstalled=no\n",
    "os_id=ubuntu\nos_codename=noble\ninstalled=yes\nversion=1.82.0\nstatus_code=1\nstatus:\n\n",
    "os_id=ubuntu\nos_codename=noble\ninstalled=yes\ncontrol_url=\naccept_dns=true\nhostname=\n\
     status_code=0\nstatus:\n{\"Version\":\"1.82.0-t1\",\"BackendState\":\"NeedsLogin\",\"Self\":null,\"Health\":[\"You are logged out. The last login error was: x\"]}\n",
];
const OTHER_TEXTS: &[&str] = &[
    "",
    "ok\n",
    "backend error: invalid key: API key kAbC not valid\n",
    "backend error: requested tags [tag:x] are invalid or not permitted\n",
    "timeout waiting for Tailscale service to enter a Running state; check health\n",
    "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1 (apt)\n",
    "Docker version 27.5.1, build 9f9e405\nserver=27.5.1\ncompose=2.32.4\n",
];
/// More commands than any bootstrap of one host sends within its deadlines.
const MOST_COMMANDS: usize = 3000;

/// What a host prints, by what it is asked.
#[derive(Debug, Clone)]
struct Script {
    readiness: Vec<u8>,
    docker: Vec<u8>,
    network: Vec<u8>,
    other: Vec<u8>,
    code: u32,
}

#[derive(Debug)]
struct Hostile {
    name: HostName,
    script: Mutex<Script>,
    commands: AtomicUsize,
}

impl Hostile {
    fn new(script: Script) -> Self {
        Self {
            // The node of the samples is `web-1`.
            name: "1".parse().unwrap(),
            script: Mutex::new(script),
            commands: AtomicUsize::new(0),
        }
    }

    /// The probes' sections as the joined script asks for them, each with its damaged text.
    fn answer(&self, asked: &str) -> (u32, String) {
        let script = self.script.lock().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let section = |id: &str| match id {
            "readiness" => text(&script.readiness),
            "docker" => text(&script.docker),
            _ => text(&script.network),
        };
        let mut output = String::new();
        for line in asked.lines() {
            if let Some((boundary, id)) = line
                .strip_prefix("echo '")
                .and_then(|rest| rest.trim_end_matches('\'').split_once(" begin "))
            {
                let body = section(id);
                writeln!(output, "{boundary} begin {id}\n{body}\n{boundary} end 0").unwrap();
            }
        }
        if !output.is_empty() {
            (0, output)
        } else if asked.contains("status --json") {
            (0, section("network"))
        } else {
            (script.code, text(&script.other))
        }
    }
}

/// A connection to the host.
#[derive(Debug)]
struct Connection(Arc<Hostile>);

#[async_trait]
impl Remote for Connection {
    fn host(&self) -> &HostName {
        &self.0.name
    }

    fn host_key(&self) -> Fingerprint {
        Fingerprint::of_wire(b"key")
    }

    async fn exec(&self, run: &Run, command: &RemoteCommand) -> Result<RemoteOutput> {
        run.check()?;
        let count = self.0.commands.fetch_add(1, Ordering::Relaxed);
        assert!(count < MOST_COMMANDS, "the bootstrap does not end");
        let (code, stdout) = match &command.line {
            CommandLine::Script(script) => self.0.answer(script),
            CommandLine::Argv(argv) => self.0.answer(&argv.join(" ")),
        };
        Ok(RemoteOutput {
            exit: Exit::Code(code),
            stderr: stdout.clone(),
            stdout,
        })
    }

    async fn upload(&self, run: &Run, _: &Upload) -> Result<()> {
        run.check()
    }

    async fn close(&self) {}
}

#[derive(Debug)]
struct Connections(Arc<Hostile>);

#[async_trait]
impl Connector for Connections {
    async fn connect(&self, _: &Run, _: &RemoteTarget) -> Result<Arc<dyn Remote>> {
        Ok(Arc::new(Connection(Arc::clone(&self.0))))
    }
}

/// Bootstraps the host in time that passes at once, checks what is told of it, and gives that.
fn bootstrap(script: Script) -> HostReport {
    let size = [
        &script.readiness,
        &script.docker,
        &script.network,
        &script.other,
    ]
    .iter()
    .map(|text| text.len())
    .sum::<usize>();
    let hostile = Arc::new(Hostile::new(script));
    let mut config = TailscaleConfig::new("TS_AUTHKEY", "tail.internal".parse().unwrap());
    config.default_tags = vec!["tag:gw".parse().unwrap()];
    let network: Arc<dyn NetworkProvider> = Arc::new(Tailscale::new(config).unwrap());
    let steps: [Arc<dyn HostStep>; 2] = [
        Arc::new(DockerStep::new(DockerConfig::default())),
        Arc::new(NetworkStep::new(Arc::clone(&network))),
    ];
    let connector = Arc::new(Connections(Arc::clone(&hostile)));
    // A few looks are as good as a hundred.
    let policy = ReadinessPolicy::every(PollPolicy {
        interval: Duration::from_secs(2),
        deadline: Duration::from_secs(5),
    });
    let bootstrap = Bootstrap::new(connector, steps, policy)
        .unwrap()
        .with_network(network);
    let variables = BTreeMap::from([("TS_AUTHKEY".to_owned(), "tskey-auth-s3cret".to_owned())]);
    let run = Run::new(Arc::new(NoEvents), Arc::new(variables));
    let host = Host {
        id: HostId::new("1"),
        node: "web-1".to_owned(),
        name: Some(hostile.name.clone()),
        role: Some("web".parse().unwrap()),
        public_ipv4: Some([192, 0, 2, 1].into()),
        private_ipv4: None,
        size: "small".to_owned(),
        region: "nyc1".to_owned(),
        status: HostStatus::Active,
        disk_gb: None,
        vpc: None,
        cloud_project: None,
        image: None,
        features: None,
        tags: vec![Fingerprint::of_wire(b"key").tag()],
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let [_, report] = [Mode::DryRun, Mode::Apply].map(|mode| {
        hostile.commands.store(0, Ordering::Relaxed);
        let environment = "web".parse().unwrap();
        let report = runtime.block_on(measured_async(bootstrap.host(
            &run,
            &environment,
            &host,
            mode,
        )));
        let report = report.within(16 * MEBIBYTE + 60 * size);
        let told = serde_json::to_string(&report).unwrap();
        assert!(told.len() < 200_000, "{} bytes are told", told.len());
        assert!(!told.contains("s3cret"));
        report
    });
    report
}

fn status() -> impl Strategy<Value = Vec<u8>> {
    changed_json(STATUS.parse().unwrap()).prop_map(|status| {
        let (before, _) = MEMBER.split_once('{').unwrap();
        format!("{before}{status}\n").into_bytes()
    })
}

/// Real texts more often than not, or no bootstrap would come far.
fn scripts() -> impl Strategy<Value = Script> {
    let texts = |texts: &'static [&'static str]| {
        prop_oneof![
            select(texts).prop_map(|text| text.as_bytes().to_vec()),
            damaged(texts),
        ]
    };
    let network = prop_oneof![1 => texts(NETWORK_TEXTS), 1 => status()];
    let code = prop_oneof![2 => Just(0), 1 => select(&[1u32, 2, 75, 100, 124, 255, u32::MAX][..])];
    (
        texts(READINESS_TEXTS),
        texts(DOCKER_TEXTS),
        network,
        texts(OTHER_TEXTS),
        code,
    )
        .prop_map(|(readiness, docker, network, other, code)| Script {
            readiness,
            docker,
            network,
            other,
            code,
        })
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn bootstrap_of_a_host_with_damaged_answers_ends_with_a_short_report(script in scripts()) {
        bootstrap(script);
    }

    #[test]
    fn small_texts_of_hosts_and_services_never_panic(
        text in damaged(&[
            "stagecraft-hostkey-mzxw6ytboi", "staging-app-1", "1h30m", "1.82.0-t5716fc6f3", "tag:db",
            "tail1234.ts.net", "https://headscale.example.com:8080/x", "=b= begin a\nx=1\n=b= end 0\n", "s-1vcpu-1gb",
        ]),
    ) {
        let text = String::from_utf8_lossy(&text).into_owned();
        if let Some(fingerprint) = Fingerprint::from_tag(&text) {
            prop_assert_eq!(Fingerprint::from_tag(&fingerprint.tag()), Some(fingerprint));
        }
        if let Ok(name) = text.parse::<HostName>() {
            prop_assert_eq!(name.as_str(), &*text);
        }
        let _found = split_probes(&text, "=b=", ["a"]);
        let _version = text.parse::<provider_tailscale::ClientVersion>();
        let _tag = text.parse::<provider_tailscale::Tag>();
        let _domain = text.parse::<provider_tailscale::TailnetDomain>();
        let _server = text.parse::<provider_tailscale::LoginServer>();
    }
}

#[test]
fn host_with_undamaged_answers_is_as_wanted() {
    let report = bootstrap(Script {
        readiness: READY.into(),
        docker: DOCKER.into(),
        network: MEMBER.into(),
        other: Vec::new(),
        code: 0,
    });
    assert!(report.is_ok() && !report.is_changed(), "{report:?}");
    assert_eq!(report.steps.len(), 2);
}

/// As much as a connection ever hands on, of what costs a parser most.
#[test]
fn bootstrap_of_a_host_that_prints_as_much_as_is_read_ends_with_a_short_report() {
    for filler in ["x", "\n", "locked=/a 1 b\n", "["] {
        let long = filler.repeat(OUTPUT_LIMIT / filler.len());
        let with = |text: &str| format!("{text}\n{long}").into_bytes();
        let good = Script {
            readiness: READY.into(),
            docker: DOCKER.into(),
            network: MEMBER.into(),
            other: long.clone().into_bytes(),
            code: 1,
        };
        bootstrap(Script {
            readiness: with("uid=0\nboot=running\nevidence:"),
            ..good.clone()
        });
        bootstrap(Script {
            docker: with("os=debian"),
            ..good.clone()
        });
        bootstrap(Script {
            docker: BARE.into(),
            network: with(MEMBER),
            ..good.clone()
        });
        bootstrap(Script {
            network: with("installed=yes\nstatus_code=0\nstatus:\n{\"Self\":"),
            ..good
        });
    }
}
