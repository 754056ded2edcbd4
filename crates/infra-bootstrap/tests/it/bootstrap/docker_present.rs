//! What is there already: an installation that was cut off, Podman in Docker's place, Docker's
//! repository in a file of somebody else, and what comes beside the wanted packages.

use infra_bootstrap::{DockerConfig, InstallMethod};
use stagecraft_core::{FailureCode, StepOutcome};

use crate::bootstrap::docker::{apply, changed, failure, outcome};
use crate::bootstrap::support::Machine;

/// A host with all of Docker's packages, of version 27.5.1 and 1.5-1, which runs.
fn complete() -> Machine {
    let machine = Machine::new();
    machine.install_docker("docker-ce", "5:27.5.1-1~ubuntu.24.04~noble");
    machine.write("state/docker-version", "27.5.1");
    machine.write(
        "state/packages/docker-ce-cli",
        "5:27.5.1-1~ubuntu.24.04~noble",
    );
    for package in [
        "containerd.io",
        "docker-buildx-plugin",
        "docker-compose-plugin",
    ] {
        machine.write(&format!("state/packages/{package}"), "1.5-1");
    }
    machine.write("state/running", "");
    machine
}

fn versions(machine: &Machine) -> Vec<String> {
    [
        "docker-ce",
        "docker-ce-cli",
        "containerd.io",
        "docker-compose-plugin",
    ]
    .iter()
    .map(|name| {
        let version = machine.read(&format!("state/packages/{name}"));
        format!("{name} {}", version.trim_end())
    })
    .collect()
}

#[tokio::test]
async fn installation_that_was_cut_off_is_finished_at_its_own_versions() {
    for install_method in [InstallMethod::Apt, InstallMethod::Script] {
        for (package, version, state) in [
            ("docker-ce", "5:27.5.1-1~ubuntu.24.04~noble", "iF "),
            ("docker-ce", "5:27.5.1-1~ubuntu.24.04~noble", "iU "),
            ("docker-ce", "5:27.5.1-1~ubuntu.24.04~noble", "iHR"),
            ("docker-compose-plugin", "1.5-1", "iF "),
        ] {
            let machine = complete();
            machine.write(&format!("state/dpkg/{package}"), state);
            let before = versions(&machine);
            let config = DockerConfig {
                install_method,
                ..DockerConfig::default()
            };
            let report = apply(&machine, config.clone()).await;
            let finished = format!("finish the installation of {package} {version}");
            assert_eq!(outcome(&report), &changed(&finished), "{state}");
            assert_eq!(versions(&machine), before, "{package} {state}");
            // What lies on the disk needs no repository.
            let calls = machine.calls();
            assert_eq!(calls.contains("apt-get"), state == "iHR", "{calls}");
            let report = apply(&machine, config).await;
            assert_eq!(outcome(&report), &StepOutcome::Unchanged);
        }
    }
}

#[tokio::test]
async fn what_a_cut_off_installation_lacks_is_named_and_comes_at_the_version_that_was_begun() {
    let machine = complete();
    machine.write("state/dpkg/docker-ce-cli", "iU ");
    for package in ["docker-ce", "docker-buildx-plugin", "docker-compose-plugin"] {
        machine.remove(&format!("state/packages/{package}"));
    }
    machine.remove("state/running");
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(
        outcome(&report),
        &changed(
            "finish the installation of docker-ce-cli 5:27.5.1-1~ubuntu.24.04~noble, \
             install docker-ce, docker-buildx-plugin, docker-compose-plugin"
        )
    );
    assert_eq!(
        versions(&machine),
        [
            "docker-ce 5:27.5.1-1~ubuntu.24.04~noble",
            "docker-ce-cli 5:27.5.1-1~ubuntu.24.04~noble",
            "containerd.io 1.5-1",
            "docker-compose-plugin 1.7-1"
        ]
    );
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &StepOutcome::Unchanged);
}

