//! The configuration through the real binary: files of the first design load as they stand, and
//! every mistake has its place.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::profile;

const DIGITALOCEAN: &str = include_str!("../fixtures/digitalocean.yml");
const BOOTSTRAP: &str = include_str!("../fixtures/bootstrap.yml");
const NETWORK: &str = "network:
  provider: tailscale
  providers:
    tailscale: { auth_key_env: TS_AUTHKEY, tailnet_domain: mytailnet.ts.net }
";

fn validate(text: &str, arguments: &[&str]) -> Output {
    let directory = TempDir::new().expect("a directory");
    fs::write(directory.path().join("stagecraft.yml"), text).expect("a config");
    Command::new(env!("CARGO_BIN_EXE_stagecraft"))
        .args(["config", "validate"])
        .args(arguments)
        .current_dir(directory.path())
        .env_clear()
        .envs(profile::variable())
        .output()
        .expect("the binary")
}

fn refusal(text: &str) -> String {
    let output = validate(text, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[test]
fn files_of_the_first_design_load_as_written_there() {
    let output = validate(DIGITALOCEAN, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "valid: stagecraft.yml, environments: prod (4 hosts), staging (2 hosts)\n"
    );
    let whole = format!("{DIGITALOCEAN}{NETWORK}{BOOTSTRAP}");
    let output = validate(&whole, &["--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["valid"], true);
}

#[test]
fn bootstrap_that_names_a_network_without_its_block_is_refused() {
    let text = refusal(&format!("{DIGITALOCEAN}{BOOTSTRAP}"));
    assert!(text.contains("network"), "{text}");
}

/// A cloud-config whose last lines are no YAML.
const BAD_DATA: &str = include_str!("../fixtures/user-data-bad-yaml.yml");

#[test]
fn user_data_that_is_no_cloud_config_is_refused_with_its_place() {
    let app = "          app-1:\n            role: app\n";
    assert!(DIGITALOCEAN.contains(app));
    // Within the file: the line of the file itself, which is not shown.
    let inside = BAD_DATA.replace("ouch!", "hunter2");
    let inside = inside.trim_end().replace('\n', "\n              ");
    let text = format!("{app}            user_data: |\n              {inside}\n");
    let text = DIGITALOCEAN.replacen(app, &text, 1);
    let told = refusal(&text);
    assert!(text.lines().nth(17).unwrap().contains("hunter2"), "{text}");
    for part in [
        "stagecraft.yml:18:15",
        "hosts.staging.app-1.user_data: user data is no valid cloud-config: ",
        "could not find expected ':'",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
    let quoted = format!("{app}            user_data: \"#cloud-config\\n- x\"\n");
    let told = refusal(&DIGITALOCEAN.replacen(app, &quoted, 1));
    assert!(
        told.contains("found a list (line 2 column 1 of the text)"),
        "{told}"
    );

    // In a file of its own.
    let directory = TempDir::new().expect("a directory");
    let file = format!("{app}            user_data_file: data/app.yml\n");
    let file = DIGITALOCEAN.replacen(app, &file, 1);
    fs::write(directory.path().join("stagecraft.yml"), file).expect("a config");
    let validate = |data: Option<&str>| {
        if let Some(data) = data {
            fs::create_dir_all(directory.path().join("data")).expect("a directory");
            fs::write(directory.path().join("data/app.yml"), data).expect("a file");
        }
        let output = Command::new(env!("CARGO_BIN_EXE_stagecraft"))
            .args(["config", "validate"])
            .current_dir(directory.path())
            .env_clear()
            .envs(profile::variable())
            .output()
            .expect("the binary");
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        (output.status.code(), told)
    };
    let (code, told) = validate(None);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("cannot read the user data of host 'app-1'"),
        "{told}"
    );
    let (code, told) = validate(Some(BAD_DATA));
    assert_eq!(code, Some(1), "{told}");
    let place = "app-1: data/app.yml:5:1: user data is no valid cloud-config: ";
    assert!(told.contains(place), "{told}");
    assert!(!told.contains("ouch"), "{told}");
    for good in [
        "#cloud-config\npackages: [jq]\n",
        "#!/bin/sh\nouch: [",
        "## template: jinja\n#cloud-config\n{{ x }}: [\n",
        "Content-Type: text/cloud-config\nMIME-Version: 1.0\n\nx: [\n",
    ] {
        assert_eq!(validate(Some(good)).0, Some(0), "{good}");
    }
}

#[test]
fn mistakes_are_shown_in_place() {
    let whole = format!("{DIGITALOCEAN}{NETWORK}{BOOTSTRAP}");
    let break_it = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from}");
        refusal(&whole.replacen(from, to, 1))
    };
    let shown = [
        break_it("token_env:", "token_evn:"),
        break_it("            role: app\n", ""),
        break_it("role: app", "role: [app]"),
        break_it("      hosts:", "      regions: [ams3]\n      hosts:"),
        break_it("provider: digitalocean", "provider: digitalocaen"),
        break_it("install_method:", "installer:"),
        break_it("auth_key_env: TS_AUTHKEY, ", ""),
        break_it("infra:", "services: {}\ninfra:"),
        break_it("app-1:", "App_1:"),
        break_it("cloud:", "cloud: ["),
    ];
    insta::assert_snapshot!(shown.join("\n----\n"));
}

#[test]
fn mistakes_of_all_parts_are_told_in_one_pass_in_the_order_of_the_file() {
    let whole = format!("{DIGITALOCEAN}{NETWORK}{BOOTSTRAP}")
        .replacen("role: db", "rol: db", 1)
        .replacen(
            "tailnet_domain: mytailnet.ts.net",
            "tailnet_domain: mytailnet",
            1,
        )
        .replacen("\"apt\"", "\"atp\"", 1)
        .replacen("\"latest\"", "\"newest\"", 1);
    let output = validate(&whole, &["-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let places: Vec<String> = result["error"]["config"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            format!(
                "{} {}",
                error["location"]["line"],
                error["path"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            "16 cloud.providers.digitalocean.hosts.staging.db-1",
            "39 network.providers.tailscale.tailnet_domain",
            "43 infra.bootstrap.docker.version",
            "44 infra.bootstrap.docker.install_method",
        ]
    );
    let shown = refusal(&whole);
    assert_eq!(shown.matches("error: ").count(), 4, "{shown}");
}

#[test]
fn schema_covers_every_part_and_all_its_references_resolve() {
    let output = Command::new(env!("CARGO_BIN_EXE_stagecraft"))
        .args(["config", "schema"])
        .env_clear()
        .envs(profile::variable())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    for path in [
        "/properties/project",
        "/properties/cloud/properties/providers/properties/digitalocean/properties/token_env/description",
        "/properties/network/properties/providers/properties/tailscale/properties/tailnet_domain",
        "/properties/infra/properties/bootstrap/properties/docker/properties/version",
        "/properties/infra/properties/bootstrap/properties/network/properties/provider",
        "/properties/infra/properties/bootstrap/properties/ssh/properties/port",
        "/properties/infra/properties/bootstrap/properties/readiness/properties/deadline",
    ] {
        assert!(schema.pointer(path).is_some(), "{path}");
    }
    let references: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("\"$ref\": \"#"))
        .map(|rest| rest.trim_end_matches(',').trim_end_matches('"'))
        .collect();
    assert!(!references.is_empty());
    for reference in references {
        assert!(schema.pointer(reference).is_some(), "{reference}");
    }
}

#[test]
fn mistakes_of_the_envelope_hide_none_of_the_blocks() {
    let whole = format!("env_file: nope.env\nprojct: {{}}\n{DIGITALOCEAN}{NETWORK}{BOOTSTRAP}")
        .replacen("ssh_key_name:", "ssh_key_nam:", 1)
        .replacen("\"latest\"", "\"newest\"", 1);
    let shown = refusal(&whole);
    for told in [
        "nope.env: cannot read it",
        "unknown field `projct`",
        "unknown field `ssh_key_nam`",
        "invalid docker version",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    assert_eq!(shown.matches("error: ").count(), 4, "{shown}");
}

#[test]
fn secrets_in_the_wrong_place_are_not_repeated() {
    let token = "dop_v1_0123456789abcdef";
    for line in [
        format!("token: {token}"),
        format!("token: hunter2-{token}"),
        format!("password: hunter2-{token}"),
        format!("poll: {{ x: {token}, interval: 0s }}"),
    ] {
        let whole = DIGITALOCEAN.replacen("token_env: DO_TOKEN", &line, 1);
        assert_ne!(whole, DIGITALOCEAN);
        for format in ["text", "json"] {
            let output = validate(&whole, &["-o", format]);
            assert_eq!(output.status.code(), Some(1));
            let told = format!("{output:?}");
            assert!(!told.contains("0123456789"), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}

#[test]
fn undeclared_environment_has_its_place_and_the_nearest_name() {
    let output = validate(DIGITALOCEAN, &["--env", "stagin"]);
    assert_eq!(output.status.code(), Some(1));
    let shown = String::from_utf8(output.stderr).unwrap();
    assert!(
        shown.contains("environment `stagin` is not declared"),
        "{shown}"
    );
    assert!(shown.contains("did you mean `staging`?"), "{shown}");
    assert!(shown.contains("stagecraft.yml:"), "{shown}");
}

#[test]
fn empty_files_are_told_as_such() {
    for text in ["", "# nothing\n", "~\n"] {
        let shown = refusal(text);
        assert!(shown.contains("the file is empty"), "{text:?}: {shown}");
    }
}

#[test]
fn schema_lets_variables_stand_where_the_program_does() {
    let output = Command::new(env!("CARGO_BIN_EXE_stagecraft"))
        .args(["config", "schema"])
        .env_clear()
        .output()
        .unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("s.json", schema).unwrap();
    let id = compiler.compile("s.json", &mut schemas).unwrap();
    let file = |count: serde_json::Value, provider: &str| {
        serde_json::json!({
            "project": { "name": "${NAME}" },
            "cloud": { "provider": provider, "providers": { "digitalocean": {
                "token_env": "T",
                "ssh_key_name": "k",
                "hosts": { "prod": { "app": { "role": "app", "count": count } } },
            } } },
            "infra": { "bootstrap": { "docker": { "install_method": "${M:-apt}" } } },
        })
    };
    for (value, is_valid) in [
        (file("${COUNT}".into(), "digitalocean"), true),
        (file(3.into(), "digitalocean"), true),
        (file("three".into(), "digitalocean"), false),
        (file(3.into(), "elsewhere"), false),
        (serde_json::json!({ "project": { "name": "shop" } }), false),
    ] {
        assert_eq!(schemas.validate(&value, id).is_ok(), is_valid, "{value}");
    }
}

#[test]
fn line_of_an_error_is_right_after_any_line_break() {
    let shown = refusal("# a\r# b\nbogus: 1\n");
    assert!(shown.contains("bogus: 1"), "{shown}");
}

#[test]
fn absurd_number_of_hosts_is_refused_before_they_are_counted_out() {
    use std::fmt::Write as _;
    let mut text = String::from(
        "cloud:\n  provider: digitalocean\n  providers:\n    digitalocean:\n      token_env: T\n      ssh_key_name: k\n      default_size: s\n      default_region: r\n      hosts:\n        prod:\n",
    );
    for number in 0..2000 {
        writeln!(text, "          h{number}: {{ role: app, count: 1000 }}").unwrap();
    }
    let shown = refusal(&text);
    assert!(shown.contains("2000000 hosts in all"), "{shown}");
}

#[test]
fn arguments_that_are_no_text_are_a_usage_error() {
    use std::os::unix::ffi::OsStrExt as _;
    let output = Command::new(env!("CARGO_BIN_EXE_stagecraft"))
        .arg("--bogus")
        .arg(std::ffi::OsStr::from_bytes(b"\xff"))
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn missing_file_says_how_to_make_one() {
    let directory = TempDir::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_stagecraft"))
        .args(["infra", "plan"])
        .current_dir(directory.path())
        .env_clear()
        .envs(profile::variable())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("stagecraft init")
    );
}

#[test]
fn mistakes_are_objects_with_output_json() {
    let output = validate("cloud:\n  provder: x\n", &["-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["exit_code"], 1);
    assert_eq!(result["error"]["config"][0]["location"]["line"], 2);
    assert_eq!(result["error"]["config"][0]["suggestion"], "provider");
}
