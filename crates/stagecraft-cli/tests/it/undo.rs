//! `infra down --made-by RUN`: what one run made, and nothing else.

use crate::support::{DECLARED, Lab, quick};
use stagecraft_sandbox::Fault;

const UP: [&str; 4] = ["infra", "up", "--yes", "--no-bootstrap"];

#[tokio::test(flavor = "multi_thread")]
async fn hosts_of_one_run_go_and_those_of_others_stay() {
    let lab = Lab::api_only(quick()).await;
    let first = [&UP[..], &["--role", "app"]].concat();
    lab.run(&first).await.expect_code(0);
    let second = lab.run(&[&UP[..], &["-o", "json"]].concat()).await;
    let run = second.expect_code(0).result()["run"].clone();
    let run = run.as_str().expect("an id");
    assert!(run.len() == 16, "{run}");
    assert_eq!(lab.names(), DECLARED);

    let down = ["infra", "down", "--confirm", "staging", "--made-by"];
    let nobody = lab.run(&[&down[..], &["0123456789abcdef"]].concat()).await;
    let text = "No host of staging was made by run 0123456789abcdef.";
    assert!(nobody.expect_code(0).stdout.contains(text), "{nobody:?}");
    lab.run(&[&down[..], &["no-id"]].concat())
        .await
        .expect_code(1);
    assert_eq!(lab.names(), DECLARED);

    lab.run(&[&down[..], &[run]].concat()).await.expect_code(0);
    assert_eq!(lab.names(), ["staging-app-1", "staging-app-2"]);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn up_that_failed_tells_the_command_that_deletes_what_it_made() {
    let lab = Lab::api_only(quick()).await;
    // One of the two create requests, which are one for each size, is refused for good.
    let fault = Fault::status("POST", "/v2/droplets", 422);
    lab.control().add_fault(fault);
    let failed = lab.run(&UP).await;
    failed.expect_code(10);
    let told = failed.stdout.lines().last().expect("a line");
    let (_, command) = told.split_once("stagecraft ").expect("a command");
    assert!(
        command.starts_with("infra down --env staging --made-by "),
        "{told}"
    );
    assert!(!lab.names().is_empty());
    let mut arguments: Vec<&str> = command.split(' ').collect();
    arguments.extend(["--confirm", "staging"]);
    lab.run(&arguments).await.expect_code(0);
    assert!(lab.names().is_empty());

    let fine = lab.run(&UP).await;
    assert!(!fine.expect_code(0).stdout.contains("--made-by"));
    lab.shutdown().await;
}
