//! Files of known hosts, compared with `ssh-keygen -F`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use stagecraft_ssh::known_hosts::{KnownHosts, name_of};

use crate::differences;
use crate::openssh::World;

/// The share of questions that must be answered as OpenSSH answers them.
const GOAL: f64 = 97.0;

const ED: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINeGUKSIzVoC/HDNcmgcvAxksrVi2kh6EsS4b76qHpwG";
const EC: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGloyNyIclj7B1i/4sGdTMct8O/Wo5LN3qDFqo/LZSHwZQcn9SDd6Vi+EyvJZPQHnm/clPmV+Ens/niUq1q8GC8=";

/// Lines, with `ED` and `EC` for keys.
const FILES: &[(&str, &str)] = &[
    ("plain", "web.example ED\n"),
    ("with a comment", "web.example ED root@web more\n"),
    (
        "several names",
        "web.example,db.example,192.0.2.7,2001:db8::1 ED\n",
    ),
    ("two types", "web.example ED\nweb.example EC\n"),
    ("same twice", "web.example ED\nweb.example ED\n"),
    ("capitals", "WEB.Example ED\n"),
    ("port", "[web.example]:2222 ED\nweb.example EC\n"),
    ("usual port in brackets", "[web.example]:22 ED\n"),
    (
        "address with port",
        "[192.0.2.7]:2222,[2001:db8::1]:2222 ED\n",
    ),
    ("star", "* ED\n"),
    ("pattern", "*.example ED\n"),
    ("question mark", "we?.example ED\n"),
    ("pattern of ports", "[*.example]:* ED\n"),
    ("pattern of a network", "192.0.2.* ED\n"),
    ("negated", "*.example,!web.example ED\n"),
    ("negated first", "!web.example,*.example ED\n"),
    ("only negated", "!db.example ED\n"),
    ("revoked", "@revoked web.example ED\nweb.example EC\n"),
    ("revoked everywhere", "@revoked * ED\nweb.example ED\n"),
    (
        "authority",
        "@cert-authority *.example ED\nweb.example EC\n",
    ),
    ("unknown marker", "@other web.example ED\nweb.example EC\n"),
    ("comments", "# web.example ED\n\n  # more\nweb.example ED\n"),
    (
        "blanks",
        "  web.example \t ED  \t comment\n\t\nweb.example\tEC\n",
    ),
    ("carriage returns", "web.example ED\r\ndb.example EC\r\n"),
    ("no newline", "db.example EC\nweb.example ED"),
    (
        "broken lines",
        "web.example\nweb.example ssh-ed25519\nweb.example ED\n",
    ),
    ("empty", ""),
    (
        "hashed",
        "HASHED web.example,192.0.2.7 ED\ndb.example EC\n[web.example]:2222 ED\n",
    ),
    (
        "hashed and plain",
        "HASHED web.example ED\nweb.example EC\n",
    ),
    ("hashed capitals", "HASHED Web.Example ED\n"),
    (
        "hashed patterns stay",
        "HASHED *.example ED\nweb.example EC\n",
    ),
    (
        "hashed revoked",
        "HASHED @revoked web.example ED\nweb.example EC\n",
    ),
];

const QUESTIONS: &[(&str, u16)] = &[
    ("web.example", 22),
    ("web.example", 2222),
    ("WEB.example", 22),
    ("db.example", 22),
    ("192.0.2.7", 22),
    ("192.0.2.7", 2222),
    ("2001:db8::1", 22),
    ("2001:db8::1", 2222),
    ("other", 22),
];

/// Numbers of lines, and whether they say `@revoked` or `@cert-authority`.
type Lines = BTreeSet<(usize, &'static str)>;

fn theirs(path: &Path, host: &str, port: u16) -> Lines {
    let output = Command::new("ssh-keygen")
        .args(["-F", &name_of(host, port), "-f"])
        .arg(path)
        .output()
        .expect("ssh-keygen, from Debian's openssh-client");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter_map(|line| {
        let (_, rest) = line.strip_prefix("# Host ")?.split_once(" found: line ")?;
        let mut words = rest.split_whitespace();
        let number = words.next()?.parse().ok()?;
        let marker = match words.next() {
            Some("REVOKED") => "revoked",
            Some("CA") => "authority",
            _ => "",
        };
        Some((number, marker))
    });
    lines.collect()
}

fn ours(path: &Path, host: &str, port: u16) -> Lines {
    let known = KnownHosts::load(path).unwrap().lookup(host, port);
    let lines = known.iter().map(|known| {
        let marker = if known.is_revoked { "revoked" } else { "" };
        (known.line, marker)
    });
    lines.collect()
}

#[test]
fn known_hosts_are_understood_as_openssh_understands_them() {
    let world = World::new();
    let path = world.path("known_hosts");
    let mut count = 0;
    let mut found = Vec::new();
    for (name, text) in FILES {
        let (is_hashed, text) = match text.strip_prefix("HASHED ") {
            Some(text) => (true, text),
            None => (false, *text),
        };
        fs::write(&path, text.replace("ED", ED).replace("EC", EC)).unwrap();
        if is_hashed {
            let hashing = Command::new("ssh-keygen")
                .args(["-q", "-H", "-f"])
                .arg(&path)
                .output();
            assert!(hashing.unwrap().status.success(), "{name}");
        }
        for (host, port) in QUESTIONS {
            count += 1;
            let (ours, theirs) = (ours(&path, host, *port), theirs(&path, host, *port));
            if ours != theirs {
                let what = format!("ours {ours:?}, ssh-keygen {theirs:?}");
                found.push((format!("{name}, {}", name_of(host, *port)), what));
            }
        }
    }
    differences::check("ssh-keygen -F", count, &found, GOAL);
}
