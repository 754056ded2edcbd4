//! Nothing outside can be reached, read, written or signalled from a host.
//!
//! Run as root, these tests run a second time as an ordinary user.

#![allow(
    clippy::unwrap_used,
    reason = "what fails in a test is told by its place"
)]

mod hosts_support;

use std::io::Write as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hosts_support::{boot, eventually, is_root, process_exists};
use stagecraft_sandbox::HostDriver as _;

/// Runs attempts inside a host and asserts that each fails.
async fn all_fail(attempts: &[&str]) {
    let (hosts, _) = boot().await;
    // The attempts run at all.
    assert_eq!(
        hosts.run(1, "( true ) && echo fine").await.unwrap(),
        "fine\n"
    );
    for attempt in attempts {
        let script =
            format!("if ( {attempt} ) >/dev/null 2>&1; then echo done; else echo failed; fi");
        assert_eq!(
            hosts.run(1, &script).await.unwrap(),
            "failed\n",
            "{attempt}"
        );
    }
}

/// A process outside, which ends with this.
struct Victim(Child);

impl Victim {
    fn start() -> Self {
        Self(
            Command::new("sleep")
                .arg("86404.5")
                .stdin(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }

    fn is_alive(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test]
async fn the_machines_files_cannot_be_changed() {
    all_fail(&[
        "touch /usr/escaped",
        "touch /usr/bin/escaped",
        "touch /etc/alternatives/escaped",
        "echo x >/etc/ld.so.cache",
        "chmod 777 /usr",
        "rm /usr/bin/env",
        "mount -o remount,rw /usr && touch /usr/escaped",
        "mount -o remount,bind,rw /usr",
        "mount -o remount,bind,rw /etc/alternatives",
        "unshare --user --map-root-user --mount mount -o remount,bind,rw /usr",
        "mkdir /mnt/usr && mount --rbind /usr /mnt/usr && touch /mnt/usr/escaped",
        "mkdir /mnt/rw && mount --rbind /usr /mnt/rw && mount -o remount,bind,rw /mnt/rw",
        "umount /usr",
        "umount -l /usr",
        "umount /usr/local",
        "umount -l /proc",
    ])
    .await;
    assert!(!Path::new("/usr/escaped").exists());
    assert!(Path::new("/usr/bin/env").exists());
}

#[tokio::test]
async fn the_kernel_cannot_be_configured() {
    let settings = || {
        [
            "kernel/hostname",
            "kernel/pid_max",
            "kernel/core_pattern",
            "vm/swappiness",
        ]
        .map(|name| std::fs::read_to_string(format!("/proc/sys/{name}")).unwrap())
    };
    let before = settings();
    all_fail(&[
        "echo escaped >/proc/sys/kernel/hostname",
        // Since Linux 6.14 every process namespace has a maximum of its own.
        "echo 65536 >/proc/sys/kernel/pid_max; false",
        "cat /proc/sys/kernel/core_pattern >/proc/sys/kernel/core_pattern",
        "cat /proc/sys/vm/swappiness >/proc/sys/vm/swappiness",
        "cat /proc/sys/fs/file-max >/proc/sys/fs/file-max",
        "echo h >/proc/sysrq-trigger",
        "hostname escaped",
        "date -s \"$(date)\"",
        "mount -t sysfs sysfs /mnt",
        "mount -t cgroup2 cgroup2 /mnt",
        "mount -t debugfs debugfs /mnt",
        "mount -t devtmpfs devtmpfs /mnt",
        "mount -t proc proc /mnt",
        "dmesg --clear",
        "echo -1000 >/proc/self/oom_score_adj",
    ])
    .await;
    assert_eq!(settings(), before);
}

#[tokio::test]
async fn devices_cannot_be_made_or_mounted() {
    all_fail(&[
        "mknod /dev/sda b 8 0",
        "mknod /tmp/mem c 1 1",
        "ls /dev/*da",
        "test -e /dev/kmsg",
        "test -e /dev/mem",
        "test -e /dev/fuse",
        "test -e /dev/loop0",
        "test -e /sys/block",
        "losetup -f",
    ])
    .await;
}

#[tokio::test]
async fn the_network_is_its_own_and_cannot_be_configured() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    let name = format!("stagecraft-sandbox-{port}");
    let _abstract =
        UnixListener::bind_addr(&SocketAddr::from_abstract_name(name.as_bytes()).unwrap()).unwrap();
    let seen = std::fs::read_to_string("/proc/net/unix").unwrap();
    assert!(seen.contains(&name), "it is there outside");
    let outside = std::fs::read_link("/proc/self/ns/net").unwrap();

    all_fail(&[
        &format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'"),
        &format!("grep {name} /proc/net/unix"),
        &format!(
            "test \"$(readlink /proc/self/ns/net)\" = '{}'",
            outside.display()
        ),
        "ip link set lo down",
        "ip link add dummy0 type dummy",
        "ip address add 10.0.0.1/8 dev lo",
        "ip route add default dev lo",
        "iptables -F",
        "nft flush ruleset",
    ])
    .await;

    assert!(listener.accept().is_err(), "nobody came");
}

#[tokio::test]
async fn outside_processes_cannot_be_seen_or_signalled() {
    let mut victim = Victim::start();
    let (hosts, _) = boot().await;
    // Every number there is, by name and all at once.
    let pid = victim.0.id();
    let own = std::process::id();
    hosts
        .run(
            1,
            &format!("kill -9 {pid} {own}; kill -9 -{pid}; kill -9 -1; :"),
        )
        .await
        .ok();
    assert!(victim.is_alive());
    let listed = hosts
        .run(1, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        .await
        .unwrap();
    assert!(listed.contains("cat"), "{listed}");
    assert!(!listed.contains("86404.5"), "{listed}");
    assert_eq!(hosts.run(1, "echo survived").await.unwrap(), "survived\n");
}

#[tokio::test]
async fn the_outsides_files_cannot_be_read() {
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "for nobody").unwrap();
    let secret = secret.display().to_string();
    let manifest = env!("CARGO_MANIFEST_DIR");
    all_fail(&[
        &format!("cat {secret}"),
        &format!("cat /proc/1/root{secret}"),
        &format!("cat /proc/1/cwd{secret}"),
        &format!("cat /proc/*/root{secret}"),
        &format!("cat /proc/*/cwd/..{secret}"),
        &format!("chroot /proc/1/root cat {secret}"),
        &format!("nsenter --target 1 --mount cat {secret}"),
        &format!("cd / && cat ../../../..{secret}"),
        "cat /etc/shadow",
        "test -e /old",
        &format!("test -e {manifest}/Cargo.toml"),
    ])
    .await;
}

#[tokio::test]
async fn a_command_on_its_way_in_is_no_way_out() {
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let outside = directory.path().join("outside");
    std::fs::write(&outside, "reached").unwrap();
    let outside = outside.display().to_string();

    let (hosts, _) = boot().await;
    let watch = format!(
        "while [ ! -e /tmp/enough ]; do for p in /proc/[0-9]*; do \
           cat $p/root{outside} $p/cwd{outside}; \
           nsenter --mount=$p/ns/mnt cat {outside}; \
           nsenter --user=$p/ns/user --preserve-credentials ip link set lo down && echo user; \
         done 2>/dev/null; done; exit 0"
    );
    let enter = async {
        for _ in 0..60 {
            hosts.run(1, "true").await.unwrap();
        }
        hosts.run(1, "touch /tmp/enough").await.unwrap();
    };
    let (found, ()) = tokio::join!(hosts.run(1, &watch), enter);
    assert_eq!(found.unwrap(), "");
}

#[tokio::test]
async fn no_open_file_of_the_outside_is_inherited() {
    let (hosts, _) = boot().await;
    let listed = hosts
        .run(
            1,
            "for f in /proc/1/fd/* /proc/self/fd/*; do readlink $f; done 2>/dev/null; :",
        )
        .await
        .unwrap();
    for line in listed.lines() {
        assert!(
            line.starts_with("pipe:")
                || line.starts_with("/dev/null")
                || line.starts_with("/proc/"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn programs_that_a_fresh_host_lacks_are_absent() {
    all_fail(&[
        "command -v docker",
        "command -v dockerd",
        "command -v tailscale",
        "command -v snap",
        "/usr/bin/docker --version",
    ])
    .await;
}

#[tokio::test]
async fn a_killed_sandbox_takes_its_hosts_along() {
    // As root this runs twice at the same time: see `all_this_holds_for_an_ordinary_user`.
    let victim = if is_root() {
        "sleep 86405.5"
    } else {
        "sleep 86406.5"
    };
    #[expect(clippy::disallowed_methods, reason = "tells the child from the parent")]
    let is_child = std::env::var_os("STAGECRAFT_TEST_CHILD").is_some();
    if is_child {
        let (hosts, _) = boot().await;
        hosts
            .run(1, &format!("{victim} >/dev/null 2>&1 </dev/null &"))
            .await
            .unwrap();
        return std::future::pending().await;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_sandbox_takes_its_hosts_along"])
        .env("STAGECRAFT_TEST_CHILD", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the child's host", || async { process_exists(victim) }).await;
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("the host to end", || async { !process_exists(victim) }).await;
}

/// Copies this test program to where every user can run it.
fn public_copy(directory: &Path) -> PathBuf {
    let copy = directory.join("hosts_isolation");
    // Not written by this process: another thread that starts a program at this
    // moment would hold the copy open, and what is open for writing cannot run.
    let copied = Command::new("cp")
        .arg(std::env::current_exe().unwrap())
        .arg(&copy)
        .status();
    assert!(copied.unwrap().success());
    for path in [directory, copy.as_path()] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    copy
}

#[test]
fn all_this_holds_for_an_ordinary_user() {
    const THIS: &str = "all_this_holds_for_an_ordinary_user";
    // As an ordinary user the other tests have just shown it.
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    let output = Command::new(public_copy(directory.path()))
        .args(["--skip", THIS])
        .uid(65534)
        .gid(65534)
        .env("TMPDIR", "/tmp")
        .env_remove("STAGECRAFT_TEST_CHILD")
        .current_dir("/")
        .output()
        .unwrap();
    if !output.status.success() {
        std::io::stderr().write_all(&output.stdout).unwrap();
        panic!("the tests fail for an ordinary user");
    }
}
