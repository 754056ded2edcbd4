//! The configuration through the real binary: files of the first design load as they stand, and
//! every mistake has its place.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

#[path = "support/profile.rs"]
#[allow(unreachable_pub, reason = "also a module of the other tests")]
mod profile;

const DIGITALOCEAN: &str = include_str!("fixtures/digitalocean.yml");
const BOOTSTRAP: &str = include_str!("fixtures/bootstrap.yml");
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
