use super::*;

#[test]
fn user_data_holds_both_halves_as_cloud_init_reads_them() {
    let key = HostKey::generate().unwrap();
    let data = user_data(&key, None);
    let text = data.expose_secret();
    assert!(text.starts_with("#cloud-config\n"));
    assert!(text.contains(&format!("  ed25519_public: {}\n", key.public())));
    assert!(text.contains("    -----END OPENSSH PRIVATE KEY-----\n"));
    assert!(text.len() < OWN_PART, "{}", text.len());
}

#[test]
fn users_part_comes_first_so_that_the_host_key_wins() {
    let key = HostKey::generate().unwrap();
    let data = user_data(&key, Some("\n#!/bin/sh\necho hi\n"));
    let text = data.expose_secret();
    let at = |wanted: &str| {
        text.find(wanted)
            .unwrap_or_else(|| panic!("{wanted}: {text}"))
    };
    assert!(text.starts_with("Content-Type: multipart/mixed; boundary=\"stagecraft-"));
    assert!(at("Content-Type: text/x-shellscript") < at("#!/bin/sh\necho hi\n--stagecraft-"));
    assert!(at("echo hi") < at("Merge-Type: dict(replace)+list()+str()\n\n#cloud-config\n"));
    assert!(text.ends_with("--\n"));
}

#[test]
fn text_beyond_ascii_travels_in_base64() {
    let own = "#cloud-config\nhostname: caf\u{e9}\n".trim();
    let data = user_data(&HostKey::generate().unwrap(), Some(own));
    let text = data.expose_secret();
    assert!(text.is_ascii());
    let (_, body) = text.split_once("base64\n\n").unwrap();
    let (body, _) = body.split_once("\n--").unwrap();
    assert_eq!(
        BASE64_MIME
            .decode(format!("{}\r\n", body.trim_end()).as_bytes())
            .unwrap(),
        own.as_bytes()
    );
}

#[test]
fn kind_is_told_by_the_first_line() {
    for (own, kind) in [
        ("#cloud-config\nx: 1", "text/cloud-config"),
        ("#!/bin/sh", "text/x-shellscript"),
        ("#include\nhttps://example.com/x", "text/x-include-url"),
        ("#include https://example.com/x", "text/x-include-url"),
        (
            "#include-once\nhttps://example.com/x",
            "text/x-include-once-url",
        ),
        ("## template: jinja\n#cloud-config", "text/jinja2"),
    ] {
        assert_eq!(content_type(own), Ok(kind), "{own}");
        assert_eq!(check(own), Ok(()), "{own}");
    }
    for own in [
        "",
        "echo hi",
        "#cloud-config-archive\n- x",
        "#cloud-boothook",
        "#included",
    ] {
        let error = check(own).unwrap_err();
        assert!(
            error.starts_with("user data must begin with"),
            "{own}: {error}"
        );
    }
    let error = check("Content-Type: multipart/mixed; boundary=x\n").unwrap_err();
    assert!(error.contains("MIME message"), "{error}");
}

#[test]
fn keys_that_would_change_the_host_key_are_refused_by_name() {
    for own in [
        "#cloud-config\nssh_keys:\n  rsa_private: x",
        "#cloud-config\n\"ssh_keys\" : {}",
        "#cloud-config\n---\nusers: []\nssh_keys: {}",
        "#cloud-config\n  users: []\n  ssh_keys: {}",
        "#cloud-config\n{users: [], ssh_keys: {}}",
        "## template: jinja\n#cloud-config\nssh_keys: {}",
    ] {
        let error = check(own).unwrap_err();
        assert!(error.contains("`ssh_keys`"), "{own}: {error}");
    }
    let error = check("#cloud-config\nssh_deletekeys: false").unwrap_err();
    assert!(error.contains("`ssh_deletekeys`"), "{error}");
    for own in [
        "#!/bin/sh\nssh_keys: x",
        "#cloud-config\nwrite_files:\n- content: |\n    ssh_keys: x",
        "#cloud-config\nssh_keys_other: x\n# ssh_keys: x",
    ] {
        assert_eq!(check(own), Ok(()), "{own}");
    }
}

#[test]
fn length_counts_with_all_that_is_added() {
    let script = |length: usize| format!("#!/bin/sh\n{}", "x".repeat(length));
    assert_eq!(check(&script(60_000)), Ok(()));
    let error = check(&script(64_500)).unwrap_err();
    assert!(
        error.starts_with("user data of 64510 bytes is 6"),
        "{error}"
    );
    assert!(error.ends_with("at most 65536"), "{error}");
    let error = check("#!/bin/sh\n# \u{1F600}").unwrap_err();
    assert!(error.contains("U+1F600"), "{error}");
    let longest = (60_000..64_500)
        .rev()
        .map(script)
        .find(|own| check(own).is_ok());
    let data = user_data(&HostKey::generate().unwrap(), longest.as_deref());
    assert!(data.expose_secret().len() <= LIMIT);
}

#[test]
fn digest_ignores_white_space_around() {
    assert_eq!(digest("#!/bin/sh\n"), digest("\n#!/bin/sh"));
    assert_ne!(digest("#!/bin/sh"), digest("#!/bin/bash"));
    assert_eq!(digest("").len(), 64);
}
