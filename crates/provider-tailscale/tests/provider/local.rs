//! A host on this machine: a real shell, and stand-ins for the programs that it calls.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use async_trait::async_trait;
use provider_tailscale::core::{
    CommandLine, Error, ErrorKind, Exit, Fingerprint, HostName, Remote, RemoteCommand,
    RemoteOutput, Result, Run, Upload,
};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

use crate::support::{JOINED, NEEDS_LOGIN};

/// The programs that the scripts may use beside the stand-ins.
const TOOLS: [&str; 15] = [
    "cat", "chmod", "cp", "df", "find", "head", "install", "mkdir", "mktemp", "rm", "sed", "stat",
    "tail", "timeout", "touch",
];
/// The places that the scripts touch. They are moved below a temporary directory.
const PLACES: [&str; 6] = [
    "/etc/os-release",
    "/etc/apt/sources.list.d",
    "/run/",
    "/usr/share/keyrings",
    "/var/tmp/",
    "/dev/shm/",
];

const TAILSCALE: &str = r#"#!/bin/sh
echo "$*" >>"$STATE/tailscale.calls"
case $1 in
  version) printf '%s\n  tailscale commit: abc\n' "$(cat "$STATE/version")" ;;
  debug) cat "$STATE/prefs" ;;
  status)
    if [ ! -e "$STATE/daemon" ]; then
      echo 'failed to connect to local tailscaled' >&2
      exit 1
    fi
    if [ -s "$STATE/later.after" ]; then
      after=$(($(cat "$STATE/later.after") - 1))
      echo "$after" >"$STATE/later.after"
      if [ "$after" -le 0 ]; then cp "$STATE/later.status" "$STATE/status"; fi
    fi
    cat "$STATE/status" ;;
  set) cp "$STATE/set.prefs" "$STATE/prefs" ;;
  up)
    keyed=keyless
    for argument; do
      case $argument in
        --auth-key=file:*)
          keyed=keyed
          file=${argument#--auth-key=file:}
          cat "$file" >"$STATE/key"
          stat -c '%a' "$file" "${file%/*}" >"$STATE/modes" ;;
      esac
    done
    if [ -e "$STATE/up.$keyed.status" ]; then cp "$STATE/up.$keyed.status" "$STATE/status"; fi
    if [ -e "$STATE/up.$keyed.stderr" ]; then cat "$STATE/up.$keyed.stderr" >&2; exit 1; fi ;;
esac
"#;
const APT_GET: &str = r#"#!/bin/sh
echo "$*" >>"$STATE/apt.calls"
case "$*" in
  *' update')
    if [ -s "$STATE/apt.locked" ]; then
      sed -i 1d "$STATE/apt.locked"
      takes=$(cat "$STATE/apt.takes") && echo "$(($(cat "$STATE/clock") + takes))" >"$STATE/clock"
      echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7' >&2
      exit 100
    fi
    if [ -s "$STATE/apt.hiccups" ]; then
      sed -i 1d "$STATE/apt.hiccups"
      # Without the mode, apt-get returns 0.
      case $* in
        *'-o APT::Update::Error-Mode=any'*) echo 'E: Failed to fetch https://pkgs.tailscale.com/x  503' >&2; exit 100 ;;
        *) echo 'W: Failed to fetch https://pkgs.tailscale.com/x  503' >&2 ;;
      esac
    fi
    if [ -e "$STATE/apt.unread" ]; then cat "$STATE/apt.unread" >&2; exit 100; fi ;;
  *' install '*tailscale*)
    if [ -s "$STATE/apt.busy" ]; then
      echo "$(($(cat "$STATE/clock") + 300))" >"$STATE/clock"
      echo 'E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7' >&2
      exit 100
    fi
    if [ -e "$STATE/apt.interrupted" ]; then
      echo "E: dpkg was interrupted, you must manually run 'dpkg --configure -a'" >&2
      exit 100
    fi
    if [ -e "$STATE/apt.missing" ]; then
      echo 'E: Unable to locate package tailscale' >&2
      exit 100
    fi
    cp "$STATE/tailscale.program" "$BIN/tailscale" ;;
esac
"#;
const SYSTEMCTL: &str = "#!/bin/sh\necho \"$*\" >>\"$STATE/systemctl.calls\"\n[ ! -e \"$STATE/systemctl.broken\" ] || exit 1\ntouch \"$STATE/daemon\"\n";
const CURL: &str = "#!/bin/sh\necho \"$*\" >>\"$STATE/curl.calls\"\nif [ -e \"$STATE/curl.stderr\" ]; then cat \"$STATE/curl.stderr\" >&2; exit 22; fi\nwhile [ \"$1\" != -o ]; do shift; done\necho content >\"$2\"\n";
const DPKG: &str =
    "#!/bin/sh\necho \"$*\" >>\"$STATE/dpkg.calls\"\nrm -f \"$STATE/apt.interrupted\"\n";
/// The clock goes on only when somebody waits.
const SLEEP: &str = "#!/bin/sh\necho \"$*\" >>\"$STATE/sleep.calls\"\necho \"$(($(cat \"$STATE/clock\") + $1))\" >\"$STATE/clock\"\n";
const DATE: &str = "#!/bin/sh\ncat \"$STATE/clock\"\n";

/// A host without the client, as it is right after its creation.
#[derive(Debug)]
pub(crate) struct LocalHost {
    name: HostName,
    directory: TempDir,
    scripts: Mutex<Vec<String>>,
}

