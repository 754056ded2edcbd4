//! Diagnostic bundle of a failed run: one directory, without secrets.
//!
//! The one run of a process is [recorded](recording) in memory, and written only if it failed.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Map, Value, json};
use stagecraft_core::config::{to_yaml, tree};
use stagecraft_core::{Error, ErrorKind};

use crate::args::GlobalArgs;
use crate::exit::Exit;
use crate::output::Output;
use crate::recording::{self, Recording};
use crate::{settings, wire};

const README: &str = "\
# A run of stagecraft that failed

What is here holds no secret: tokens and keys are shown as ***.
It names hosts, addresses and accounts, so look at it before you give it to others.

| file | what |
|---|---|
| error.txt | why the run ended, if it ended before it had a result |
| report.txt | what the run told at its end |
| plan.txt, plan.json | what was to be done |
| events.jsonl | what happened, one event on each line, as `--output json` prints it; at most the last 20000 |
| hosts/NAME.json | what became of each host: steps, failures with the last lines of output, retries |
| versions.json | the program, the machine that it ran on, and the systems of the hosts |
| config.yml | the configuration as it took effect, as `stagecraft config show` prints it |

A file that would be empty is not there.
";

static BUNDLE: OnceLock<Bundle> = OnceLock::new();

#[derive(Debug)]
struct Bundle {
    directory: PathBuf,
    global: GlobalArgs,
}

/// Begins to record for a directory that does not exist yet, or is empty.
pub(crate) fn begin(directory: Option<&Path>, global: &GlobalArgs) -> anyhow::Result<()> {
    let Some(directory) = directory else {
        return Ok(());
    };
    let shown = directory.display();
    let refuse = |message: String| Err(Error::new(ErrorKind::Config, message).into());
    match std::fs::read_dir(directory) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return refuse(format!(
                    "the directory for the bundle, {shown}, is not empty"
                ));
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let parent = directory.parent().unwrap_or(Path::new(""));
            if !parent.as_os_str().is_empty() && !parent.is_dir() {
                return refuse(format!(
                    "the bundle cannot be made in {}: there is no such directory",
                    parent.display()
                ));
            }
        }
        Err(error) => return refuse(format!("the bundle cannot be made at {shown}: {error}")),
    }
    let bundle = Bundle {
        directory: directory.to_owned(),
        global: global.clone(),
    };
    BUNDLE.set(bundle).ok();
    recording::begin();
    Ok(())
}

/// Writes the bundle if the run failed, and prints its path.
///
/// An error while writing does not change the exit code.
pub(crate) fn finish(output: Output, exit: Exit) {
    let (Some(bundle), Some(recording)) = (BUNDLE.get(), recording::recorded()) else {
        return;
    };
    if matches!(exit, Exit::Done | Exit::Usage | Exit::Pending) {
        return;
    }
    let shown = bundle.directory.display();
    match bundle.write(&recording) {
        Ok(()) => output.message(&format!("what happened is in {shown}, without secrets")),
        Err(error) => output.problem(&format!("cannot write the bundle to {shown}: {error}")),
    }
}

impl Bundle {
    fn write(&self, recording: &Recording) -> std::io::Result<()> {
        let redact = |text: &str| match &recording.run {
            Some(run) => run.redact(text),
            None => text.to_owned(),
        };
        let put = |name: &str, text: &str| {
            if text.is_empty() {
                return Ok(());
            }
            let plain = anstream::adapter::strip_str(text).to_string();
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(self.directory.join(name))?;
            file.write_all(redact(&plain).as_bytes())
        };
        make(&self.directory)?;
        put("README.md", README)?;
        put("error.txt", &recording.error)?;
        put("report.txt", &recording.report)?;
        put("plan.txt", &recording.plan)?;
        let planned = recording.planned.as_ref();
        put("plan.json", &planned.map(pretty).unwrap_or_default())?;
        let mut events = String::new();
        for line in &recording.events {
            events.push_str(&line.to_string());
            events.push('\n');
        }
        put("events.jsonl", &events)?;
        let hosts = recording
            .events
            .back()
            .and_then(|last| last["hosts"].as_array());
        let hosts = hosts.map(Vec::as_slice).unwrap_or_default();
        if !hosts.is_empty() {
            make(&self.directory.join("hosts"))?;
        }
        for host in hosts {
            put(&format!("hosts/{}.json", file_name(host)), &pretty(host))?;
        }
        put("versions.json", &pretty(&versions(hosts)))?;
        if let Ok(shown) = settings::show(&self.global) {
            put("config.yml", &to_yaml(&tree(&shown.settings)))?;
        }
        Ok(())
    }
}

/// Creates a directory that only its owner can read.
fn make(directory: &Path) -> std::io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::set_permissions(directory, Permissions::from_mode(0o700))
        }
        made => made,
    }
}

/// The versions of the program, its machine, and the systems of hosts that were read.
fn versions(hosts: &[Value]) -> Value {
    let systems: Map<String, Value> = hosts
        .iter()
        .map(|host| (file_name(host), host["system"].clone()))
        .collect();
    json!({
        "stagecraft": env!("CARGO_PKG_VERSION"),
        "platform": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "contract": wire::VERSION,
        "hosts": systems,
    })
}

/// A host's name as a file name.
fn file_name(host: &Value) -> String {
    let name = host["host"].as_str().unwrap_or_default();
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
