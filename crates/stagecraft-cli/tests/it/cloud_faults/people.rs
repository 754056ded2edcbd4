//! What people say to the program, and do not say.

use tokio::io::AsyncWriteExt as _;

use super::{UP, first_line};
use crate::support::{DECLARED, Lab, TOKEN, quick};

#[tokio::test(flavor = "multi_thread")]
async fn question_stands_alone_in_its_line() {
    let lab = Lab::api_only(quick()).await;
    let own = lab.command(&["infra", "up", "--no-bootstrap"]);
    let own = own.as_std();
    let words = std::iter::once(own.get_program()).chain(own.get_args());
    let words: Vec<&str> = words.map(|word| word.to_str().expect("UTF-8")).collect();
    // `script` gives the program a terminal.
    let mut terminal = tokio::process::Command::new("script");
    terminal
        .args(["-qec", &words.join(" "), "/dev/null"])
        .env_clear()
        .env("TERM", "xterm")
        .envs(
            own.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(own.get_current_dir().expect("a directory"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true);
    let mut child = terminal.spawn().expect("script is part of every Linux");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(b"n\n").await.expect("an answer");
    let shown = child.wait_with_output().await.expect("an end").stdout;
    let shown = String::from_utf8_lossy(&shown);
    let (before, _) = shown.split_once("Create 3 hosts").expect("a question");
    let (_, since) = before.rsplit_once("reading the cloud").expect("a bar");
    assert!(
        since.contains("\u{1b}[2K"),
        "the bar is still there: {shown:?}"
    );
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_nothing_is_created_or_deleted_unconfirmed() {
    let lab = Lab::api_only(quick()).await;
    let refused = lab.run(&["infra", "up", "--no-bootstrap"]).await;
    assert!(refused.expect_code(7).stderr.contains("--yes"));
    assert!(lab.names().is_empty());
    lab.run(&UP).await.expect_code(0);
    lab.run(&["infra", "up", "--no-bootstrap"])
        .await
        .expect_code(0);
    let refused = lab.run(&["infra", "down"]).await;
    assert!(refused.expect_code(7).stderr.contains("--confirm staging"));
    lab.run(&["infra", "down", "--confirm", "prod"])
        .await
        .expect_code(7);
    assert_eq!(lab.names(), DECLARED);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn token_written_into_the_file_is_refused_and_not_repeated() {
    let lab = Lab::api_only(quick()).await;
    lab.edit("token_env: DO_TOKEN", &format!("token_env: {TOKEN}"));
    for format in ["text", "json"] {
        let refused = lab.run(&["infra", "plan", "-o", format]).await;
        refused.expect_code(1);
        assert!(
            refused.stderr.contains("never the token itself"),
            "{refused:?}"
        );
        assert!(!format!("{refused:?}").contains(TOKEN), "{refused:?}");
    }
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistyped_environment_is_not_taken_for_an_empty_one() {
    let lab = Lab::api_only(quick()).await;
    lab.run(&UP).await.expect_code(0);
    for command in [
        &["infra", "down", "-e", "stagin", "--confirm", "stagin"][..],
        &["infra", "hosts", "-e", "stagin"],
        &["infra", "plan", "-e", "stagin"],
        &["config", "validate", "-e", "stagin"],
    ] {
        let refused = lab.run(command).await;
        let told = first_line(refused.expect_code(1));
        assert!(
            told.ends_with(": environment `stagin` is not declared, known: staging"),
            "{told}"
        );
    }
    // An environment that has left the file can still be taken down.
    lab.edit("        staging:\n", "        other:\n");
    lab.run(&["infra", "down", "-e", "staging", "--confirm", "staging"])
        .await
        .expect_code(0);
    assert!(lab.names().is_empty());
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_set_to_nothing_count_as_not_set_and_flags_come_first() {
    let mut lab = Lab::api_only(quick()).await;
    for name in ["CONFIG", "ENV", "OUTPUT", "DRY_RUN", "VERBOSE"] {
        lab.variables
            .insert(format!("STAGECRAFT_{name}"), String::new());
    }
    lab.run(&["infra", "plan"]).await.expect_code(0);
    lab.variables
        .insert("STAGECRAFT_DRY_RUN".into(), "1".into());
    lab.run(&UP).await.expect_code(0);
    assert!(lab.names().is_empty());
    lab.run(&["infra", "up", "--yes", "--no-bootstrap", "--dry-run=false"])
        .await
        .expect_code(0);
    assert_eq!(lab.names(), DECLARED);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_errors_exit_1_and_are_objects_with_output_json() {
    let lab = Lab::api_only(quick()).await;
    let refused = lab.run(&["infra", "pu", "-o", "json"]).await;
    let result = refused.expect_code(1).result();
    assert_eq!(result["error"]["kind"], "usage");
    let refused = lab.run(&["infra", "pu"]).await;
    assert!(refused.expect_code(1).stdout.is_empty());
    lab.run(&["--help"]).await.expect_code(0);
    lab.run(&["infra", "up", "--help"]).await.expect_code(0);
    lab.shutdown().await;
}
