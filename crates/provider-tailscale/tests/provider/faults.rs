//! Connections that break, and runs that are cancelled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use provider_tailscale::core::{
    Error, ErrorKind, Exit, NetworkProvider, NoEvents, RemoteOutput, Retry, Run,
};
use stagecraft_testkit::{Call, Reply, ScriptedRemote};

use crate::support::{KEY, NEEDS_LOGIN, node, probed, provider, run, shown};

const PATH: &str = "/run/stagecraft/ts-authkey-web-1-";

/// A host up to the login.
fn before_login() -> ScriptedRemote {
    let facts = probed("", NEEDS_LOGIN).output;
    ScriptedRemote::new("web-1")
        .expect_command("probe", is_probe, Reply::stdout(facts))
        .expect_command("prepare", |text| text.contains("mkdir"), Reply::stdout(""))
}

fn with_key(host: ScriptedRemote, reply: Reply) -> ScriptedRemote {
    host.expect_upload("key", |path| path.starts_with(PATH), reply)
}

fn is_probe(text: &str) -> bool {
    text == provider().probe().0
}

fn is_up(text: &str) -> bool {
    text.contains("tailscale \"$@\"")
}

fn is_removal(text: &str) -> bool {
    text.starts_with(&format!("rm -f -- {PATH}"))
}

async fn fail(host: &ScriptedRemote, run: &Run) -> Error {
    let result = provider().change(run, host, &node(), &[]).await;
    host.finish();
    let error = result.unwrap_err();
    assert_eq!(error.operation(), Some("join"), "{error:?}");
    assert!(!shown(&error).contains(KEY));
    for call in host.take_calls() {
        assert!(!call.text().contains(KEY));
        if let Call::Upload(upload) = call {
            assert_eq!((upload.mode, upload.owner), (0o600, None));
        }
    }
    error
}

#[tokio::test(flavor = "current_thread")]
async fn key_goes_when_the_connection_is_lost_during_the_login() {
    let host = with_key(before_login(), Reply::stdout(""))
        .expect_command("up", is_up, Reply::lost())
        .expect_command("removal", is_removal, Reply::stdout(""));
    let error = fail(&host, &run().0).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.chain().last().unwrap(), "connection was lost");
    assert_eq!(error.hint(), None);
}

#[tokio::test(flavor = "current_thread")]
async fn key_that_may_have_stayed_is_told_of() {
    let host = with_key(before_login(), Reply::stdout(""))
        .expect_command("up", is_up, Reply::lost())
        .expect_command("removal", is_removal, Reply::lost());
    let error = fail(&host, &run().0).await;
    assert!(error.hint().unwrap().contains(PATH), "{error:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn key_goes_when_its_upload_is_ambiguous() {
    let refused = Error::new(ErrorKind::Timeout, "no answer").with_retry(Retry::After(None));
    let host = with_key(before_login(), Reply::Error(refused)).expect_command(
        "removal",
        is_removal,
        Reply::stdout(""),
    );
    let error = fail(&host, &run().0).await;
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Timeout, Retry::After(None))
    );
}

#[tokio::test(flavor = "current_thread")]
async fn key_goes_when_the_run_is_cancelled_during_the_login() {
    let (run, _events) = run();
    let token = run.cancellation().clone();
    let cancel = move || {
        token.cancel();
        Err(Error::cancelled())
    };
    let host = with_key(before_login(), Reply::stdout(""))
        .expect_command("up", is_up, Reply::Call(Box::new(cancel)))
        .expect_command("removal", is_removal, Reply::stdout(""));
    let error = fail(&host, &run).await;
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[tokio::test(flavor = "current_thread")]
async fn key_goes_when_the_script_was_killed() {
    let killed = RemoteOutput {
        exit: Exit::Signal("KILL".into()),
        stdout: String::new(),
        stderr: String::new(),
    };
    let host = with_key(before_login(), Reply::stdout(""))
        .expect_command("up", is_up, Reply::Output(killed))
        .expect_command("removal", is_removal, Reply::stdout(""))
        .expect_command(
            "probe",
            is_probe,
            Reply::stdout(probed("", NEEDS_LOGIN).output),
        );
    let error = fail(&host, &run().0).await;
    assert_eq!(error.kind(), ErrorKind::CommandFailed);
}

#[tokio::test(flavor = "current_thread")]
async fn key_is_not_sent_where_no_place_for_it_can_be_made() {
    let facts = probed("", NEEDS_LOGIN).output;
    let host = ScriptedRemote::new("web-1")
        .expect_command("probe", is_probe, Reply::stdout(facts))
        .expect_command(
            "prepare",
            |_| true,
            Reply::failure(1, "mkdir: cannot create directory\n"),
        );
    let error = fail(&host, &run().0).await;
    assert!(
        error.to_string().contains("cannot create directory"),
        "{error}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn cancelled_run_sends_no_key() {
    let (run, _events) = run();
    let token = run.cancellation().clone();
    let facts = probed("", NEEDS_LOGIN).output;
    let host = ScriptedRemote::new("web-1").expect_command(
        "probe",
        is_probe,
        Reply::Call(Box::new(move || {
            token.cancel();
            Ok(RemoteOutput {
                exit: Exit::Code(0),
                stdout: facts,
                stderr: String::new(),
            })
        })),
    );
    let error = provider()
        .change(&run, &host, &node(), &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    host.finish();
}

#[tokio::test(flavor = "current_thread")]
async fn every_command_has_a_deadline() {
    let host = with_key(before_login(), Reply::stdout(""))
        .expect_command("up", is_up, Reply::failure(1, "odd\n"))
        .expect_command(
            "probe",
            is_probe,
            Reply::stdout(probed("", NEEDS_LOGIN).output),
        );
    let result = provider().change(&run().0, &host, &node(), &[]).await;
    assert!(result.is_err());
    for call in host.take_calls() {
        if let Call::Exec(command) = call {
            assert!(command.deadline <= Duration::from_mins(2), "{command:?}");
            assert!(command.deadline > Duration::ZERO);
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn key_with_blanks_is_refused_before_it_is_sent() {
    let variables = BTreeMap::from([("TS_AUTHKEY".to_owned(), "tskey-auth two".to_owned())]);
    let run = Run::new(Arc::new(NoEvents), Arc::new(variables));
    let facts = probed("", NEEDS_LOGIN).output;
    let host = ScriptedRemote::new("web-1").expect_command("probe", is_probe, Reply::stdout(facts));
    let error = provider()
        .change(&run, &host, &node(), &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(!shown(&error).contains("tskey-auth two"));
}
