//! Docker beside what is on a host already: engines and packages of others, with the real apt.

use serde_json::Value;

use crate::hosts::{config, docker, lab};
use crate::stand_ins::{DOCKER, HOST, host, status};
use crate::support::Lab;

/// The fixture of hosts where Ansible has declared Docker's repository, for the one of the tests.
const DECLARED: &str = include_str!(
    "../../../infra-bootstrap/tests/it/bootstrap/fixtures/download_docker_com_linux_debian.list"
);
const VERSIONS: &str = "dpkg-query -W -f '${db:Status-Abbrev}${Package} ${Version}\n' \
    docker-ce docker-ce-cli containerd.io docker-compose-plugin docker.io containerd runc \
    2>/dev/null || :";

/// What the step `docker` of the one host has changed.
fn changes(result: &Value) -> Vec<String> {
    let mut steps = result["hosts"][0]["steps"]
        .as_array()
        .expect("steps")
        .iter();
    let step = steps.find(|step| step["step"] == "docker");
    let changes = step.expect("the step")["changes"].as_array();
    let changes = changes.unwrap_or_else(|| panic!("nothing changed: {result}"));
    let text = |change: &Value| change.as_str().expect("text").to_owned();
    changes.iter().map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn plugin_that_was_cut_off_is_finished_without_an_upgrade_of_the_engine() {
    let lab = host(&DOCKER.replace("{ mirror", "{ version: '27.5', mirror")).await;
    lab.heals().await;
    let broken = |state: &str| {
        format!(
            "sed -i '/^Package: docker-compose-plugin$/,/^$/s/^Status: .*/Status: {state}/' \
             /var/lib/dpkg/status"
        )
    };
    // 28.0.1 is offered, and nothing holds the engine any more.
    lab.edit("version: '27.5', ", "");
    lab.inside(HOST, "apt-mark unhold docker-ce docker-ce-cli")
        .await;
    let before = lab.inside(HOST, VERSIONS).await;
    assert!(before.contains("docker-ce 5:27.5.1-1"), "{before}");
    for state in [
        "install ok half-configured",
        "install reinstreq half-installed",
    ] {
        lab.inside(HOST, &broken(state)).await;
        let finished = lab.bootstrap().await.expect_code(0).result();
        assert_eq!(
            changes(&finished),
            ["finish the installation of docker-compose-plugin 5:28.0.1-1"],
            "{state}"
        );
        assert_eq!(lab.inside(HOST, VERSIONS).await, before, "{state}");
    }
    lab.heals().await;
    assert_eq!(lab.inside(HOST, VERSIONS).await, before);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn package_that_the_repository_lists_and_lacks_costs_no_engine() {
    let lab = host(&format!(
        "readiness: {{ interval: 200ms, deadline: 20s }}\n{DOCKER}"
    ))
    .await;
    let pool = "/srv/linux/debian/pool";
    let install =
        format!("dpkg -i {pool}/runc_*.deb {pool}/containerd_*.deb {pool}/docker.io_*.deb");
    lab.inside(HOST, &install).await;
    let lost = format!("mv {pool}/docker-ce_28*.deb /srv/");
    lab.inside(HOST, &lost).await;
    let serve = "setsid python3 -m http.server -d /srv 8000 >/dev/null 2>&1 &";
    lab.inside(HOST, serve).await;
    lab.until(HOST, "curl -fs http://127.0.0.1:8000/").await;
    let before = lab.inside(HOST, VERSIONS).await;
    for mirror in ["file:///srv/linux", "http://127.0.0.1:8000/linux"] {
        lab.edit("file:///srv/linux", mirror);
        let failed = lab.fails().await;
        assert_eq!(failed["code"], "docker_install_failed");
        let message = failed["message"].as_str().expect("a message");
        let cause = "the repository does not have a package that it lists";
        assert!(message.contains(cause), "{failed}");
        assert_eq!(lab.inside(HOST, VERSIONS).await, before, "{mirror}");
    }
    lab.inside(HOST, &format!("mv /srv/docker-ce_28*.deb {pool}/"))
        .await;
    let result = lab.bootstrap().await.expect_code(0).result();
    assert_eq!(
        changes(&result),
        ["install the latest docker in place of docker.io, containerd, runc"]
    );
    let after = lab.inside(HOST, VERSIONS).await;
    assert!(!after.contains("ii docker.io"), "{after}");
    lab.heals().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repository_that_others_have_declared_without_a_key_is_set_aside() {
    let lab = host(DOCKER).await;
    let declared = DECLARED.replace(
        "https://download.docker.com/linux/debian bookworm",
        "file:///srv/linux/debian trixie",
    );
    let folder = "/etc/apt/sources.list.d";
    let name = "download_docker_com_linux_debian.list";
    let declare = format!(
        "echo '{}' >{folder}/{name}
        cp /srv/linux/debian/gpg /etc/apt/trusted.gpg.d/docker.asc
        apt-get -q -o APT::Update::Error-Mode=any update",
        declared.trim_end()
    );
    lab.inside(HOST, &declare).await;
    let result = lab.bootstrap().await.expect_code(0).result();
    assert_eq!(
        changes(&result),
        [format!(
            "install the latest docker, replacing its repository in {folder}/{name}"
        )]
    );
    let whole = "apt-get -q -o APT::Update::Error-Mode=any update 2>&1; ls /etc/apt/sources.list.d";
    let told = lab.inside(HOST, whole).await;
    assert!(!told.contains("W:") && !told.contains("N:"), "{told}");
    assert!(
        told.ends_with(&format!("docker.sources\n{name}.disabled\n")),
        "{told}"
    );
    lab.heals().await;
    lab.shutdown().await;
}

/// A host with the packages of the lab's repository and of Debian.
async fn real() -> Lab {
    let lab = lab(&config(
        "web-1: { role: web, image: debian-13-x64 }",
        &docker(),
    ))
    .await;
    lab.infra("up", &["--yes", "--no-bootstrap"])
        .await
        .expect_code(0);
    lab.booted(HOST).await;
    lab
}

const NOTHING_LEFT: &str = "export DOCKER_HOST=unix:///run/docker.sock
docker ps --all --quiet; docker images --all --quiet; ls -A /var/lib/stagecraft | grep -vx given || :";

#[tokio::test(flavor = "multi_thread")]
async fn engine_is_the_one_behind_the_hosts_own_socket_and_must_run_a_container() {
    let lab = real().await;
    let installed = changes(&lab.bootstrap().await.expect_code(0).result());
    assert_eq!(installed[0], "install the latest docker");
    let beside = installed
        .iter()
        .find(|what| what.starts_with("also installed "));
    assert!(
        beside.is_some_and(|what| what.contains(" tini")),
        "{installed:?}"
    );
    assert_eq!(lab.inside(HOST, NOTHING_LEFT).await, "");

    // Another engine, to which everything of root's leads.
    let other = "systemd-run -q --unit other dockerd -H unix:///run/other.sock \
        --data-root /var/lib/docker/other --exec-root /run/other --pidfile /run/other.pid \
        --bridge none --iptables=false
        docker context create other --docker host=unix:///run/other.sock
        docker context use other
        echo DOCKER_HOST=unix:///run/other.sock >>/etc/environment
        systemctl stop docker.socket docker";
    lab.inside(HOST, other).await;
    lab.until(HOST, "docker version").await;
    // The host's own then starts, and cannot run anything.
    let broken = "runc=$(command -v runc); echo $runc; mv $runc /root/runc
        printf '#!/bin/sh\ncase \"$*\" in *--version) exec /root/runc --version ;; esac\nexit 1\n' >$runc
        chmod 755 $runc";
    let runc = lab.inside(HOST, broken).await;
    let failed = lab.fails().await;
    assert_eq!(failed["code"], "docker_verify_failed", "{failed}");
    let message = failed["message"].as_str().expect("a message");
    assert!(
        message.starts_with("docker answers, but runs no container: "),
        "{failed}"
    );
    lab.inside(HOST, &format!("mv /root/runc {}", runc.trim()))
        .await;
    let result = lab.bootstrap().await.expect_code(0).result();
    assert_eq!(changes(&result), ["check that docker runs a container"]);
    assert_eq!(
        status(&lab.bootstrap().await.expect_code(0).result(), "docker"),
        "unchanged"
    );
    assert_eq!(lab.inside(HOST, NOTHING_LEFT).await, "");

    // What a killed run leaves.
    let left = "export DOCKER_HOST=unix:///run/docker.sock
        mkdir -p /var/lib/stagecraft && touch /var/lib/stagecraft/docker-unverified
        head -c 10240 /dev/zero | docker import - stagecraft-check
        docker create --name stagecraft-check stagecraft-check /bin/sh
        systemctl stop docker.socket docker";
    lab.inside(HOST, left).await;
    let result = lab.bootstrap().await.expect_code(0).result();
    assert_eq!(changes(&result), ["start docker"]);
    assert_eq!(lab.inside(HOST, NOTHING_LEFT).await, "");
    lab.heals().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_that_answers_as_docker_makes_way_and_lives_on() {
    let lab = real().await;
    let podman = "export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update
        apt-get -qq -y install --no-install-recommends podman-docker >/dev/null
        docker --version";
    let shown = lab.inside(HOST, podman).await;
    assert!(shown.starts_with("podman version "), "{shown}");
    let installed = changes(&lab.bootstrap().await.expect_code(0).result());
    assert_eq!(
        installed[0],
        "install the latest docker in place of podman-docker"
    );
    let left = "docker --version; dpkg-query -W -f '${db:Status-Abbrev}\n' podman; \
        sh -lc 'echo \"${DOCKER_HOST-none}\"'; dpkg -S /usr/bin/docker";
    let left = lab.inside(HOST, left).await;
    assert!(left.starts_with("Docker version "), "{left}");
    assert!(
        left.ends_with("\nii \nnone\ndocker-ce-cli: /usr/bin/docker\n"),
        "{left}"
    );
    lab.heals().await;

    // In another way than by its package.
    lab.inside(HOST, "ln -s /usr/bin/podman /usr/local/bin/docker")
        .await;
    let failed = lab.fails().await;
    let message = failed["message"].as_str().expect("a message");
    let told = " answers as docker at /usr/local/bin/docker -> /usr/bin/podman";
    assert!(message.ends_with(told), "{failed}");
    lab.shutdown().await;
}
