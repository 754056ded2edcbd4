//! Tests a host step without a host: what does it send, and what does it make of the answers?
//!
//! `cargo run -p stagecraft-testkit --example step_on_script`

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::time::Duration;

use async_trait::async_trait;
use stagecraft_core::{
    Change, Decision, Error, FailureCode, HostContext, HostStep, ProbeFacts, ProbeScript, Remote,
    RemoteCommand, Result, Run, StepFailure,
};
use stagecraft_testkit::{Reply, ScriptedRemote};

/// The step to be tested: switches the clock's synchronisation on.
#[derive(Debug)]
struct Clock;

const LIMIT: Duration = Duration::from_secs(30);

#[async_trait]
impl HostStep for Clock {
    fn id(&self) -> &'static str {
        "clock"
    }

    fn inspect(&self) -> ProbeScript {
        ProbeScript("timedatectl show --property=NTP")
    }

    fn decide(&self, facts: &ProbeFacts, _: &HostContext) -> Result<Decision, StepFailure> {
        match facts.value("NTP") {
            Some("yes") => Ok(Decision::Nothing),
            Some(_) => Ok(Decision::Change(vec![Change::new("ntp", "switch NTP on")])),
            None => Err(StepFailure::new(
                FailureCode::HostNotReady,
                "no timedatectl",
            )),
        }
    }

    async fn change(
        &self,
        run: &Run,
        remote: &dyn Remote,
        _: &HostContext,
        _: &[Change],
    ) -> Result<(), StepFailure> {
        let failed = |error: Error| StepFailure::new(FailureCode::HostNotReady, error.to_string());
        let command = RemoteCommand::argv(["timedatectl", "set-ntp", "true"], LIMIT);
        let output = remote.exec(run, &command).await.map_err(failed)?;
        let tail = output.tail(3);
        output
            .success()
            .map_err(|error| failed(error).with_evidence(tail))?;
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let run = Run::default();
    let context = HostContext {
        environment: "staging".parse()?,
        name: "app-1".parse()?,
        role: "app".parse()?,
        node: "staging-app-1".parse()?,
        login: None,
        operator_key: None,
        is_operator_login: false,
    };
    let facts = ProbeFacts {
        output: "NTP=no\n".to_owned(),
        code: 0,
    };
    let Ok(Decision::Change(changes)) = Clock.decide(&facts, &context) else {
        return Err("the clock was left as it is".into());
    };
    println!("decided: {}", changes[0].summary);

    let is_command = |text: &str| text == "timedatectl set-ntp true";
    let host = ScriptedRemote::new("app-1")
        .expect_command("the switch", is_command, Reply::stdout(""))
        .expect_command(
            "the switch",
            is_command,
            Reply::failure(1, "NTP not supported"),
        )
        .expect_command("the switch", is_command, Reply::lost());
    for what in ["good answer", "failure", "lost connection"] {
        match Clock.change(&run, &host, &context, &changes).await {
            Ok(()) => println!("{what}: changed"),
            Err(failure) => println!("{what}: {} {:?}", failure.message, failure.evidence),
        }
    }
    // Panics if a command was missing, or one came that nobody expected.
    host.finish();
    println!("commands: {}", host.take_calls().len());
    Ok(())
}
