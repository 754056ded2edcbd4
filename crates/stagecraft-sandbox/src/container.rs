//! Hosts as containers of the local Docker Engine.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error as EngineError;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::{ContainerCreateBody, DeviceMapping, HostConfig, HostConfigCgroupnsModeEnum};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use futures_util::StreamExt as _;
use tracing::{debug, warn};

use crate::driver::{BootRequest, DriverError, HostDriver};

mod owner;
mod seed;

/// The repository of the images that the project's lab builds.
const REPOSITORY: &str = "stagecraft-lab";
/// The label of every container of a sandbox, with the sandbox as its value.
const OWNER_LABEL: &str = "dev.stagecraft.sandbox";
/// The network of the hosts' addresses.
const NETWORK: &str = "bridge";
/// Required by systemd, cloud-init and a Docker Engine inside. Not `--privileged`: the machine's
/// devices and kernel settings stay out of reach.
const CAPABILITIES: [&str; 2] = ["SYS_ADMIN", "NET_ADMIN"];
/// Requests a shutdown from systemd.
const STOP_SIGNAL: &str = "SIGRTMIN+3";

/// Configuration of [`ContainerHosts`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerHostsConfig {
    /// How long the vendor's part of a host's first boot lasts and holds the package lock, in
    /// addition to cloud-init's own time. Default: 2 s.
    pub first_boot: Duration,
    /// Container images by the slugs of droplets' images. A slug without an entry has the image
    /// `stagecraft-lab:` and the slug without `-x64`.
    pub images: BTreeMap<String, String>,
}

impl Default for ContainerHostsConfig {
    fn default() -> Self {
        Self {
            first_boot: Duration::from_secs(2),
            images: BTreeMap::new(),
        }
    }
}

impl ContainerHostsConfig {
    /// Sets how long the vendor's part of a host's first boot lasts.
    #[must_use]
    pub fn first_boot(mut self, duration: Duration) -> Self {
        self.first_boot = duration;
        self
    }

    /// Sets the container image of a slug.
    #[must_use]
    pub fn image(mut self, slug: impl Into<String>, image: impl Into<String>) -> Self {
        self.images.insert(slug.into(), image.into());
        self
    }

    fn image_of(&self, slug: &str) -> String {
        self.images.get(slug).cloned().unwrap_or_else(|| {
            let name = slug.strip_suffix("-x64").unwrap_or(slug);
            format!("{REPOSITORY}:{name}")
        })
    }
}

/// Runs each droplet's host as a container with systemd, an SSH server and cloud-init, which boots
/// from a `NoCloud` seed with the droplet's user data.
///
/// What runs inside is real: apt, sshd, a separate Docker Engine. Each host has an address in the
/// engine's default network, and its SSH server listens on port 22 there. It is a container and not
/// a virtual machine: it shares the machine's kernel, and root inside is close to root outside
/// (`CAP_SYS_ADMIN`, no seccomp), so run only your own code there.
///
/// Hosts end with [`HostDriver::destroy`]. Those of a killed sandbox are removed when the next one
/// starts.
#[derive(Debug)]
pub struct ContainerHosts {
    docker: Docker,
    config: ContainerHostsConfig,
    owner: String,
}

impl ContainerHosts {
    /// Connects to the engine of `DOCKER_HOST` (a Unix socket) or the default one, and removes the
    /// hosts of dead sandboxes.
    ///
    /// # Errors
    ///
    /// If no engine answers, with what to do.
    pub async fn new(config: ContainerHostsConfig) -> Result<Self, DriverError> {
        let docker = connect().await.map_err(|error| DriverError {
            message: format!(
                "no Docker Engine answers, which hosts as containers need: {error}; start it (`systemctl start docker`), or take --hosts process"
            ),
        })?;
        let hosts = Self {
            docker,
            config,
            owner: owner::own(),
        };
        hosts.sweep().await;
        Ok(hosts)
    }

    /// The name of a host's container, for the `docker` command.
    pub fn container(&self, id: u64) -> String {
        format!("stagecraft-{}-{id}", self.owner)
    }

    /// Removes the hosts of dead sandboxes.
    async fn sweep(&self) {
        let found = self.labelled(OWNER_LABEL.to_owned()).await;
        for (name, owner) in found {
            if owner::is_gone(&owner) {
                debug!(name, "a host of a sandbox that is gone");
                self.remove(&name).await;
            }
        }
    }

    /// Lists containers with a label: their ids and owners.
    async fn labelled(&self, label: String) -> Vec<(String, String)> {
        let filters = HashMap::from([("label".to_owned(), vec![label])]);
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let listed = self.docker.list_containers(Some(options)).await;
        let listed = listed.unwrap_or_else(|error| {
            warn!(%error, "containers could not be listed");
            Vec::new()
        });
        let known = listed.into_iter().filter_map(|container| {
            let owner = container.labels?.remove(OWNER_LABEL)?;
            Some((container.id?, owner))
        });
        known.collect()
    }

    async fn remove(&self, name: &str) {
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        match self.docker.remove_container(name, Some(options)).await {
            Ok(())
            | Err(EngineError::DockerResponseServerError {
                status_code: 404 | 409,
                ..
            }) => {}
            Err(error) => warn!(name, %error, "a host could not be removed"),
        }
    }

    async fn start(&self, request: &BootRequest) -> Result<Ipv4Addr, EngineError> {
        let name = self.container(request.id);
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let body = self.body(request);
        self.docker.create_container(Some(options), body).await?;
        let archive = seed::archive(request, self.config.first_boot)?;
        let options = UploadToContainerOptionsBuilder::default().path("/").build();
        let archive = bollard::body_full(archive.into());
        self.docker
            .upload_to_container(&name, Some(options), archive)
            .await?;
        self.docker.start_container(&name, None).await?;
        let seen = self.docker.inspect_container(&name, None).await?;
        let address = seen
            .network_settings
            .and_then(|settings| settings.networks?.remove(NETWORK)?.ip_address)
            .and_then(|address| address.parse().ok());
        address.ok_or_else(|| {
            std::io::Error::other(format!("container {name} has no address in {NETWORK}")).into()
        })
    }

