//! `config show` and `providers ID` through the real binary.

use std::fs;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

const CONFIG: &str = "\
project: { name: shop }
cloud:
  provider: digitalocean
  providers:
    digitalocean:
      tokenEnv: DO_TOKEN
      ssh_key_name: \"key-${OWNER:-nobody}\"
      default_region: ${REGION}
      default_size: s-2vcpu-4gb
      regions: [nyc3, ams3]
      hosts:
        staging:
          app: { role: app, count: 2, region: nyc3 }
          db: { role: db, image: \"${IMAGE_TOKEN:-ubuntu-24-04-x64}\" }
";

fn stagecraft(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let directory = TempDir::new().expect("a directory");
    fs::write(directory.path().join("stagecraft.yml"), CONFIG).expect("a config");
    let output = Command::new(env!("CARGO_BIN_EXE_stagecraft"))
        .args(arguments)
        .current_dir(directory.path())
        .env_clear()
        .env("REGION", "ams3")
        .envs(variables.iter().copied())
        .output()
        .expect("the binary");
    (
        output.status.code(),
        String::from_utf8(output.stdout).expect("UTF-8"),
        String::from_utf8(output.stderr).expect("UTF-8"),
    )
}

#[test]
fn shown_configuration_has_variables_and_defaults_filled_in() {
    let (code, shown, _) = stagecraft(&["config", "show"], &[]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(shown);
}

#[test]
fn why_tells_place_variable_and_the_default_that_won() {
    let host = "cloud.providers.digitalocean.hosts.staging";
    let keys = [
        "project.name".to_owned(),
        "cloud.providers.digitalocean.token_env".to_owned(),
        "cloud.providers.digitalocean.ssh_key_name".to_owned(),
        format!("{host}.app.region"),
        format!("{host}.db.region"),
        format!("{host}.db.size"),
        format!("{host}.app.image"),
        "cloud.providers.digitalocean.poll.interval".to_owned(),
        "cloud.providers.digitalocean.sizes".to_owned(),
        "infra.bootstrap.ssh.port".to_owned(),
    ];
    let told: Vec<String> = keys
        .iter()
        .map(|key| stagecraft(&["config", "show", "--why", key], &[]).1)
        .collect();
    insta::assert_snapshot!(told.concat());
    let port = ["config", "show", "--why", "infra.bootstrap.ssh.port"];
    let (_, told, _) = stagecraft(&port, &[("STAGECRAFT_SSH_PORT", "2222")]);
    assert_eq!(
        told,
        "infra.bootstrap.ssh.port = 2222\n  from variable STAGECRAFT_SSH_PORT\n"
    );
}

#[test]
fn why_is_an_object_with_output_json() {
    let key = "cloud.providers.digitalocean.hosts.staging.db.region";
    let (code, told, _) = stagecraft(&["config", "show", "--why", key, "-o", "json"], &[]);
    assert_eq!(code, Some(0));
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["value"], "ams3");
    assert_eq!(told["source"], "key");
    assert_eq!(
        told["taken_from"],
        "cloud.providers.digitalocean.default_region"
    );
    assert_eq!(told["line"], 8);
    assert_eq!(told["variables"][0], "REGION");
}

#[test]
fn what_may_be_a_secret_is_masked() {
    let secrets = [
        ("DO_TOKEN", "shh-1234567"),
        ("OWNER", "shh-1234567"),
        ("IMAGE_TOKEN", "hidden-image"),
    ];
    for format in ["text", "json"] {
        let (code, shown, told) = stagecraft(&["config", "show", "-o", format], &secrets);
        assert_eq!(code, Some(0), "{told}");
        assert!(shown.contains("key-***"), "{shown}");
        assert!(!shown.contains("shh-"), "{shown}");
        assert!(!shown.contains("hidden-image"), "{shown}");
    }
}

#[test]
fn secrets_within_lists_are_masked_and_null_is_not_a_value() {
    let directory = TempDir::new().unwrap();
    let text = CONFIG
        .replace("tokenEnv: DO_TOKEN", "token_cmd: [echo, \"${MY_SECRET}\"]")
        .replace("role: db,", "role: db, size: ~,");
    fs::write(directory.path().join("stagecraft.yml"), text).unwrap();
    let show = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_stagecraft"))
            .args(["config", "show"])
            .args(arguments)
            .current_dir(directory.path())
            .env_clear()
            .env("REGION", "ams3")
            .env("MY_SECRET", "hunter2hunter2")
            .env("STAGECRAFT_SSH_PORT", "")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let command = "cloud.providers.digitalocean.token_cmd";
    for arguments in [&[][..], &["-o", "json"], &["--why", command]] {
        let shown = show(arguments);
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("***"), "{shown}");
    }
    assert!(show(&["--why", command]).contains("with ${MY_SECRET}"));
    let size = show(&[
        "--why",
        "cloud.providers.digitalocean.hosts.staging.db.size",
    ]);
    assert!(size.contains("default_size"), "{size}");
    let port = show(&["--why", "infra.bootstrap.ssh.port"]);
    assert_eq!(port, "infra.bootstrap.ssh.port = 22\n  from default\n");
}

#[test]
fn user_data_is_withheld_with_all_that_was_put_into_it() {
    let directory = TempDir::new().unwrap();
    let data = "db, user_data: \"#cloud-config\\npassword: ${PW}\",";
    let text = CONFIG.replace("role: db,", &format!("role: {data}"));
    fs::write(directory.path().join("stagecraft.yml"), text).unwrap();
    let key = "cloud.providers.digitalocean.hosts.staging.db.user_data";
    for arguments in [&[][..], &["-o", "json"], &["--why", key]] {
        let output = Command::new(env!("CARGO_BIN_EXE_stagecraft"))
            .args(["config", "show"])
            .args(arguments)
            .current_dir(directory.path())
            .env_clear()
            .envs([("REGION", "ams3"), ("PW", "hunter2hunter2")])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("*** (38 bytes, SHA-256 "), "{shown}");
    }
}

#[test]
fn unknown_key_suggests_the_nearest_or_what_lies_below() {
    for (key, hint) in [
        ("project.nmae", "did you mean `project.name`?"),
        (
            "cloud.providers.digitalocean.hosts.staging",
            "below it there are: app, db",
        ),
        ("x", "`stagecraft config show` lists all of them"),
    ] {
        let (code, _, told) = stagecraft(&["config", "show", "--why", key], &[]);
        assert_eq!(code, Some(1));
        assert!(told.contains(hint), "{told}");
    }
}

#[test]
fn invalid_file_is_not_shown() {
    let (code, shown, told) = stagecraft(&["config", "show"], &[("REGION", "fra1")]);
    assert_eq!(code, Some(1));
    assert!(shown.is_empty());
    assert!(told.contains("not among the allowed regions"), "{told}");
}

#[test]
fn provider_is_described_with_its_keys() {
    let (code, shown, _) = stagecraft(&["providers", "tailscale"], &[]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(shown);
    let (code, _, told) = stagecraft(&["providers", "tailscal"], &[]);
    assert_eq!(code, Some(1));
    assert!(told.contains("did you mean `tailscale`?"), "{told}");
}
