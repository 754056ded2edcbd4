//! One host of the sandbox, a cloud that is a list of pins, and a fuse that kills the run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use infra_bootstrap::{Bootstrap, HostReport, Mode, ReadinessPolicy};
use stagecraft_core::{
    Change, Connector, Decision, EnvironmentName, Error, ErrorKind, Fingerprint, Host, HostContext,
    HostId, HostKey, HostKeyPins, HostName, HostStep, Login, PollPolicy, ProbeFacts, ProbeScript,
    Remote, RemoteCommand, RemoteOutput, RemoteTarget, Result, Retry, Run, StepFailure, Upload,
};
use stagecraft_sandbox::HostDriver as _;
use stagecraft_ssh::SshConnector;

use crate::process_host::Estate;

const ID: u64 = 1;

/// A host, and what is needed to work on it.
pub(crate) struct Lab {
    estate: Estate,
    pins: Arc<Pins>,
    state: Mutex<Option<(HostKey, Host)>>,
    secrets: Secrets,
}

impl Lab {
    pub(crate) async fn new() -> Self {
        let lab = Self {
            estate: Estate::new(Duration::ZERO).await,
            pins: Arc::default(),
            state: Mutex::default(),
            secrets: Secrets::default(),
        };
        lab.renew().await;
        lab
    }

    /// Puts a fresh host in the place of the one before.
    pub(crate) async fn renew(&self) {
        self.estate.hosts.destroy(ID).await;
        let key = HostKey::generate().unwrap();
        let host = self.estate.boot(ID, "app", &key).await;
        let first = BTreeSet::from([key.fingerprint()]);
        *self.pins.0.lock().unwrap() = BTreeMap::from([(host.id.clone(), first)]);
        *self.state.lock().unwrap() = Some((key, host));
        self.secrets.0.lock().unwrap().clear();
    }

    /// One run, with what the cloud says at its beginning.
    pub(crate) async fn converge(&self, mode: Mode, fuse: &Fuse) -> HostReport {
        let mut host = self.state.lock().unwrap().as_ref().unwrap().1.clone();
        host.tags = self.pinned().iter().map(Fingerprint::tag).collect();
        let connector = Fused {
            inner: self.estate.connector(),
            fuse: fuse.clone(),
        };
        let pins = FusedPins {
            inner: Arc::clone(&self.pins),
            fuse: fuse.clone(),
        };
        let policy = ReadinessPolicy::every(PollPolicy {
            interval: Duration::from_millis(50),
            deadline: Duration::from_secs(20),
        });
        let step: Arc<dyn HostStep> = Arc::new(self.secrets.clone());
        let environment = EnvironmentName::new("staging").unwrap();
        Bootstrap::new(Arc::new(connector), [step], policy)
            .unwrap()
            .with_pins(Arc::new(pins))
            .host(&Run::default(), &environment, &host, mode)
            .await
    }

    pub(crate) async fn run(&self, script: &str) -> String {
        self.estate.hosts.run(ID, script).await.unwrap()
    }

    /// The key with which the host's server proves itself now.
    pub(crate) async fn shown(&self) -> Fingerprint {
        let script = "umask 077; cp /run/sandbox/host_key /run/copy; ssh-keygen -y -f /run/copy";
        Fingerprint::of_line(&self.run(script).await).unwrap()
    }

    pub(crate) fn first_key(&self) -> Fingerprint {
        self.state.lock().unwrap().as_ref().unwrap().0.fingerprint()
    }

    pub(crate) fn pinned(&self) -> Vec<Fingerprint> {
        let pins = self.pins.0.lock().unwrap();
        pins.values().flatten().copied().collect()
    }

    /// The keys that hosts had shown when they were sent secrets.
    pub(crate) fn keys_of_secrets(&self) -> Vec<Fingerprint> {
        self.secrets.0.lock().unwrap().clone()
    }
}

/// What a cloud keeps.
#[derive(Debug, Default)]
struct Pins(Mutex<BTreeMap<HostId, BTreeSet<Fingerprint>>>);

/// A step that sends a secret.
#[derive(Debug, Clone, Default)]
struct Secrets(Arc<Mutex<Vec<Fingerprint>>>);

#[async_trait]
impl HostStep for Secrets {
    fn id(&self) -> &'static str {
        "secret"
    }

    fn inspect(&self) -> ProbeScript {
        ProbeScript("[ ! -e /root/secret ] || echo there; [ ! -e /root/broken ] || echo broken")
    }

    fn decide(&self, facts: &ProbeFacts, _: &HostContext) -> Result<Decision, StepFailure> {
        if facts.output.contains("broken") {
            let code = stagecraft_core::FailureCode::SystemVerifyFailed;
            return Err(StepFailure::new(code, "broken"));
        }
        Ok(if facts.output.trim() == "there" {
            Decision::Nothing
        } else {
            Decision::Change(vec![Change::new("send", "send a secret")])
        })
    }

    async fn change(
        &self,
        run: &Run,
        remote: &dyn Remote,
        _: &HostContext,
        _: &[Change],
    ) -> Result<(), StepFailure> {
        self.0.lock().unwrap().push(remote.host_key());
        let command = RemoteCommand::script(": >/root/secret", Duration::from_secs(5));
        let sent = remote.exec(run, &command).await;
        sent.map(|_| ()).map_err(|error| {
            StepFailure::new(stagecraft_core::FailureCode::SshFailed, error.to_string())
        })
    }
}

