//! Packages on the way to Docker: those that stand against it, locks and mirrors.

use infra_bootstrap::{DockerConfig, DockerPackages, InstallMethod};
use stagecraft_core::{FailureCode, StepOutcome};

use crate::bootstrap::docker::{apply, changed, failure, outcome};
use crate::bootstrap::support::Machine;

#[tokio::test]
async fn conflicting_packages_are_named_before_they_are_replaced() {
    let machine = Machine::new();
    machine.install_docker("docker.io", "26.1.5+dfsg1");
    machine.write("state/packages/runc", "");
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(
        outcome(&report),
        &changed("install the latest docker in place of docker.io, runc")
    );
    assert!(!machine.has("state/packages/docker.io"));
    assert!(!machine.has("state/packages/runc"));
    assert_eq!(
        outcome(&apply(&machine, DockerConfig::default()).await),
        &StepOutcome::Unchanged
    );
}

#[tokio::test]
async fn packages_that_share_files_with_dockers_own_go_once_these_are_downloaded() {
    let shared = ["docker-cli", "docker-buildx", "docker-compose-v2"];
    let machine = Machine::new();
    machine.install_docker("docker.io", "26.1.5+dfsg1");
    for package in shared {
        machine.write(&format!("state/packages/{package}"), "");
    }
    let by_script = DockerConfig {
        install_method: InstallMethod::Script,
        ..DockerConfig::default()
    };
    let report = apply(&machine, by_script).await;
    assert_eq!(failure(&report).code, FailureCode::ConfigInvalid);
    assert_eq!(
        failure(&report).message,
        "docker's script cannot replace docker-cli, docker-buildx, docker-compose-v2"
    );
    assert_eq!(machine.calls(), "");

    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(
        outcome(&report),
        &changed(
            "install the latest docker in place of \
             docker.io, docker-cli, docker-buildx, docker-compose-v2"
        )
    );
    let calls = machine.calls();
    let download = calls.find("--download-only").expect("a download");
    let removal = calls
        .rfind(" remove docker-cli docker-buildx")
        .expect(&calls);
    assert!(download < removal, "{calls}");
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &StepOutcome::Unchanged);
}

#[tokio::test]
async fn plugin_that_comes_too_takes_the_distributions_out_of_its_way() {
    let machine = Machine::new();
    machine.install_docker("docker-ce", "27.5.1");
    machine.write("state/running", "");
    machine.write("state/packages/docker-buildx", "");
    let report = apply(&machine, DockerConfig::default()).await;
    let StepOutcome::Changed { changes } = outcome(&report) else {
        panic!("{report:?}");
    };
    assert_eq!(
        changes[0],
        "install the compose plugin in place of docker-buildx"
    );
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &StepOutcome::Unchanged);
}

#[tokio::test]
async fn foreign_engine_that_runs_is_left_alone_with_advice() {
    for install_method in [InstallMethod::Apt, InstallMethod::Script] {
        let machine = Machine::new();
        machine.install_docker("docker.io", "26.1.5+dfsg1");
        machine.write("state/running", "");
        let config = DockerConfig {
            install_method,
            ..DockerConfig::default()
        };
        let report = apply(&machine, config.clone()).await;
        let refusal = failure(&report);
        assert_eq!(refusal.code, FailureCode::DockerVerifyFailed);
        assert_eq!(
            refusal.message,
            "docker 26.1.5+dfsg1 runs without the compose plugin, and is not docker's own package"
        );
        assert!(refusal.evidence[0].contains("install the distribution's compose package"));
        assert_eq!(machine.calls(), "");
        assert!(machine.has("state/packages/docker.io"));

        // It was stopped when the host was looked at, and started right after.
        machine.remove("state/running");
        let started = machine.path("state/running").display().to_string();
        let client = machine.read("bin/docker").replace(
            "case \"$*\" in",
            &format!("case \"$*\" in *compose*) echo >{started} ;; esac\ncase \"$*\" in"),
        );
        machine.program("docker", client.strip_prefix("#!/bin/sh\n").unwrap());
        let report = apply(&machine, config).await;
        assert_eq!(failure(&report).code, FailureCode::DockerVerifyFailed);
        assert!(machine.has("state/packages/docker.io"));
        assert_eq!(machine.calls(), "");
    }
}