#[tokio::test]
async fn hold_that_comes_with_the_finish_is_named_and_another_version_is_refused() {
    let machine = complete();
    machine.write("state/dpkg/docker-compose-plugin", "iF ");
    let pinned = |version: &str| DockerConfig {
        version: version.parse().unwrap(),
        ..DockerConfig::default()
    };
    let report = apply(&machine, pinned("29")).await;
    assert_eq!(failure(&report).code, FailureCode::DockerVerifyFailed);
    assert_eq!(
        failure(&report).message,
        "docker 27.5.1-1~ubuntu.24.04~noble is installed, but the configuration wants 29"
    );
    assert_eq!(machine.calls(), "");

    let report = apply(&machine, pinned("27.5")).await;
    assert_eq!(
        outcome(&report),
        &StepOutcome::Changed {
            changes: vec![
                "finish the installation of docker-compose-plugin 1.5-1".to_owned(),
                "hold docker-ce, docker-ce-cli at 27.5".to_owned(),
            ]
        }
    );
    let report = apply(&machine, pinned("27.5")).await;
    assert_eq!(outcome(&report), &StepOutcome::Unchanged);
}

#[tokio::test]
async fn plugin_that_is_added_leaves_the_other_packages_at_their_versions() {
    let machine = complete();
    machine.remove("state/packages/docker-compose-plugin");
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &changed("install the compose plugin"));
    assert_eq!(machine.read("state/packages/docker-buildx-plugin"), "1.5-1");
    assert_eq!(machine.read("state/packages/containerd.io"), "1.5-1");
}

#[tokio::test]
async fn client_without_an_engine_is_named_before_it_changes_and_containerd_stays() {
    let machine = complete();
    for package in ["docker-ce", "docker-buildx-plugin", "docker-compose-plugin"] {
        machine.remove(&format!("state/packages/{package}"));
    }
    machine.remove("state/running");
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(
        outcome(&report),
        &changed(
            "install the latest docker with a client of its version instead of \
             docker-ce-cli 5:27.5.1-1~ubuntu.24.04~noble"
        )
    );
    assert_eq!(
        versions(&machine)[1..3],
        [
            "docker-ce-cli 5:29.1.3-1~ubuntu.24.04~noble",
            "containerd.io 1.5-1"
        ]
    );
}

#[tokio::test]
async fn nothing_goes_that_cannot_be_downloaded_or_that_the_plan_does_not_name() {
    let missing = "E: Failed to fetch http://archive.ubuntu.com/docker-ce_29.deb  404  Not Found [IP: 203.0.113.7 80]\n";
    let machine = Machine::new();
    machine.install_docker("docker.io", "26.1.5+dfsg1");
    machine.write("state/packages/docker-cli", "");
    machine.write("state/apt-download", missing);
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(failure(&report).code, FailureCode::DockerInstallFailed);
    let message = &failure(&report).message;
    assert!(
        message.contains("the repository does not have a package that it lists"),
        "{message}"
    );
    assert!(!message.contains("removed before"), "{message}");
    for package in ["docker.io", "docker-cli"] {
        assert!(machine.has(&format!("state/packages/{package}")));
    }
    // Once is enough: it will not come by itself.
    assert!(!machine.calls().contains("sleep"), "{}", machine.calls());

    let machine = Machine::new();
    machine.install_docker("docker.io", "26.1.5+dfsg1");
    machine.write("state/packages/runc", "");
    machine.write("state/packages/podman", "");
    let report = apply(&machine, DockerConfig::default()).await;
    let message = &failure(&report).message;
    assert!(
        message.ends_with(
            "with docker.io runc these packages would be removed, which need them: podman"
        ),
        "{message}"
    );
    assert!(machine.has("state/packages/docker.io"));
}

