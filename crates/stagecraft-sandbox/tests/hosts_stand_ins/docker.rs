//! Docker: from its repository, by its script, and the distribution's.

use stagecraft_sandbox::HostDriver as _;

use crate::fixture;
use crate::hosts_support::{hosts, request};

/// Sets up Docker's repository and installs it.
pub(crate) const INSTALL_DOCKER: &str = "set -e; . /etc/os-release
install -m 0755 -d /etc/apt/keyrings
curl -fsSL https://download.docker.com/linux/$ID/gpg -o /etc/apt/keyrings/docker.asc
printf 'Types: deb\\nURIs: https://download.docker.com/linux/%s\\nSuites: %s\\nComponents: stable\\nSigned-By: /etc/apt/keyrings/docker.asc\\n' \
$ID $VERSION_CODENAME >/etc/apt/sources.list.d/docker.sources
apt-get update
apt-get install -y docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin";

#[tokio::test]
async fn docker_needs_its_repository_and_an_update() {
    let host = fixture().await;
    let answer = host.fails("apt-get install -y docker-ce", 100).await;
    assert_eq!(answer.errors(), "E: Unable to locate package docker-ce\n");
    host.ok("echo 'deb https://download.docker.com/linux/ubuntu noble stable' >/etc/apt/sources.list.d/docker.list").await;
    host.fails("apt-get install -y docker-ce", 100).await;
    host.ok("apt-get update && apt-get install -y docker-ce")
        .await;
}

#[tokio::test]
async fn docker_is_installed_enabled_and_running() {
    let host = fixture().await;
    host.fails("docker version", 127).await;
    host.ok(INSTALL_DOCKER).await;
    assert_eq!(
        host.ok("systemctl is-active docker; systemctl is-enabled docker.service")
            .await,
        "active\nenabled\n"
    );
    assert_eq!(
        host.ok("docker version --format '{{.Server.Version}}'")
            .await,
        "29.1.3\n"
    );
    assert_eq!(
        host.ok("docker version -f '{{.Client.Version}} {{.Server.APIVersion}}'")
            .await,
        "29.1.3 1.52\n"
    );
    assert_eq!(
        host.ok("docker --version").await,
        "Docker version 29.1.3, build 4d9b3b0\n"
    );
    assert_eq!(host.ok("docker compose version --short").await, "5.0.1\n");
    assert_eq!(
        host.ok("docker info --format '{{.ServerVersion}}'").await,
        "29.1.3\n"
    );
    assert!(host.ok("docker ps").await.starts_with("CONTAINER ID"));
    let json: serde_json::Value =
        serde_json::from_str(&host.ok("docker version --format '{{json .}}'").await).unwrap();
    assert_eq!(json["Server"]["Version"], "29.1.3");
    assert_eq!(
        host.ok("dpkg-query -W -f='${Status} ${Version}\\n' docker-ce")
            .await,
        "install ok installed 5:29.1.3-1~ubuntu.24.04~noble\n"
    );

    let again = host.ok(INSTALL_DOCKER).await;
    assert!(
        again.contains("docker-ce is already the newest version"),
        "{again}"
    );
    assert!(!again.contains("Setting up"), "{again}");
}

#[tokio::test]
async fn a_stopped_docker_does_not_answer() {
    let host = fixture().await;
    host.ok(INSTALL_DOCKER).await;
    host.ok("systemctl stop docker").await;
    let answer = host
        .fails("docker version --format '{{.Server.Version}}'", 1)
        .await;
    assert!(
        answer
            .errors()
            .starts_with("Cannot connect to the Docker daemon"),
        "{answer:?}"
    );
    assert_eq!(
        host.fails("systemctl is-active docker", 3).await.text(),
        "inactive\n"
    );
    host.ok("systemctl enable --now docker && docker version")
        .await;
}

#[tokio::test]
async fn docker_can_be_pinned_held_and_downgraded() {
    let host = fixture().await;
    host.ok(INSTALL_DOCKER).await;
    let listed = host.ok("apt-cache madison docker-ce").await;
    assert!(
        listed.contains("| 5:27.5.1-1~ubuntu.24.04~noble |"),
        "{listed}"
    );
    let pin = "docker-ce=5:27.5.1-1~ubuntu.24.04~noble docker-ce-cli=5:27.5.1-1~ubuntu.24.04~noble";
    let answer = host.fails(&format!("apt-get install -y {pin}"), 100).await;
    assert!(
        answer.errors().contains("without --allow-downgrades"),
        "{answer:?}"
    );
    host.ok(&format!(
        "apt-get install -y --allow-downgrades {pin} && apt-mark hold docker-ce docker-ce-cli"
    ))
    .await;
    assert_eq!(
        host.ok("docker version --format '{{.Server.Version}}'")
            .await,
        "27.5.1\n"
    );
    assert_eq!(
        host.ok("apt-mark showhold").await,
        "docker-ce\ndocker-ce-cli\n"
    );
    host.ok("apt-get install -y docker-ce").await;
    assert_eq!(
        host.ok("docker version --format '{{.Server.Version}}'")
            .await,
        "27.5.1\n"
    );
    let answer = host
        .fails("apt-get install -y 'docker-ce=5:28.*'", 100)
        .await;
    assert!(
        answer.errors().contains("--allow-change-held-packages"),
        "{answer:?}"
    );
    let answer = host.fails("apt-get install -y docker-ce=5:99.0", 100).await;
    assert_eq!(
        answer.errors(),
        "E: Version '5:99.0' for 'docker-ce' was not found\n"
    );
}

#[tokio::test]
async fn docker_s_script_and_the_distributions_package_work_too() {
    let hosts = hosts().await;
    for (id, image) in [
        (1, "ubuntu-22-04-x64"),
        (2, "debian-12-x64"),
        (3, "debian-13-x64"),
    ] {
        let mut request = request(id, "web-1");
        request.image = image.to_owned();
        hosts.boot(request).await.unwrap();
        hosts
            .run(id, "curl -fsSL https://get.docker.com | sh")
            .await
            .unwrap();
        hosts
            .run(id, "docker version && docker compose version")
            .await
            .unwrap();
        hosts
            .run(
                id,
                "apt-get remove -y docker-ce docker-ce-cli && ! command -v docker",
            )
            .await
            .unwrap();
        hosts
            .run(id, "apt-get install -y docker.io && docker version")
            .await
            .unwrap();
    }
}
