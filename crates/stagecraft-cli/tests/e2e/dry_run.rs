//! Dry runs look at real hosts and change nothing there.

use crate::hosts::{config, lab};
use crate::stand_ins::{DOCKER, HOST};
use crate::support::Lab;

/// Everything that can be written: name, owner, mode, times, size and content. Without the
/// records that every login leaves: logs, and what systemd keeps of sessions.
const FILES: &str = "cd /
find . /run /tmp /var/lib/docker /var/lib/containerd -xdev \\( -path ./var/log -o -path ./dev \
-o -path /run/systemd -o -path /run/log -o -path /run/user -o -path /run/utmp \
-o -path /run/motd.dynamic \\) -prune -o ! -path /run ! -path ./run -printf '%p %u %g %m %T@ %C@ %s %l\\n' | sort
find . -xdev \\( -path ./var/log -o -path ./dev -o -path ./srv -o -path ./usr/share \\) -prune \
-o -type f -print0 | sort -z | xargs -0r sha256sum";

async fn files(lab: &Lab) -> Vec<String> {
    let listed = lab.inside(HOST, FILES).await;
    let lines: Vec<String> = listed.lines().map(str::to_owned).collect();
    assert!(lines.len() > 5000, "{} lines", lines.len());
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_a_real_host_is_the_same_after_a_dry_run() {
    let steps = format!(
        "{DOCKER}
users: {{ ada: {{ sudo: true }} }}
sysctl: {{ net.core.somaxconn: 2048 }}
timezone: Europe/Vienna"
    );
    let hosts = "web-1: { role: web, image: debian-13-x64 }";
    let lab = lab(&config(hosts, &steps)).await;
    lab.infra("up", &["--yes", "--no-bootstrap"])
        .await
        .expect_code(0);
    lab.booted(HOST).await;
    lab.give_packages(&[HOST]).await;
    // What would write by itself meanwhile.
    lab.inside(HOST, "systemctl stop '*.timer'").await;
    for state in ["fresh", "ready"] {
        let mut before = files(&lab).await;
        lab.inside(HOST, "echo x >/etc/probe && sync && rm /etc/probe")
            .await;
        let touched = files(&lab).await;
        assert_ne!(before, touched, "{state}: the comparison sees a change");
        before = touched;
        for (verb, option) in [
            ("up", "--dry-run"),
            ("bootstrap", "--dry-run"),
            ("plan", "--hosts"),
        ] {
            let looked = lab.infra(verb, &[option]).await;
            let told = &looked.expect_code(0).stdout;
            assert_eq!(
                told.contains("timezone: will change"),
                state == "fresh",
                "{told}"
            );
            let after = files(&lab).await;
            let new: Vec<&String> = after.iter().filter(|own| !before.contains(own)).collect();
            assert!(new.is_empty(), "{state} {verb}: {new:#?}");
            assert!(before == after, "{state} {verb}: something is gone");
        }
        lab.bootstrap().await.expect_code(0);
    }
    lab.shutdown().await;
}
