//! Programs that fail on demand, units, accounts, and the record of calls.

use crate::docker::INSTALL_DOCKER;
use crate::fixture;

#[tokio::test]
async fn programs_fail_on_demand_and_recover() {
    let host = fixture().await;
    host.ok("printf '2\\nE: Some index files failed to download\\n' >/run/sandbox/fail/apt-get")
        .await;
    for _ in 0..2 {
        let answer = host.fails("apt-get update", 100).await;
        assert_eq!(answer.errors(), "E: Some index files failed to download\n");
    }
    host.ok("apt-get update").await;

    host.ok("printf 'always\\n' >/run/sandbox/fail/curl").await;
    for _ in 0..3 {
        assert_eq!(
            host.fails("curl -fsSL https://get.docker.com", 22)
                .await
                .errors(),
            ""
        );
    }
    host.ok("rm /run/sandbox/fail/curl && curl -fsSL https://get.docker.com")
        .await;
}

#[tokio::test]
async fn a_service_fails_to_start_on_demand() {
    let host = fixture().await;
    host.ok(INSTALL_DOCKER).await;
    host.ok("systemctl stop docker; echo 1 >/run/sandbox/fail/docker.service")
        .await;
    let answer = host.fails("systemctl start docker", 1).await;
    assert!(
        answer.errors().starts_with("Job for docker.service failed"),
        "{answer:?}"
    );
    assert_eq!(
        host.ok("systemctl show -p ActiveState --value docker")
            .await,
        "failed\n"
    );
    host.ok("systemctl restart docker && systemctl is-active --quiet docker")
        .await;
}

#[tokio::test]
async fn units_that_are_not_there_are_told() {
    let host = fixture().await;
    assert_eq!(
        host.fails("systemctl start absent", 5).await.errors(),
        "Failed to start absent.service: Unit absent.service not found.\n"
    );
    assert_eq!(
        host.fails("systemctl enable absent", 1).await.errors(),
        "Failed to enable unit: Unit file absent.service does not exist.\n"
    );
    host.ok("touch /etc/systemd/system/own.timer && systemctl daemon-reload && systemctl enable --now own.timer").await;
    assert_eq!(host.ok("systemctl is-active own.timer").await, "active\n");
}

#[tokio::test]
async fn accounts_join_docker_and_use_sudo() {
    let host = fixture().await;
    host.fails("getent group docker", 2).await;
    host.ok(INSTALL_DOCKER).await;
    host.ok("useradd --create-home --shell /bin/sh ada && usermod -a -G docker,sudo ada")
        .await;
    assert_eq!(host.ok("getent group docker").await, "docker:x:999:ada\n");
    host.ok("apt-get remove -y docker-ce && apt-get install -y docker-ce")
        .await;
    assert_eq!(host.ok("getent group docker").await, "docker:x:999:ada\n");

    let as_ada = "runuser -u ada -- env LC_ALL=C sudo -H -n -- sh -c 'echo $1' sh done";
    assert_eq!(host.ok(as_ada).await, "done\n");
    let with_a_password = "sudo -H -S -p '' -- sh -c 'read -r line; echo \"$line\"'";
    let answer = host.login.exec(with_a_password, b"first\n").await;
    assert_eq!(answer.text(), "first\n", "{answer:?}");
    let as_id = "setpriv --reuid=1000 --regid=1000 --init-groups sh -c 'echo $1' sh done";
    assert_eq!(host.ok(as_id).await, "done\n");
    let unknown = host.fails("setpriv --reuid=4711 true", 1).await;
    assert!(unknown.errors().contains("failed to find --reuid 4711"));
    let unknown = host.fails("runuser -u bob -- true", 1).await;
    assert!(unknown.errors().contains("user bob does not exist"));
    let unknown = host.fails("sudo -u bob true", 1).await;
    assert_eq!(unknown.errors(), "sudo: unknown user bob\n");

    host.ok("apt-get remove -y sudo && ! test -e /usr/local/bin/sudo")
        .await;
    host.ok("apt-get install -y sudo && sudo true").await;
}

#[tokio::test]
async fn every_call_is_logged_with_its_arguments() {
    let host = fixture().await;
    host.ok("apt-get -o DPkg::Lock::Timeout=5 install -y jq; dpkg --print-architecture")
        .await;
    assert_eq!(
        host.ok("cat /var/log/sandbox/apt-get.log /var/log/sandbox/dpkg.log")
            .await,
        "apt-get -o DPkg::Lock::Timeout=5 install -y jq\ndpkg --print-architecture\n"
    );
}
