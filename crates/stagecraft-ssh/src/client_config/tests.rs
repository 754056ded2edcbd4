//! Compared with what OpenSSH's own client reads (`ssh -G`).

use std::fs;
use std::process::Command;

use proptest::prelude::*;

use super::*;

/// What `ssh -G` says of a name.
fn theirs(path: &Path, name: &str) -> Option<Answers> {
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
    output.status.success().then(|| Answers {
        host_name: value("hostname").pop(),
        user: None,
        proxy_command: None,
        port: value("port").pop().and_then(|port| port.parse().ok()),
        identity_files: value("identityfile").iter().map(PathBuf::from).collect(),
        jump: value("proxyjump")
            .pop()
            .map(|text| JumpHost::parse_chain(&text).expect("what ssh prints")),
    })
}

/// Ours, with the defaults filled in that theirs has.
fn ours(path: &Path, home: &Path, name: &str) -> Answers {
    let config = ClientConfig::load(path, home).expect("a file that can be read");
    let answers = config.query(&[name], "nobody-asked").expect("answers");
    Answers {
        host_name: answers.host_name.or_else(|| Some(name.to_owned())),
        user: None,
        port: answers.port.or(Some(22)),
        jump: answers.jump.filter(|chain| !chain.is_empty()),
        ..answers
    }
}

fn read(text: &str, names: &[&str]) -> Result<Answers> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config");
    fs::write(&path, text).expect("a file of its own");
    ClientConfig::load(&path, folder.path())?.query(names, "root")
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
        // Else OpenSSH adds its usual ones.
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
            drop(config.query(&["prod-web-1"], "root"));
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
    assert_eq!(answers.identity_files, [PathBuf::from("/keys/prod-web-1")]);
    assert_eq!(
        read(text, &["prod-web-2", "web-2", "192.0.2.8"]).unwrap(),
        Answers::default()
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
    let first = config.query(&["prod-web-1"], "root").unwrap();
    assert_eq!(first.host_name.as_deref(), Some("one"));
    assert_eq!(
        (first.port, first.user.as_deref()),
        (Some(2200), Some("last"))
    );
    let second = config.query(&["prod-web-2"], "root").unwrap();
    assert_eq!(second.host_name.as_deref(), Some("three"));
    // Not even lines for all hosts count while the block around them does not.
    let other = config.query(&["other"], "root").unwrap();
    assert_eq!((other.host_name, other.port), (None, None));

    fs::write(ssh.join("conf.d/a.conf"), "Include config\n").unwrap();
    let error = ClientConfig::load(&path, folder.path()).unwrap_err();
    assert!(
        error.to_string().contains("too deep or too often"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_done_is_told_only_to_the_host_that_needs_it() {
    let text = "Host old\nProxyCommand nc %h %p\nHost bad\nPort many\nHost odd\nHostName %q\nHost run\nMatch exec true\nUser x\n";
    let old = read(text, &["old"]).unwrap();
    let error = old.jump().unwrap_err();
    assert!(error.to_string().contains("ProxyCommand"), "{error}");
    for (name, told) in [("bad", "no port"), ("odd", "unclear")] {
        let error = read(text, &[name]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(told), "{error}");
    }
    assert_eq!(read(text, &["run"]).unwrap(), Answers::default());
    let error = read("Host \"a\n", &["a"]).unwrap_err();
    assert!(
        error.to_string().contains(":1: a quote is not closed"),
        "{error}"
    );
    let text = "LocalCommand echo don't\nHost b\nUser me\n";
    assert_eq!(read(text, &["b"]).unwrap().user.as_deref(), Some("me"));
    let missing = ClientConfig::load(Path::new("/nowhere/config"), Path::new("/")).unwrap_err();
    assert!(missing.to_string().contains("does not exist"), "{missing}");
}

#[test]
fn first_of_proxy_jump_and_proxy_command_counts() {
    let answers = read("ProxyJump a\nProxyCommand nc %h\n", &["x"]).unwrap();
    assert_eq!(answers.jump.unwrap()[0].host, "a");
    let none = read("ProxyCommand none\nProxyJump a\n", &["x"]).unwrap();
    assert_eq!(none.jump, Some(Vec::new()));
}
