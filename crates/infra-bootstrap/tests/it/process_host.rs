//! Hosts that are processes of this machine, and the key that logs in to them.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use stagecraft_core::{Host, HostId, HostKey, HostName, HostStatus, RoleName};
use stagecraft_sandbox::{BootRequest, HostDriver as _, ProcessHosts, ProcessHostsConfig};
use stagecraft_ssh::{Identity, SshConfig, SshConnector};

/// A sandbox of hosts with one login.
pub(crate) struct Estate {
    pub(crate) hosts: ProcessHosts,
    login: HostKey,
    folder: tempfile::TempDir,
}

impl Estate {
    /// None yet. Each takes this time for its first boot.
    pub(crate) async fn new(first_boot: Duration) -> Self {
        let config = ProcessHostsConfig::default().first_boot(first_boot);
        let login = HostKey::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("id");
        fs::write(&key, login.private().expose_secret()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        Self {
            hosts: ProcessHosts::new(config).await.unwrap(),
            login,
            folder,
        }
    }

    /// Boots a host that proves itself with this key, which its tag pins.
    pub(crate) async fn boot(&self, id: u64, name: &str, host_key: &HostKey) -> Host {
        let mut user_data = String::from("#cloud-config\nssh_keys:\n  ed25519_private: |\n");
        for line in host_key.private().expose_secret().lines() {
            writeln!(user_data, "    {line}").unwrap();
        }
        writeln!(user_data, "  ed25519_public: {}", host_key.public()).unwrap();
        let request = BootRequest {
            id,
            name: format!("staging-{name}"),
            image: "ubuntu-24-04-x64".to_owned(),
            user_data: Some(user_data),
            authorized_keys: vec![self.login.public().to_owned()],
        };
        let address = self.hosts.boot(request).await.unwrap();
        Host {
            id: HostId::new(id.to_string()),
            node: format!("staging-{name}"),
            name: Some(HostName::new(name).unwrap()),
            role: Some(RoleName::new("app").unwrap()),
            size: "small".into(),
            region: "here".into(),
            public_ipv4: Some(address),
            private_ipv4: None,
            status: HostStatus::Active,
            disk_gb: None,
            vpc: None,
            cloud_project: None,
            image: None,
            features: None,
            tags: vec![host_key.fingerprint().tag()],
        }
    }

    /// Logs in to all of them.
    pub(crate) fn connector(&self) -> SshConnector {
        SshConnector::new(SshConfig {
            port: self.hosts.ssh_port(),
            identity: Identity::File(self.folder.path().join("id")),
            ..SshConfig::default()
        })
    }
}
