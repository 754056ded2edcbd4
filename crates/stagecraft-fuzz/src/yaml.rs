//! Malicious configurations.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;

/// Keys that some part of a configuration reads, and some unknown ones.
const KEYS: &[&str] = &[
    "project",
    "name",
    "cloud",
    "network",
    "infra",
    "provider",
    "providers",
    "digitalocean",
    "tailscale",
    "bootstrap",
    "docker",
    "readiness",
    "ssh",
    "token_env",
    "tokenEnv",
    "ssh_key_name",
    "default_region",
    "default_size",
    "default_image",
    "hosts",
    "staging",
    "prod",
    "app",
    "app-1",
    "role",
    "count",
    "size",
    "region",
    "image",
    "poll",
    "interval",
    "deadline",
    "list_lag",
    "rate",
    "window",
    "requests",
    "auth_key_env",
    "tailnet_domain",
    "default_tags",
    "role_tags",
    "install",
    "method",
    "min_version",
    "login_server",
    "accept_dns",
    "oauth",
    "version",
    "enabled",
    "install_method",
    "user",
    "port",
    "private_key_path",
    "services",
    "<<",
    "",
    "0",
    "~",
    "\u{202e}x",
    "a b",
    "x-unknown",
];

const SCALARS: &[&str] = &[
    "~",
    "true",
    "no",
    "0",
    "-1",
    "1",
    "12",
    "65536",
    "18446744073709551616",
    "1e999",
    ".nan",
    "0o7",
    "0x10",
    "5s",
    "5ms",
    "99999999999999999999h",
    "'1.5h'",
    "digitalocean",
    "tailscale",
    "apt",
    "skip",
    "auto",
    "latest",
    "s-1vcpu-1gb",
    "nyc1",
    "app",
    "DO_TOKEN",
    "'tag:db'",
    "tail1234.ts.net",
    "https://headscale.example.com",
    "\"\\ud800\"",
    "\"\\0\"",
    "''",
    "!!binary aGk=",
    "!!str 1",
    "!x y",
    "&a 1",
    "*a",
    "2038-01-19",
    "'\u{1b}[2J'",
    "\"\\e[8m\"",
    "é",
    "-",
    "=",
    "'a: b'",
];

/// Any nesting of known and unknown keys, as text.
fn tree() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        8 => select(SCALARS).prop_map(str::to_owned),
        1 => "[a-z0-9.:/-]{1,40}".prop_map(|text| format!("'{text}'")),
    ];
    leaf.prop_recursive(7, 80, 8, |inner| {
        prop_oneof![
            5 => prop::collection::vec((key(), inner.clone()), 0..8).prop_map(|entries| {
                let entries: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                format!("{{{}}}", entries.join(", "))
            }),
            1 => prop::collection::vec(inner, 0..5)
                .prop_map(|items| format!("[{}]", items.join(", "))),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        20 => select(KEYS).prop_map(|key| format!("\"{key}\"")),
        1 => "[a-z-]{1,70}",
        1 => select(&["[a]", "{b: c}", "1", "~", "&k k", "*k", "? x"][..]).prop_map(str::to_owned),
    ]
}

/// Configurations with partly real structure and arbitrary values.
pub fn configurations() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => tree(),
        3 => (tree(), tree(), tree(), tree()).prop_map(|(hosts, poll, network, bootstrap)| format!(
            "cloud:\n  provider: digitalocean\n  providers:\n    digitalocean:\n      token_env: DO_TOKEN\n      \
             ssh_key_name: ops\n      default_region: nyc1\n      default_size: small\n      poll: {poll}\n      \
             hosts: {hosts}\nnetwork:\n  provider: tailscale\n  providers:\n    tailscale: {network}\ninfra:\n  \
             bootstrap: {bootstrap}\n"
        )),
        2 => (key(), tree(), key(), tree())
            .prop_map(|(a, b, c, d)| format!("{a}: {b}\n{c}: {d}\ncloud: {{provider: digitalocean}}\n")),
    ]
}

