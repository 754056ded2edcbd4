//! The keys of `network`.

use super::{DRY_RUN, PLAN, Row, UP, row};

const TAGS: &str = "default_tags: [\"tag:stagecraft\"]";

pub(crate) const ROWS: &[Row] = &[
    row(
        "network.provider",
        (
            "network:\n  provider: tailscale",
            "network:\n  provider: elsewhere",
        ),
        PLAN,
        "unknown network provider `elsewhere`",
    ),
    row(
        "network.providers.tailscale.accept_dns",
        (TAGS, "accept_dns: true"),
        DRY_RUN,
        "edit the tailscale settings",
    ),
    row(
        "network.providers.tailscale.default_tags",
        (TAGS, "default_tags: [\"tag:other\"]"),
        DRY_RUN,
        "tag:other",
    ),
    row(
        "network.providers.tailscale.role_tags.*",
        (TAGS, "role_tags: { db: [\"tag:db\"] }"),
        DRY_RUN,
        "tag:db",
    ),
    row(
        "network.providers.tailscale.install.min_version",
        (TAGS, "install: { min_version: \"9876.0\" }"),
        DRY_RUN,
        "9876.0",
    ),
    row(
        "network.providers.tailscale.login_server",
        (TAGS, "login_server: https://hs.example.com"),
        DRY_RUN,
        "hs.example.com",
    ),
    row(
        "network.providers.tailscale.tailnet_domain",
        ("sandbox.ts.net", "other.ts.net"),
        DRY_RUN,
        "other.ts.net",
    ),
    row(
        "network.providers.tailscale.auth_key_env",
        ("auth_key_env: TS_AUTHKEY", "auth_key_env: NO_KEY"),
        UP,
        "auth key missing from environment variable NO_KEY",
    ),
    row(
        "network.providers.tailscale.auth_key_file",
        ("auth_key_env: TS_AUTHKEY", "auth_key_file: nowhere"),
        UP,
        "auth key missing from file nowhere",
    ),
    row(
        "network.providers.tailscale.auth_key_cmd",
        (
            "auth_key_env: TS_AUTHKEY",
            "auth_key_cmd: [no-such-program]",
        ),
        UP,
        "auth key missing from command `no-such-program`",
    ),
    row(
        "network.providers.tailscale.install.method",
        (TAGS, "install: { method: skip }"),
        UP,
        "network_install_failed",
    ),
];
