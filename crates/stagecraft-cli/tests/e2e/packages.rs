//! What goes wrong with packages and Docker: told with its cause, and healed by the next run.

use crate::hosts::{ENVIRONMENT, failure};
use crate::stand_ins::{DOCKER, HOST, host, status};
use crate::support::running::Running;
use crate::support::{Lab, TOKEN};

const BOOTSTRAP: [&str; 7] = [
    "infra",
    "bootstrap",
    "--yes",
    "--env",
    ENVIRONMENT,
    "-o",
    "json",
];

/// Below `infra.bootstrap`, with this longest time for waits.
fn patience(deadline: &str) -> String {
    format!("readiness: {{ interval: 200ms, deadline: {deadline} }}\n{DOCKER}")
}

/// A program that takes locks in the background, and leaves them after this many seconds each.
fn holder(locks: &[(&str, u32)]) -> String {
    let locks = format!("{locks:?}").replace('[', "(").replace(']', ",)");
    format!(
        "cat >/run/hold-locks <<'END'
import fcntl, time
files = [(open(path, 'w'), seconds) for path, seconds in {locks}]
for file, _ in files:
    fcntl.lockf(file, fcntl.LOCK_EX)
open('/run/locked', 'w')
began = time.monotonic()
for file, seconds in files:
    time.sleep(max(0, began + seconds - time.monotonic()))
    file.close()
END
setsid python3 /run/hold-locks >/dev/null 2>&1 &
echo $! >/run/holder
until [ -e /run/locked ]; do sleep 0.05; done"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn package_locks_that_are_held_for_a_while_are_waited_for() {
    let lab = host(&patience("120s")).await;
    let locks = [
        ("/var/lib/dpkg/lock-frontend", 60),
        ("/var/lib/apt/lists/lock", 70),
    ];
    lab.inside(HOST, &holder(&locks)).await;
    let up = lab.bootstrap().await;
    up.expect_code(0);
    for (lock, _) in locks {
        let named = format!("{lock} is held by process");
        let is_named = |line: &serde_json::Value| {
            let what = line["what"].as_str().unwrap_or_default();
            what.contains(&named) && what.contains("(python3 /run/hold-locks")
        };
        assert!(up.lines().iter().any(is_named), "{}", up.stdout);
    }
    let result = up.result();
    assert_eq!(status(&result, "docker"), "changed");
    let took = result["hosts"][0]["duration_ms"].as_u64();
    assert!(took > Some(60_000), "it waited: {took:?}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn package_lock_that_is_held_for_ever_is_told_with_its_holder_who_lives_on() {
    let lab = host(&patience("10s")).await;
    for lock in ["/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock"] {
        lab.inside(HOST, &holder(&[(lock, 3600)])).await;
        let pid = lab
            .inside(HOST, "kill -0 $(cat /run/holder); cat /run/holder")
            .await;
        let failed = lab.fails().await;
        assert_eq!(failed["code"], "host_not_ready");
        let holder = format!(
            "{lock} is held by process {} (python3 /run/hold-locks",
            pid.trim()
        );
        assert!(failed["evidence"].to_string().contains(&holder), "{failed}");
        lab.inside(HOST, "kill $(cat /run/holder) && rm /run/locked")
            .await;
    }
    lab.heals().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn installation_whose_dpkg_was_killed_is_repaired_by_the_next_run() {
    let lab = host(&patience("20s")).await;
    lab.inside(HOST, "touch /run/hold").await;
    let run = Running::start(&lab, &BOOTSTRAP);
    lab.until(HOST, "test -e /run/inside").await;
    lab.inside(HOST, "pkill -9 -x dpkg; rm /run/hold").await;
    let last = run.finish().await.expect_code(3).result();
    let step = failure(&last, HOST);
    assert_eq!(step["code"], "docker_install_failed");
    assert!(step.to_string().contains("dpkg"), "{step}");
    let audit = lab
        .inside(HOST, "dpkg --audit; ls /var/lib/dpkg/updates")
        .await;
    assert!(audit.contains("docker-ce"), "{audit}");
    lab.heals().await;
    let audit = lab
        .inside(HOST, "dpkg --audit; ls /var/lib/dpkg/updates")
        .await;
    assert_eq!(audit, "");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repository_of_others_that_cannot_be_read_is_told_only_where_it_may_be_the_cause() {
    let lab = host(&patience("20s")).await;
    let broken = "echo 'deb file:///srv/gone stable main' >/etc/apt/sources.list.d/gone.list
        ! apt-get -q -o APT::Update::Error-Mode=any update 2>&1";
    let told = lab.inside(HOST, broken).await;
    assert!(told.contains("file:/srv/gone stable Release"), "{told}");
    let elsewhere = "{ packages: { compose: docker-compose-elsewhere }, mirror";
    lab.edit("{ mirror", elsewhere);
    let failed = lab.fails().await;
    assert_eq!(failed["code"], "docker_install_failed");
    let told = failed.to_string();
    assert!(told.contains("file:/srv/gone stable Release"), "{told}");
    lab.edit(elsewhere, "{ mirror");
    lab.heals().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn named_version_is_the_one_that_apt_installs_and_does_not_upgrade() {
    let lab = host(&patience("20s").replace("{ mirror", "{ version: '19.03', mirror")).await;
    let failed = lab.fails().await;
    assert_eq!(failed["code"], "docker_install_failed");
    let told = failed.to_string();
    assert!(told.contains("no version 19.03 of docker-ce"), "{told}");
    assert!(told.contains("docker-ce: 5:28.0.1-1 5:27.5.1-1"), "{told}");

    lab.edit("'19.03'", "'27.5'");
    lab.heals().await;
    let upgrade = "apt-get -q -y dist-upgrade >/dev/null; apt-mark showhold; \
        dpkg-query -W -f '${Package} ${Version}\n' docker-ce docker-ce-cli";
    let kept = "docker-ce\ndocker-ce-cli\ndocker-ce 5:27.5.1-1\ndocker-ce-cli 5:27.5.1-1\n";
    assert_eq!(lab.inside(HOST, upgrade).await, kept);
    lab.edit("'27.5'", "'28.0.1'");
    let failed = lab.fails().await;
    let told = "docker 27.5.1 is installed, but the configuration wants 28.0.1";
    assert_eq!(failed["message"], told);
    lab.edit("'28.0.1'", "latest");
    lab.heals().await;
    assert_eq!(lab.inside(HOST, "apt-mark showhold").await, "");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_of_the_distribution_that_share_files_make_way() {
    let lab = host(&patience("20s")).await;
    let pool = "cd /srv/linux/debian/pool && dpkg -i docker-buildx_*.deb docker-cli_*.deb";
    lab.inside(HOST, pool).await;
    lab.heals().await;
    let owner = "dpkg -S /usr/bin/docker /usr/libexec/docker/cli-plugins/docker-buildx";
    assert_eq!(
        lab.inside(HOST, owner).await,
        "docker-ce-cli: /usr/bin/docker\n\
         docker-buildx-plugin: /usr/libexec/docker/cli-plugins/docker-buildx\n"
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_that_cannot_be_used_are_told_and_leave_apt_whole() {
    let lab = host(&patience("20s")).await;
    let good = "file:///srv/linux";
    let dead = "ip neigh add 172.17.255.200 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
printf '#!/bin/sh\\nexec /usr/bin/curl \"$@\" --retry 1 --connect-timeout 1\\n' >/usr/local/bin/curl
chmod 755 /usr/local/bin/curl";
    for (script, mirror, cause) in [
        (
            "true",
            "http://127.0.0.1:9/linux",
            "a mirror did not answer",
        ),
        // Packets to it vanish. The usual patience with that is more than a minute.
        (
            dead,
            "http://172.17.255.200/linux",
            "a mirror did not answer",
        ),
        (
            "sed -i 's/^Suite: .*/Suite: other/' /srv/linux/debian/dists/trixie/InRelease",
            good,
            "not signed",
        ),
    ] {
        lab.inside(HOST, script).await;
        lab.edit(good, mirror);
        let failed = lab.fails().await;
        lab.edit(mirror, good);
        assert_eq!(failed["code"], "docker_install_failed");
        assert!(failed.to_string().contains(cause), "{failed}");
        // Later uses of apt are not stopped by a repository that cannot be read.
        lab.inside(HOST, "apt-get update -o APT::Update::Error-Mode=any")
            .await;
    }
    let bundle = lab.directory.path().join("bundle");
    let into = ["--yes", "--bundle", bundle.to_str().expect("UTF-8")];
    lab.infra("up", &into).await.expect_code(3);
    let read = |name: &str| std::fs::read_to_string(bundle.join(name)).expect(name);
    assert!(read("hosts/web-1.json").contains("not signed"));
    assert!(read("versions.json").contains("Debian GNU/Linux 13"));
    for name in ["events.jsonl", "config.yml", "plan.json", "report.txt"] {
        assert!(!read(name).contains(TOKEN), "{name}");
    }
    let mend = "sed -i 's/^Suite: .*/Suite: trixie/' /srv/linux/debian/dists/trixie/InRelease";
    lab.inside(HOST, mend).await;
    lab.heals().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_is_told_wherever_it_is_met() {
    let lab = host(&patience("20s")).await;
    lab.edit("file:///srv/linux", "http://127.0.0.1:8000/linux");
    let serve = "setsid python3 -m http.server -d /srv 8000 >/dev/null 2>&1 &";
    lab.inside(HOST, serve).await;
    lab.until(HOST, "curl -fs http://127.0.0.1:8000/").await;
    // Too small for the download; then for one package; then for Docker's own data.
    for (place, code) in [
        ("/var/cache/apt/archives", "docker_install_failed"),
        ("/opt/containerd", "docker_install_failed"),
        ("/var/lib/docker", "system_verify_failed"),
    ] {
        let mount = format!("mkdir -p {place}; mount -t tmpfs -o size=2m none {place}");
        lab.inside(HOST, &mount).await;
        let failed = lab.fails().await;
        assert_eq!(failed["code"], code, "{place}: {failed}");
        if code == "docker_install_failed" {
            let message = failed["message"].as_str().expect("a message");
            assert!(message.contains("is full"), "{failed}");
        }
        assert!(failed.to_string().contains(place), "{failed}");
        lab.inside(HOST, &format!("umount {place}")).await;
    }
    lab.heals().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_daemon_is_started_and_one_that_dies_again_is_told_with_its_journal() {
    let lab = host(&patience("20s")).await;
    lab.heals().await;
    lab.inside(HOST, "systemctl stop docker").await;
    let started = lab.bootstrap().await;
    assert_eq!(
        status(&started.expect_code(0).result(), "docker"),
        "changed"
    );
    lab.inside(HOST, "systemctl is-active docker").await;

    let breaks = "mkdir -p /etc/docker && touch /etc/docker/broken && systemctl restart docker";
    lab.inside(HOST, breaks).await;
    lab.until(HOST, "systemctl is-failed docker").await;
    let failed = lab.fails().await;
    assert_eq!(failed["code"], "docker_verify_failed");
    let journal = "failed to start daemon: the stand-in is broken";
    assert!(failed["evidence"].to_string().contains(journal), "{failed}");
    lab.inside(HOST, "rm /etc/docker/broken").await;
    lab.heals().await;

    // A plugin that is there and does not run is as good as none, also in a second run.
    let plugin = "/usr/libexec/docker/cli-plugins/docker-compose";
    let cause = "GLIBC_2.34 is not in this C library";
    let breaks = format!(
        "mv {plugin} /root/plugin
printf '#!/bin/sh\\necho {cause} >&2; exit 1\\n' >{plugin}; chmod 755 {plugin}"
    );
    lab.inside(HOST, &breaks).await;
    for _ in 0..2 {
        let failed = lab.fails().await;
        assert_eq!(failed["code"], "docker_verify_failed", "{failed}");
        assert!(failed["evidence"].to_string().contains(cause), "{failed}");
    }
    lab.inside(HOST, &format!("mv /root/plugin {plugin}")).await;
    lab.heals().await;
    lab.shutdown().await;
}

/// A run that is in the middle of dpkg.
async fn in_the_middle_of_dpkg() -> (Lab, Running) {
    let lab = host(&patience("20s")).await;
    lab.inside(HOST, "touch /run/hold").await;
    let run = Running::start(&lab, &BOOTSTRAP);
    lab.until(HOST, "kill -0 $(cat /run/inside)").await;
    (lab, run)
}

#[tokio::test(flavor = "multi_thread")]
async fn first_ctrl_c_in_the_middle_of_dpkg_lets_it_end() {
    let (lab, mut run) = in_the_middle_of_dpkg().await;
    run.signal("-INT").await;
    run.waits_for("step `docker` to end").await;
    lab.inside(HOST, "rm /run/hold").await;
    let last = run.finish().await.expect_code(130).result();
    assert_eq!(last["outcome"], "interrupted");
    assert_eq!(status(&last, "docker"), "changed");
    assert_eq!(status(&last, "system"), "skipped");
    lab.heals().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn second_ctrl_c_leaves_dpkg_at_work_and_the_next_run_waits_for_it() {
    let (lab, mut run) = in_the_middle_of_dpkg().await;
    run.signal("-INT").await;
    run.waits_for("step `docker` to end").await;
    run.signal_until_end("-INT").await.expect_code(130);
    lab.inside(HOST, "kill -0 $(cat /run/inside)").await;

    let mut rerun = Running::start(&lab, &BOOTSTRAP);
    rerun.waits_for("an earlier run on this host to end").await;
    lab.inside(HOST, "rm /run/hold").await;
    let last = rerun.finish().await.expect_code(0).result();
    let retried = last["hosts"][0]["retries"].to_string();
    assert!(retried.contains("an earlier run"), "{retried}");
    assert_eq!(lab.inside(HOST, "dpkg --audit").await, "");
    lab.heals().await;
    lab.shutdown().await;
}
