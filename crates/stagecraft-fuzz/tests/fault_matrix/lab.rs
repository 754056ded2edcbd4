//! An account with a fleet of ours in it and with droplets of others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use provider_digitalocean::{DigitalOcean, DigitalOceanConfig, HostConfig};
use serde_json::Value;
use stagecraft_core::{EnvironmentName, Fingerprint, HostKey, LeaseProvider as _, NoEvents, Run};
use stagecraft_engine::Engine;
use stagecraft_sandbox::{
    Breakage, Control, DropletState, DropletView, ForeignDroplet, Sandbox, SandboxConfig,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::schedule::{Operation, Weather};

/// Two groups, of which the first needs two creates.
const GROUPS: [(&str, &str, u32, &str); 2] = [
    ("app", "app", 12, "s-1vcpu-1gb"),
    ("db", "db", 3, "s-4vcpu-8gb"),
];
/// Which hosts exist where a part of the fleet does.
const EXISTING: [&str; 5] = ["app-1", "app-2", "app-7", "app-12", "db-2"];
/// More than a page of the list holds, with the others.
const CROWD: usize = 205;
/// How often the lab looks whether its droplets have booted.
const GLANCE: Duration = Duration::from_secs(5);
/// No process has this id: it is above the kernel's limit of 2^22.
const ENDED: u32 = 1 << 30;

/// The host key that stands for those of earlier runs.
fn key() -> &'static HostKey {
    static KEY: OnceLock<HostKey> = OnceLock::new();
    KEY.get_or_init(|| HostKey::generate().expect("randomness"))
}

pub(crate) fn environment() -> EnvironmentName {
    "staging".parse().expect("a name")
}

fn configuration() -> DigitalOceanConfig {
    let mut config = DigitalOceanConfig::new("DO_TOKEN", "ops");
    config.default_region = Some("nyc3".to_owned());
    for (name, role, count, size) in GROUPS {
        let mut host = HostConfig::new(role.parse().expect("a role"));
        host.count = Some(count);
        host.size = Some(size.to_owned());
        config = config.with_host(environment(), name.parse().expect("a name"), host);
    }
    config
}

fn provider() -> DigitalOcean {
    let project = "shop".parse().expect("a name");
    DigitalOcean::new(configuration(), Some(project)).expect("a sound configuration")
}

/// The names that the configuration declares, as the cloud knows them, sorted.
pub(crate) fn declared() -> Vec<String> {
    let mut names: Vec<String> = GROUPS
        .into_iter()
        .flat_map(|(name, _, count, _)| (1..=count).map(move |at| format!("staging-{name}-{at}")))
        .collect();
    names.sort();
    names
}

pub(crate) struct Lab {
    sandbox: Sandbox,
    variables: Arc<BTreeMap<String, String>>,
    run: Run,
    foreign: Vec<DropletView>,
    foreign_marker: String,
}

/// What one process of the program would have of its own.
pub(crate) struct Process {
    pub(crate) engine: Engine,
    pub(crate) run: Run,
}

fn is_booting(droplet: &DropletView) -> bool {
    droplet.state == DropletState::Booting
}

impl Lab {
    pub(crate) async fn start(operation: Operation, weather: Weather) -> Self {
        let sandbox = Sandbox::start(SandboxConfig {
            ssh_keys: vec![("ops".to_owned(), key().public().to_owned())],
            knobs: Weather::default().knobs(0),
            ..SandboxConfig::default()
        })
        .await
        .expect("a sandbox");
        let variables = BTreeMap::from([
            ("DO_TOKEN".to_owned(), sandbox.token().to_owned()),
            ("DIGITALOCEAN_API_URL".to_owned(), sandbox.url()),
        ]);
        let variables = Arc::new(variables);
        let run = Run::new(Arc::new(NoEvents), Arc::clone(&variables) as _);
        let mut lab = Self {
            sandbox,
            variables,
            run,
            foreign: Vec::new(),
            foreign_marker: String::new(),
        };
        lab.foreign_droplets(weather);
        lab.foreign_marker = lab.take_foreign_lease().await;
        lab.foreign = lab.living();
        lab.own_droplets(operation);
        // Whoever reads the list knows nothing of how they came.
        let mut glances = tokio::time::interval(GLANCE);
        while lab.living().iter().any(is_booting) {
            glances.tick().await;
        }
        if weather.crowd {
            for number in 0..CROWD {
                lab.create(&format!("crowd-{number}"), &[]);
            }
        }
        let droplets = lab.living().len();
        lab.control().set_knobs(weather.knobs(droplets));
        lab.control().clear_requests();
        lab
    }

