//! The keys of `cloud`.

use super::{PLAN, Row, UP, row};

const DB: &str = "db-1: { role: db, size: s-4vcpu-8gb }";

pub(crate) const ROWS: &[Row] = &[
    row(
        "cloud.provider",
        ("provider: digitalocean", "provider: elsewhere"),
        PLAN,
        "unknown cloud provider `elsewhere`",
    ),
    row(
        "cloud.name_pattern",
        (
            "  provider: digitalocean\n",
            "  provider: digitalocean\n  name_pattern: \"{project}-{env}-{host}\"\n",
        ),
        PLAN,
        "shop-staging-app-1",
    ),
    row(
        "cloud.expect_account",
        (
            "  provider: digitalocean\n",
            "  provider: digitalocean\n  expect_account: somebody-else\n",
        ),
        PLAN,
        "is not the expected one, somebody-else",
    ),
    row(
        "cloud.providers.digitalocean.default_region",
        ("default_region: nyc3", "default_region: ams3"),
        PLAN,
        "\"ams3\"",
    ),
    row(
        "cloud.providers.digitalocean.default_size",
        ("default_size: s-2vcpu-4gb", "default_size: s-1vcpu-1gb"),
        PLAN,
        "\"s-1vcpu-1gb\"",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.count",
        ("count: 2", "count: 3"),
        PLAN,
        "staging-app-3",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.image",
        (DB, "db-2: { role: db, image: debian-13-x64 }"),
        PLAN,
        "debian-13-x64",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.region",
        (DB, "db-1: { role: db, region: fra1 }"),
        PLAN,
        "\"fra1\"",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.role",
        (DB, "db-2: { role: cache }"),
        PLAN,
        "stagecraft-role-cache",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.size",
        (DB, "db-1: { role: db, size: s-8vcpu-16gb }"),
        PLAN,
        "\"s-8vcpu-16gb\"",
    ),
    row(
        "cloud.providers.digitalocean.rate.requests",
        ("poll:", "rate: { requests: 3, window: 700ms }\n      poll:"),
        PLAN,
        "at most 2 requests in ",
    ),
    row(
        "cloud.providers.digitalocean.rate.window",
        ("poll:", "rate: { requests: 3, window: 770ms }\n      poll:"),
        PLAN,
        "requests in 770ms",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.backups",
        (DB, "db-2: { role: db, backups: true }"),
        PLAN,
        "\"backups\": true",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.ipv6",
        (DB, "db-2: { role: db, ipv6: true }"),
        PLAN,
        "\"ipv6\": true",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.monitoring",
        (DB, "db-2: { role: db, monitoring: true }"),
        PLAN,
        "\"monitoring\": true",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.project",
        (DB, "db-2: { role: db, project: Nowhere }"),
        PLAN,
        "project `Nowhere` does not exist in the account",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.protect",
        (DB, "db-1: { role: db, size: s-4vcpu-8gb, protect: true }"),
        PLAN,
        "stagecraft-protect",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.tags",
        (
            DB,
            "db-1: { role: db, size: s-4vcpu-8gb, tags: [seen-here] }",
        ),
        PLAN,
        "seen-here",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.ttl",
        (DB, "db-1: { role: db, size: s-4vcpu-8gb, ttl: 7777s }"),
        PLAN,
        "7777",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.user_data",
        (DB, "db-2: { role: db, user_data: '#!/bin/sh' }"),
        PLAN,
        "3af71adb278ad4af33c144b78fa1ae708da03b773d98324ae991a7daedb53ca2",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.user_data_file",
        (DB, "db-2: { role: db, user_data_file: nowhere.yml }"),
        PLAN,
        "cannot read the user data of host 'db-2'",
    ),
    row(
        "cloud.providers.digitalocean.hosts.*.*.vpc",
        (DB, "db-2: { role: db, vpc: nowhere }"),
        PLAN,
        "VPC `nowhere` does not exist",
    ),
    row(
        "cloud.providers.digitalocean.regions",
        ("poll:", "regions: [ams3]\n      poll:"),
        PLAN,
        "not among the allowed regions",
    ),
    row(
        "cloud.providers.digitalocean.sizes",
        ("poll:", "sizes: [s-1vcpu-1gb]\n      poll:"),
        PLAN,
        "not among the allowed sizes",
    ),
    row(
        "cloud.providers.digitalocean.ssh_key_name",
        ("my-ssh-key", "no-such-key"),
        UP,
        "SSH key 'no-such-key' not found",
    ),
    row(
        "cloud.providers.digitalocean.token_env",
        ("token_env: DO_TOKEN", "token_env: NO_TOKEN"),
        PLAN,
        "API token missing from environment variable NO_TOKEN",
    ),
    row(
        "cloud.providers.digitalocean.token_file",
        ("token_env: DO_TOKEN", "token_file: nowhere"),
        PLAN,
        "API token missing from file nowhere",
    ),
    row(
        "cloud.providers.digitalocean.token_cmd",
        ("token_env: DO_TOKEN", "token_cmd: [no-such-program]"),
        PLAN,
        "API token missing from command `no-such-program`",
    ),
    row(
        "cloud.providers.digitalocean.poll.deadline",
        ("deadline: 20s", "deadline: 23s"),
        UP,
        "\"deadline_ms\":23000",
    ),
];