#[tokio::test]
async fn failure_after_a_removal_names_what_is_gone() {
    let machine = Machine::new();
    machine.install_docker("docker.io", "26.1.5+dfsg1");
    machine.write("state/packages/docker-cli", "");
    machine.write("state/apt-install", "E: dpkg ended\n");
    let report = apply(&machine, DockerConfig::default()).await;
    let message = &failure(&report).message;
    assert!(
        message.ends_with("; removed before: docker-cli"),
        "{message}"
    );
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(
        outcome(&report),
        &changed("install the latest docker in place of docker.io")
    );
}

#[tokio::test]
async fn what_comes_goes_and_changes_beside_the_wanted_packages_is_reported() {
    let machine = Machine::new();
    machine.write("state/brings", "");
    machine.write("state/packages/libc6", "2.41-9");
    machine.write("state/packages/tini", "0.19-1");
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(
        outcome(&report),
        &StepOutcome::Changed {
            changes: [
                "install the latest docker",
                "also installed pigz",
                "also changed libc6 from 2.41-9 to 2.41-12",
                "also removed tini",
            ]
            .map(ToOwned::to_owned)
            .to_vec()
        }
    );
}

#[tokio::test]
async fn repository_in_a_file_of_others_is_found_by_its_content_and_set_aside() {
    let list = include_str!("fixtures/download_docker_com_linux_debian.list");
    let list = list.replace("debian bookworm", "ubuntu noble");
    let path = "etc/apt/sources.list.d/download_docker_com_linux_debian.list";
    let machine = Machine::new();
    machine.write(path, &list);
    let mixed = "deb http://archive.ubuntu.com/ubuntu noble main\n";
    let docker = "deb [ signed-by=/usr/share/keyrings/docker.gpg ] http://download.docker.com/linux/ubuntu/ noble stable\n";
    machine.write("etc/apt/sources.list", &format!("# all\n{mixed}{docker}"));
    let stanza = "Types: deb\nURIs:\n  https://download.docker.com/linux/ubuntu\nSuites: noble\nComponents: stable\n";
    machine.write("etc/apt/sources.list.d/extrepo.sources", stanza);
    // Not in force.
    let off = format!("{stanza}Enabled: no\n");
    machine.write("etc/apt/sources.list.d/off.sources", &off);
    machine.write("etc/apt/sources.list.d/others.list", mixed);

    let report = apply(&machine, DockerConfig::default()).await;
    let file = |name: &str| machine.path(name).display().to_string();
    assert_eq!(
        outcome(&report),
        &changed(&format!(
            "install the latest docker, replacing its repository in {}, {}, {}",
            file("etc/apt/sources.list"),
            file(path),
            file("etc/apt/sources.list.d/extrepo.sources")
        ))
    );
    assert!(!machine.has(path));
    assert_eq!(machine.read(&format!("{path}.disabled")), list);
    assert!(!machine.has("etc/apt/sources.list.d/extrepo.sources"));
    assert_eq!(
        machine.read("etc/apt/sources.list"),
        format!("# all\n{mixed}# {docker}")
    );
    assert_eq!(machine.read("etc/apt/sources.list.d/off.sources"), off);
    assert_eq!(machine.read("etc/apt/sources.list.d/others.list"), mixed);
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &StepOutcome::Unchanged);
}

#[tokio::test]
async fn repository_that_cannot_be_set_aside_is_refused_and_one_that_cannot_be_read_taken_back() {
    let stanzas = "Types: deb\nURIs: http://archive.ubuntu.com/ubuntu\nSuites: noble\nComponents: main\n\nTypes: deb\nURIs: https://download.docker.com/linux/ubuntu\nSuites: noble\nComponents: stable\n";
    for name in ["all.sources", "docker.sources"] {
        let path = format!("etc/apt/sources.list.d/{name}");
        let machine = Machine::new();
        machine.write(&path, stanzas);
        let report = apply(&machine, DockerConfig::default()).await;
        assert_eq!(
            failure(&report).message,
            format!(
                "{} declares docker's repository together with others",
                machine.path(&path).display()
            )
        );
        assert_eq!(machine.calls(), "");
        assert_eq!(machine.read(&path), stanzas);
    }

    let machine = Machine::new();
    let list = "deb https://download.docker.com/linux/ubuntu noble stable\n";
    let path = "etc/apt/sources.list.d/theirs.list";
    machine.write(path, list);
    machine.write(
        "state/apt-unread",
        "E: The repository 'https://download.docker.com/linux/ubuntu noble InRelease' is not signed.\n",
    );
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(
        failure(&report).message,
        "docker could not be installed: the package lists could not be read"
    );
    assert_eq!(machine.read(path), list);
    assert!(!machine.has("etc/apt/sources.list.d/docker.sources"));
}

