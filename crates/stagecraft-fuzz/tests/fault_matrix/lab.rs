//! An account with a fleet of ours in it and with droplets of others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use stagecraft_core::{LeaseProvider as _, NoEvents, Run, tags};
use stagecraft_engine::Engine;
use stagecraft_sandbox::{
    Breakage, Control, DropletState, DropletView, ForeignDroplet, Sandbox, SandboxConfig,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::fleet::{self, Piece, environment, key, provider};
use crate::schedule::{Operation, Weather};

/// More than a page of the list holds, with the others.
const CROWD: usize = 205;
/// How often the lab looks whether its droplets have booted.
const GLANCE: Duration = Duration::from_secs(5);
/// No process has this id: it is above the kernel's limit of 2^22.
const ENDED: u32 = 1 << 30;

pub(crate) struct Lab {
    sandbox: Sandbox,
    variables: Arc<BTreeMap<String, String>>,
    run: Run,
    foreign: Vec<DropletView>,
    foreign_marker: String,
    /// What must not go, by id.
    kept: BTreeSet<u64>,
}

/// How a second run comes from the first.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kin {
    /// It is another process's.
    Stranger,
    /// Its engine and run are clones.
    Clone,
    /// Its run is a child.
    Child,
}

/// What one process of the program would have of its own.
pub(crate) struct Process {
    pub(crate) engine: Engine,
    pub(crate) run: Run,
}

fn of_the_crowd(name: &str) -> Piece {
    Piece {
        name: format!("crowd-{name}"),
        size: "s-1vcpu-1gb".to_owned(),
        tags: Vec::new(),
    }
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
            kept: BTreeSet::new(),
        };
        for piece in fleet::foreign(operation, weather) {
            lab.create(&piece);
        }
        lab.foreign_marker = lab.take_foreign_lease().await;
        lab.foreign = lab.living();
        for piece in fleet::before(operation) {
            lab.create(&piece);
        }
        let wanted = fleet::wanted(operation);
        let stays = |one: &&DropletView| wanted.iter().any(|piece| piece.name == one.name);
        lab.kept = lab.own().iter().filter(stays).map(|one| one.id).collect();
        // Whoever reads the list knows nothing of how they came.
        let mut glances = tokio::time::interval(GLANCE);
        while lab.living().iter().any(is_booting) {
            glances.tick().await;
        }
        if weather.crowd {
            for number in 0..CROWD {
                lab.create(&of_the_crowd(&number.to_string()));
            }
        }
        let droplets = lab.living().len();
        lab.control().set_knobs(weather.knobs(droplets));
        lab.control().clear_requests();
        lab
    }

    fn create(&self, piece: &Piece) {
        let tags: Vec<&str> = piece.tags.iter().map(String::as_str).collect();
        let droplet = ForeignDroplet {
            size: piece.size.clone(),
            image: "ubuntu-22-04-x64".to_owned(),
            ..ForeignDroplet::new(&piece.name, &tags)
        };
        self.control().create_droplet(droplet).expect("a droplet");
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

    pub(crate) fn control(&self) -> &Control {
        self.sandbox.control()
    }

    /// What a fresh start of the program would have.
    pub(crate) fn process(&self) -> Process {
        Process {
            engine: Engine::new(Arc::new(provider())),
            run: Run::new(Arc::new(NoEvents), Arc::clone(&self.variables) as _),
        }
    }

    /// Another one beside it.
    pub(crate) fn other(&self, process: &Process, kin: Kin) -> Process {
        let run = match kin {
            Kin::Stranger => return self.process(),
            Kin::Clone => process.run.clone(),
            Kin::Child => process.run.child(),
        };
        Process {
            engine: process.engine.clone(),
            run,
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
                self.create(&of_the_crowd(&format!("new-{round}")));
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

    /// What must hold at all times: nobody else's things were touched, and nothing of ours is
    /// gone that was not to be deleted.
    pub(crate) async fn check_untouched(&self) -> Result<(), String> {
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
        let is_there = |id: &&u64| {
            let one = now.get(*id);
            one.is_some_and(|one| one.state != DropletState::Leaving)
        };
        if let Some(lost) = self.kept.iter().find(|id| !is_there(id)) {
            return Err(format!("a host was deleted: {lost}"));
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

    /// Tags of single hosts and runs that no droplet bears.
    pub(crate) async fn loose_tags(&self) -> Vec<String> {
        let borne: BTreeSet<String> = self.living().into_iter().flat_map(|one| one.tags).collect();
        let answer = self.get("/v2/tags?per_page=200").await;
        let all = answer["tags"].as_array().expect("tags").iter();
        let names = all.map(|tag| tag["name"].as_str().expect("a name").to_owned());
        names
            .filter(|name| tags::is_passing(name) && !borne.contains(name))
            .collect()
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
