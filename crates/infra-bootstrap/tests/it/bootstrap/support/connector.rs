//! A connector that first gives the errors it is told, then the machine.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use stagecraft_core::{
    ConnectPhase, Connector, Error, ErrorKind, Exit, Fingerprint, HostName, Login, Remote,
    RemoteCommand, RemoteOutput, RemoteTarget, Result, Retry, Run, Upload,
};

use super::{Machine, host_key};

/// What a connection attempt answers before the machine does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answers {
    Error(ErrorKind, Retry),
    /// As a port where nobody listens, or a firewall.
    Refused,
    Hang,
    /// Tells what it is busy with 5 s after its begin, and goes on with that for ever.
    HangIn(&'static str),
}

/// Which command's answer is lost with its connection, and what happens to the host then.
type Cut = (usize, fn(&Machine));

#[derive(Debug)]
pub(crate) struct Connections {
    me: Weak<Self>,
    pub(crate) machine: Machine,
    first: Mutex<VecDeque<Answers>>,
    forever: Option<Answers>,
    /// How long the keys take to be at hand, and whether they are then.
    pub(crate) prepare: Mutex<(Duration, Option<ErrorKind>)>,
    /// Errors of the next commands, by how many succeed before.
    broken_execs: Mutex<VecDeque<Option<ErrorKind>>>,
    cut: Mutex<Option<Cut>>,
    /// Whether nobody can connect any more after that.
    pub(crate) is_cut_for_good: AtomicBool,
    was_cut: AtomicBool,
    /// What the next commands give in place of being run.
    forced: Mutex<VecDeque<&'static str>>,
    /// Who is logged in, and by which key.
    pub(crate) login: Mutex<Option<Login>>,
    pub(crate) connects: AtomicUsize,
    pub(crate) execs: AtomicUsize,
    pub(crate) closes: AtomicUsize,
}

impl Connections {
    pub(crate) fn to(machine: Machine) -> Arc<Self> {
        Self::with(machine, [], None)
    }

    pub(crate) fn after(
        machine: Machine,
        first: impl IntoIterator<Item = (ErrorKind, Retry)>,
    ) -> Arc<Self> {
        let first = first
            .into_iter()
            .map(|(kind, retry)| Answers::Error(kind, retry));
        Self::with(machine, first, None)
    }

    pub(crate) fn never(answer: Answers) -> Arc<Self> {
        Self::with(Machine::new(), [], Some(answer))
    }

    /// Gives one answer, then another for ever.
    pub(crate) fn at_last(first: Answers, then: Answers) -> Arc<Self> {
        Self::with(Machine::new(), [first], Some(then))
    }

