//! The keys of `infra.bootstrap` by which hosts are met: `readiness`, `ssh` and `network`.

use super::{DRY_RUN, PLAN, READINESS, Row, UP, row};

pub(crate) const ROWS: &[Row] = &[
    row(
        "infra.bootstrap.network.provider",
        (
            "network: { provider: tailscale }",
            "network: { provider: elsewhere }",
        ),
        PLAN,
        "`elsewhere` is not the configured network provider",
    ),
    row(
        "infra.bootstrap.readiness.deadline",
        (
            READINESS,
            "readiness: { deadline: 1s }\n    ssh: { port: 9 }",
        ),
        DRY_RUN,
        "waited 1s for an SSH session",
    ),
    row(
        "infra.bootstrap.ssh.port",
        (
            READINESS,
            "readiness: { deadline: 500ms }\n    ssh: { port: 9 }",
        ),
        DRY_RUN,
        "connection refused",
    ),
    row(
        "infra.bootstrap.ssh.user",
        (
            READINESS,
            "readiness: { deadline: 500ms }\n    ssh: { user: nobody }",
        ),
        DRY_RUN,
        "nobody",
    ),
    row(
        "infra.bootstrap.ssh.jump",
        (
            READINESS,
            "readiness: { deadline: 500ms }\n    ssh: { jump: '127.0.0.1:9' }",
        ),
        DRY_RUN,
        "127.0.0.1:9",
    ),
    row(
        "infra.bootstrap.ssh.known_hosts_file",
        (
            READINESS,
            "ssh: { jump: '127.0.0.1:9', known_hosts_file: . }",
        ),
        DRY_RUN,
        "cannot read the known host keys",
    ),
    row(
        "infra.bootstrap.ssh.config_file",
        (READINESS, "ssh: { config_file: nowhere.conf }"),
        DRY_RUN,
        "nowhere.conf does not exist",
    ),
    row(
        "infra.bootstrap.ssh.passphrase_env",
        (
            READINESS,
            "ssh: { private_key_path: locked, passphrase_env: NO_PASS }",
        ),
        DRY_RUN,
        "passphrase missing from environment variable NO_PASS",
    ),
    row(
        "infra.bootstrap.ssh.passphrase_file",
        (
            READINESS,
            "ssh: { private_key_path: locked, passphrase_file: nowhere }",
        ),
        DRY_RUN,
        "passphrase missing from file nowhere",
    ),
    row(
        "infra.bootstrap.ssh.passphrase_cmd",
        (
            READINESS,
            "ssh: { private_key_path: locked, passphrase_cmd: [no-such-program] }",
        ),
        DRY_RUN,
        "passphrase missing from command `no-such-program`",
    ),
    row(
        "infra.bootstrap.ssh.sudo_password_env",
        (
            READINESS,
            "ssh: { user: nobody, sudo_password_env: NO_PASS }",
        ),
        DRY_RUN,
        "password for sudo missing from environment variable NO_PASS",
    ),
    row(
        "infra.bootstrap.ssh.sudo_password_file",
        (
            READINESS,
            "ssh: { user: nobody, sudo_password_file: nowhere }",
        ),
        DRY_RUN,
        "password for sudo missing from file nowhere",
    ),
    row(
        "infra.bootstrap.ssh.sudo_password_cmd",
        (
            READINESS,
            "ssh: { user: nobody, sudo_password_cmd: [no-such-program] }",
        ),
        DRY_RUN,
        "password for sudo missing from command `no-such-program`",
    ),
    row(
        "infra.bootstrap.ssh.private_key_path",
        (READINESS, "ssh: { private_key_path: nowhere }"),
        UP,
        "nowhere does not exist",
    ),
];
