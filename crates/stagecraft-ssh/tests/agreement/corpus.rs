//! Fragments of `ssh_config(5)`: every keyword in every form.

mod blocks;
mod values;

use crate::openssh::World;
use blocks::BLOCKS;
use values::{OTHERS, VALUES};

/// A file, and the host that is asked for.
#[derive(Debug)]
pub(crate) struct Fragment {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) host: &'static str,
}

pub(crate) const HOST: &str = "prod-web-1";

/// All fragments, each with a name of its own.
pub(crate) fn all(world: &World) -> Vec<Fragment> {
    let mut fragments = Vec::new();
    let mut add = |name: String, text: String, host| {
        let text = filled(world, &text);
        fragments.push(Fragment { name, text, host });
    };
    for (keyword, value, other) in COUNTING {
        for (form, pattern) in FORMS {
            let text = pattern
                .replace("KEY", keyword)
                .replace("VALUE", value)
                .replace("OTHER", other)
                .replace("LOWER", &keyword.to_ascii_lowercase())
                .replace("UPPER", &keyword.to_ascii_uppercase());
            add(format!("{keyword} {form}"), text, HOST);
        }
    }
    for (keyword, value) in VALUES {
        let text = format!("{keyword} {value}\n");
        add(format!("{keyword} = {value}"), text, HOST);
    }
    for token in "CLdhiklnpru%".chars() {
        for (keyword, base) in [
            ("IdentityFile", "/keys/"),
            ("CertificateFile", "/keys/"),
            ("IdentityAgent", "/run/"),
        ] {
            let text = format!(
                "HostName web.example.com\nPort 2200\nUser deploy\nHostKeyAlias alias\n{keyword} {base}%{token}.x\n"
            );
            add(format!("{keyword} with %{token}"), text, HOST);
        }
    }
    for (keyword, value) in OTHERS {
        let text = format!("{keyword} {value}\nPort 2200\nHost *\n  User of-all\n");
        add(format!("beside {keyword}"), text, HOST);
    }
    for (name, host, text) in BLOCKS {
        add((*name).to_owned(), (*text).to_owned(), host);
    }
    fragments
}

/// A text with what it refers to.
pub(crate) fn filled(world: &World, text: &str) -> String {
    text.replace("{DIR}", &world.dir())
        .replace("{HOMEWARD}", &world.way_from_home())
        .replace("{USER}", &world.user)
}

/// Keywords that count, with a value, and another one.
const COUNTING: &[(&str, &str, &str)] = &[
    ("HostName", "10.0.0.5", "10.0.0.6"),
    ("User", "deploy", "other"),
    ("Port", "2200", "2222"),
    ("IdentityFile", "/keys/a", "/keys/b"),
    ("CertificateFile", "/keys/a-cert.pub", "/keys/b-cert.pub"),
    ("IdentitiesOnly", "yes", "no"),
    ("IdentityAgent", "/run/agent", "/run/other"),
    ("ProxyJump", "me@bastion.example:2222", "other"),
    ("ProxyCommand", "nc -x proxy %h %p", "none"),
    ("ConnectTimeout", "7", "8"),
    ("HostKeyAlias", "alias.example", "other"),
];

/// The ways to write a line.
const FORMS: &[(&str, &str)] = &[
    ("plain", "KEY VALUE\n"),
    ("equals", "KEY=VALUE\n"),
    ("spaced equals", "KEY = VALUE\n"),
    ("tabs", "\tKEY\t\tVALUE\t\n"),
    ("lower", "LOWER VALUE\n"),
    ("upper", "UPPER VALUE\n"),
    ("blanks at both ends", "   KEY VALUE   \n"),
    ("quoted", "KEY \"VALUE\"\n"),
    ("quoted equals", "KEY=\"VALUE\"\n"),
    ("single quotes", "KEY 'VALUE'\n"),
    ("comment after", "KEY VALUE # why\n"),
    ("comment before", "# KEY OTHER\n  # more\n\nKEY VALUE\n"),
    ("no newline", "KEY VALUE"),
    ("carriage returns", "KEY VALUE\r\nHost *\r\n"),
    ("first wins", "KEY VALUE\nKEY OTHER\n"),
    ("same twice", "KEY VALUE\nKEY VALUE\n"),
    (
        "of its host",
        "Host prod-*\n  KEY VALUE\nHost *\n  KEY OTHER\n",
    ),
    ("of another host", "Host other\n  KEY VALUE\nHost *\n"),
    (
        "of its match",
        "Match host prod-*\n  KEY VALUE\nMatch all\n  KEY OTHER\n",
    ),
    ("of a later pass", "Match final\n  KEY VALUE\n"),
    ("after none", "KEY none\nHost *\nKEY VALUE\n"),
    ("missing", "KEY\n"),
    ("two values", "KEY VALUE OTHER\n"),
];

/// Lines that mean more beside each other than alone.
pub(crate) const LINES: &[&str] = &[
    "Host *",
    "Host prod-*",
    "Host prod-web-1 other",
    "Host !prod-web-1 *",
    "Host 10.*",
    "Host *.example",
    "Host other",
    "Match all",
    "Match host prod-*",
    "Match host 10.*,*.example",
    "Match !host prod-*",
    "Match originalhost prod-web-1 host 10.*",
    "Match user deploy",
    "Match user {USER} host prod-*",
    "Match localuser {USER}",
    "Match !localuser {USER}",
    "Match canonical",
    "Match !canonical host *",
    "Match final",
    "Match final host 10.*",
    "Match !final",
    "Match final all",
    "HostName 10.0.0.5",
    "HostName %h.example",
    "User deploy",
    "User %u",
    "Port 2200",
    "Port=2222",
    "IdentityFile /keys/a",
    "IdentityFile /keys/%h-%n-%k-%r-%p",
    "IdentityFile ~/keys/${CORPUS_NAME}",
    "IdentityFile none",
    "CertificateFile %d/%L-%i-cert.pub",
    "IdentitiesOnly yes",
    "IdentitiesOnly no",
    "IdentityAgent none",
    "IdentityAgent /run/%n-%r",
    "IdentityAgent $CORPUS_SOCKET",
    "ProxyJump bastion",
    "ProxyJump me@corp.example@bastion:2222,%r@inner",
    "ProxyJump none",
    "ProxyCommand nc %h %p",
    "ProxyCommand none",
    "ConnectTimeout 1m",
    "ConnectTimeout none",
    "HostKeyAlias alias",
    "CanonicalizeHostname no",
    "Include {DIR}/conf.d/[ab].conf",
    "Include {DIR}/block",
    "Include {DIR}/conf.d/*",
    "# a comment",
    "",
];