    fn body(&self, request: &BootRequest) -> ContainerCreateBody {
        let tmpfs = [
            ("/run", "exec,mode=755"),
            ("/run/lock", "mode=1777"),
            ("/tmp", "exec,mode=1777"),
        ];
        let tun = std::path::Path::new("/dev/net/tun").exists();
        let devices = tun.then(|| {
            vec![DeviceMapping {
                path_on_host: Some("/dev/net/tun".to_owned()),
                path_in_container: Some("/dev/net/tun".to_owned()),
                cgroup_permissions: Some("rwm".to_owned()),
            }]
        });
        let strings = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        ContainerCreateBody {
            hostname: Some(request.name.clone()),
            image: Some(self.config.image_of(&request.image)),
            cmd: Some(vec![
                "/bin/sh".to_owned(),
                seed::BOOT_PATH.to_owned(),
                self.container(request.id),
            ]),
            entrypoint: Some(Vec::new()),
            // By this systemd detects that it is in a container.
            env: Some(vec!["container=docker".to_owned()]),
            tty: Some(true),
            stop_signal: Some(STOP_SIGNAL.to_owned()),
            labels: Some(HashMap::from([(
                OWNER_LABEL.to_owned(),
                self.owner.clone(),
            )])),
            // A Docker Engine inside cannot use overlay layers on the container's own.
            volumes: Some(vec![
                "/var/lib/docker".to_owned(),
                "/var/lib/containerd".to_owned(),
            ]),
            host_config: Some(HostConfig {
                cap_add: Some(strings(&CAPABILITIES)),
                cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
                devices,
                network_mode: Some(NETWORK.to_owned()),
                security_opt: Some(strings(&["seccomp=unconfined", "apparmor=unconfined"])),
                tmpfs: Some(
                    tmpfs
                        .map(|(path, options)| (path.to_owned(), options.to_owned()))
                        .into(),
                ),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }

    fn not_made(&self, request: &BootRequest, error: &EngineError) -> DriverError {
        let is_absent = matches!(
            error,
            EngineError::DockerResponseServerError {
                status_code: 404,
                ..
            }
        );
        let image = self.config.image_of(&request.image);
        let message = if is_absent {
            format!(
                "there is no container image {image} for {}: make it with `cargo xtask lab image`, or name one with systemd, sshd and cloud-init by --container-image {}=IMAGE",
                request.image, request.image
            )
        } else {
            format!("host {} could not be made: {error}", request.name)
        };
        DriverError { message }
    }

    async fn execute(&self, id: u64, script: &str) -> Result<(i64, String, String), EngineError> {
        let options = CreateExecOptions {
            cmd: Some(vec!["/bin/sh", "-c", script]),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let container = self.container(id);
        let exec = self.docker.create_exec(&container, options).await?.id;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let started = self.docker.start_exec(&exec, None).await?;
        if let StartExecResults::Attached { mut output, .. } = started {
            while let Some(piece) = output.next().await {
                match piece? {
                    LogOutput::StdErr { message } => stderr.extend_from_slice(&message),
                    other => stdout.extend_from_slice(&other.into_bytes()),
                }
            }
        }
        let code = self.docker.inspect_exec(&exec).await?.exit_code;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((code.unwrap_or(-1), text(&stdout), text(&stderr)))
    }
}

#[async_trait]
impl HostDriver for ContainerHosts {
    fn ssh_port(&self) -> u16 {
        22
    }

    /// Starts a host. Like a real one, its SSH server answers a little later.
    ///
    /// # Errors
    ///
    /// If there is no image for it, or the engine refuses it.
    async fn boot(&self, request: BootRequest) -> Result<Ipv4Addr, DriverError> {
        match self.start(&request).await {
            Ok(address) => Ok(address),
            Err(error) => {
                let failure = self.not_made(&request, &error);
                self.destroy(request.id).await;
                Err(failure)
            }
        }
    }

    /// Runs a script with `/bin/sh -c`.
    ///
    /// # Errors
    ///
    /// If there is no such host, or the script fails: with its standard error.
    async fn run(&self, id: u64, script: &str) -> Result<String, DriverError> {
        let ran = self.execute(id, script).await;
        let (code, stdout, stderr) = ran.map_err(|error| DriverError {
            message: format!("a script could not be run in host {id}: {error}"),
        })?;
        if code == 0 {
            return Ok(stdout);
        }
        Err(DriverError {
            message: format!(
                "a script in host {id} ended with code {code}: {}",
                stderr.trim()
            ),
        })
    }

    async fn destroy(&self, id: u64) {
        self.remove(&self.container(id)).await;
    }

    async fn destroy_all(&self) {
        let own = format!("{OWNER_LABEL}={}", self.owner);
        let found = self.labelled(own).await;
        let removals = found.iter().map(|(name, _)| self.remove(name));
        futures_util::future::join_all(removals).await;
    }
}

async fn connect() -> Result<Docker, EngineError> {
    let docker = Docker::connect_with_local_defaults()?;
    docker.negotiate_version().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_those_of_the_lab_unless_others_are_named() {
        let config = ContainerHostsConfig::default().image("ubuntu-24-04-x64", "mine:1");
        assert_eq!(config.image_of("debian-13-x64"), "stagecraft-lab:debian-13");
        assert_eq!(config.image_of("ubuntu-24-04-x64"), "mine:1");
    }
}
