//! The keys of `infra.bootstrap.docker`.

use super::{DRY_RUN, Row, UP, row};

const DOCKER: &str = "docker: { version: latest, install_method: apt }";

pub(crate) const ROWS: &[Row] = &[
    row(
        "infra.bootstrap.docker.enabled",
        (DOCKER, "docker: { enabled: false }"),
        DRY_RUN,
        "\"skipped\"",
    ),
    row(
        "infra.bootstrap.docker.version",
        (DOCKER, "docker: { version: \"7788\" }"),
        DRY_RUN,
        "7788",
    ),
    row(
        "infra.bootstrap.docker.install_method",
        (DOCKER, "docker: { install_method: skip }"),
        UP,
        "install_method",
    ),
    row(
        "infra.bootstrap.docker.mirror",
        (
            DOCKER,
            "docker: { mirror: \"https://mirror.invalid/linux\" }",
        ),
        UP,
        "from https://mirror.invalid/linux/ubuntu/gpg",
    ),
    row(
        "infra.bootstrap.docker.key",
        (DOCKER, "docker: { key: \"https://keys.invalid/docker\" }"),
        UP,
        "from https://keys.invalid/docker",
    ),
    row(
        "infra.bootstrap.docker.script",
        (
            DOCKER,
            "docker: { install_method: script, script: \"https://script.invalid\" }",
        ),
        UP,
        "https://script.invalid could not be downloaded",
    ),
    row(
        "infra.bootstrap.docker.packages.engine",
        (DOCKER, "docker: { packages: { engine: no-engine } }"),
        UP,
        "Unable to locate package no-engine",
    ),
    row(
        "infra.bootstrap.docker.packages.cli",
        (DOCKER, "docker: { packages: { cli: no-cli } }"),
        UP,
        "Unable to locate package no-cli",
    ),
    row(
        "infra.bootstrap.docker.packages.containerd",
        (DOCKER, "docker: { packages: { containerd: no-runtime } }"),
        UP,
        "Unable to locate package no-runtime",
    ),
    row(
        "infra.bootstrap.docker.packages.buildx",
        (DOCKER, "docker: { packages: { buildx: no-buildx } }"),
        UP,
        "Unable to locate package no-buildx",
    ),
    row(
        "infra.bootstrap.docker.packages.compose",
        (DOCKER, "docker: { packages: { compose: no-compose } }"),
        UP,
        "Unable to locate package no-compose",
    ),
];