#[tokio::test]
async fn conflicting_packages_stay_while_the_vendors_cannot_be_installed() {
    let unmet = "E: Unable to correct problems, you have held broken packages.\n";
    let mirror = "E: Failed to fetch http://archive.ubuntu.com/x  503\n";
    for (file, text) in [
        ("state/apt-simulate", unmet.to_owned()),
        ("state/apt-update", mirror.repeat(3)),
        ("state/offline", String::new()),
    ] {
        let machine = Machine::new();
        machine.install_docker("docker.io", "26.1.5+dfsg1");
        machine.write(file, &text);
        let report = apply(&machine, DockerConfig::default()).await;
        assert_eq!(
            failure(&report).code,
            FailureCode::DockerInstallFailed,
            "{file}"
        );
        assert!(machine.has("state/packages/docker.io"), "{file}");
    }
}

#[tokio::test]
async fn locked_lists_interrupted_dpkg_and_mirror_hiccups_are_got_over() {
    let machine = Machine::new();
    machine.write(
        "state/apt-update",
        "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 9 (apt-get)\nE: Failed to fetch http://archive.ubuntu.com/x  503\n",
    );
    machine.write(
        "state/apt-install",
        "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.\n",
    );
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &changed("install the latest docker"));
    let calls = machine.calls();
    assert_eq!(calls.matches("sleep 5").count(), 2, "{calls}");
    assert_eq!(calls.matches("--configure -a").count(), 1, "{calls}");
}

#[tokio::test]
async fn evidence_leads_with_the_errors_and_leaves_out_what_went_well() {
    let machine = Machine::new();
    machine.write(
        "state/apt-update",
        "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 9 (apt-get)\n",
    );
    machine.write(
        "state/apt-says",
        "Reading package lists...\n\
         dpkg: warning: files list file for package 'x' missing\n\
         Setting up docker-ce (5:29.1.3) ...\n\
         invoke-rc.d: initscript docker, action \"start\" failed.\n\
         dpkg: error processing package docker-ce (--configure):\n \
         installed docker-ce package post-installation script subprocess returned error\n\
         Processing triggers for man-db (2.12.0) ...\n\
         Errors were encountered while processing:\n docker-ce\n",
    );
    // Without an end of the line: nothing is lost of it, and what comes next is a line of its own.
    let last = "E: Sub-process /usr/bin/dpkg returned an error code (1)";
    machine.write("state/apt-install", last);
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(
        failure(&report).evidence,
        [
            "dpkg: error processing package docker-ce (--configure):",
            " installed docker-ce package post-installation script subprocess returned error",
            "Errors were encountered while processing:",
            " docker-ce",
            last,
            // A lock that was got over is not what it failed of.
            "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 9 (apt-get)",
            "dpkg: warning: files list file for package 'x' missing",
            "Setting up docker-ce (5:29.1.3) ...",
            "invoke-rc.d: initscript docker, action \"start\" failed.",
            "Processing triggers for man-db (2.12.0) ...",
        ]
    );
}

#[tokio::test]
async fn locks_are_waited_for_by_the_clock_and_no_longer() {
    let lists =
        "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 9 (apt-get)\n";
    let dpkg = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 9 (apt)\n";
    for (file, text, takes, sleeps) in [
        // At once, every time: 60 pauses of 5 s.
        ("state/apt-update", lists, 0, 60),
        // A slow answer each time: 45 + 5 s, six times.
        ("state/apt-update", lists, 45, 6),
        // apt itself has waited all the time that there is.
        ("state/apt-install", dpkg, 300, 0),
    ] {
        let machine = Machine::new();
        machine.write(file, &text.repeat(100));
        machine.write("state/apt-takes", &takes.to_string());
        let report = apply(&machine, DockerConfig::default()).await;
        assert_eq!(failure(&report).code, FailureCode::DockerInstallFailed);
        let calls = machine.calls();
        assert_eq!(calls.matches("sleep 5").count(), sleeps, "{file} {takes}");
    }
}

#[tokio::test]
async fn time_spent_on_one_lock_is_missing_for_the_next() {
    let machine = Machine::new();
    let lists =
        "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 9 (apt-get)\n";
    machine.write("state/apt-update", &lists.repeat(4));
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &changed("install the latest docker"));
    let calls = machine.calls();
    let last = calls.lines().rfind(|call| call.starts_with("apt-get"));
    assert!(last.unwrap().contains("DPkg::Lock::Timeout=280"), "{calls}");
}

