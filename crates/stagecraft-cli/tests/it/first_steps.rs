//! What a newcomer types: `init`, `version`, `providers`, `completions`, and a sandbox around it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::profile;

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagecraft"));
    command
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .envs(profile::variable())
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null());
    command
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    let output = command(directory, arguments).output();
    output.expect("the binary")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn init_writes_a_valid_file_named_after_its_directory_and_never_over_another() {
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("My Shop");
    fs::create_dir(&directory).unwrap();
    let shown = run(&directory, &["--dry-run", "init"]);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    assert!(!directory.join("stagecraft.yml").exists());

    let written = run(&directory, &["init"]);
    assert_eq!(written.status.code(), Some(0), "{written:?}");
    let file = fs::read_to_string(directory.join("stagecraft.yml")).unwrap();
    assert_eq!(file, text(&shown.stdout));
    assert!(file.contains("name: my-shop"), "{file}");
    assert!(
        file.contains("name_pattern: \"{project}--{env}-{host}\""),
        "{file}"
    );
    let valid = run(&directory, &["config", "validate"]);
    assert_eq!(valid.status.code(), Some(0), "{valid:?}");

    let again = run(&directory, &["init", "--project", "other"]);
    assert_ne!(again.status.code(), Some(0));
    assert!(text(&again.stderr).contains("--force"), "{again:?}");
    assert_eq!(
        fs::read_to_string(directory.join("stagecraft.yml")).unwrap(),
        file
    );
    let forced = run(
        &directory,
        &["init", "--project", "other", "--force", "-o", "json"],
    );
    let told: serde_json::Value = serde_json::from_slice(&forced.stdout).unwrap();
    assert_eq!(told["written"], "stagecraft.yml");
    let file = fs::read_to_string(directory.join("stagecraft.yml")).unwrap();
    assert!(file.contains("name: other"), "{file}");
}