impl LocalHost {
    pub(crate) fn new() -> Self {
        let host = Self {
            name: HostName::new("web-1").unwrap(),
            directory: TempDir::new().unwrap(),
            scripts: Mutex::default(),
        };
        for directory in ["bin", "state", "root/etc/apt", "root/run", "root/usr/share"] {
            fs::create_dir_all(host.path(directory)).unwrap();
        }
        for tool in TOOLS {
            let found = ["/usr/bin", "/bin"]
                .map(|place| Path::new(place).join(tool))
                .into_iter()
                .find(|path| path.exists())
                .unwrap_or_else(|| panic!("this machine has no {tool}"));
            symlink(found, host.path("bin").join(tool)).unwrap();
        }
        for (name, text) in [
            ("bin/apt-get", APT_GET),
            ("bin/systemctl", SYSTEMCTL),
            ("bin/curl", CURL),
            ("bin/dpkg", DPKG),
            ("bin/sleep", SLEEP),
            ("bin/date", DATE),
            ("state/tailscale.program", TAILSCALE),
        ] {
            host.write(name, text);
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(host.path(name), mode).unwrap();
        }
        host.write(
            "root/etc/os-release",
            "PRETTY_NAME='Debian 12'\nID=debian\nVERSION_CODENAME=bookworm\n",
        );
        host.write("state/clock", "0\n");
        host.write("state/apt.takes", "0\n");
        host.write("state/version", "1.82.0");
        host.write("state/status", NEEDS_LOGIN);
        host.write("state/prefs", &prefs("web-1", false));
        host.write("state/up.keyed.status", JOINED);
        host
    }

    /// The same with the client, its daemon and a status.
    pub(crate) fn with_client(status: &str) -> Self {
        let host = Self::new();
        fs::copy(
            host.path("state/tailscale.program"),
            host.path("bin/tailscale"),
        )
        .unwrap();
        host.write("state/daemon", "");
        host.write("state/status", status);
        host
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Puts a program in the place of a tool, which is a link to this machine's own.
    pub(crate) fn replace(&self, tool: &str, text: &str) {
        let name = format!("bin/{tool}");
        fs::remove_file(self.path(&name)).unwrap();
        self.write(&name, &format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(self.path(&name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A file's text; empty if there is none.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The calls of a stand-in that change something, since the last time.
    pub(crate) fn take_calls(&self, program: &str) -> Vec<String> {
        let name = format!("state/{program}.calls");
        let calls = self.read(&name);
        self.write(&name, "");
        calls
            .lines()
            .filter(|line| {
                !["status", "version", "debug"]
                    .iter()
                    .any(|word| line.starts_with(word))
            })
            .map(str::to_owned)
            .collect()
    }

    /// All scripts and command lines that came, as they were sent.
    pub(crate) fn sent(&self) -> Vec<String> {
        self.scripts.lock().unwrap().clone()
    }

    /// The files in which an auth key is stored.
    pub(crate) fn key_files(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path("root/run/stagecraft")) else {
            return Vec::new();
        };
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn moved(&self, text: &str) -> String {
        let root = self.path("root");
        PLACES.iter().fold(text.to_owned(), |text, place| {
            text.replace(place, &format!("{}{place}", root.display()))
        })
    }
}

/// What `tailscale debug prefs` prints.
pub(crate) fn prefs(hostname: &str, accept_dns: bool) -> String {
    format!(
        "{{\n\t\"ControlURL\": \"https://controlplane.tailscale.com\",\n\t\"CorpDNS\": {accept_dns},\n\t\"Hostname\": \"{hostname}\",\n\t\"Config\": null\n}}\n"
    )
}

#[async_trait]
impl Remote for LocalHost {
    fn host(&self) -> &HostName {
        &self.name
    }

    fn host_key(&self) -> Fingerprint {
        Fingerprint::of_wire(b"local")
    }

    async fn exec(&self, run: &Run, command: &RemoteCommand) -> Result<RemoteOutput> {
        run.check()?;
        let (program, arguments, input) = match &command.line {
            CommandLine::Argv(argv) => (
                self.path("bin").join(&argv[0]),
                argv[1..].to_vec(),
                String::new(),
            ),
            CommandLine::Script(script) => (
                PathBuf::from("/bin/sh"),
                vec!["-s".to_owned()],
                format!("{{ :; {}\n}} </dev/null\n", self.moved(script)),
            ),
        };
        self.scripts.lock().unwrap().push(match &command.line {
            CommandLine::Argv(argv) => argv.join(" "),
            CommandLine::Script(script) => script.clone(),
        });
        let mut child = tokio::process::Command::new(program)
            .args(arguments.iter().map(|argument| self.moved(argument)))
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("BIN", self.path("bin"))
            .env("STATE", self.path("state"))
            .env("TMPDIR", self.directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        let exit = match output.status.code() {
            Some(code) => Exit::Code(u32::try_from(code).unwrap()),
            None => Exit::Signal(format!("{:?}", output.status.signal())),
        };
        Ok(RemoteOutput {
            exit,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        })
    }

    async fn upload(&self, run: &Run, upload: &Upload) -> Result<()> {
        run.check()?;
        let path = self.moved(&upload.path);
        fs::write(&path, upload.content.expose_secret()).map_err(|error| {
            Error::new(ErrorKind::CommandFailed, "cannot write").with_source(error)
        })?;
        fs::set_permissions(&path, fs::Permissions::from_mode(upload.mode)).unwrap();
        Ok(())
    }

    async fn close(&self) {}
}