/// Texts that grow without end in a reader without limits, each with its name.
///
/// `size` is their approximate length in bytes.
pub fn bombs(size: usize) -> Vec<(&'static str, String)> {
    let lines = |line: &dyn Fn(usize) -> String| {
        let mut text = String::new();
        for number in 0.. {
            if text.len() >= size {
                break;
            }
            text.push_str(&line(number));
        }
        text
    };
    let below_hosts = "cloud:\n  provider: digitalocean\n  providers:\n    digitalocean:\n      token_env: A\n      \
         ssh_key_name: b\n      hosts:\n        prod:\n";
    let long = "k".repeat(size);
    vec![
        ("open lists", "[".repeat(size)),
        ("open mappings", "{a: ".repeat(size / 4)),
        (
            "open and closed lists",
            format!("{}{}", "[".repeat(size / 2), "]".repeat(size / 2)),
        ),
        ("lists in lists in one line", "- ".repeat(size / 2)),
        ("list of items", "- a\n".repeat(size / 4)),
        ("complex keys", "? ".repeat(size / 2)),
        ("nested blocks", {
            let depth = size.isqrt();
            (0..depth).fold(String::new(), |mut text, depth| {
                writeln!(text, "{}a:", " ".repeat(depth)).expect("a string");
                text
            })
        }),
        ("documents", "---\n".repeat(size / 4)),
        ("unknown keys", lines(&|number| format!("k{number}: 1\n"))),
        (
            "unknown steps",
            lines(&|number| match number {
                0 => "cloud: {provider: digitalocean}\ninfra:\n  bootstrap:\n".to_owned(),
                _ => format!("    k{number}: {{}}\n"),
            }),
        ),
        (
            "hosts without anything",
            lines(&|number| match number {
                0 => below_hosts.to_owned(),
                _ => format!("          h{number}: {{}}\n"),
            }),
        ),
        (
            "unknown keys of a host",
            lines(&|number| match number {
                0 => format!("{below_hosts}          app-1:\n"),
                _ => format!("            k{number}: 1\n"),
            }),
        ),
        (
            "long name above unknown keys",
            format!(
                "{below_hosts}          ? {}\n          :\n{}",
                "k".repeat(size / 2),
                "            <<: 1\n            k: 1\n".repeat(size / 64),
            ),
        ),
        ("long key", format!("? {long}\n: 1\n")),
        (
            "long unknown key of a host",
            format!("{below_hosts}          app-1:\n            ? {long}\n            : 1\n"),
        ),
        (
            "long unknown word",
            format!(
                "infra:\n  bootstrap:\n    docker: {{install_method: {long}}}\ncloud: {{provider: {long}}}\n"
            ),
        ),
        (
            "long name",
            format!("project: {{name: {long}}}\ncloud: {{provider: digitalocean}}\n"),
        ),
        (
            "long number",
            format!("cloud: {{provider: {}}}\n", "9".repeat(size)),
        ),
        (
            "anchors",
            lines(&|number| format!("k{number}: &a{number} 1\n")),
        ),
        (
            "aliases to one scalar",
            format!("a: &a x\nb: [{}]\n", "*a, ".repeat(size / 4)),
        ),
        (
            "alias to itself",
            "cloud: &a {provider: *a, providers: [*a, *a]}\n".to_owned(),
        ),
        (
            "merge with itself",
            "cloud: &a\n  <<: *a\n  provider: digitalocean\n".to_owned(),
        ),
        ("nine laughs", laughs(9)),
        ("forty laughs", laughs(40)),
        (
            "long scalar many times",
            format!(
                "a: &a {}\nb: [{}]\n",
                "x".repeat(size / 2),
                "*a, ".repeat(size / 8)
            ),
        ),
        (
            "binary",
            format!("cloud: !!binary {}\n", "QUFB".repeat(size / 4)),
        ),
        ("blanks", " ".repeat(size)),
        ("tabs", "\t".repeat(size)),
        ("newlines", "\n".repeat(size)),
        ("NUL bytes", "\0".repeat(size)),
        ("comment", format!("#{long}")),
        ("open quote", format!("a: \"{long}")),
        ("colons", ":".repeat(size)),
        ("tags", "!a ".repeat(size / 3)),
        ("directives", "%TAG ! tag:x,2000:\n".repeat(size / 19)),
        ("carriage returns", "a: b\r".repeat(size / 5)),
    ]
}

/// Lists of ten aliases to the level below: ten to the power of `levels` items.
fn laughs(levels: usize) -> String {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..levels {
        let below = format!("*a{}", level - 1);
        writeln!(
            text,
            "a{level}: &a{level} [{}]",
            [below.as_str(); 10].join(", ")
        )
        .expect("a string");
    }
    writeln!(
        text,
        "cloud: {{provider: digitalocean, providers: {{digitalocean: *a{}}}}}",
        levels - 1
    )
    .expect("a string");
    text
}
