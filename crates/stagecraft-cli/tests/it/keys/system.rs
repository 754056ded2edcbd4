//! The keys of `infra.bootstrap` that set up the system.

use super::{DRY_RUN, READINESS, Row, row};

pub(crate) const ROWS: &[Row] = &[
    row(
        "infra.bootstrap.swap",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    swap: 64M",
        ),
        DRY_RUN,
        "64 MiB of swap",
    ),
    row(
        "infra.bootstrap.sysctl.*",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    sysctl: { vm.swappiness: 7 }",
        ),
        DRY_RUN,
        "set vm.swappiness to 7",
    ),
    row(
        "infra.bootstrap.system.enabled",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    system: { enabled: false }",
        ),
        DRY_RUN,
        "system is not enabled",
    ),
    row(
        "infra.bootstrap.system.max_clock_skew",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    system: { max_clock_skew: 1ms }",
        ),
        DRY_RUN,
        "the clock is ",
    ),
    row(
        "infra.bootstrap.system.min_free_disk",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    system: { min_free_disk: 9999999T }",
        ),
        DRY_RUN,
        "are free on the disk of /",
    ),
    row(
        "infra.bootstrap.system.min_free_inodes",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    system: { min_free_inodes: 999999999999 }",
        ),
        DRY_RUN,
        "more files",
    ),
    row(
        "infra.bootstrap.system.require_time_service",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    system: { require_time_service: true }",
        ),
        DRY_RUN,
        "no service keeps the clock right",
    ),
    row(
        "infra.bootstrap.timezone",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    timezone: Europe/Berlin",
        ),
        DRY_RUN,
        "set the time zone to Europe/Berlin",
    ),
    row(
        "infra.bootstrap.unattended_upgrades",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    unattended_upgrades: true",
        ),
        DRY_RUN,
        "switch unattended upgrades on",
    ),
    row(
        "infra.bootstrap.users.*.authorized_keys",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    users: { ada: { authorized_keys: [ \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1cqyzY3mnbqVkXcGWpGG3oWp3X8Ck6E2k6ZcUpVx7Z\" ] } }",
        ),
        DRY_RUN,
        "add the user ada with 1 key",
    ),
    row(
        "infra.bootstrap.users.*.groups",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    users: { ada: { groups: [docker] } }",
        ),
        DRY_RUN,
        "the groups docker",
    ),
    row(
        "infra.bootstrap.users.*.revoked",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    users: { ada: { revoked: true, sudo: true } }",
        ),
        DRY_RUN,
        "a revoked account is given nothing",
    ),
    row(
        "infra.bootstrap.users.*.shell",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    users: { ada: { shell: /bin/zsh } }",
        ),
        DRY_RUN,
        "the shell /bin/zsh",
    ),
    row(
        "infra.bootstrap.users.*.sudo",
        (
            READINESS,
            "readiness: { interval: 100ms, deadline: 5s }\n    users: { ada: { sudo: true } }",
        ),
        DRY_RUN,
        "0 keys, sudo",
    ),
];