#[tokio::test]
async fn lists_that_could_not_be_read_are_tried_again_with_the_vendors_script_too() {
    let mirror = "E: Failed to fetch http://archive.ubuntu.com/x  503\n";
    for install_method in [InstallMethod::Apt, InstallMethod::Script] {
        let machine = Machine::new();
        machine.write("state/apt-update", mirror);
        let config = DockerConfig {
            install_method,
            ..DockerConfig::default()
        };
        let report = apply(&machine, config).await;
        assert_eq!(outcome(&report), &changed("install the latest docker"));
        let calls = machine.calls();
        assert_eq!(calls.matches("sleep 5").count(), 1, "{calls}");
    }
}

#[tokio::test]
async fn repository_of_others_that_cannot_be_read_stops_nothing() {
    // As apt 2.6 says it on Debian 11, whose backports were archived.
    let others = "Hit:1 https://download.docker.com/linux/ubuntu noble InRelease\n\
                  Err:4 http://deb.debian.org/debian bullseye-backports Release\n  \
                  404  Not Found [IP: 203.0.113.80 80]\n\
                  E: The repository 'http://deb.debian.org/debian bullseye-backports Release' does not have a Release file.\n";
    let machine = Machine::new();
    machine.write("state/apt-unread", others);
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &changed("install the latest docker"));
    assert!(machine.has("etc/apt/sources.list.d/docker.sources"));

    // Of one that does not answer, apt tells no more than this line.
    let own = "Err:5 https://download.docker.com/linux/ubuntu noble InRelease\n";
    let machine = Machine::new();
    machine.write("state/apt-unread", &format!("{own}{others}"));
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(
        failure(&report).message,
        "docker could not be installed: the package lists could not be read"
    );
    assert!(!machine.has("etc/apt/sources.list.d/docker.sources"));
}

#[tokio::test]
async fn confined_curl_gets_the_key_and_the_script_and_leaves_nothing() {
    for install_method in [InstallMethod::Apt, InstallMethod::Script] {
        let machine = Machine::new();
        let config = DockerConfig {
            install_method,
            ..DockerConfig::default()
        };
        let report = apply(&machine, config).await;
        assert_eq!(outcome(&report), &changed("install the latest docker"));
        let left = std::fs::read_dir(machine.path("tmp")).unwrap().count();
        assert_eq!(left, 0);
    }
}

#[tokio::test]
async fn mirror_key_and_names_of_packages_are_the_configured_ones() {
    let machine = Machine::new();
    let config = DockerConfig {
        mirror: "http://mirror.example:8080/linux/".parse().unwrap(),
        packages: DockerPackages {
            engine: "docker.io".parse().unwrap(),
            ..DockerPackages::default()
        },
        ..DockerConfig::default()
    };
    let report = apply(&machine, config.clone()).await;
    assert_eq!(outcome(&report), &changed("install the latest docker"));
    let calls = machine.calls();
    assert!(
        calls.contains("http://mirror.example:8080/linux/ubuntu/gpg"),
        "{calls}"
    );
    assert!(
        calls.contains(" install docker.io docker-ce-cli "),
        "{calls}"
    );
    let sources = machine.read("etc/apt/sources.list.d/docker.sources");
    assert!(sources.contains("URIs: http://mirror.example:8080/linux/ubuntu\n"));
    let report = apply(&machine, config).await;
    assert_eq!(outcome(&report), &StepOutcome::Unchanged);

    let machine = Machine::new();
    let config = DockerConfig {
        key: Some("https://keys.example/portal/gpg".parse().unwrap()),
        ..DockerConfig::default()
    };
    let report = apply(&machine, config).await;
    assert_eq!(
        failure(&report).message,
        "docker could not be installed: what https://keys.example/portal/gpg gives is no key"
    );
    assert!(!machine.has("etc/apt/keyrings/docker.asc"));
}

#[tokio::test]
async fn sources_of_docker_that_somebody_else_wrote_stay() {
    let machine = Machine::new();
    let other = "deb https://packages.example/docker noble main\n";
    machine.write("etc/apt/sources.list.d/docker.list", other);
    let report = apply(&machine, DockerConfig::default()).await;
    assert_eq!(outcome(&report), &changed("install the latest docker"));
    assert_eq!(machine.read("etc/apt/sources.list.d/docker.list"), other);
}