/// Kills a run at one point, before or after one of its calls.
#[derive(Debug, Clone)]
pub(crate) struct Fuse(Arc<Mutex<Burning>>);

#[derive(Debug)]
struct Burning {
    left: Option<usize>,
    is_burnt: bool,
    /// Whether only the connection in use is lost.
    is_cut: bool,
    calls: Vec<String>,
}

impl Fuse {
    pub(crate) fn none() -> Self {
        Self::with(None, false)
    }

    /// Burns through after so many points; each call has one before and one after it.
    pub(crate) fn after(points: usize) -> Self {
        Self::with(Some(points), false)
    }

    /// Cuts the connection once after so many points.
    pub(crate) fn cut(points: usize) -> Self {
        Self::with(Some(points), true)
    }

    fn with(left: Option<usize>, is_cut: bool) -> Self {
        Self(Arc::new(Mutex::new(Burning {
            left,
            is_burnt: false,
            is_cut,
            calls: Vec::new(),
        })))
    }

    pub(crate) fn is_burnt(&self) -> bool {
        self.0.lock().unwrap().is_burnt
    }

    /// The calls until it burnt through.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.0.lock().unwrap().calls.clone()
    }

    /// A call that needs no connection to the host.
    async fn elsewhere<T>(&self, what: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
        if self.0.lock().unwrap().is_cut {
            return call.await;
        }
        self.around(what, call).await
    }

    async fn around<T>(&self, what: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
        {
            let mut burning = self.0.lock().unwrap();
            if !burning.is_burnt {
                burning.calls.push(what.to_owned());
            }
        }
        self.point()?;
        let answer = call.await?;
        self.point()?;
        Ok(answer)
    }

    fn point(&self) -> Result<()> {
        let mut burning = self.0.lock().unwrap();
        let is_now = burning.left == Some(0);
        burning.is_burnt |= is_now;
        burning.left = burning.left.and_then(|left| left.checked_sub(1));
        if is_now && burning.is_cut {
            return Err(Error::new(ErrorKind::Unavailable, "cut").with_retry(Retry::After(None)));
        }
        if burning.is_burnt && !burning.is_cut {
            return Err(Error::new(ErrorKind::Unavailable, "killed"));
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Fused {
    inner: SshConnector,
    fuse: Fuse,
}

#[async_trait]
impl Connector for Fused {
    async fn connect(&self, run: &Run, target: &RemoteTarget) -> Result<Arc<dyn Remote>> {
        let connecting = self.inner.connect(run, target);
        let inner = self.fuse.around("connect", connecting).await?;
        Ok(Arc::new(FusedRemote {
            inner,
            is_lost: AtomicBool::new(false),
            fuse: self.fuse.clone(),
        }))
    }
}

#[derive(Debug)]
struct FusedRemote {
    inner: Arc<dyn Remote>,
    is_lost: AtomicBool,
    fuse: Fuse,
}

#[async_trait]
impl Remote for FusedRemote {
    fn host(&self) -> &HostName {
        self.inner.host()
    }

    fn host_key(&self) -> Fingerprint {
        self.inner.host_key()
    }

    fn login(&self) -> Option<Login> {
        self.inner.login()
    }

    async fn exec(&self, run: &Run, command: &RemoteCommand) -> Result<RemoteOutput> {
        if self.is_lost.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "cut before"));
        }
        let exec = self.fuse.around("exec", self.inner.exec(run, command));
        let result = exec.await;
        self.is_lost.store(result.is_err(), Ordering::SeqCst);
        result
    }

    async fn upload(&self, run: &Run, upload: &Upload) -> Result<()> {
        self.fuse
            .around("upload", self.inner.upload(run, upload))
            .await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[derive(Debug)]
struct FusedPins {
    inner: Arc<Pins>,
    fuse: Fuse,
}

#[async_trait]
impl HostKeyPins for FusedPins {
    async fn pin(&self, run: &Run, host: &HostId, key: Fingerprint) -> Result<()> {
        let pin = async {
            run.before_write().await?;
            let mut pins = self.inner.0.lock().unwrap();
            pins.entry(host.clone()).or_default().insert(key);
            Ok(())
        };
        self.fuse.elsewhere("pin", pin).await
    }

    async fn unpin(&self, run: &Run, stale: &[(HostId, Fingerprint)]) -> Result<()> {
        let unpin = async {
            run.before_write().await?;
            let mut pins = self.inner.0.lock().unwrap();
            for (host, key) in stale {
                pins.entry(host.clone()).or_default().remove(key);
            }
            Ok(())
        };
        self.fuse.elsewhere("unpin", unpin).await
    }
}
