//! The hosts: containers with systemd and an SSH server, and the cloud that lists them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::fingerprint;
use super::group::Group;
use crate::bench::sandbox::Sandbox;
use crate::process::{output, target};

/// The name of everything that is created: network, image, label, and prefix of the hosts' names.
pub(super) const NAME: &str = "bench-hosts";
/// Kernel limits for fifty systemds.
const INSTANCES: u32 = 2048;
const INSTANCES_FILE: &str = "/proc/sys/fs/inotify/max_user_instances";
/// The deadline for a host's boot, on a busy machine.
const BOOT: Duration = Duration::from_mins(2);
/// How many hosts boot at the same time.
const BATCH: u32 = 10;

const FILES: [(&str, &str); 4] = [
    ("Dockerfile", include_str!("files/Dockerfile")),
    ("boot.sh", include_str!("files/boot.sh")),
    ("setup.sh", include_str!("files/setup.sh")),
    ("docker.sh", include_str!("files/docker.sh")),
];
const GUARD: &str = include_str!("files/guard.sh");

/// The machine's own network namespace, seen from the controller's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outside(pub(super) u32);

impl Outside {
    /// A command that runs there.
    pub(super) fn command(self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.0.to_string(), "-n"]).arg(program);
        command
    }
}

/// A process that removes everything that was created, when this one ends for any reason.
#[derive(Debug)]
pub(super) struct Guard(Child);

impl Guard {
    /// Removes leftovers at once, and everything created from now on at the end.
    pub(super) fn post(directory: &Path) -> Result<Self> {
        let instances = fs::read_to_string(INSTANCES_FILE).context("no inotify")?;
        let guard = || {
            let mut command = Command::new("sh");
            command
                .args(["-c", GUARD, "guard"])
                .arg(directory)
                .args([NAME, instances.trim()])
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command
        };
        guard()
            .stdin(Stdio::null())
            .status()
            .context("cannot clean up")?;
        fs::create_dir_all(directory)?;
        Ok(Self(guard().stdin(Stdio::piped()).spawn()?))
    }

    /// Waits until everything is gone.
    pub(super) fn finish(mut self) -> Result<()> {
        drop(self.0.stdin.take());
        self.0.wait()?;
        Ok(())
    }
}

/// Running hosts and their cloud.
#[derive(Debug)]
pub(super) struct Lab {
    pub(super) directory: PathBuf,
    pub(super) binary: PathBuf,
    pub(super) count: u32,
    /// The key that logs in.
    pub(super) public_key: String,
    /// What the hosts share.
    pub(super) group: Group,
    first_name: String,
    sandbox: Sandbox,
}

impl Lab {
    /// Creates hosts from an image, and a cloud that has them as `infra up` would have left them.
    pub(super) fn up(directory: &Path, count: u32, base: &str) -> Result<Self> {
        fs::write(INSTANCES_FILE, INSTANCES.to_string())
            .context("cannot raise the inotify limit for fifty systemds")?;
        let group = Group::make(&format!("{NAME}-all"))?;
        let context = directory.join("image");
        fs::create_dir_all(&context)?;
        for (name, text) in FILES {
            fs::write(context.join(name), text)?;
        }
        output(
            docker(&["build", "--quiet", "--tag", NAME, "--build-arg"])
                .arg(format!("BASE={base}"))
                .arg(&context),
        )?;
        // The engine chooses the subnet. The addresses at which tools reach hosts exist only in the
        // network namespaces of the hosts and the controller, since this machine may use them for
        // something else. The name is new each time, since an engine may keep a network in use
        // whose hosts are gone.
        output(
            docker(&["network", "create", "--label", NAME, "--opt"])
                .arg(format!("com.docker.network.bridge.name={}", bridge()))
                .arg(bridge()),
        )?;
        make_key(&directory.join("id_ed25519"), "bench")?;
        let public_key = fs::read_to_string(directory.join("id_ed25519.pub"))?;
        let binary = target("release").join("stagecraft");
        fs::write(
            directory.join("stagecraft.yml"),
            config(count, directory, &public_key),
        )?;
        let sandbox = Sandbox::start(&binary, directory)?;
        let mut lab = Self {
            directory: directory.to_path_buf(),
            binary,
            count,
            public_key,
            group,
            first_name: String::new(),
            sandbox,
        };
        lab.boot()?;
        lab.list()?;
        Ok(lab)
    }

