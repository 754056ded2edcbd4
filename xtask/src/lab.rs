//! Container hosts for tests: a Docker Engine, images to boot, and a repository of packages.

mod mesh;

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::process::{cargo, output, root, run};

const MIRROR_SCRIPT: &str = include_str!("lab/mirror.sh");
/// The container that serves the repository.
const MIRROR: &str = "stagecraft-lab-mirror";
/// The variable that points tests to it.
const MIRROR_VARIABLE: &str = "STAGECRAFT_LAB_MIRROR";
/// The label that the sandbox gives to its hosts.
const HOSTS: &str = "label=dev.stagecraft.sandbox";

/// The target of the tests on container hosts.
pub(crate) const SUITE: &str = "e2e";

/// Fifty hosts take the whole machine, and other tests have deadlines, so these tests run alone.
pub(crate) const PASSES: [&[&str]; 2] = [&["--skip", "five_of_fifty"], &["five_of_fifty"]];

/// The images: their tags and Debian's names for the releases.
const RELEASES: [(&str, &str); 2] = [("debian-13", "trixie"), ("debian-12", "bookworm")];

/// The packages of a cloud's image, as far as a container can have them.
const PACKAGES: &str = "ca-certificates,cloud-init,curl,dbus,iproute2,iptables,kmod,\
                        openssh-server,procps,python3,sudo,systemd,systemd-sysv,tzdata";

/// A public image of another system, and the commands that turn it into a host image.
const UBUNTU: (&str, &str) = ("ubuntu-24-04", "ubuntu:24.04");

/// systemd needs about four of this kernel limit per host.
const INOTIFY: (&str, u32) = ("/proc/sys/fs/inotify/max_user_instances", 1024);

/// The deadline for the engine to answer.
const ENGINE_START: Duration = Duration::from_mins(1);

/// Builds the images, the package repository, and the private network's programs.
pub(crate) fn image() -> Result<()> {
    engine()?;
    install("/usr/bin/mmdebstrap", "mmdebstrap")?;
    fs::create_dir_all(directory())?;
    for (tag, release) in RELEASES {
        make_image(tag, release)?;
    }
    make_ubuntu();
    make_mirror()?;
    mesh::make()
}

/// Builds what is missing, and serves the repository.
pub(crate) fn up() -> Result<()> {
    let mirror = start()?;
    show(&format!(
        "the lab is up; for tests run by hand:\nexport {MIRROR_VARIABLE}={mirror}"
    ));
    Ok(())
}

/// Stops the hosts, the repository, and the engine if the lab started it. Images stay.
pub(crate) fn down() -> Result<()> {
    if answers() {
        let hosts = output(docker().args(["ps", "--all", "--quiet", "--filter", HOSTS]))?;
        mesh::remove()?;
        let mut all: Vec<&str> = hosts.split_whitespace().collect();
        all.push(MIRROR);
        // A missing one is no error.
        docker()
            .args(["rm", "--force", "--volumes"])
            .args(all)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
    }
    let record = directory().join("dockerd.pid");
    if let Ok(pid) = fs::read_to_string(&record) {
        let command = fs::read_to_string(format!("/proc/{}/cmdline", pid.trim()));
        if command.is_ok_and(|command| command.starts_with("dockerd")) {
            run(Command::new("kill").arg(pid.trim()))?;
        }
        fs::remove_file(record)?;
    }
    Ok(())
}

/// Shows what exists.
pub(crate) fn status() -> Result<()> {
    if !answers() {
        show("engine: none answers");
        return Ok(());
    }
    let version = output(docker().args(["version", "--format", "{{.Server.Version}}"]))?;
    show(&format!("engine: {}", version.trim()));
    for (tag, _) in RELEASES {
        let word = if has_image(tag) { "there" } else { "missing" };
        show(&format!("image {}: {word}", name(tag)));
    }
    let mirror = address(MIRROR);
    show(&format!(
        "packages: {}",
        mirror.as_deref().unwrap_or("not served")
    ));
    let word = if mesh::is_served() {
        "answers"
    } else {
        "not there"
    };
    show(&format!("control server: {word}"));
    let hosts = output(docker().args(["ps", "--quiet", "--filter", HOSTS]))?;
    show(&format!("hosts: {}", hosts.split_whitespace().count()));
    Ok(())
}