    fn create(&self, name: &str, tags: &[&str]) {
        let droplet = ForeignDroplet {
            size: if name.contains("-db-") {
                "s-4vcpu-8gb".to_owned()
            } else {
                "s-1vcpu-1gb".to_owned()
            },
            image: "ubuntu-22-04-x64".to_owned(),
            ..ForeignDroplet::new(name, tags)
        };
        self.control().create_droplet(droplet).expect("a droplet");
    }

    /// Droplets that a careless rule would take for ours.
    fn foreign_droplets(&self, weather: Weather) {
        if weather.capitals {
            // The account keeps the spelling that it saw first.
            let shouted = ["Stagecraft", "STAGECRAFT-ENV-STAGING"];
            self.create("staging-shouting-1", &shouted);
        }
        for (name, tags) in [
            ("web", &[][..]),
            ("staging-app-13", &[]),
            ("staging-app", &[]),
            ("Staging-Cache-1", &["stagecraft"]),
            (
                "staging-app-99",
                &[
                    "stagecraft",
                    "stagecraft-env-staging",
                    "stagecraft-project-other",
                    "stagecraft-role-app",
                ],
            ),
            (
                "staging-db-99",
                &["stagecraft", "stagecraft-env-staging", "stagecraft-role-db"],
            ),
            (
                "prod-app-1",
                &[
                    "stagecraft",
                    "stagecraft-env-prod",
                    "stagecraft-project-shop",
                ],
            ),
            (
                "staging-app-98",
                &["stagecraft-env-staging", "stagecraft-project-shop"],
            ),
            (
                "staging-2-app-1",
                &[
                    "stagecraft",
                    "stagecraft-env-staging-2",
                    "stagecraft-project-shop",
                ],
            ),
        ] {
            self.create(name, tags);
        }
    }

    /// Another environment's run is under way.
    async fn take_foreign_lease(&self) -> String {
        let cloud = provider();
        let holder = stagecraft_core::Holder::new("0123456789abcdef", "elsewhere", 7, "up");
        let prod = "prod".parse().expect("a name");
        let take = cloud
            .take(&self.run, &prod, &holder)
            .await
            .expect("a lease");
        let stagecraft_core::Take::Taken(marker) = take else {
            panic!("the lease is held: {take:?}")
        };
        marker.id
    }

    fn own_droplets(&self, operation: Operation) {
        let existing = |host: &str| match operation {
            Operation::Up => false,
            Operation::Down => true,
            Operation::Plan | Operation::UpTheRest => EXISTING.contains(&host),
        };
        let pin = key().fingerprint().tag();
        for (name, role, count, _) in GROUPS {
            let role = format!("stagecraft-role-{role}");
            for host in (1..=count).map(|at| format!("{name}-{at}")) {
                if existing(&host) {
                    let tags = [
                        "stagecraft",
                        "stagecraft-env-staging",
                        "stagecraft-project-shop",
                        &role,
                        &pin,
                    ];
                    self.create(&format!("staging-{host}"), &tags);
                }
            }
        }
    }

    pub(crate) fn control(&self) -> &Control {
        self.sandbox.control()
    }

    /// What a fresh start of the program would have.
    pub(crate) fn process(&self) -> Process {
        Process {
            engine: Engine::new(Arc::new(provider())),
            // Not a child of the lab's: runs of one kin count as one holder of a lease.
            run: Run::new(Arc::new(NoEvents), Arc::clone(&self.variables) as _),
        }
    }