#[tokio::test]
async fn podman_that_answers_as_docker_is_refused_by_name_or_makes_way_by_its_package() {
    let shim = "case \"$*\" in *--version) echo 'podman version 5.4.2' ;; *) echo '5.4.2|'; exit 125 ;; esac";
    let machine = Machine::new();
    machine.program("docker", shim);
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(failure(&report).code, FailureCode::DockerVerifyFailed);
    assert_eq!(
        failure(&report).message,
        format!(
            "podman version 5.4.2 answers as docker at {}",
            machine.path("bin/docker").display()
        )
    );
    assert_eq!(machine.calls(), "");

    // Under Docker's name podman calls itself so.
    let other = Machine::new();
    other.program("podman", &shim.replace("'podman v", "'docker v"));
    std::os::unix::fs::symlink(other.path("bin/podman"), other.path("bin/docker")).unwrap();
    let report = apply(&other, DockerConfig::default()).await;
    assert_eq!(
        failure(&report).message,
        format!(
            "docker version 5.4.2 answers as docker at {} -> {}",
            other.path("bin/docker").display(),
            other.path("bin/podman").display()
        )
    );

    machine.write("state/packages/podman-docker", "5.4.2");
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(
        outcome(&report),
        &changed("install the latest docker in place of podman-docker")
    );
    assert!(machine.calls().contains("dpkg --purge podman-docker"));
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &StepOutcome::Unchanged);

    // Docker's client, and podman behind the socket.
    let machine = complete();
    machine.program(
        "docker",
        "case \"$*\" in *--version) echo 'Docker version 27.5.1, build 1' ;; *) echo 'Podman Engine 5.4.2;Conmon 2;' ;; esac",
    );
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(
        failure(&report).message,
        "Podman Engine 5.4.2 answers as docker at the socket /run/docker.sock"
    );
    assert_eq!(machine.calls(), "");
}

#[tokio::test]
async fn engine_that_runs_no_container_fails_until_it_does() {
    let machine = Machine::new();
    machine.write(
        "state/no-container",
        "docker: Error response from daemon: unable to start container process: no cgroup\n",
    );
    for summary in [
        "docker answers, but runs no container: unable to start container process: no cgroup",
        "docker answers, but runs no container: unable to start container process: no cgroup",
    ] {
        let report = apply(&machine, DockerConfig::default()).await;
        assert_eq!(failure(&report).code, FailureCode::DockerVerifyFailed);
        assert_eq!(failure(&report).message, summary);
        assert!(!machine.has("state/check-image"));
    }
    machine.remove("state/no-container");
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(
        outcome(&report),
        &changed("check that docker runs a container")
    );
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &StepOutcome::Unchanged);
    assert!(!machine.has("var/lib/stagecraft"));
}

#[tokio::test]
async fn engine_whose_plugin_denies_the_container_is_not_failed_for_it() {
    let machine = Machine::new();
    machine.write(
        "state/no-container",
        "docker: Error response from daemon: authorization denied by plugin opa: not allowed.\n",
    );
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(
        outcome(&report),
        &StepOutcome::Changed {
            changes: vec![
                "install the latest docker".to_owned(),
                "no container was tried: authorization denied by plugin opa: not allowed."
                    .to_owned(),
            ]
        }
    );
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &StepOutcome::Unchanged);
}
