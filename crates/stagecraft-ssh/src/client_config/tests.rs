//! Compares with what OpenSSH's own client reads (`ssh -G`).

use std::fs;
use std::process::Command;

use proptest::prelude::*;

use super::*;

/// The output of `ssh -G` for a name.
fn theirs(path: &Path, name: &str) -> Option<HostSettings> {
    let output = Command::new("ssh")
        .args(["-G", "-l", "nobody-asked", "-F"])
        .arg(path)
        .arg(name)
        .output()
        .expect("ssh, from Debian's openssh-client");
    let text = String::from_utf8(output.stdout).expect("a text");
    let value = |key: &str| {
        let lines = text.lines();
        let of_key = lines.filter_map(move |line| line.strip_prefix(key)?.strip_prefix(' '));
        of_key.map(str::to_owned).collect::<Vec<_>>()
    };
    output.status.success().then(|| HostSettings {
        host_name: value("hostname").pop(),
        user: None,
        port: value("port").pop().and_then(|port| port.parse().ok()),
        identity_files: Some(value("identityfile").iter().map(PathBuf::from).collect()),
        jump: value("proxyjump")
            .pop()
            .map(|text| JumpHost::parse_chain(&text).expect("what ssh prints")),
        ..HostSettings::default()
    })
}

/// Our settings, with the defaults that theirs have.
fn ours(path: &Path, home: &Path, name: &str) -> HostSettings {
    let config = ClientConfig::load(path, home).expect("a file that can be read");
    let answers = config
        .query(&asked(&[name], "nobody-asked"))
        .expect("answers");
    HostSettings {
        host_name: answers.host_name.or_else(|| Some(name.to_owned())),
        user: None,
        port: answers.port.or(Some(22)),
        jump: answers.jump.filter(|chain| !chain.is_empty()),
        ..answers
    }
}

fn asked<'a>(names: &'a [&'a str], user: &'a str) -> Asked<'a> {
    Asked {
        names,
        user,
        port: 22,
        chosen_user: None,
        chosen_port: None,
        variables: &|name| (name == "NAME").then(|| "value%h".to_owned()),
    }
}

