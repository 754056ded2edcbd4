//! The compared tools: Stagecraft and its peers, each with the same work.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::lab::{Lab, address};
use crate::process::{output, target};

const NOOP: &str = include_str!("files/noop.sh");
const PLAYBOOK: &str = include_str!("files/playbook.yml");
const DEPLOY: &str = include_str!("files/deploy.py");
const SYSCTL: &str = "\
# Kernel settings of infra.bootstrap.sysctl, written by Stagecraft.
net/core/somaxconn=1024
";
/// Packages of the peers.
const PACKAGES: [&str; 3] = ["ansible-core", "mitogen", "pyinfra"];
/// Interpreters for their environment, the newest first.
const PYTHONS: [&str; 4] = ["python3.14", "python3.13", "python3.12", "python3"];

/// A program that brings hosts to the wanted state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Stagecraft,
    Xargs,
    Pyinfra,
    Mitogen,
    Ansible,
}

impl Tool {
    pub(super) const ALL: [Self; 5] = [
        Self::Stagecraft,
        Self::Xargs,
        Self::Pyinfra,
        Self::Mitogen,
        Self::Ansible,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Stagecraft => "`stagecraft infra bootstrap`",
            Self::Xargs => "`xargs -P50 ssh`, one script",
            Self::Pyinfra => "pyinfra",
            Self::Mitogen => "Ansible with mitogen",
            Self::Ansible => "Ansible",
        }
    }

    /// Its name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stagecraft => "stagecraft",
            Self::Xargs => "xargs",
            Self::Pyinfra => "pyinfra",
            Self::Mitogen => "mitogen",
            Self::Ansible => "ansible",
        }
    }

    /// How often all hosts are checked; slow tools run less often.
    pub(super) fn rounds(self) -> usize {
        match self {
            Self::Stagecraft | Self::Xargs => 5,
            Self::Pyinfra => 2,
            Self::Mitogen | Self::Ansible => 1,
        }
    }

    /// How often one host is checked over each wire.
    pub(super) fn one_host_rounds(self) -> usize {
        match self {
            Self::Stagecraft | Self::Xargs => 3,
            Self::Pyinfra | Self::Mitogen | Self::Ansible => 1,
        }
    }
}

/// The peers, installed, and their files.
#[derive(Debug)]
pub(super) struct Peers {
    /// Where their programs are.
    programs: PathBuf,
    directory: PathBuf,
    /// Names and versions, for the page.
    pub(super) versions: Vec<String>,
}

impl Peers {
    /// Installs them from `PyPI` unless they are there.
    pub(super) fn install() -> Result<PathBuf> {
        let environment = target("bench-peers");
        let programs = environment.join("bin");
        if !programs.join("pyinfra").exists() || !programs.join("ansible-playbook").exists() {
            let python = PYTHONS
                .iter()
                .find(|name| {
                    Command::new(name)
                        .arg("--version")
                        .output()
                        .is_ok_and(|told| told.status.success())
                })
                .context("the peers need Python")?;
            output(Command::new(python).args(["-m", "venv"]).arg(&environment))?;
            output(
                Command::new(programs.join("pip"))
                    .args(["install", "--quiet", "--disable-pip-version-check"])
                    .args(PACKAGES),
            )?;
        }
        Ok(programs)
    }

