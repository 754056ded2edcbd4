//! The scripts against a real client: `cargo test -p provider-tailscale --features live-tests`.
//!
//! `STAGECRAFT_TAILSCALE_BIN` names a directory with the programs `tailscale` and `tailscaled`.
//! The client uses userspace networking and talks to nobody, so neither root nor a network is
//! needed. It takes two minutes: the client waits so long for a server that does not answer.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use provider_tailscale::Tailscale;
use provider_tailscale::core::{ErrorKind, PollPolicy, Retry, Run, StepOutcome};

use crate::local::LocalHost;
use crate::support::{KEY, node, run, shown};

/// A daemon that is ended when the test is over.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

async fn start(programs: &Path, host: &LocalHost) -> Daemon {
    let state = host.path("state");
    let socket = state.join("tailscaled.sock");
    let log = fs::File::create(state.join("tailscaled.log")).unwrap();
    let child = Command::new(programs.join("tailscaled"))
        .args([
            "--tun=userspace-networking",
            "--no-logs-no-support",
            "--port=0",
        ])
        .arg(format!("--socket={}", socket.display()))
        .arg(format!("--statedir={}", state.join("tailscaled").display()))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let daemon = Daemon(child);
    let wrapper = format!(
        "#!/bin/sh\nexec '{}' --socket='{}' \"$@\"\n",
        programs.join("tailscale").display(),
        socket.display()
    );
    host.write("bin/tailscale", &wrapper);
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(host.path("bin/tailscale"), mode).unwrap();
    let policy = PollPolicy {
        interval: Duration::from_millis(50),
        deadline: Duration::from_secs(30),
    };
    let look = || async { Ok(socket.exists().then_some(())) };
    Run::default()
        .poll(policy, None, "tailscaled", look)
        .await
        .unwrap();
    daemon
}

#[tokio::test(flavor = "current_thread")]
async fn real_client_is_read_and_told_to_join() {
    #[expect(clippy::disallowed_methods, reason = "a test has no other context")]
    let programs = std::env::var_os("STAGECRAFT_TAILSCALE_BIN")
        .map(PathBuf::from)
        .expect("STAGECRAFT_TAILSCALE_BIN");
    let host = LocalHost::new();
    let _daemon = start(&programs, &host).await;
    // A port that was free a moment ago: nobody answers there.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let tailnet = Tailscale::builder("TS_AUTHKEY", "tail.internal")
        .login_server(format!("http://127.0.0.1:{port}"))
        .default_tag("tag:gw")
        .min_version("1.50")
        .build()
        .unwrap();
    let installed = tailnet
        .ensure_installed(&Run::default(), &host, &node())
        .await;
    assert_eq!(installed.unwrap(), StepOutcome::Unchanged);

    let (run, _events) = run();
    for _ in 0..2 {
        let error = tailnet
            .ensure_joined(&run, &host, &node())
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (ErrorKind::Unavailable, Some("join"))
        );
        assert_eq!(error.retry(), Retry::After(None));
        assert!(!shown(&error).contains(KEY));
        assert!(host.key_files().is_empty());
    }
}