fn read(text: &str, names: &[&str]) -> Result<HostSettings> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config");
    fs::write(&path, text).expect("a file of its own");
    ClientConfig::load(&path, folder.path())?.query(&asked(names, "root"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn settings_are_what_openssh_makes_of_them(
        lines in prop::collection::vec(
            prop::sample::select(vec![
                "Host *", "Host prod-*", "Host prod-web-1 other", "host !prod-web-1 *", "Host ????-web-1", "Host=nothing",
                "Match all", "Match host prod-*", "Match originalhost prod-web-1 host 10.*", "Match !host prod-*",
                "Match user nobody-asked", "Match user other host prod-*", "Match host \"10.*,prod-web-1\"",
                "HostName 10.0.0.5", "HostName %h.example", "  hostname = x.example # here", "Port 2222", "Port=2200",
                "IdentityFile /keys/a", "IdentityFile \"/keys/b c\"", "IdentityFile /keys/c",
                "ProxyJump bastion", "ProxyJump me@bastion:2222,inner", "ProxyJump none", "# a comment", "",
                "StrictHostKeyChecking no", "Compression yes",
            ]),
            0..14,
        ),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        // Otherwise OpenSSH adds its defaults.
        fs::write(&path, lines.join("\n") + "\nHost *\nIdentityFile /keys/last\n").unwrap();
        let theirs = theirs(&path, "prod-web-1").unwrap();
        prop_assert_eq!(ours(&path, folder.path(), "prod-web-1"), theirs, "{:#?}", lines);
    }

    #[test]
    fn hostile_bytes_never_stop_the_reader(content in prop::collection::vec(any::<u8>(), 0..600)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        fs::write(&path, &content).unwrap();
        if let Ok(config) = ClientConfig::load(&path, folder.path()) {
            drop(config.query(&asked(&["prod-web-1"], "root")));
        }
    }
}

#[test]
fn any_name_of_a_host_finds_it() {
    let text = "Host prod-web-1\nUser by-node\nHost web-1\nPort 2200\nHost 192.0.2.7 !web-9\nIdentityFile /keys/%n\n";
    let names = ["prod-web-1", "web-1", "192.0.2.7"];
    let answers = read(text, &names).unwrap();
    assert_eq!(answers.user.as_deref(), Some("by-node"));
    assert_eq!(answers.port, Some(2200));
    let files = answers.identity_files.unwrap();
    assert_eq!(files, [PathBuf::from("/keys/prod-web-1")]);
    assert_eq!(
        read(text, &["prod-web-2", "web-2", "192.0.2.8"]).unwrap(),
        HostSettings::default()
    );
}

#[test]
fn included_files_count_where_they_are_included() {
    let folder = tempfile::tempdir().unwrap();
    let ssh = folder.path().join(".ssh");
    fs::create_dir_all(ssh.join("conf.d")).unwrap();
    let path = ssh.join("config");
    fs::write(
        &path,
        "Host prod-*\nInclude conf.d/*.conf ~/missing\nHost *\nUser last\n",
    )
    .unwrap();
    fs::write(
        ssh.join("conf.d/a.conf"),
        "Port 2200\nHost prod-web-1\nHostName one\n",
    )
    .unwrap();
    fs::write(
        ssh.join("conf.d/b.conf"),
        "Port 9\nHost other\nHostName two\nHost *\nHostName three\n",
    )
    .unwrap();
    fs::write(ssh.join("conf.d/.hidden.conf"), "User hidden\n").unwrap();
    let config = ClientConfig::load(&path, folder.path()).unwrap();
    let first = config.query(&asked(&["prod-web-1"], "root")).unwrap();
    assert_eq!(first.host_name.as_deref(), Some("one"));
    assert_eq!(
        (first.port, first.user.as_deref()),
        (Some(2200), Some("last"))
    );
    let second = config.query(&asked(&["prod-web-2"], "root")).unwrap();
    assert_eq!(second.host_name.as_deref(), Some("three"));
    // Even lines for all hosts do not apply if the block around them does not.
    let other = config.query(&asked(&["other"], "root")).unwrap();
    assert_eq!((other.host_name, other.port), (None, None));

    fs::write(ssh.join("conf.d/a.conf"), "Include config\n").unwrap();
    let error = ClientConfig::load(&path, folder.path()).unwrap_err();
    assert!(
        error.to_string().contains("too deep or too often"),
        "{error}"
    );
}

/// The warnings about a text, without the file name.
fn warnings(text: &str, name: &str) -> Vec<String> {
    let warnings = read(text, &[name]).unwrap().warnings;
    let after = |warning: &String| warning.split_once("/config:").unwrap().1.to_owned();
    warnings.iter().map(after).collect()
}

#[test]
fn what_cannot_be_done_is_told_only_to_the_host_that_needs_it() {
    let text = "Host old\nProxyCommand nc %h %p\nHost odd\nHostName %q\nHost gw\nProxyJump a b\n";
    let old = read(text, &["old"]).unwrap();
    let error = old.chain().unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("/config:2: ProxyCommand is not supported"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("ProxyJump"), "{error}");
    for (name, told) in [
        ("odd", ":4: HostName %q: the token %q is not known"),
        ("gw", ":6: ProxyJump a b: invalid jump host"),
    ] {
        let error = read(text, &[name]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(told), "{error}");
    }
    assert_eq!(read(text, &["another"]).unwrap(), HostSettings::default());
    let text = "LocalCommand echo don't\nHost b\nUser me\n";
    assert_eq!(read(text, &["b"]).unwrap().user.as_deref(), Some("me"));
    let missing = ClientConfig::load(Path::new("/nowhere/config"), Path::new("/")).unwrap_err();
    assert!(missing.to_string().contains("does not exist"), "{missing}");
}

#[test]
fn lines_that_openssh_refuses_are_refused_with_their_place() {
    for (text, told) in [
        ("Host \"a\n", ":1: a quote is not closed"),
        ("Host b\n\nPort many\n", ":3: Port cannot be \"many\""),
        ("Host b\nUser a b\n", ":2: User has more than one value"),
        ("hostname\n", ":1: hostname has no value"),
        (
            "IdentitiesOnly perhaps",
            ":1: IdentitiesOnly cannot be \"perhaps\"",
        ),
    ] {
        let error = read(text, &["a"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[test]
fn line_that_would_have_counted_is_a_warning_with_its_place() {
    for (text, expected) in [
        (
            "Match exec true\nCompression yes\nUser x\nPort 1\n",
            "1: `Match exec` is not supported, so User under it is ignored",
        ),
        (
            "Match host web exec true\nHostName x\n",
            "1: `Match exec` is not supported, so HostName under it is ignored",
        ),
        (
            "\nMatch localnetwork 10.0.0.0/8\nIdentityAgent none\n",
            "2: `Match localnetwork` is not supported, so IdentityAgent under it is ignored",
        ),
        (
            "IdentityFile /keys/%q\n",
            "1: IdentityFile /keys/%q is ignored: the token %q is not known",
        ),
        (
            "IdentityFile ${UNSET}/id\nUser x\n",
            "1: IdentityFile ${UNSET}/id is ignored: the variable UNSET is not set",
        ),
        (
            "CertificateFile ~nobody-here/c\n",
            "1: CertificateFile ~nobody-here/c is ignored: the home of the user nobody-here is not known",
        ),
        (
            "Include ~nobody-here/x /nowhere/*\n",
            "1: Include ~nobody-here/x is ignored: the home of the user nobody-here is not known",
        ),
        (
            "Host web\nBindAddress 10.0.0.1\nBindAddress 10.0.0.2\n",
            "2: BindAddress is not supported: the system chooses the address to connect from",
        ),
        (
            "KexAlgorithms curve25519-sha256\n",
            "1: KexAlgorithms is not supported: the algorithms are those of Stagecraft",
        ),
    ] {
        assert_eq!(warnings(text, "web"), [expected], "{text}");
    }
    for text in [
        "Match host other exec true\nUser x\n",
        "Match exec true host other\nUser x\n",
        "Match exec \"gpg-connect-agent updatestartuptty /bye\"\n",
        "Match exec true\nCompression yes\n",
        "Host other\nInclude ~nobody-here/x\nBindAddress 10.0.0.1\nIdentityFile %q\n",
        "HostKeyAlgorithms +ssh-rsa\nAddressFamily any\nPKCS11Provider none\n",
        "StrictHostKeyChecking no\nForwardAgent yes\nMadeUp yes\n",
    ] {
        assert_eq!(warnings(text, "web"), [""; 0], "{text}");
    }
}

#[test]
fn tags_are_matched_and_a_jump_is_a_token_as_in_newer_openssh() {
    let text = "Host web\nTag blue\nMatch tagged b*\nProxyJump gw\nIdentityFile /keys/%j-${NAME}\n";
    let answers = read(text, &["web"]).unwrap();
    // The value of a variable is not a token.
    assert_eq!(
        answers.identity_files.unwrap(),
        [PathBuf::from("/keys/gw-value%h")]
    );
    assert_eq!(read(text, &["db"]).unwrap(), HostSettings::default());
}

#[test]
fn first_of_proxy_jump_and_proxy_command_counts() {
    let answers = read("ProxyJump a\nProxyCommand nc %h\n", &["x"]).unwrap();
    assert_eq!(answers.jump.unwrap()[0].host, "a");
    let none = read("ProxyCommand none\nProxyJump a\n", &["x"]).unwrap();
    assert_eq!(none.jump, Some(Vec::new()));
}
