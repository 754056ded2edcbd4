//! Hosts with full file systems, and what killed runs have left on them.

use serde_json::Value;

use crate::stand_ins::{DOCKER, HOST, host, status};
use crate::support::Lab;

const KEY: &str = "/srv/linux/debian/gpg";
/// Leaves no room for further files in `/run`, which is a file system of its own.
const NO_FILES: &str =
    "mount -o remount,nr_inodes=$(df --output=iused /run | tail -n 1 | tr -d ' ') /run";
/// Leaves room for files in `/run`, but for nothing in them.
const NO_BLOCKS: &str = "mount -o remount,nr_inodes=100000 /run
mount -o remount,size=$(($(df -k --output=used /run | tail -n 1) + 40))k /run
head -c 1M /dev/zero >/run/fill 2>/dev/null || :
df -kP /run";
const ROOM: &str = "rm -f /run/fill; mount -o remount,size=64m,nr_inodes=100000 /run";

/// Asserts that the one host fails with these words, and returns its failure.
async fn assert_fails(lab: &Lab, words: &str) -> Value {
    let failed = lab.fails().await;
    let message = failed["message"].as_str().expect("a message");
    assert!(message.contains(words), "no {words:?} in {failed}");
    failed
}

#[tokio::test(flavor = "multi_thread")]
async fn full_run_hides_no_cause_and_stops_only_what_needs_it() {
    let lab = host(DOCKER).await;
    lab.inside(HOST, NO_FILES).await;
    let locked = "cannot create the lock /run/stagecraft.lock on the host: \
        the file system of /run can hold no more files (0 of ";
    let failed = lab.fails().await;
    assert_eq!(failed["step"], "host_key", "{failed}");
    assert!(failed.to_string().contains(locked), "{failed}");

    let lacking = format!(
        "docker could not be installed: the key of the packages could not be downloaded from file://{KEY}"
    );
    lab.inside(HOST, &format!("{ROOM}; mv {KEY} /srv/")).await;
    assert_fails(&lab, &lacking).await;
    lab.inside(HOST, &format!("rm /run/stagecraft.lock; {NO_FILES}"))
        .await;
    let failed = assert_fails(&lab, locked).await;
    assert_eq!(failed["advice"], "change_first", "{failed}");

    // With the lock there, the work goes on elsewhere, and fails only of what it really lacks.
    let with_lock = format!("{ROOM}; : >/run/stagecraft.lock; {NO_FILES}");
    lab.inside(HOST, &with_lock).await;
    assert_fails(&lab, &lacking).await;
    lab.inside(HOST, NO_BLOCKS).await;
    assert_fails(&lab, &lacking).await;
    // The installation of the package writes there itself.
    lab.inside(HOST, &format!("mv /srv/gpg {KEY}")).await;
    let failed = assert_fails(&lab, "the file system of /run is full (0 of ").await;
    assert_eq!(failed["advice"], "change_first", "{failed}");
    let left = "ls -d /run/stagecraft-* /tmp/stagecraft-* /var/tmp/stagecraft-* 2>/dev/null || :";
    assert_eq!(lab.inside(HOST, left).await, "");
    lab.inside(HOST, ROOM).await;
    lab.heals().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_without_room_for_further_files_is_told_as_that() {
    let lab = host(DOCKER).await;
    let place = "/opt/containerd";
    let mount = format!("mkdir -p {place}; mount -t tmpfs -o nr_inodes=1 none {place}");
    lab.inside(HOST, &mount).await;
    let words = format!("the file system of {place} can hold no more files (0 of 1 are free)");
    assert_fails(&lab, &words).await;
    lab.inside(HOST, &format!("umount {place}")).await;
    lab.heals().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_killed_runs_have_left_goes_with_the_next_change() {
    let lab = host(DOCKER).await;
    lab.inside(HOST, "touch /run/hold").await;
    let (_failed, ()) = tokio::join!(lab.bootstrap(), async {
        lab.until(HOST, "kill -0 $(cat /run/inside)").await;
        // No trap of a script sees this end.
        let kill = "pkill -KILL -f '^sh -s$'; rm /run/hold; \
            ls -d /run/stagecraft-work.?????? /run/systemd/system/docker.service.d/stagecraft.conf";
        lab.inside(HOST, kill).await;
    });
    let made = "mkdir -p /tmp/stagecraft-work.Ab12cd/x /var/tmp/stagecraft-work.Ab12cd
touch /tmp/stagecraft-download.Ab12cd /etc/fstab.stagecraft-new
install -d -o nobody /tmp/stagecraft-work.Others
ln -s /srv /tmp/stagecraft-work.Link00";
    lab.inside(HOST, made).await;
    let result = lab.bootstrap().await.expect_code(0).result();
    assert_eq!(status(&result, "docker"), "changed");
    let left = "cd /; ls -d run/stagecraft-* tmp/stagecraft-* var/tmp/stagecraft-* \
        etc/*.stagecraft-new run/systemd/system/docker.service.d/stagecraft.conf 2>/dev/null || :";
    assert_eq!(
        lab.inside(HOST, left).await,
        "tmp/stagecraft-work.Link00\ntmp/stagecraft-work.Others\n"
    );
    lab.inside(HOST, "test -d /srv/linux").await;
    lab.heals().await;
    lab.shutdown().await;
}
