//! Variables in the configuration, and secrets from variables, files and commands.

use crate::support::{AUTH_KEY, Lab, TOKEN, quick, until};

const PLAN: [&str; 4] = ["infra", "plan", "--output", "json"];

/// The plan's first entry, after the configuration was edited.
async fn first_entry(lab: &Lab) -> serde_json::Value {
    let planned = lab.run(&PLAN).await;
    planned.expect_code(0);
    let document: serde_json::Value = serde_json::from_str(&planned.stdout).expect("a document");
    document["plan"]["create"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn values_come_from_the_process_the_env_file_and_defaults_in_this_order() {
    let mut lab = Lab::api_only(quick()).await;
    std::fs::write(
        lab.directory.path().join("shop.env"),
        "# sizes\nSIZE=s-1vcpu-1gb\nexport REGION='ams3'\nCOUNT=\"1\"\nTS_AUTHKEY=from-file\n",
    )
    .unwrap();
    lab.edit("project:", "env_file: shop.env\nproject:");
    lab.edit("default_size: s-2vcpu-4gb", "default_size: ${SIZE}");
    lab.edit(
        "default_region: nyc3",
        "default_region: \"${REGION:-nyc3}\"",
    );
    lab.edit("count: 2", "count: \"${COUNT}\"");
    let entry = first_entry(&lab).await;
    assert_eq!(entry["size"], "s-1vcpu-1gb", "{entry}");
    assert_eq!(entry["region"], "ams3");
    assert_eq!(entry["node"], "staging-app-1");

    lab.variables
        .insert("SIZE".to_owned(), "s-2vcpu-4gb".to_owned());
    lab.variables.insert("REGION".to_owned(), String::new());
    let entry = first_entry(&lab).await;
    assert_eq!(entry["size"], "s-2vcpu-4gb", "{entry}");
    // One that is set to nothing does not hide what the file says.
    assert_eq!(entry["region"], "ams3");
    std::fs::write(lab.directory.path().join("shop.env"), "COUNT=1\n").unwrap();
    assert_eq!(first_entry(&lab).await["region"], "nyc3");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_variable_and_broken_env_file_are_refused_in_place() {
    let lab = Lab::api_only(quick()).await;
    lab.edit("default_size: s-2vcpu-4gb", "default_size: ${SIZE}");
    let refused = lab.run(&["config", "validate"]).await;
    refused.expect_code(1);
    assert!(
        refused.stderr.contains("variable `SIZE` is not set")
            && refused.stderr.contains("stagecraft.yml:9:21"),
        "{refused:?}"
    );
    lab.edit("project:", "env_file: shop.env\nproject:");
    let refused = lab.run(&["config", "validate"]).await;
    refused.expect_code(1);
    assert!(
        refused.stderr.contains("shop.env: cannot read it"),
        "{refused:?}"
    );
    let file = lab.directory.path().join("shop.env");
    std::fs::write(&file, "SIZE=x\nsecret words\n").unwrap();
    let refused = lab.run(&["config", "validate"]).await;
    refused.expect_code(1);
    assert!(
        refused.stderr.contains("line 2 of it is not `NAME=value`"),
        "{refused:?}"
    );
    assert!(!refused.stderr.contains("secret words"), "{refused:?}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn token_is_found_in_the_env_file() {
    let mut lab = Lab::api_only(quick()).await;
    let line = format!("DO_TOKEN={TOKEN}\n");
    std::fs::write(lab.directory.path().join(".env"), line).unwrap();
    lab.variables.remove("DO_TOKEN");
    lab.run(&PLAN).await.expect_code(1);
    lab.edit("project:", "env_file: .env\nproject:");
    lab.run(&PLAN).await.expect_code(0);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn token_is_read_from_a_file_or_a_command() {
    let mut lab = Lab::api_only(quick()).await;
    lab.variables.remove("DO_TOKEN");
    let file = lab.directory.path().join("token.txt");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    lab.edit("token_env: DO_TOKEN", "token_file: token.txt");
    lab.run(&PLAN).await.expect_code(0);
    // Relative to the configuration, wherever the program is started.
    let elsewhere = tempfile::tempdir().unwrap();
    let path = lab.config_path().display().to_string();
    let arguments = [&["--config", &path][..], &PLAN].concat();
    lab.run_in(elsewhere.path(), &arguments)
        .await
        .expect_code(0);

    lab.edit("token_file: token.txt", "token_cmd: [cat, token.txt]");
    lab.run(&PLAN).await.expect_code(0);
    lab.run_in(elsewhere.path(), &arguments)
        .await
        .expect_code(0);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_that_cannot_be_read_says_from_where_and_why() {
    let lab = Lab::api_only(quick()).await;
    let mut from = "token_env: DO_TOKEN".to_owned();
    for (to, expected) in [
        (
            "token_file: nowhere",
            ["API token missing from file nowhere", "cannot read nowhere"],
        ),
        (
            "token_cmd: [no-such-program]",
            [
                "API token missing from command `no-such-program`",
                "cannot run `no-such-program`",
            ],
        ),
        (
            "token_cmd: [sh, -c, \"echo half-a-secret; echo locked >&2; exit 3\"]",
            [
                "API token missing from command `sh`",
                "`sh` failed (exit status: 3): locked",
            ],
        ),
        (
            "token_cmd: [\"true\"]",
            ["API token missing from command `true`", ""],
        ),
        (
            "token_cmd: [cat, /dev/zero]",
            ["API token missing from command `cat`", "longer than 64 KiB"],
        ),
    ] {
        lab.edit(&from, to);
        to.clone_into(&mut from);
        let refused = lab.run(&PLAN).await;
        refused.expect_code(1);
        for text in expected {
            assert!(refused.stderr.contains(text), "{to}: {refused:?}");
        }
        assert!(
            !format!("{refused:?}").contains("half-a-secret"),
            "{refused:?}"
        );
    }
    lab.edit(&from, "token_env: A\n      token_file: b");
    let refused = lab.run(&PLAN).await;
    refused.expect_code(1);
    assert!(
        refused
            .stderr
            .contains("only one of token_env, token_file and token_cmd may be given"),
        "{refused:?}"
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sandbox_stands_in_for_secrets_from_files_and_commands() {
    let mut lab = Lab::api_only(quick()).await;
    for name in ["DO_TOKEN", "DIGITALOCEAN_API_URL"] {
        lab.variables.remove(name);
    }
    lab.edit("token_env: DO_TOKEN", "token_file: real-token.txt");
    std::fs::write(lab.directory.path().join("real-token.txt"), TOKEN).unwrap();
    let program = env!("CARGO_BIN_EXE_stagecraft");
    let sandbox = ["sandbox", "--hosts", "none", "--", program, "infra", "plan"];
    let planned = lab.run(&sandbox).await;
    planned.expect_code(0);
    assert!(planned.stdout.contains("3 hosts to create"), "{planned:?}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_a_command_that_gives_a_secret() {
    let lab = Lab::api_only(quick()).await;
    lab.edit(
        "token_env: DO_TOKEN",
        "token_cmd: [sh, -c, \"echo $$ > started; exec sleep 600\"]",
    );
    let child = lab.command(&PLAN).spawn().unwrap();
    let started = lab.directory.path().join("started");
    until("the command to start", async || {
        std::fs::read_to_string(&started).is_ok_and(|text| !text.is_empty())
    })
    .await;
    let pid = child.id().unwrap().to_string();
    let kill = tokio::process::Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .await;
    assert!(kill.unwrap().success());
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn auth_key_that_cannot_be_read_is_told_before_hosts_are_created() {
    let lab = Lab::with_hosts(quick()).await;
    lab.edit(
        "auth_key_env: TS_AUTHKEY",
        "auth_key_cmd: [cat, auth-key.txt]",
    );
    let refused = lab.run(&["infra", "up", "--yes"]).await;
    refused.expect_code(1);
    assert!(
        refused
            .stderr
            .contains("tailscale provider: auth key missing from command `cat`"),
        "{refused:?}"
    );
    assert!(lab.names().is_empty());
    std::fs::write(lab.directory.path().join("auth-key.txt"), AUTH_KEY).unwrap();
    let done = lab.run(&["infra", "up", "--yes"]).await;
    done.expect_code(0);
    assert!(!format!("{done:?}").contains(AUTH_KEY));
    lab.shutdown().await;
}