/// Runs the tests on container hosts.
pub(crate) fn e2e() -> Result<()> {
    let mirror = start()?;
    PASSES
        .iter()
        .try_for_each(|pass| run(&mut suite(&mirror, pass)))
}

/// The cargo command that runs one pass of the tests on container hosts.
pub(crate) fn suite(mirror: &str, pass: &[&str]) -> Command {
    let mut command = cargo();
    command
        // Built like the rest of the suite: a package built alone has other features.
        .args(["test", "--workspace"])
        .args(["--test", SUITE, "--", "--test-threads", "2"])
        .args(pass)
        .env(MIRROR_VARIABLE, mirror);
    command
}

/// Builds what is missing. Returns the URL of the repository.
pub(crate) fn start() -> Result<String> {
    engine()?;
    let is_whole = RELEASES.iter().all(|(tag, _)| has_image(tag));
    if !is_whole || !directory().join("linux/debian/gpg").exists() {
        image()?;
    } else if !mesh::is_made() {
        mesh::make()?;
    }
    raise_limit();
    mesh::serve()?;
    serve()
}

fn directory() -> PathBuf {
    root().join("target/lab")
}

fn name(tag: &str) -> String {
    format!("stagecraft-lab:{tag}")
}

fn docker() -> Command {
    Command::new("docker")
}

