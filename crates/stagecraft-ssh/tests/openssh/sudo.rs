//! Commands through sudo: a stand-in for it that asks, refuses and runs as sudo does with `-n`
//! and `-S`, in the server's `PATH`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stagecraft_core::{
    Connector as _, ErrorKind, Lookup, NoEvents, Remote, Retry, Run, SecretSource, Upload,
};
use stagecraft_ssh::{Elevate, SshConfig, SshConnector};

use crate::support::{Sshd, argv, read, script};

const PASSWORD: &str = "open 'sesame' $HOME";

/// `MODE` is `free`, `asks`, `denied`, `tty` or `broken`.
const STAND_IN: &str = r#"#!/bin/sh
folder=${0%/*}
may_ask= from_input=
while :; do
  case $1 in
    -n) may_ask=no ;;
    -S) from_input=yes ;;
    -H) ;;
    -p) shift ;;
    --) shift; break ;;
    *) break ;;
  esac
  shift
done
printf '%s\n' "$*" >>"$folder/commands"
tr '\0' ' ' <"/proc/$PPID/cmdline" >>"$folder/commands"
case $(cat "$folder/mode") in
  denied) echo "admin is not in the sudoers file." >&2; exit 1 ;;
  tty) echo "sudo: sorry, you must have a tty to run sudo" >&2; exit 1 ;;
  asks)
    if [ "$may_ask" = no ]; then echo "sudo: a password is required" >&2; exit 1; fi
    if [ -z "$from_input" ]; then cat /dev/tty; exit 1; fi
    tries=0
    while :; do
      if ! IFS= read -r typed; then echo "sudo: no password was provided" >&2; exit 1; fi
      [ "$typed" != "$(cat "$folder/password")" ] || break
      tries=$((tries + 1))
      if [ $tries = 3 ]; then echo "sudo: 3 incorrect password attempts" >&2; exit 1; fi
      echo "Sorry, try again." >&2
    done ;;
esac
USER=stand-in exec "$@"
"#;

#[derive(Debug)]
struct Password(&'static str);

impl Lookup for Password {
    fn get(&self, name: &str) -> Option<String> {
        (name == "SUDO").then(|| self.0.to_owned())
    }
}

struct Host {
    sshd: Sshd,
    folder: tempfile::TempDir,
}

impl Host {
    async fn start(mode: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("sudo");
        fs::write(&program, STAND_IN).expect("a file of its own");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its mode");
        fs::write(folder.path().join("password"), PASSWORD).expect("a file of its own");
        let path = folder.path().display().to_string();
        let sshd = Sshd::start_with(&format!("SetEnv PATH={path}:/usr/bin:/bin HOME={path}")).await;
        let host = Self { sshd, folder };
        host.set(mode);
        host
    }

    fn set(&self, mode: &str) {
        fs::write(self.folder.path().join("mode"), mode).expect("a file of its own");
    }

    async fn connect(&self, run: &Run, has_password: bool) -> Arc<dyn Remote> {
        let source = has_password.then(|| SecretSource::Variable("SUDO".to_owned()));
        let connector = SshConnector::new(SshConfig {
            elevate: Elevate::Always(source),
            ..self.sshd.config()
        });
        connector
            .connect(run, &self.sshd.target())
            .await
            .expect("a connection")
    }
}

fn run(password: &'static str) -> Run {
    Run::new(Arc::new(NoEvents), Arc::new(Password(password)))
}

/// Everything that a step does, as root.
async fn works(host: &Host, run: &Run, remote: &dyn Remote) {
    let whole = script("cat\necho \"$USER\"\n(exit 3)");
    let output = remote.exec(run, &whole).await.unwrap();
    assert_eq!(output.stdout, "stand-in\n");
    assert_eq!(output.exit, stagecraft_core::Exit::Code(3));
    let output = remote
        .exec(run, &argv(&["printf", "%s|", "a b", "'", "$x"]))
        .await
        .unwrap();
    assert_eq!(output.stdout, "a b|'|$x|");
    let path = host.folder.path().join("written");
    let upload = Upload {
        path: path.display().to_string(),
        content: "one\nstagecraft-input-follows\ntwo".to_owned().into(),
        mode: 0o640,
        owner: None,
    };
    remote.upload(run, &upload).await.unwrap();
    assert_eq!(read(&path), "one\nstagecraft-input-follows\ntwo");
}

#[tokio::test]
async fn commands_and_uploads_run_without_a_password_where_none_is_needed() {
    let host = Host::start("free").await;
    let run = Run::default();
    let remote = host.connect(&run, false).await;
    works(&host, &run, &*remote).await;
}

#[tokio::test]
async fn password_is_given_to_sudo_and_to_nothing_else() {
    // The same with one that is needed and one that is not read.
    for mode in ["asks", "free"] {
        let host = Host::start(mode).await;
        let run = run(PASSWORD);
        let remote = host.connect(&run, true).await;
        works(&host, &run, &*remote).await;
        let seen = read(&host.folder.path().join("commands"));
        assert!(seen.contains("sh -s"), "{seen}");
        assert!(!seen.contains("sesame"), "{seen}");
        let environment = remote.exec(&run, &argv(&["env"])).await.unwrap();
        assert!(!environment.stdout.contains("sesame"));
    }
}

#[tokio::test]
async fn refusals_of_sudo_end_at_once_with_what_to_do() {
    let host = Host::start("asks").await;
    let table = [
        ("asks", false, "wants a password of"),
        ("asks", true, "refused the password of"),
        ("denied", false, "has no sudo rights on app-1"),
        ("denied", true, "has no sudo rights on app-1"),
        ("tty", false, "on a terminal only"),
    ];
    for (mode, has_password, told) in table {
        host.set(mode);
        let run = run("close sesame");
        let remote = host.connect(&run, has_password).await;
        let started = Instant::now();
        for command in [script("touch never\n".repeat(9).as_str()), argv(&["true"])] {
            let error = remote.exec(&run, &command).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
            assert_eq!(error.retry(), Retry::Never);
            assert!(error.to_string().contains(told), "{mode}: {error}");
            assert!(error.hint().is_some());
            assert!(!format!("{error:?}").contains("sesame"), "{error:?}");
        }
        assert!(started.elapsed() < Duration::from_secs(20));
        assert!(!host.folder.path().join("never").exists());
    }
    fs::remove_file(host.folder.path().join("sudo")).unwrap();
    let run = Run::default();
    let remote = host.connect(&run, false).await;
    if !std::path::Path::new("/usr/bin/sudo").exists() {
        let error = remote.exec(&run, &argv(&["true"])).await.unwrap_err();
        assert!(error.to_string().contains("has no sudo"), "{error}");
    }
}

#[tokio::test]
async fn missing_password_is_told_before_anything_is_sent() {
    let host = Host::start("free").await;
    let source = SecretSource::Variable("SUDO".to_owned());
    let connector = SshConnector::new(SshConfig {
        elevate: Elevate::Always(Some(source)),
        ..host.sshd.config()
    });
    let error = connector
        .connect(&run(""), &host.sshd.target())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SecretMissing);
    assert_eq!(
        error.to_string(),
        "password for sudo missing from environment variable SUDO"
    );
}
