//! Runs a command on a host whose key is pinned, and shows that an impostor is refused.
//!
//! The host is one of the sandbox, on this machine (Linux only):
//! `cargo run -p stagecraft-ssh --example run_command`.

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use stagecraft_core::{
    Connector as _, ErrorKind, Fingerprint, HostKey, RemoteCommand, RemoteTarget, Run,
};
use stagecraft_sandbox::{BootRequest, HostDriver as _, ProcessHosts, ProcessHostsConfig};
use stagecraft_ssh::{Identity, SshConfig, SshConnector};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lab = Lab::new().await?;
    let connector = SshConnector::new(SshConfig {
        port: lab.hosts.ssh_port(),
        identity: Identity::File(lab.login.path().to_owned()),
        ..SshConfig::default()
    });
    let run = Run::default();

    // As `ssh-keygen -l` prints it, and as one keeps it.
    let pin: Fingerprint = lab.host_key.fingerprint().to_string().parse()?;
    let mut target = RemoteTarget {
        host: "app-1".parse()?,
        aliases: Vec::new(),
        address: lab.address,
        host_keys: vec![pin],
    };
    let host = connector.connect(&run, &target).await?;
    let command = RemoteCommand::argv(["hostname"], Duration::from_secs(10));
    let output = host.exec(&run, &command).await?.success()?;
    println!("connected to {}", output.stdout.trim());
    host.close().await;

    target.host_keys = vec![HostKey::generate()?.fingerprint()];
    match connector.connect(&run, &target).await {
        Err(error) if error.kind() == ErrorKind::HostKey => println!("refused: {error}"),
        Err(error) => return Err(error.into()),
        Ok(_) => return Err("a host with another key was let in".into()),
    }
    lab.hosts.destroy_all().await;
    Ok(())
}

/// A host on this machine, and what it takes to log in to it.
struct Lab {
    hosts: ProcessHosts,
    host_key: HostKey,
    login: tempfile::NamedTempFile,
    address: IpAddr,
}

impl Lab {
    async fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let key = HostKey::generate()?;
        // Readable by its owner only, as every temporary file.
        let mut login = tempfile::NamedTempFile::new()?;
        login.write_all(key.private().expose_secret().as_bytes())?;

        let host_key = HostKey::generate()?;
        let mut user_data = String::from("#cloud-config\nssh_keys:\n  ed25519_private: |\n");
        for line in host_key.private().expose_secret().lines() {
            writeln!(user_data, "    {line}")?;
        }
        writeln!(user_data, "  ed25519_public: {}", host_key.public())?;

        let hosts = ProcessHosts::new(ProcessHostsConfig::default()).await?;
        let request = BootRequest {
            id: 1,
            name: "app-1".to_owned(),
            image: "debian-12-x64".to_owned(),
            user_data: Some(user_data),
            authorized_keys: vec![key.public().to_owned()],
        };
        let address = hosts.boot(request).await?.into();
        Ok(Self {
            hosts,
            host_key,
            login,
            address,
        })
    }
}