    fn with(
        machine: Machine,
        first: impl IntoIterator<Item = Answers>,
        forever: Option<Answers>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            machine,
            first: Mutex::new(first.into_iter().collect()),
            forever,
            prepare: Mutex::default(),
            broken_execs: Mutex::default(),
            cut: Mutex::default(),
            is_cut_for_good: AtomicBool::new(false),
            was_cut: AtomicBool::new(false),
            forced: Mutex::default(),
            login: Mutex::new(Some(Login::new("root", b"the operator's key"))),
            connects: AtomicUsize::new(0),
            execs: AtomicUsize::new(0),
            closes: AtomicUsize::new(0),
        })
    }

    /// Makes the next commands fail, in this order; `None` is one that works.
    pub(crate) fn break_execs(&self, kinds: impl IntoIterator<Item = Option<ErrorKind>>) {
        self.broken_execs.lock().unwrap().extend(kinds);
    }

    /// Loses the connection while the command of this number runs, which comes to its end on the
    /// host.
    pub(crate) fn cut(&self, number: usize, then: fn(&Machine)) {
        *self.cut.lock().unwrap() = Some((number, then));
    }

    /// Makes the next commands give these words in place of being run.
    pub(crate) fn force(&self, words: impl IntoIterator<Item = &'static str>) {
        self.forced.lock().unwrap().extend(words);
    }

    pub(crate) fn connects(&self) -> usize {
        self.connects.load(Ordering::SeqCst)
    }

    pub(crate) fn execs(&self) -> usize {
        self.execs.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Connector for Connections {
    async fn connect(&self, run: &Run, target: &RemoteTarget) -> Result<Arc<dyn Remote>> {
        self.connects.fetch_add(1, Ordering::SeqCst);
        if self.is_cut_for_good.load(Ordering::SeqCst) && self.was_cut.load(Ordering::SeqCst) {
            let error = Error::new(ErrorKind::Unavailable, "no route to host");
            return Err(error.with_retry(Retry::After(None)));
        }
        let next = self.first.lock().unwrap().pop_front().or(self.forever);
        match next {
            Some(Answers::Error(kind, retry)) => {
                return Err(Error::new(kind, format!("scripted {kind:?}")).with_retry(retry));
            }
            Some(Answers::Refused) => {
                let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
                return Err(Error::new(ErrorKind::Unavailable, "scripted refusal")
                    .with_retry(Retry::After(None))
                    .with_source(refused));
            }
            Some(Answers::Hang | Answers::HangIn(_)) => run.sleep(Duration::from_hours(1)).await?,
            None => {}
        }
        Ok(Arc::new(Counted {
            host: target.host.clone(),
            connections: self.me.upgrade().unwrap(),
            is_lost: AtomicBool::new(false),
        }))
    }

    async fn prepare(&self, run: &Run, _: &HostName, _: &[String]) -> Result<()> {
        let (time, failure) = *self.prepare.lock().unwrap();
        if !time.is_zero() {
            run.sleep(time).await?;
        }
        match failure {
            Some(kind) => Err(Error::new(kind, format!("scripted {kind:?}"))),
            None => Ok(()),
        }
    }

    async fn connect_telling(
        &self,
        run: &Run,
        target: &RemoteTarget,
        phase: &ConnectPhase,
    ) -> Result<Arc<dyn Remote>> {
        let next = self.first.lock().unwrap().front().copied();
        if let Some(Answers::HangIn(what)) = next.or(self.forever) {
            run.sleep(Duration::from_secs(5)).await?;
            phase.begin(what);
        }
        self.connect(run, target).await
    }
}

#[derive(Debug)]
struct Counted {
    host: HostName,
    connections: Arc<Connections>,
    is_lost: AtomicBool,
}

impl Counted {
    fn lose(&self) {
        self.is_lost.store(true, Ordering::SeqCst);
        self.connections.was_cut.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl Remote for Counted {
    fn host(&self) -> &HostName {
        &self.host
    }

    fn host_key(&self) -> Fingerprint {
        host_key()
    }

    fn login(&self) -> Option<Login> {
        self.connections.login.lock().unwrap().clone()
    }

    async fn exec(&self, run: &Run, command: &RemoteCommand) -> Result<RemoteOutput> {
        run.check()?;
        let number = self.connections.execs.fetch_add(1, Ordering::SeqCst) + 1;
        let lost = || Error::new(ErrorKind::Unavailable, "connection reset");
        if self.is_lost.load(Ordering::SeqCst) {
            return Err(lost());
        }
        let broken = self.connections.broken_execs.lock().unwrap().pop_front();
        if let Some(Some(kind)) = broken {
            if kind == ErrorKind::Unavailable {
                self.lose();
            }
            return Err(Error::new(kind, format!("scripted {kind:?}")));
        }
        let forced = self.connections.forced.lock().unwrap().pop_front();
        if let Some(words) = forced {
            return Ok(RemoteOutput {
                exit: Exit::Code(0),
                stdout: words.to_owned(),
                stderr: String::new(),
            });
        }
        let output = self.connections.machine.exec(command);
        let mut cut = self.connections.cut.lock().unwrap();
        if let Some((_, then)) = cut.take_if(|(at, _)| *at == number) {
            then(&self.connections.machine);
            self.lose();
            return Err(lost());
        }
        Ok(output)
    }

    async fn upload(&self, _: &Run, upload: &Upload) -> Result<()> {
        panic!("no step here uploads {}", upload.path);
    }

    async fn close(&self) {
        self.connections.closes.fetch_add(1, Ordering::SeqCst);
    }
}