    /// Writes their files for the hosts of this lab.
    pub(super) fn prepare(programs: PathBuf, lab: &Lab) -> Result<Self> {
        let directory = lab.directory.join("peers");
        fs::create_dir_all(directory.join("control"))?;
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
        let write = |name: &str, text: String| fs::write(directory.join(name), text);
        let key = lab.public_key.trim();
        write("noop.sh", NOOP.replace("@KEY@", key))?;
        write("playbook.yml", PLAYBOOK.replace("@KEY@", key))?;
        write("deploy.py", DEPLOY.replace("@KEY@", key))?;
        write("zz-stagecraft.conf", SYSCTL.to_owned())?;
        let (private, known) = (lab.private_key(), lab.known_hosts());
        let (private, known) = (private.display(), known.display());
        write(
            "ssh_config",
            format!(
                "User root\nIdentityFile {private}\nIdentitiesOnly yes\nUserKnownHostsFile {known}\n\
                 GlobalKnownHostsFile none\nStrictHostKeyChecking yes\nBatchMode yes\n\
                 GSSAPIAuthentication no\nKexAlgorithms curve25519-sha256\n"
            ),
        )?;
        let ansible = |strategy: &str| {
            format!(
                "[defaults]\nforks=50\ngathering=explicit\ninterpreter_python=/usr/bin/python3\n\
                 remote_user=root\n{strategy}\n[ssh_connection]\npipelining=True\n\
                 ssh_args=-F {0}/ssh_config -o ControlMaster=auto -o ControlPersist=60s\n\
                 control_path_dir={0}/control\n",
                directory.display()
            )
        };
        write("ansible.cfg", ansible(""))?;
        let plugins = output(Command::new(programs.join("python")).args([
            "-c",
            "import ansible_mitogen, os; \
             print(os.path.dirname(ansible_mitogen.__file__) + '/plugins/strategy')",
        ]))?;
        let strategy = format!(
            "strategy_plugins={}\nstrategy=mitogen_linear",
            plugins.trim()
        );
        write("mitogen.cfg", ansible(&strategy))?;
        for (name, hosts) in [("all", lab.addresses()), ("one", vec![address(1)])] {
            write(&format!("{name}.txt"), hosts.join("\n") + "\n")?;
            write(
                &format!("{name}.py"),
                format!(
                    "hosts = {hosts:?}\nall = (hosts, {{\n  \"ssh_user\": \"root\", \"ssh_key\": \"{private}\",\n  \
                     \"ssh_known_hosts_file\": \"{known}\",\n  \"ssh_strict_host_key_checking\": \"yes\",\n}})\n"
                ),
            )?;
        }
        let told = output(Command::new(programs.join("pip")).args([
            "list",
            "--format=freeze",
            "--disable-pip-version-check",
        ]))?;
        let wanted = ["ansible-core", "mitogen", "pyinfra", "paramiko"];
        let versions = told
            .lines()
            .filter_map(|line| line.split_once("=="))
            .filter(|(name, _)| wanted.contains(name))
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        Ok(Self {
            programs,
            directory,
            versions,
        })
    }

    /// The command line that brings all hosts, or only the first, to the wanted state.
    pub(super) fn arguments(&self, tool: Tool, lab: &Lab, is_one: bool) -> Vec<OsString> {
        let name = if is_one { "one" } else { "all" };
        let file = |name: &str| self.directory.join(name).into_os_string();
        let program = |name: &str| self.programs.join(name).into_os_string();
        let mut line: Vec<OsString> = Vec::new();
        match tool {
            Tool::Stagecraft => {
                line.push(lab.binary.clone().into_os_string());
                line.extend(["--output", "json", "infra", "bootstrap"].map(OsString::from));
                if is_one {
                    line.extend([OsString::from("--host"), lab.first_name().into()]);
                }
            }
            Tool::Xargs => {
                line.extend(["xargs", "-P50", "-I{}", "-a"].map(OsString::from));
                line.push(file(&format!("{name}.txt")));
                line.extend(["ssh", "-F"].map(OsString::from));
                line.push(file("ssh_config"));
                let script = fs::read_to_string(self.directory.join("noop.sh"));
                line.extend(["{}".into(), script.unwrap_or_default().into()]);
            }
            Tool::Pyinfra => {
                line.push(program("pyinfra"));
                line.extend(["-y", "--parallel", "50"].map(OsString::from));
                line.extend([file(&format!("{name}.py")), file("deploy.py")]);
            }
            Tool::Mitogen | Tool::Ansible => {
                line.extend([program("ansible-playbook"), "-i".into()]);
                line.extend([file(&format!("{name}.txt")), file("playbook.yml")]);
            }
        }
        line
    }

    /// The additional variables that a tool needs.
    pub(super) fn variables(&self, tool: Tool) -> Vec<(&'static str, OsString)> {
        let config = match tool {
            Tool::Mitogen => "mitogen.cfg",
            _ => "ansible.cfg",
        };
        vec![
            ("HOME", self.directory.clone().into_os_string()),
            (
                "ANSIBLE_CONFIG",
                self.directory.join(config).into_os_string(),
            ),
        ]
    }

    /// The directory of its files.
    pub(super) fn directory(&self, tool: Tool, lab: &Lab) -> PathBuf {
        if tool == Tool::Stagecraft {
            lab.directory.clone()
        } else {
            self.directory.clone()
        }
    }
}

/// Fails unless a tool's output says that it left the hosts unchanged.
pub(super) fn check_nothing_changed(tool: Tool, told: &str) -> Result<()> {
    let is_noop = match tool {
        Tool::Xargs => true,
        Tool::Stagecraft => !told.contains("\"changed\""),
        Tool::Pyinfra => !told.contains("] Success"),
        Tool::Mitogen | Tool::Ansible => {
            told.contains("changed=0")
                && told
                    .split("changed=")
                    .skip(1)
                    .all(|rest| rest.starts_with("0 "))
        }
    };
    ensure!(is_noop, "{} changed something: {told}", tool.title());
    Ok(())
}
