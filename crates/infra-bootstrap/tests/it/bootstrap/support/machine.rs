//! A host in a directory: real shell and tools, stand-ins for whatever would touch the system.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use stagecraft_core::{CommandLine, Exit, RemoteCommand, RemoteOutput, shell_quote};
use tempfile::TempDir;

/// The tools that scripts may use as they are.
const TOOLS: &[&str] = &[
    "sh", "cat", "chmod", "cp", "cut", "env", "flock", "grep", "head", "install", "ln", "mkdir",
    "mktemp", "mv", "readlink", "rm", "rmdir", "sed", "sort", "stat", "tail", "timeout", "touch",
    "tr", "truncate", "uniq",
];

/// Programs that change nothing but the machine's own directory.
const STAND_INS: &[(&str, &str)] = &[
    ("apt-cache", include_str!("stand_ins/apt-cache.sh")),
    ("apt-get", include_str!("stand_ins/apt-get.sh")),
    ("apt-mark", include_str!("stand_ins/apt-mark.sh")),
    ("curl", include_str!("stand_ins/curl.sh")),
    ("date", include_str!("stand_ins/date.sh")),
    ("df", "echo '/dev/vda1 25G 25G 0 100% /'"),
    ("docker.installed", include_str!("stand_ins/docker.sh")),
    ("dpkg", include_str!("stand_ins/dpkg.sh")),
    ("dpkg-query", include_str!("stand_ins/dpkg-query.sh")),
    ("id", "echo \"$(cat ROOT/state/uid)\""),
    ("journalctl", "echo 'docker[7]: failed to start daemon'"),
    ("sleep", include_str!("stand_ins/sleep.sh")),
    (
        "fallocate",
        "echo \"fallocate $*\" >>ROOT/state/calls; truncate -s \"$2\" \"$3\"",
    ),
    ("getent", include_str!("stand_ins/getent.sh")),
    ("gpasswd", include_str!("stand_ins/gpasswd.sh")),
    ("mkswap", "echo \"mkswap $1\" >>ROOT/state/calls"),
    (
        "runuser",
        "echo \"runuser $2\" >>ROOT/state/calls; shift 3; exec \"$@\"",
    ),
    (
        "setpriv",
        "echo \"$@\" >>ROOT/state/drops; shift 3; exec \"$@\"",
    ),
    ("sudo", ""),
    ("swapoff", ": >ROOT/proc/swaps"),
    ("swapon", "echo \"$1 file 1 0 -2\" >ROOT/proc/swaps"),
    ("useradd", include_str!("stand_ins/useradd.sh")),
    ("usermod", include_str!("stand_ins/usermod.sh")),
    ("systemctl", include_str!("stand_ins/systemctl.sh")),
];

/// A host in a directory. Clones are the same host.
///
/// Absolute paths in scripts are moved below the directory, and the search path holds nothing
/// but stand-ins and harmless tools.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    root: Arc<TempDir>,
}

impl Machine {
    /// A freshly booted Ubuntu 24.04, as root.
    pub(crate) fn new() -> Self {
        let machine = Self {
            root: Arc::new(tempfile::tempdir().unwrap()),
        };
        let bin = machine.path("bin");
        fs::create_dir(&bin).unwrap();
        for tool in TOOLS {
            let real = ["/usr/bin", "/bin"]
                .iter()
                .map(|folder| Path::new(folder).join(tool))
                .find(|path| path.exists())
                .unwrap_or_else(|| panic!("{tool} is needed"));
            symlink(real, bin.join(tool)).unwrap();
        }
        for (name, text) in STAND_INS {
            machine.program(name, text);
        }
        for folder in [
            "dev/shm",
            "etc/apt/sources.list.d",
            "run",
            "tmp",
            "var/lib/dpkg",
            "var/tmp",
            "state/dpkg",
            "state/on-hold",
            "state/packages",
        ] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        machine.write("etc/ssl/certs/ca-certificates.crt", "");
        machine.write("state/uid", "0\n");
        machine.write("state/clock", "0\n");
        machine.release("ubuntu", "24.04", "noble");
        machine
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    pub(crate) fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap_or_default()
    }

    pub(crate) fn has(&self, below: &str) -> bool {
        self.path(below).exists()
    }

    pub(crate) fn remove(&self, below: &str) {
        fs::remove_file(self.path(below)).unwrap();
    }

    pub(crate) fn program(&self, name: &str, text: &str) {
        let text = text.replace("ROOT", &self.root.path().display().to_string());
        self.write_program(name, &format!("#!/bin/sh\n{text}\n"));
    }

    /// Written by another process: a file that this one, or a fork of it in another test, holds
    /// open for writing could not be executed. A link to a tool of this machine goes first.
    fn write_program(&self, name: &str, text: &str) {
        let mut child = Command::new("/bin/sh")
            .args(["-c", "rm -f \"$0\" && cat >\"$0\" && chmod 755 \"$0\""])
            .arg(self.path("bin").join(name))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }

    pub(crate) fn release(&self, id: &str, version: &str, codename: &str) {
        self.write(
            "etc/os-release",
            &format!("ID={id}\nVERSION_ID=\"{version}\"\nVERSION_CODENAME={codename}\n"),
        );
    }

    /// A docker of this version, from this package.
    pub(crate) fn install_docker(&self, package: &str, version: &str) {
        self.write(&format!("state/packages/{package}"), version);
        self.write("state/docker-version", version);
        self.write_program("docker", &self.read("bin/docker.installed"));
    }

    /// What stand-ins were called with, one call a line.
    pub(crate) fn calls(&self) -> String {
        self.read("state/calls")
    }

    /// The script as this machine runs it.
    pub(crate) fn moved(&self, script: &str) -> String {
        let root = self.root.path().display().to_string();
        [
            "/etc/",
            "/run/",
            "/var/",
            "/usr/lib/",
            "/usr/libexec/",
            "/usr/local/",
            "/usr/share/zoneinfo",
            "/proc/sys/",
            "/proc/swaps",
            "/dev/shm/",
        ]
        .iter()
        .fold(script.to_owned(), |script, folder| {
            script.replace(folder, &format!("\u{1}{folder}"))
        })
        .replace('\u{1}', &root)
    }

    pub(crate) fn exec(&self, command: &RemoteCommand) -> RemoteOutput {
        let script = match &command.line {
            CommandLine::Script(script) => script.clone(),
            CommandLine::Argv(argv) => argv
                .iter()
                .map(|word| shell_quote(word))
                .collect::<Vec<_>>()
                .join(" "),
        };
        self.shell(&script)
    }

    pub(crate) fn shell(&self, script: &str) -> RemoteOutput {
        let mut child = Command::new("/bin/sh")
            .arg("-s")
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("TMPDIR", self.path("tmp"))
            .current_dir(self.root.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(self.moved(script).as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        RemoteOutput {
            exit: Exit::Code(output.status.code().unwrap().try_into().unwrap()),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