    /// Says of all runs so far that their process has ended: here they share one that lives.
    pub(crate) async fn bury(&self) {
        if !self.has_lease().await {
            return;
        }
        let cloud = provider();
        let found = cloud.read(&self.run, &environment()).await;
        let mut marker = found.expect("an answer").expect("a marker");
        marker.holder.as_mut().expect("a holder").pid = ENDED;
        let beat = cloud.beat(&self.run, &environment(), &marker).await;
        beat.expect("the marker is there");
    }

    fn living(&self) -> Vec<DropletView> {
        let mut droplets = self.control().droplets();
        droplets.retain(|droplet| {
            matches!(
                droplet.state,
                DropletState::Booting | DropletState::Active | DropletState::Leaving
            )
        });
        droplets
    }

    /// Somebody else's droplets come and go.
    pub(crate) fn stir(&self, round: usize) {
        let living = self.living();
        let crowd: Vec<u64> = living
            .iter()
            .filter(|droplet| droplet.name.starts_with("crowd-"))
            .map(|droplet| droplet.id)
            .collect();
        if let Some(id) = crowd.get(round * 7 % crowd.len().max(1)) {
            let gone = self.control().break_droplet(*id, Breakage::Vanish);
            gone.expect("it is there");
            if round.is_multiple_of(2) {
                self.create(&format!("crowd-new-{round}"), &[]);
            }
        }
    }

    /// The droplets that are neither a stranger's nor of the crowd.
    pub(crate) fn own(&self) -> Vec<DropletView> {
        let foreign: BTreeSet<u64> = self.foreign.iter().map(|droplet| droplet.id).collect();
        let mut own = self.living();
        own.retain(|one| !foreign.contains(&one.id) && !one.name.starts_with("crowd-"));
        own.sort_by(|a, b| a.name.cmp(&b.name));
        own
    }

    /// What must hold at all times: nobody else's things were touched.
    pub(crate) async fn check_foreign(&self) -> Result<(), String> {
        let now: BTreeMap<u64, DropletView> =
            self.living().into_iter().map(|one| (one.id, one)).collect();
        for before in &self.foreign {
            let after = now.get(&before.id);
            let is_same = after.is_some_and(|after| {
                (&after.name, &after.tags, &after.size)
                    == (&before.name, &before.tags, &before.size)
                    && after.state != DropletState::Leaving
            });
            if !is_same {
                return Err(format!(
                    "a foreign droplet was touched: {before:?}, {after:?}"
                ));
            }
        }
        if self.leases().await.get("stagecraft-lease.shop.prod") == Some(&self.foreign_marker) {
            Ok(())
        } else {
            Err("another environment's lease was touched".to_owned())
        }
    }

    pub(crate) async fn has_lease(&self) -> bool {
        let leases = self.leases().await;
        leases.contains_key("stagecraft-lease.shop.staging")
    }

    /// The ids of all leases, by name.
    async fn leases(&self) -> BTreeMap<String, String> {
        let answer = self.get("/v2/firewalls?per_page=200").await;
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let all = answer["firewalls"].as_array().expect("firewalls");
        all.iter()
            .map(|one| (text(&one["name"]), text(&one["id"])))
            .collect()
    }

    /// Tags of host keys that no droplet bears.
    pub(crate) async fn loose_pins(&self) -> Vec<String> {
        let borne: BTreeSet<String> = self.living().into_iter().flat_map(|one| one.tags).collect();
        let mut names = Vec::new();
        for tag in self.get("/v2/tags?per_page=200").await["tags"]
            .as_array()
            .expect("tags")
        {
            let name = tag["name"].as_str().expect("a name").to_owned();
            if Fingerprint::from_tag(&name).is_some() && !borne.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    async fn get(&self, path: &str) -> Value {
        let url = self.sandbox.url();
        let address = url.strip_prefix("http://").expect("plain http");
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
            self.sandbox.token()
        );
        stream
            .write_all(request.as_bytes())
            .await
            .expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).expect("JSON")
    }
}