fn answers() -> bool {
    let asked = docker()
        .args(["version", "--format", "{{.Server.Version}}"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

fn has_image(tag: &str) -> bool {
    let asked = docker()
        .args(["image", "inspect", &name(tag)])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

/// Installs Debian's package of a missing program, or fails with the command to run.
fn install(program: &str, package: &str) -> Result<()> {
    if Path::new(program).exists() {
        return Ok(());
    }
    let line = format!("apt-get install --yes --no-install-recommends {package}");
    let may = output(Command::new("id").arg("-u"))?.trim() == "0"
        && Path::new("/usr/bin/apt-get").exists();
    if !may {
        bail!("container hosts need {program}; run: sudo {line}");
    }
    run(Command::new("apt-get").args(["update", "--quiet", "--quiet"]))?;
    run(Command::new("apt-get")
        .args(["install", "--yes", "--quiet", "--quiet"])
        .args(["--no-install-recommends", package])
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Ensures that a Docker Engine answers.
#[expect(clippy::disallowed_methods, reason = "there is no run to stop")]
fn engine() -> Result<()> {
    if answers() {
        return Ok(());
    }
    install("/usr/sbin/dockerd", "docker.io")?;
    install("/usr/sbin/iptables", "iptables")?;
    if answers() {
        return Ok(());
    }
    if Path::new("/run/systemd/system").exists() {
        run(Command::new("systemctl").args(["start", "docker"]))?;
    } else {
        start_engine()?;
    }
    let began = Instant::now();
    while !answers() {
        if began.elapsed() > ENGINE_START {
            let log = directory().join("dockerd.log");
            bail!(
                "no Docker Engine answers within {}s; see {}",
                ENGINE_START.as_secs(),
                log.display()
            );
        }
        sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Starts an engine that keeps running after this program.
fn start_engine() -> Result<()> {
    fs::create_dir_all(directory())?;
    let log = File::create(directory().join("dockerd.log"))?;
    let daemon = Command::new("dockerd")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .context("cannot run dockerd")?;
    fs::write(directory().join("dockerd.pid"), daemon.id().to_string())?;
    Ok(())
}

fn make_image(tag: &str, release: &str) -> Result<()> {
    let archive = directory().join(format!("{tag}.tar"));
    run(Command::new("mmdebstrap")
        .args(["--quiet", "--variant=minbase"])
        .arg(format!("--include={PACKAGES}"))
        .args(["--aptopt=Acquire::Languages \"none\""])
        // cloud-init generates them again: no two hosts may share them.
        .args(["--customize-hook=rm -f \"$1\"/etc/ssh/ssh_host_*"])
        .arg(release)
        .arg(&archive))?;
    run(docker().arg("import").arg(&archive).arg(name(tag)))?;
    fs::remove_file(archive)?;
    Ok(())
}

/// Builds an image from a public one. Skipped where none can be pulled.
fn make_ubuntu() {
    let (tag, public) = UBUNTU;
    let container = "stagecraft-lab-ubuntu";
    let script = format!(
        "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes \
         --no-install-recommends {} && rm -f /etc/ssh/ssh_host_*",
        PACKAGES.replace(',', " ")
    );
    let made = run(docker().args(["pull", "--quiet", public]))
        .and_then(
            |()| run(docker().args(["run", "--name", container, public, "sh", "-c", &script])),
        )
        .and_then(|()| run(docker().args(["commit", container, &name(tag)])));
    if let Err(error) = made {
        show(&format!("no image {}: {error}", name(tag)));
    }
    // It may not exist.
    let _removed = docker()
        .args(["rm", "--force", container])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Fills the repository, inside a lab container, so that nothing has to be installed here.
fn make_mirror() -> Result<()> {
    let script = directory().join("mirror.sh");
    fs::write(&script, MIRROR_SCRIPT)?;
    let out = directory().join("linux");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    run(docker()
        .args(["run", "--rm", "--volume"])
        .arg(format!("{}:/out", directory().display()))
        .arg(name(RELEASES[0].0))
        .args(["sh", "/out/mirror.sh"]))
}

/// Whether a container runs and has this file. If its directory was removed, it does not.
fn serves(container: &str, file: &str) -> bool {
    let mut asked = docker();
    asked.args(["exec", container, "test", "-e", file]);
    let ended = asked.stdout(Stdio::null()).stderr(Stdio::null()).status();
    ended.is_ok_and(|status| status.success())
}

/// Serves the repository from a separate container.
fn serve() -> Result<String> {
    if !serves(MIRROR, "/srv/linux/debian/gpg") {
        docker()
            .args(["rm", "--force", MIRROR])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        let files = format!("{}:/srv:ro", directory().display());
        run(docker()
            .args(["run", "--detach", "--name", MIRROR, "--volume", &files])
            .arg(name(RELEASES[0].0))
            .args(["python3", "-m", "http.server", "--directory", "/srv", "80"]))?;
    }
    let address = address(MIRROR).context("the container that serves packages has no address")?;
    Ok(format!("http://{address}/linux"))
}

fn address(container: &str) -> Option<String> {
    let format = "{{if .State.Running}}{{.NetworkSettings.IPAddress}}{{end}}";
    let asked = docker()
        .args(["inspect", "--format", format, container])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let address = String::from_utf8(asked.stdout).ok()?.trim().to_owned();
    (!address.is_empty()).then_some(address)
}

/// Raises kernel limits for hundreds of hosts. Without permission, only tens of hosts can run.
fn raise_limit() {
    let (path, wanted) = INOTIFY;
    let now = fs::read_to_string(path).ok();
    let now: Option<u32> = now.and_then(|text| text.trim().parse().ok());
    if now.is_some_and(|now| now < wanted) && fs::write(path, wanted.to_string()).is_err() {
        show(&format!("{path} stays below {wanted}: few hosts will boot"));
    }
}

#[expect(
    clippy::print_stdout,
    reason = "a developers' tool talks to a terminal"
)]
fn show(text: &str) {
    println!("{text}");
}
