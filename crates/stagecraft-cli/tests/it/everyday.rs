//! What people type day by day: help, the file that is found, names, and questions.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::support::terminal::Terminal;
use crate::support::{Lab, quick};
use tokio::process::Command;

async fn lab() -> Lab {
    Lab::api_only(quick()).await
}

const CREATE: [&str; 4] = ["infra", "up", "--yes", "--no-bootstrap"];

#[tokio::test(flavor = "multi_thread")]
async fn help_is_a_command_and_shows_what_the_flag_shows() {
    let lab = lab().await;
    for (words, flag) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "infra"], &["infra", "--help"]),
        (&["help", "infra", "up"], &["infra", "up", "--help"]),
    ] {
        let by_word = lab.run(words).await;
        let by_flag = lab.run(flag).await;
        assert_eq!(by_word.expect_code(0).stdout, by_flag.expect_code(0).stdout);
    }
    let up = lab.run(&["help", "infra", "up"]).await.stdout;
    let (own, global) = up.split_once("Global options:").expect("a heading");
    assert!(
        own.contains("--allow-differ") && !own.contains("--config"),
        "{up}"
    );
    assert!(
        global.contains("--config") && global.contains("--dry-run"),
        "{up}"
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn help_offers_global_options_only_where_they_have_an_effect() {
    let lab = lab().await;
    for (command, absent) in [
        (&["version"][..], &["--env", "--config", "--dry-run"][..]),
        (
            &["completions"],
            &["--env", "--config", "--output", "--dry-run", "--verbose"],
        ),
        (&["config", "validate"], &["--dry-run"]),
        (&["infra", "plan"], &["--dry-run"]),
    ] {
        let help = lab.run(&[command, &["--help"]].concat()).await.stdout;
        // Examples may name them.
        let options = help.split("Examples:").next().expect("a part");
        for option in absent {
            assert!(!options.contains(option), "{command:?} {option}: {help}");
        }
    }
    // A variable for all commands does no harm to one.
    let mut version = lab.command(&["version"]);
    version
        .env("STAGECRAFT_DRY_RUN", "1")
        .env("STAGECRAFT_ENV", "staging");
    assert!(version.output().await.expect("a version").status.success());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistyped_command_is_refused_without_advice_to_delete() {
    let lab = lab().await;
    for typed in ["dwn", "dow", "prun", "rep", "replce", "unlok"] {
        let refused = lab.run(&["infra", typed]).await;
        let told = &refused.expect_code(1).stderr;
        assert!(told.contains(&format!("'{typed}'")), "{told}");
        for verb in ["'down'", "'prune'", "'reap'", "'replace'", "'unlock'"] {
            assert!(!told.contains(verb), "{typed}: {told}");
        }
        let json = lab.run(&["infra", typed, "--output", "json"]).await;
        let hint = json.result()["error"]["hint"].to_string();
        assert!(!hint.contains("down") && !hint.contains("prune"), "{hint}");
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_of_a_directory_above_is_found_and_named() {
    let lab = lab().await;
    let below = lab.directory.path().join("app/src");
    fs::create_dir_all(&below).unwrap();
    let shown = lab.run_in(&below, &["config", "validate"]).await;
    assert!(
        shown
            .expect_code(0)
            .stderr
            .contains("using ../../stagecraft.yml"),
        "{shown:?}"
    );

    // The nearest one counts, in either spelling.
    let text = fs::read_to_string(lab.config_path()).unwrap();
    let nearer = lab.directory.path().join("app/stagecraft.yaml");
    fs::write(&nearer, text.replace("app: { role: app, count: 2 }", "")).unwrap();
    let shown = lab.run_in(&below, &["config", "validate"]).await;
    assert!(
        shown.expect_code(0).stdout.contains("staging (1 host)"),
        "{shown:?}"
    );
    assert!(
        shown.stderr.contains("using ../stagecraft.yaml"),
        "{shown:?}"
    );

    // A mistake has its place in the file that was found.
    fs::write(&nearer, "clod: {}\n").unwrap();
    let broken = lab.run_in(&below, &["config", "validate"]).await;
    assert!(
        broken
            .expect_code(1)
            .stderr
            .contains("../stagecraft.yaml:1:1"),
        "{broken:?}"
    );

    // `init` writes here, whatever stands above.
    let new = lab.run_in(&below, &["init", "--project", "other"]).await;
    new.expect_code(0);
    assert!(below.join("stagecraft.yml").is_file());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_spellings_of_the_file_in_one_directory_are_refused() {
    let lab = lab().await;
    let directory = lab.directory.path();
    fs::copy(lab.config_path(), directory.join("stagecraft.yaml")).unwrap();
    let refused = lab.run(&["config", "validate"]).await;
    let told = &refused.expect_code(1).stderr;
    assert!(
        told.contains("both stagecraft.yml and stagecraft.yaml exist"),
        "{told}"
    );
    assert!(told.contains("--config"), "{told}");
    let named = ["config", "validate", "--config", "stagecraft.yaml"];
    lab.run(&named).await.expect_code(0);

    fs::remove_file(lab.config_path()).unwrap();
    let refused = lab.run(&["init", "--project", "x"]).await;
    assert!(
        refused
            .expect_code(1)
            .stderr
            .contains("stagecraft.yaml exists"),
        "{refused:?}"
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistyped_environment_has_its_place_and_the_nearest_name_for_every_verb() {
    let lab = lab().await;
    for verb in [
        &["infra", "plan"][..],
        &["infra", "plan", "--destroy"],
        &["infra", "plan", "--prune"],
        &["infra", "up", "--yes"],
        &["infra", "bootstrap"],
        &["infra", "hosts"],
        &["infra", "down", "--confirm", "stagin"],
        &["infra", "prune", "--confirm", "stagin"],
        &["infra", "reap", "--confirm", "stagin"],
        &["infra", "adopt", "app-1", "--confirm", "stagin"],
        &["infra", "unprotect", "app-1", "--confirm", "stagin"],
        &["infra", "replace", "app-1", "--confirm", "stagin"],
        &["infra", "unlock", "--confirm", "stagin"],
        &["config", "validate"],
        &["config", "show"],
        &["config", "show", "--why", "project.name"],
    ] {
        let refused = lab.run(&[verb, &["-e", "stagin"]].concat()).await;
        let told = &refused.expect_code(1).stderr;
        assert!(told.contains("stagecraft.yml:12:"), "{verb:?}: {told}");
        assert!(told.contains("did you mean `staging`?"), "{verb:?}: {told}");
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn name_of_an_entry_with_a_count_selects_all_its_hosts() {
    let lab = lab().await;
    lab.run(&[&CREATE[..], &["--host", "app"]].concat())
        .await
        .expect_code(0);
    assert_eq!(lab.names(), ["staging-app-1", "staging-app-2"]);
    lab.run(&CREATE).await.expect_code(0);
    let plan = lab
        .run(&["infra", "plan", "--host", "app,db-1", "-o", "json"])
        .await;
    let plan: serde_json::Value = serde_json::from_str(&plan.expect_code(0).stdout).unwrap();
    assert_eq!(
        plan["plan"]["unchanged"].as_array().map(Vec::len),
        Some(3),
        "{plan}"
    );
    let down = ["infra", "down", "--host", "app", "--confirm", "staging"];
    lab.run(&down).await.expect_code(0);
    assert_eq!(lab.names(), ["staging-db-1"]);
    let unknown = lab.run(&["infra", "plan", "--host", "db"]).await;
    // One host of that name with a number is a group of one.
    unknown.expect_code(0);
    let unknown = lab.run(&["infra", "plan", "--host", "ap"]).await;
    assert!(
        unknown
            .expect_code(1)
            .stderr
            .contains("there is no host `ap`"),
        "{unknown:?}"
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_hosts_take_commas_everywhere() {
    let lab = lab().await;
    lab.run(&CREATE).await.expect_code(0);
    let unprotect = ["infra", "unprotect", "app-1,db-1", "--confirm", "staging"];
    lab.run(&unprotect).await.expect_code(0);
    let adopt = [
        "infra",
        "adopt",
        "app-1,app-2",
        "db-1",
        "--confirm",
        "staging",
    ];
    lab.run(&adopt).await.expect_code(0);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shown_configuration_keeps_to_the_environment() {
    let lab = lab().await;
    lab.edit(
        "        staging:\n",
        "        prod:\n          web: { role: web }\n        staging:\n",
    );
    let all = lab.run(&["config", "show"]).await.stdout;
    assert!(all.contains("prod:") && all.contains("staging:"), "{all}");
    let one = lab.run(&["config", "show", "--env", "prod"]).await.stdout;
    assert!(one.contains("prod:") && !one.contains("staging:"), "{one}");
    assert!(one.contains("token_env: DO_TOKEN"), "{one}");
    let hosts = "cloud.providers.digitalocean.hosts";
    let key = format!("{hosts}.staging.db-1.size");
    lab.run(&["config", "show", "--why", &key])
        .await
        .expect_code(0);
    let why = lab
        .run(&["config", "show", "--why", &key, "--env", "prod"])
        .await;
    assert!(why.expect_code(1).stderr.contains("no setting"), "{why:?}");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twice_verbose_shows_each_request_and_no_secret() {
    let lab = lab().await;
    let quiet = lab.run(&["infra", "plan", "-v"]).await;
    assert!(!quiet.expect_code(0).stderr.contains("/v2/"), "{quiet:?}");
    lab.control().clear_requests();
    let shown = lab.run(&["infra", "plan", "-vv"]).await;
    let lines: Vec<&str> = shown.expect_code(0).stderr.lines().collect();
    let requests: Vec<&&str> = lines.iter().filter(|line| line.contains("/v2/")).collect();
    assert_eq!(requests.len(), lab.control().requests().len(), "{lines:#?}");
    for line in &requests {
        assert!(line.contains("GET /v2/"), "{line}");
        assert!(
            line.contains("status=200") && line.contains("milliseconds="),
            "{line}"
        );
        assert!(line.contains("request_id="), "{line}");
    }
    let token = lab.variables.get("DO_TOKEN").expect("a token");
    assert!(!shown.stderr.contains(token.as_str()), "{}", shown.stderr);
    lab.shutdown().await;
}

/// What bash offers for the last of these words.
async fn completed(lab: &Lab, words: &[&str]) -> Vec<String> {
    let program = Path::new(env!("CARGO_BIN_EXE_stagecraft"));
    let script = "
        source <(stagecraft completions bash)
        COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
        _clap_complete_stagecraft stagecraft \"${COMP_WORDS[COMP_CWORD]}\" \"\"
        printf '%s\\n' \"${COMPREPLY[@]}\"
    ";
    let mut command = Command::new("bash");
    let model = lab.command(&[]);
    let variables = model.as_std().get_envs();
    command
        .args(["-c", script, "bash", "stagecraft"])
        .args(words)
        .current_dir(lab.directory.path())
        .env_clear()
        .envs(variables.filter_map(|(name, value)| Some((name, value?))))
        .env(
            "PATH",
            format!(
                "{}:/usr/bin:/bin",
                program.parent().expect("a directory").display()
            ),
        )
        .stdin(Stdio::null());
    let output = command.output().await.expect("bash");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn bash_completes_commands_and_the_names_of_the_file() {
    let lab = lab().await;
    lab.edit(
        "        staging:\n",
        "        prod:\n          web: { role: web }\n        staging:\n",
    );
    for (words, expected) in [
        (&["inf"][..], &["infra"][..]),
        (&["infra", "up", "--env", ""], &["prod", "staging"]),
        (
            &["infra", "up", "--env", "staging", "--host", ""],
            &["app-1", "app-2", "db-1"],
        ),
        (
            &["infra", "up", "--env", "staging", "--host", "db"],
            &["db-1"],
        ),
        (&["infra", "up", "-e", "prod", "--role", ""], &["web"]),
        (&["infra", "replace", "d"], &["db-1"]),
    ] {
        let mut offered = completed(&lab, words).await;
        if expected[0] != "infra" {
            offered.retain(|word| !word.starts_with('-'));
        }
        assert_eq!(offered, expected, "{words:?}");
    }
    let listed = completed(
        &lab,
        &["infra", "down", "--env", "staging", "--host", "app-1,d"],
    )
    .await;
    assert_eq!(listed, ["app-1,db-1"]);
    // A file with mistakes completes nothing and shows nothing.
    fs::write(lab.config_path(), "cloud: [").unwrap();
    assert_eq!(
        completed(&lab, &["infra", "up", "--env", ""]).await,
        [""; 0]
    );
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_that_confirms_nothing_says_that_nothing_was_deleted() {
    let lab = lab().await;
    lab.run(&CREATE).await.expect_code(0);
    for (keys, said) in [
        (
            "stagign\n",
            "`stagign` is not the name of the environment `staging`; nothing was deleted",
        ),
        (
            "\n",
            "not confirmed: the name of the environment `staging` was not typed; nothing was deleted",
        ),
        (
            "\u{4}",
            "not confirmed: the name of the environment `staging` was not typed; nothing was deleted",
        ),
    ] {
        let mut terminal = Terminal::run(&lab, &["infra", "down"], "exit $code");
        terminal.wait_for("Type the environment's name").await;
        terminal.types(keys).await;
        let (code, shown) = terminal.end().await;
        assert_eq!(code, Some(7), "{shown}");
        let error = shown.lines().find(|line| line.contains("error:"));
        let error = error.unwrap_or_else(|| panic!("no line of its own: {shown}"));
        assert!(error.contains(said), "{shown}");
        assert!(!error.contains("Type the"), "{shown}");
    }
    assert_eq!(lab.names().len(), 3);
    lab.shutdown().await;
}