    fn boot(&self) -> Result<()> {
        let parent = format!("/{NAME}-all");
        let mut known = String::new();
        for first in (1..=self.count).step_by(BATCH as usize) {
            let batch = first..=(first + BATCH - 1).min(self.count);
            for number in batch.clone() {
                let keys = self.directory.join(format!("keys/{number}"));
                fs::create_dir_all(&keys)?;
                make_key(&keys.join("ssh_host_ed25519_key"), "stagecraft-own")?;
                fs::write(keys.join("authorized_keys"), &self.public_key)?;
                let public = host_key(&self.directory, number)?;
                writeln!(known, "{} {}", address(number), public.trim())?;
                let name = format!("{NAME}-{number}");
                let mut run = docker(&["run", "--detach", "--tty", "--label", NAME]);
                run.args(["--name", &name, "--hostname", &name])
                    .args(["--network", &bridge()])
                    .args(["--env", &format!("ADDRESS={}/24", address(number))])
                    .args(["--cgroup-parent", &parent, "--cgroupns=private"])
                    .args(["--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN"])
                    .args(["--security-opt", "seccomp=unconfined"])
                    .args(["--security-opt", "apparmor=unconfined"])
                    .args(["--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp"])
                    .args(["--env", "container=docker"])
                    .arg("--volume")
                    .arg(format!("{}:/bench:ro", keys.display()))
                    .arg(NAME);
                output(&mut run)?;
            }
            for number in batch {
                let name = format!("{NAME}-{number}");
                poll(&name, BOOT, || {
                    let told = docker(&["exec", &name, "systemctl", "is-active"])
                        .args(["ssh", "docker", "multi-user.target"])
                        .output()?;
                    Ok(told.status.success())
                })?;
            }
        }
        fs::write(self.known_hosts(), known)?;
        Ok(())
    }

    /// Adds the hosts to the cloud, each with the tag of its own key.
    fn list(&mut self) -> Result<()> {
        self.sandbox.set_knobs(&json!({
            "latency_ms": 0,
            "boot_time_ms": 0,
            "address_delay_ms": 0,
            "list_lag_ms": 0,
            "droplet_limit": 2000,
            // Runs follow each other here.
            "burst_limit": null,
            "hourly_limit": null,
            "keys_limit": null,
        }))?;
        let up = ["infra", "up", "--no-bootstrap", "--yes"];
        output(self.command().args(up))?;
        for droplet in self.sandbox.droplets()? {
            let number = droplet
                .address
                .and_then(|address| address.octets().last().copied())
                .context("a droplet has no address")?;
            if number == 1 {
                let name = droplet.name.strip_prefix("staging-");
                name.unwrap_or(&droplet.name)
                    .clone_into(&mut self.first_name);
            }
            let key = host_key(&self.directory, number.into())?;
            let tag = fingerprint::tag(&self.directory, key.trim())?;
            let kept = droplet
                .tags
                .into_iter()
                .filter(|tag| !tag.starts_with(fingerprint::PREFIX));
            let tags: Vec<String> = kept.chain([tag]).collect();
            self.sandbox.set_tags(droplet.id, &tags)?;
        }
        ensure!(!self.first_name.is_empty(), "the cloud has no first host");
        Ok(())
    }

    /// Stagecraft, configured for this cloud.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .current_dir(&self.directory)
            .envs(self.variables())
            .stdin(Stdio::null());
        command
    }

    /// The variables that point commands to the cloud.
    pub(super) fn variables(&self) -> &BTreeMap<String, String> {
        &self.sandbox.variables
    }

    pub(super) fn addresses(&self) -> Vec<String> {
        (1..=self.count).map(address).collect()
    }

    /// The cloud's name for the host of the first address.
    pub(super) fn first_name(&self) -> &str {
        &self.first_name
    }

    pub(super) fn private_key(&self) -> PathBuf {
        self.directory.join("id_ed25519")
    }

    pub(super) fn known_hosts(&self) -> PathBuf {
        self.directory.join("known_hosts")
    }
}

fn docker(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments);
    command
}

fn make_key(path: &Path, comment: &str) -> Result<()> {
    output(
        Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
            .arg(path),
    )
    .map(drop)
}

/// The public key of a host.
fn host_key(directory: &Path, number: u32) -> Result<String> {
    let path = directory.join(format!("keys/{number}/ssh_host_ed25519_key.pub"));
    fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))
}

/// The name of the hosts' network and of its bridge.
pub(super) fn bridge() -> String {
    format!("bench-{}", std::process::id())
}

/// The address of a host, counted from 1: the same one that the sandbox gives to a
/// droplet without a host.
pub(super) fn address(number: u32) -> String {
    format!("203.0.113.{number}")
}

/// Repeats until the answer is yes.
#[expect(clippy::disallowed_methods, reason = "this is no library")]
pub(super) fn poll(
    what: &str,
    deadline: Duration,
    mut ask: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let started = Instant::now();
    while !ask()? {
        ensure!(started.elapsed() < deadline, "{what} did not start");
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// The project, with the same work as for the peers.
fn config(count: u32, directory: &Path, public_key: &str) -> String {
    let cloud = crate::bench::config(count, ", image: debian-13-x64");
    let key = public_key.trim();
    format!(
        "\
{cloud}\
infra:
  bootstrap:
    ssh: {{ private_key_path: {}, config_file: none }}
    docker: {{ enabled: true }}
    sysctl: {{ net.core.somaxconn: 1024 }}
    timezone: Etc/UTC
    users:
      deploy: {{ groups: [docker], authorized_keys: [\"{key}\"] }}
",
        directory.join("id_ed25519").display()
    )
}
