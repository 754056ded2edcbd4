//! Packages: apt, dpkg and what they download.

use crate::fixture;

#[tokio::test]
async fn an_update_checks_key_and_codename() {
    let host = fixture().await;
    host.ok("echo 'deb [signed-by=/etc/apt/keyrings/x] https://download.docker.com/linux/ubuntu noble stable' >/etc/apt/sources.list.d/docker.list").await;
    let answer = host.fails("apt-get update", 100).await;
    assert!(answer.errors().contains("is not signed"), "{answer:?}");
    host.ok("echo 'deb https://download.docker.com/linux/ubuntu jammy stable' >/etc/apt/sources.list.d/docker.list").await;
    let answer = host.fails("apt-get update", 100).await;
    assert!(
        answer.errors().contains("does not have a Release file"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_deb_file_is_installed_and_counted() {
    let host = fixture().await;
    host.fails("apt-get install -y ./absent_1.2_all.deb", 100)
        .await;
    host.ok("touch some-tool_1.2_all.deb && apt-get install -y ./some-tool_1.2_all.deb")
        .await;
    assert_eq!(host.ok("dpkg-query -W some-tool").await, "some-tool\t1.2\n");
    let answer = host.fails("dpkg-query -W -f='${Status}' absent", 1).await;
    assert_eq!(
        answer.errors(),
        "dpkg-query: no packages found matching absent\n"
    );
}

#[tokio::test]
async fn an_interrupted_dpkg_must_be_configured_first() {
    let host = fixture().await;
    host.ok("touch /var/lib/sandbox/dpkg-interrupted").await;
    let answer = host.fails("apt-get install -y jq", 100).await;
    assert!(
        answer.errors().contains("dpkg --configure -a"),
        "{answer:?}"
    );
    host.ok("dpkg --configure -a && apt-get install -y jq")
        .await;
}

#[tokio::test]
async fn a_held_lock_is_not_waited_for_by_update() {
    let host = fixture().await;
    host.ok("touch /run/sandbox/apt-lock").await;
    let answer = host
        .fails("apt-get -o DPkg::Lock::Timeout=60 update", 100)
        .await;
    assert!(
        answer
            .errors()
            .starts_with("E: Could not get lock /var/lib/apt/lists/lock. It is held by process"),
        "{answer:?}"
    );
    host.fails("apt-get -o DPkg::Lock::Timeout=1 install -y jq", 100)
        .await;
}

#[tokio::test]
async fn unattended_upgrades_bring_their_program() {
    let host = fixture().await;
    let said = host.ok("unattended-upgrade -v").await;
    assert!(said.contains("No packages found"), "{said}");
    host.ok("apt-get remove -y unattended-upgrades && ! test -e /usr/local/bin/unattended-upgrade")
        .await;
    host.ok("apt-get install -y unattended-upgrades && unattended-upgrade")
        .await;
}

#[tokio::test]
async fn curl_knows_nothing_else() {
    let host = fixture().await;
    let answer = host
        .fails("curl -fsSL https://example.com/x -o /tmp/x", 6)
        .await;
    assert_eq!(
        answer.errors(),
        "curl: (6) Could not resolve host: example.com\n"
    );
    host.fails("test -e /tmp/x", 1).await;
}
