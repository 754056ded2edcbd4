//! Script that turns an empty file system into that of a new droplet.

use std::net::Ipv4Addr;
use std::time::Duration;

use base64::Engine as _;
use stagecraft_core::shell_quote;

use crate::cloud_config::{CloudConfig, HostKey};
use crate::driver::BootRequest;
use crate::process::os_release::os_release;
use crate::process::stand_ins;

/// Packages preinstalled in the clouds' images.
const PREINSTALLED: [&str; 14] = [
    "bash",
    "ca-certificates",
    "cron",
    "curl",
    "dbus",
    "gnupg",
    "iproute2",
    "iptables",
    "openssh-server",
    "python3",
    "sudo",
    "tar",
    "ufw",
    "unattended-upgrades",
];

/// Inputs of the script.
#[derive(Debug)]
pub(crate) struct Provision<'a> {
    pub(crate) request: &'a BootRequest,
    pub(crate) config: &'a CloudConfig,
    pub(crate) host_key: &'a HostKey,
    pub(crate) address: Ipv4Addr,
    pub(crate) tailnet_domain: &'a str,
    pub(crate) first_boot: Duration,
}

impl Provision<'_> {
    /// The script, to be read by a shell inside the host from standard input.
    pub(crate) fn script(&self) -> String {
        let mut script = Script::new();
        self.directories(&mut script);
        self.configuration(&mut script);
        self.ssh(&mut script);
        self.records(&mut script);
        for program in &stand_ins::ALL {
            script.file(program.path, program.text);
        }
        script.line("chmod 755 /usr/local/sbin/* /usr/local/lib/sandbox/*");
        script.line("cd /usr/local/lib/sandbox; cp sudo unattended-upgrade /usr/local/bin; cd /");
        for file in &self.config.files {
            script.user_file(file);
        }
        self.first_boot(&mut script);
        script.text
    }

    fn directories(&self, script: &mut Script) {
        script.line(&format!(
            "mkdir -p /boot /etc/apt/apt.conf.d /etc/apt/keyrings /etc/apt/sources.list.d \
             /etc/default /etc/ssh /etc/sudoers.d /etc/sysctl.d /etc/systemd/system /root/.ssh \
             /run/cloud-init /run/lock /run/sandbox/fail /run/sshd /run/systemd/system /usr/local/lib/sandbox \
             /var/cache/apt/archives /var/lib/apt/lists /var/lib/cloud/instances/{id} \
             /var/lib/dpkg /var/lib/sandbox/held /var/lib/sandbox/packages \
             /var/lib/sandbox/services /var/lib/systemd /var/log/sandbox /var/tmp",
            id = self.request.id
        ));
        script.line("chmod 700 /root/.ssh");
        script.line("chmod 1777 /var/tmp");
        script.line("ln -s /run /var/run");
        script.line(&format!(
            "ln -s instances/{} /var/lib/cloud/instance",
            self.request.id
        ));
    }

    fn configuration(&self, script: &mut Script) {
        let name = &self.request.name;
        script.file("/etc/os-release", &os_release(&self.request.image));
        script.file("/etc/hostname", &format!("{name}\n"));
        script.file(
            "/etc/hosts",
            &format!("127.0.1.1 {name} {name}\n127.0.0.1 localhost\n::1 localhost\n"),
        );
        script.file(
            "/etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nsshd:x:106:65534::/run/sshd:/usr/sbin/nologin\n\
             nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
        );
        script.file(
            "/etc/group",
            "root:x:0:\nadm:x:4:\nsudo:x:27:\nnogroup:x:65534:\n",
        );
        script.file(
            "/etc/nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
        );
        script.file("/etc/resolv.conf", "nameserver 127.0.0.53\n");
        script.file("/etc/fstab", "");
        script.file(
            "/etc/ssh/sshd_config",
            "PermitRootLogin prohibit-password\nPasswordAuthentication no\n\
             HostKey /etc/ssh/ssh_host_ed25519_key\n",
        );
        script.line("tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id");
    }

    fn ssh(&self, script: &mut Script) {
        script.line("umask 077");
        script.file("/etc/ssh/ssh_host_ed25519_key", &self.host_key.private);
        script.file("/run/sandbox/host_key", &self.host_key.private);
        let keys: String = self
            .request
            .authorized_keys
            .iter()
            .flat_map(|key| [key.trim(), "\n"])
            .collect();
        script.file("/root/.ssh/authorized_keys", &keys);
        script.line("umask 022");
        script.file("/etc/ssh/ssh_host_ed25519_key.pub", &self.host_key.public);
    }

    fn records(&self, script: &mut Script) {
        for package in PREINSTALLED {
            script.file(&format!("/var/lib/sandbox/packages/{package}"), "1.0-1");
        }
        for service in ["cron", "dbus", "ssh", "unattended-upgrades"] {
            script.line(&format!(
                "mkdir /var/lib/sandbox/services/{service}; \
                 : >/var/lib/sandbox/services/{service}/active; \
                 : >/var/lib/sandbox/services/{service}/enabled"
            ));
        }
        script.file("/var/lib/sandbox/tailnet-domain", self.tailnet_domain);
        // 127.64.0.0/10 and 100.64.0.0/10 have the same size.
        let low = u32::from(self.address) & 0x003f_ffff;
        let tailnet = Ipv4Addr::from(u32::from(Ipv4Addr::new(100, 64, 0, 0)) | low);
        script.file("/var/lib/sandbox/tailnet-address", &format!("{tailnet}\n"));
    }

    fn first_boot(&self, script: &mut Script) {
        let finish = "{ echo '{\"v1\": {\"datasource\": \"DataSourceDigitalOcean\", \
                      \"errors\": []}}' >/run/cloud-init/result.json.new; \
                      mv /run/cloud-init/result.json.new /run/cloud-init/result.json; \
                      echo 'finished' >/var/lib/cloud/instance/boot-finished; }";
        if self.first_boot.is_zero() {
            script.line(finish);
        } else {
            script.line(&format!(
                "{{ sleep {:.3}; {finish}; }} </dev/null >/dev/null 2>&1 &",
                self.first_boot.as_secs_f64()
            ));
        }
    }
}

/// A shell script under construction.
#[derive(Debug)]
struct Script {
    text: String,
}

impl Script {
    fn new() -> Self {
        Self {
            text: "set -eu\numask 022\n".to_owned(),
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Writes a file with the shell's own `printf`, which starts no process.
    fn file(&mut self, path: &str, content: &str) {
        self.line(&format!(
            "printf %s {} >{}",
            shell_quote(content),
            shell_quote(path)
        ));
    }

    /// Writes a file of the user data. One that cannot be written is ignored, as cloud-init only
    /// logs that.
    fn user_file(&mut self, file: &crate::cloud_config::File) {
        let path = shell_quote(&file.path);
        let content = base64::engine::general_purpose::STANDARD.encode(&file.content);
        let redirect = if file.append { ">>" } else { ">" };
        self.line(&format!(
            "{{ mkdir -p \"$(dirname {path})\" && echo {content} | base64 -d {redirect}{path} \
             && chmod {} {path}; }} 2>>/var/log/cloud-init.log || :",
            file.mode
        ));
    }
}
