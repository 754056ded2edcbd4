//! A connection for reading a host, which runs only the probes.

use std::sync::Arc;

use async_trait::async_trait;
use stagecraft_core::{
    CommandLine, Error, ErrorKind, Fingerprint, HostName, Login, Remote, RemoteCommand,
    RemoteOutput, Result, Run, Upload,
};

/// A connection that runs exactly one script: the steps' own probes, joined.
///
/// In a dry run it prevents all changes to the host, whatever the steps do.
#[derive(Debug)]
pub(super) struct ProbeOnly {
    inner: Arc<dyn Remote>,
    script: String,
}

impl ProbeOnly {
    /// Allows only this script.
    pub(super) fn new(inner: Arc<dyn Remote>, script: String) -> Self {
        Self { inner, script }
    }

    fn refuse(&self, what: &str) -> Error {
        Error::new(
            ErrorKind::Guard,
            format!("the host is only read: {what} was refused"),
        )
        .with_context("host", self.host().to_string())
    }
}

#[async_trait]
impl Remote for ProbeOnly {
    fn host(&self) -> &HostName {
        self.inner.host()
    }

    fn host_key(&self) -> Fingerprint {
        self.inner.host_key()
    }

    fn warnings(&self) -> Vec<String> {
        self.inner.warnings()
    }

    fn login(&self) -> Option<Login> {
        self.inner.login()
    }

    /// # Errors
    ///
    /// Also [`ErrorKind::Guard`] for any other command, which is not sent.
    async fn exec(&self, run: &Run, command: &RemoteCommand) -> Result<RemoteOutput> {
        match &command.line {
            CommandLine::Script(script) if *script == self.script => {
                self.inner.exec(run, command).await
            }
            _ => Err(self.refuse("a command")),
        }
    }

    /// # Errors
    ///
    /// Always [`ErrorKind::Guard`]; nothing is sent.
    async fn upload(&self, _: &Run, upload: &Upload) -> Result<()> {
        Err(self.refuse(&format!("the upload of {}", upload.path)))
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use stagecraft_core::{
        Change, Connector, Decision, EnvironmentName, Exit, HostContext, HostId, HostStep,
        NodeName, PollPolicy, ProbeFacts, ProbeScript, RemoteTarget, RoleName, StepFailure,
    };

    use super::super::session::Session;
    use super::*;
    use crate::mode::Mode;
    use crate::readiness::ReadinessPolicy;

    /// A host that answers every probe with empty output, and records what was sent.
    #[derive(Debug, Default, Clone)]
    struct Recorder(Arc<Mutex<Vec<String>>>, Option<HostName>);

    #[async_trait]
    impl Connector for Recorder {
        async fn connect(&self, _: &Run, target: &RemoteTarget) -> Result<Arc<dyn Remote>> {
            Ok(Arc::new(Self(
                Arc::clone(&self.0),
                Some(target.host.clone()),
            )))
        }
    }

    #[async_trait]
    impl Remote for Recorder {
        fn host(&self) -> &HostName {
            self.1.as_ref().unwrap()
        }

        fn host_key(&self) -> Fingerprint {
            Fingerprint::of_wire(b"key")
        }

        async fn exec(&self, _: &Run, command: &RemoteCommand) -> Result<RemoteOutput> {
            let CommandLine::Script(script) = &command.line else {
                panic!("not a script: {command:?}");
            };
            self.0.lock().unwrap().push(script.clone());
            let mut stdout = String::new();
            for line in script.lines() {
                let Some(begin) = line.strip_prefix("echo '") else {
                    continue;
                };
                if let Some((boundary, id)) = begin.trim_end_matches('\'').split_once(" begin ") {
                    let answer = ["begin ", id, "\nuid=0\nboot=absent\n\n"].concat();
                    stdout += &[boundary, " ", &answer, boundary, " end 0\n"].concat();
                }
            }
            Ok(RemoteOutput {
                exit: Exit::Code(0),
                stdout,
                stderr: String::new(),
            })
        }

        async fn upload(&self, _: &Run, upload: &Upload) -> Result<()> {
            self.0.lock().unwrap().push(upload.path.clone());
            Ok(())
        }

        async fn close(&self) {}
    }

    /// A step that has no changes, but tries to change the host nevertheless.
    #[derive(Debug)]
    struct Sly;

    #[async_trait]
    impl HostStep for Sly {
        fn id(&self) -> &'static str {
            "sly"
        }

        fn inspect(&self) -> ProbeScript {
            ProbeScript("echo fine")
        }

        fn decide(&self, _: &ProbeFacts, _: &HostContext) -> Result<Decision, StepFailure> {
            Ok(Decision::Nothing)
        }

        async fn change(
            &self,
            run: &Run,
            remote: &dyn Remote,
            _: &HostContext,
            _: &[Change],
        ) -> Result<(), StepFailure> {
            let minute = Duration::from_mins(1);
            let upload = Upload {
                path: "/root/x".to_owned(),
                content: String::new().into(),
                mode: 0o600,
                owner: None,
            };
            let refusals = [
                remote
                    .exec(run, &RemoteCommand::script("echo fine", minute))
                    .await
                    .map(|_| ()),
                remote
                    .exec(run, &RemoteCommand::argv(["touch", "/root/x"], minute))
                    .await
                    .map(|_| ()),
                remote.upload(run, &upload).await,
            ];
            for refusal in refusals {
                let error = refusal.err().map(|error| error.kind());
                assert_eq!(error, Some(ErrorKind::Guard));
            }
            Ok(())
        }
    }

    #[tokio::test]
    async fn connection_of_a_dry_run_lets_nothing_but_the_probes_through() {
        let recorder = Recorder::default();
        let target = RemoteTarget {
            host: HostName::new("app-1").unwrap(),
            aliases: Vec::new(),
            address: [192, 0, 2, 7].into(),
            host_keys: vec![Fingerprint::of_wire(b"key")],
        };
        let policy = ReadinessPolicy::every(PollPolicy {
            interval: Duration::from_millis(1),
            deadline: Duration::from_secs(1),
        });
        let steps: [Arc<dyn HostStep>; 1] = [Arc::new(Sly)];
        let run = Run::default();
        let mut session = Session::open(
            &run,
            Arc::new(recorder.clone()),
            target,
            policy,
            &steps,
            &HostId::new("1"),
            Mode::DryRun,
        )
        .await
        .unwrap();
        session.first_boot(&run, Duration::MAX).await.unwrap();
        let environment = EnvironmentName::new("staging").unwrap();
        let name = HostName::new("app-1").unwrap();
        let context = HostContext {
            role: RoleName::new("app").unwrap(),
            node: NodeName::new(format!("{environment}-{name}")).unwrap(),
            environment,
            name,
            login: None,
            operator_key: None,
            is_operator_login: false,
        };
        let decision = session.decide(&Sly, &context).unwrap();
        assert!(matches!(decision, Decision::Nothing));
        Sly.change(&run, &*session.remote(), &context, &[])
            .await
            .unwrap();
        let sent = recorder.0.lock().unwrap().clone();
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert!(sent[0].contains("begin sly"), "{sent:?}");
    }
}