#[test]
fn init_refuses_a_name_that_no_project_may_have() {
    let directory = TempDir::new().unwrap();
    let refused = run(directory.path(), &["init", "--project", "Not A Name"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(text(&refused.stderr).contains("--project"), "{refused:?}");
    assert!(!directory.path().join("stagecraft.yml").exists());
}

#[test]
fn program_tells_its_version_its_providers_and_its_completions() {
    let directory = TempDir::new().unwrap();
    let version = run(directory.path(), &["version"]);
    assert!(text(&version.stdout).contains(env!("CARGO_PKG_VERSION")));
    let providers = run(directory.path(), &["providers"]);
    for id in [
        "digitalocean",
        "tailscale",
        "docker",
        "network",
        "swap",
        "sysctl",
        "system",
        "timezone",
        "unattended_upgrades",
        "users",
    ] {
        assert!(text(&providers.stdout).contains(id), "{providers:?}");
    }
    let completions = run(directory.path(), &["completions", "bash"]);
    assert!(text(&completions.stdout).contains("-F _clap_complete_stagecraft stagecraft"));
}

#[test]
fn sandbox_gives_a_command_a_cloud_and_ends_with_its_code() {
    let directory = TempDir::new().unwrap();
    let directory = directory.path();
    assert!(run(directory, &["init"]).status.success());
    let sandbox = ["sandbox", "--hosts", "none", "--"];
    let planned = run(
        directory,
        &[&sandbox[..], &["stagecraft", "infra", "plan", "-o", "json"]].concat(),
    );
    assert_eq!(planned.status.code(), Some(0), "{planned:?}");
    let plan: serde_json::Value = serde_json::from_slice(&planned.stdout).unwrap();
    assert!(plan.to_string().contains("http://127.0.0.1:"), "{plan}");

    let ended = run(directory, &[&sandbox[..], &["sh", "-c", "exit 5"]].concat());
    assert_eq!(ended.status.code(), Some(5), "{ended:?}");
    let killed = run(
        directory,
        &[&sandbox[..], &["sh", "-c", "kill -TERM $$"]].concat(),
    );
    assert_eq!(killed.status.code(), Some(128 + 15), "{killed:?}");
    let missing = run(directory, &[&sandbox[..], &["no-such-program"]].concat());
    assert!(
        text(&missing.stderr).contains("cannot run no-such-program"),
        "{missing:?}"
    );
}

/// Prints all knobs of the sandbox that it runs under.
const SHOW_KNOBS: &str = "address=${DIGITALOCEAN_API_URL#http://}
exec 3<>/dev/tcp/${address%:*}/${address#*:}
printf 'GET /sandbox/knobs HTTP/1.0\r\nhost: localhost\r\n\r\n' >&3
cat <&3";

#[test]
fn sandbox_behaves_as_its_knobs_say_or_does_not_start() {
    let directory = TempDir::new().unwrap();
    let sandbox = |options: &[&str]| {
        let fixed = ["sandbox", "--hosts", "none"];
        let command = ["--", "bash", "-c", SHOW_KNOBS];
        let line = [&fixed[..], options, &command[..]].concat();
        run(directory.path(), &line)
    };
    let options = "--latency 5ms --boot-time 2s --droplet-limit 3 \
                   --knob list_lag=1s --knob errored_creates=web-1,web-2 --knob burst_limit=null";
    let options: Vec<&str> = options.split_whitespace().collect();
    let shown = sandbox(&options);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    let (_, knobs) = text(&shown.stdout).split_once("\r\n\r\n").expect("a body");
    let knobs: serde_json::Value = serde_json::from_str(knobs).expect("JSON");
    let expected = serde_json::json!({
        "latency_ms": 5,
        "boot_time_ms": 2000,
        "droplet_limit": 3,
        "list_lag_ms": 1000,
        "errored_creates": ["web-1", "web-2"],
        "burst_limit": null,
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(knobs[name], *value, "{name}");
    }

    let cases = [
        (
            ["--knob", "lst_lag=1s"],
            "no knob `lst_lag`, perhaps `list_lag_ms`; the knobs are ",
        ),
        (["--knob", "list_lag=soon"], "knob `list_lag_ms`: "),
        (
            ["--knob", "list_lag"],
            "give it a value, as in list_lag=VALUE",
        ),
        (["--boot-time", "long"], "knob `boot_time_ms`: "),
    ];
    for (options, expected) in cases {
        let refused = sandbox(&options);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let message = text(&refused.stderr);
        assert!(message.contains(expected), "{message}");
    }
    let help = run(directory.path(), &["sandbox", "--help"]);
    let help = text(&help.stdout);
    assert!(help.contains("--knob list_lag=5s"), "{help}");
}

#[test]
fn wrong_value_of_a_variable_is_told_with_the_variable_and_one_of_a_flag_with_the_flag() {
    let directory = TempDir::new().unwrap();
    for (variable, value) in [
        ("STAGECRAFT_OUTPUT", "yaml"),
        ("STAGECRAFT_VERBOSE", "very"),
        ("STAGECRAFT_DRY_RUN", "perhaps"),
        ("STAGECRAFT_ENV", "No Name"),
    ] {
        let output = command(directory.path(), &["infra", "plan"])
            .env(variable, value)
            .output()
            .expect("the binary");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let told = text(&output.stderr);
        let place = format!("invalid value '{value}' for '{variable}'");
        assert!(told.contains(&place), "{told}");
    }
    let output = command(directory.path(), &["infra", "plan", "--output", "yaml"])
        .env("STAGECRAFT_OUTPUT", "json")
        .output()
        .expect("the binary");
    let told = text(&output.stderr);
    assert!(told.contains("for '--output <FORMAT>'"), "{told}");
}

#[test]
fn log_setting_that_is_none_is_told_and_stops_nothing() {
    let directory = TempDir::new().unwrap();
    for (value, is_told) in [
        ("stagecraft_ssh=loud", true),
        ("stagecraft_ssh=trace", false),
    ] {
        let output = command(directory.path(), &["version"])
            .env("STAGECRAFT_LOG", value)
            .output()
            .expect("the binary");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let told = text(&output.stderr);
        assert_eq!(
            told.contains("ignoring invalid STAGECRAFT_LOG"),
            is_told,
            "{told}"
        );
    }
}

#[test]
fn command_under_a_sandbox_means_the_configuration_and_environment_of_the_sandbox() {
    let directory = TempDir::new().unwrap();
    let directory = directory.path();
    run(directory, &["init", "--project", "shop"]);
    fs::rename(
        directory.join("stagecraft.yml"),
        directory.join("other.yml"),
    )
    .unwrap();
    let sandbox = [
        "sandbox",
        "--hosts",
        "none",
        "-c",
        "other.yml",
        "-e",
        "staging",
    ];
    let within = ["--", "stagecraft", "infra", "plan"];
    let planned = run(directory, &[&sandbox[..], &within].concat());
    assert_eq!(planned.status.code(), Some(0), "{planned:?}");
    assert!(text(&planned.stdout).contains("environment staging"));
    let missing = [
        "sandbox",
        "--hosts",
        "none",
        "-c",
        "nowhere.yml",
        "--",
        "true",
    ];
    let refused = run(directory, &missing);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(text(&refused.stderr).contains("cannot read nowhere.yml"));
}

#[test]
fn variables_of_a_sandbox_arrive_as_they_are_in_a_shell_that_reads_its_lines() {
    let directory = TempDir::new().unwrap();
    let directory = directory.path();
    run(directory, &["init", "--project", "shop"]);
    let path = directory.join("stagecraft.yml");
    let file = fs::read_to_string(&path).unwrap();
    let command = "token_cmd: [pass, show, \"it's mine\"]";
    fs::write(&path, file.replace("token_env: DO_TOKEN", command)).unwrap();
    // Within the sandbox the variable is whole; outside it has to be made from what is printed.
    let mut child = command_of_a_sandbox(directory);
    let mut lines = String::new();
    let printed = child.stdout.take().expect("piped");
    for line in BufReader::new(printed).lines().map_while(Result::ok) {
        let is_last = line.contains("STAGECRAFT_SSH_PORT") || line.contains("SECRETS");
        lines.push_str(&line);
        lines.push('\n');
        if is_last {
            break;
        }
    }
    child.kill().expect("a running sandbox");
    child.wait().expect("an end");
    let script = format!("{lines}printf %s \"$STAGECRAFT_SANDBOX_SECRETS\"");
    let shell = Command::new("sh").args(["-c", &script]).output().unwrap();
    let secrets: serde_json::Value = serde_json::from_slice(&shell.stdout).expect("JSON");
    let names: Vec<&String> = secrets.as_object().expect("an object").keys().collect();
    assert!(names[0].contains("it's mine"), "{names:?}");
}

fn command_of_a_sandbox(directory: &Path) -> Child {
    command(directory, &["sandbox", "--hosts", "none"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary")
}
