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

/// The message of the problem.
fn refused(own: &str) -> String {
    check(own).expect_err(own).message
}

#[test]
fn kind_is_told_by_the_beginning_as_cloud_init_does() {
    for (own, name) in [
        ("#cloud-config\nx: 1", "text/cloud-config"),
        ("#Cloud-Config # mine\nx: 1", "text/cloud-config"),
        ("#!/bin/sh", "text/x-shellscript"),
        ("#include\nhttps://example.com/x", "text/x-include-url"),
        ("#include https://example.com/x", "text/x-include-url"),
        ("#includehttps://example.com/x", "text/x-include-url"),
        (
            "#include-once\nhttps://example.com/x",
            "text/x-include-once-url",
        ),
        ("## template: jinja\n#cloud-config\n{% x %}", "text/jinja2"),
        (
            "#cloud-config-archive\n- content: x",
            "text/cloud-config-archive",
        ),
        ("#cloud-config-jsonp\n[]", "text/cloud-config-jsonp"),
        ("#cloud-boothook\necho x: [", "text/cloud-boothook"),
        ("#part-handler\ndef x(): [", "text/part-handler"),
    ] {
        assert_eq!(kind(own), Ok(Kind::Part(name)), "{own}");
        assert_eq!(check(own), Ok(()), "{own}");
    }
    for own in ["", "echo hi", "# cloud-config", "#cloud"] {
        let error = refused(own);
        assert!(
            error.starts_with("user data must begin as cloud-init knows it"),
            "{own}: {error}"
        );
    }
    for (own, beginning) in [
        ("#Includes nothing secret\n#!/bin/sh", "`#include`"),
        ("#cloud-configuration is elsewhere\na: 1", "`#cloud-config`"),
    ] {
        let error = refused(own);
        assert!(error.contains("cloud-init takes for"), "{own}: {error}");
        assert!(error.contains(beginning), "{own}: {error}");
    }
}

#[test]
fn mime_message_becomes_a_part_of_the_message_with_the_host_key() {
    let own = "Content-Type: multipart/mixed; boundary=\"b\"\nMIME-Version: 1.0\n\n\
               --b\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n--b--";
    assert_eq!(check(own), Ok(()));
    let data = user_data(&HostKey::generate().unwrap(), Some(own));
    let text = data.expose_secret();
    let (_, parts) = text.split_once("\n\n--stagecraft-").unwrap();
    let (_, part) = parts.split_once('\n').unwrap();
    assert!(part.starts_with(&format!("{own}\n--stagecraft-")), "{text}");
    let error = refused(&own.replace("#!/bin/sh", "ssh_keys: {}"));
    assert!(error.contains("`ssh_keys`"), "{error}");
}

#[cfg(feature = "yaml")]
#[test]
fn cloud_config_that_is_no_yaml_mapping_is_refused_with_its_place() {
    const BAD: &str = include_str!("../../tests/fixtures/user-data-bad-yaml.yml");
    let at = |line, column| Some(Location { line, column });
    let flaw = check(BAD).unwrap_err();
    assert_eq!(
        flaw.message,
        "user data is no valid cloud-config: could not find expected ':', while scanning a simple key"
    );
    assert_eq!(flaw.at, at(5, 1));
    let flaw = check(&format!("\n\n{BAD}")).unwrap_err();
    assert_eq!(flaw.at, at(7, 1));
    for own in [
        "#cloud-config\n- a",
        "#cloud-config\nhunter2",
        "#cloud-config\na: 1\n---\nb: 1",
    ] {
        let error = refused(own);
        assert!(
            error.starts_with("user data is no valid cloud-config: "),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
    for own in [
        "#cloud-config",
        "#cloud-config\n---\na: 1\n...",
        "#cloud-config\na: 1\na: 2\nx: &y [1]\nz: *y",
        "#cloud-config\npackages: [\u{e9}]",
        "## template: jinja\n#cloud-config\n{% if x %}\na: {{ b }}\n{% endif %}",
        "#cloud-config-archive\n- [",
    ] {
        assert_eq!(check(own), Ok(()), "{own}");
    }
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
        let error = refused(own);
        assert!(error.contains("`ssh_keys`"), "{own}: {error}");
    }
    let error = refused("#cloud-config\nssh_deletekeys: false");
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
    let error = refused(&script(64_500));
    assert!(
        error.starts_with("user data of 64510 bytes is 6"),
        "{error}"
    );
    assert!(error.ends_with("at most 65536"), "{error}");
    let error = refused("#!/bin/sh\n# \u{1F600}");
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
