//! Many hosts side by side.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use infra_bootstrap::{Bootstrap, Fleet, Mode};
use stagecraft_core::{
    Connector, Error, ErrorKind, Event, FailureCode, HostSink, Remote, RemoteTarget, Result, Retry,
    Run,
};
use tokio::time::Instant;

use crate::bootstrap::support::{
    Connections, Events, FileStep, Machine, environment, host, policy,
};

/// Connects to machines of which some are in trouble, by their names.
#[derive(Debug)]
struct Estate {
    healthy: Arc<Connections>,
    busy: AtomicUsize,
    most: AtomicUsize,
}

impl Estate {
    fn new() -> Arc<Self> {
        let machine = Machine::new();
        machine.write("run/file", "");
        Arc::new(Self {
            healthy: Connections::to(machine),
            busy: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        })
    }

    fn fleet(self: &Arc<Self>) -> Fleet {
        let probe = "if [ -e /run/file ]; then echo present; else echo absent; fi";
        let step = Arc::new(FileStep::new("file", probe, &[]));
        let bootstrap = Bootstrap::new(Arc::clone(self) as _, [step as _], policy()).unwrap();
        Fleet::new(Arc::new(bootstrap))
    }
}

#[async_trait]
impl Connector for Estate {
    async fn connect(&self, run: &Run, target: &RemoteTarget) -> Result<Arc<dyn Remote>> {
        let busy = self.busy.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(busy, Ordering::SeqCst);
        let name = target.host.as_str();
        let answer = if name.starts_with("down") {
            Err(Error::new(ErrorKind::Unavailable, "no route").with_retry(Retry::After(None)))
        } else if name.starts_with("forged") {
            Err(Error::new(ErrorKind::HostKey, "another key"))
        } else if name.starts_with("bug") {
            panic!("index out of bounds")
        } else {
            let pause = if name.starts_with("slow") { 40 } else { 1 };
            run.sleep(Duration::from_secs(pause)).await?;
            self.healthy.connect(run, target).await
        };
        self.busy.fetch_sub(1, Ordering::SeqCst);
        answer
    }
}

#[tokio::test(start_paused = true)]
async fn trouble_stays_with_its_host_and_reports_are_sorted() {
    let names = (1..=17)
        .rev()
        .map(|number| format!("app-{number:02}"))
        .chain(["forged-1", "bug-1", "down-1"].map(ToOwned::to_owned));
    let hosts: Vec<_> = names.map(|name| host(&name)).collect();
    let events = Events::default();
    let reports = Estate::new()
        .fleet()
        .all(&events.run(), &environment(), Mode::Apply, hosts)
        .await;
    let all = events.all();
    let mut told: Vec<_> = all
        .iter()
        .filter_map(|event| match event {
            Event::HostFailed { host, message } => Some((host.as_str(), message.as_str())),
            _ => None,
        })
        .collect();
    told.sort_unstable();
    // By the time each is given up, not only in the report.
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(
        told[0],
        ("bug-1", "internal error while the host was worked on")
    );
    assert_eq!((told[1].0, told[2].0), ("down-1", "forged-1"));
    let names: Vec<_> = reports.iter().map(|report| report.host.as_str()).collect();
    assert!(names.is_sorted() && names.len() == 20, "{names:?}");
    let failed: Vec<_> = reports
        .iter()
        .filter_map(|report| Some((report.host.as_str(), report.first_failure()?.code)))
        .collect();
    assert_eq!(
        failed,
        [
            ("bug-1", FailureCode::HostNotReady),
            ("down-1", FailureCode::SshFailed),
            ("forged-1", FailureCode::HostKeyMismatch),
        ]
    );
    let bug = reports[17].failure.as_ref().unwrap();
    assert_eq!(bug.evidence, ["index out of bounds"]);
    assert!(reports[0].step("file").is_some());
}

#[tokio::test(start_paused = true)]
async fn slow_host_does_not_hold_the_others() {
    let estate = Estate::new();
    let (queue, hosts) = Fleet::queue();
    let fleet = estate.fleet().with_parallel(NonZeroUsize::new(2).unwrap());
    let started = Instant::now();
    queue.ready(host("slow-1"));
    for number in 0..20 {
        queue.ready(host(&format!("app-{number:02}")));
    }
    drop(queue);
    let (run, environment) = (Run::default(), environment());
    let reports = fleet.run(&run, &environment, hosts).await;
    assert_eq!(reports.len(), 21);
    assert!(reports.iter().all(infra_bootstrap::HostReport::is_ok));
    // Twenty hosts of 1 s each passed by beside the one of 40 s.
    assert_eq!(started.elapsed(), Duration::from_secs(40));
    assert_eq!(estate.most.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn host_is_worked_on_as_soon_as_it_is_there_and_only_once() {
    let estate = Estate::new();
    let (queue, hosts) = Fleet::queue();
    let fleet = estate.fleet();
    let (run, environment) = (Run::default(), environment());
    let work = fleet.run(&run, &environment, hosts);
    let feed = async {
        queue.ready(host("app-1"));
        while estate.healthy.execs() == 0 {
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        queue.ready(host("app-1"));
        queue.ready(host("app-2"));
        drop(queue);
    };
    let (reports, ()) = tokio::join!(work, feed);
    assert_eq!(reports.len(), 2);
    assert_eq!(estate.healthy.connects(), 2);
}

#[tokio::test(start_paused = true)]
async fn interrupted_fleet_reports_every_host() {
    let run = Run::default();
    run.cancellation().cancel();
    let hosts = ["app-1", "app-2"].map(host);
    let reports = Estate::new()
        .fleet()
        .all(&run, &environment(), Mode::Apply, hosts)
        .await;
    assert_eq!(reports.len(), 2);
    for report in reports {
        assert_eq!(report.failure.unwrap().code, FailureCode::Interrupted);
    }
}
