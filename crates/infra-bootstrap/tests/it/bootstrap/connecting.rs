//! The first rung of the readiness ladder: what of a connection is tried again, and what is not.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use infra_bootstrap::{Bootstrap, Mode};
use stagecraft_core::{
    Connector, Error, ErrorKind, Event, FailureCode, JUMP_HOST, Remote, RemoteTarget, Result,
    Retry, Run,
};
use tokio::time::Instant;

use crate::bootstrap::support::{
    Answers, Connections, Events, FILE, FileStep, Machine, bootstrap, environment, host, policy,
};

const RETRY: Retry = Retry::After(None);

#[tokio::test(start_paused = true)]
async fn host_that_boots_is_tried_again_until_it_answers() {
    let connections = Connections::after(
        Machine::new(),
        [
            (ErrorKind::Unavailable, RETRY),
            (
                ErrorKind::Timeout,
                Retry::After(Some(Duration::from_secs(7))),
            ),
            (ErrorKind::Unauthorized, Retry::Never),
        ],
    );
    let events = Events::default();
    let started = Instant::now();
    let report = bootstrap(&connections, &host("app-1"), &events).await;
    assert!(report.is_ok(), "{report:?}");
    // Each pause is up to a quarter longer than asked for.
    let least = Duration::from_secs(2 + 7 + 2);
    let took = started.elapsed();
    assert!(took >= least && took < least * 5 / 4, "{took:?}");
    assert_eq!(
        events.names()[..4],
        ["retrying", "retrying", "retrying", "host_connected"]
    );
    let Event::Retrying { reason, .. } = &events.all()[0] else {
        panic!("not a retry");
    };
    assert_eq!(reason, "scripted Unavailable");
}

/// The whole seconds of the pauses between attempts to connect.
fn delays(events: &Events) -> Vec<u64> {
    let events = events.all();
    let delays = events.iter().filter_map(|event| match event {
        Event::Retrying { delay, .. } => Some(delay.as_secs()),
        _ => None,
    });
    delays.collect()
}

#[tokio::test(start_paused = true)]
async fn host_that_goes_on_refusing_connections_is_called_less_often_than_firewalls_count() {
    let events = Events::default();
    let refused = Connections::never(Answers::Refused);
    let report = bootstrap(&refused, &host("app-1"), &events).await;
    assert!(report.failure.is_some());
    let delays = delays(&events);
    // `ufw limit` refuses whoever has called six times within 30 s, refused calls included.
    let (quick, last) = delays.split_at(8);
    assert_eq!(quick, [2; 8]);
    let spaced = &last[..last.len() - 1];
    assert!(spaced.len() >= 4, "{delays:?}");
    assert!(
        spaced.iter().all(|delay| (7..9).contains(delay)),
        "{delays:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn host_that_asks_for_patience_is_connected_to_until_it_runs_commands() {
    // As DigitalOcean's images with applications say it in their first boot.
    const PLEASE: &str = "Please wait while we get your droplet ready...\n";
    let connections = Connections::to(Machine::new());
    connections.force([PLEASE; 2]);
    let events = Events::default();
    let report = bootstrap(&connections, &host("app-1"), &events).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(connections.connects(), 3);
    let awaited: Vec<String> = events
        .all()
        .iter()
        .filter_map(|event| match event {
            Event::Waiting { what, .. } => Some(what.clone()),
            _ => None,
        })
        .collect();
    let what = "the host to run commands (Please wait while we get your droplet ready...)";
    assert_eq!(awaited, [what; 2]);

    let connections = Connections::to(Machine::new());
    connections.force([PLEASE; 100]);
    let started = Instant::now();
    let report = bootstrap(&connections, &host("app-1"), &events).await;
    let failure = report.failure.unwrap();
    assert_eq!(failure.code, FailureCode::HostNotReady);
    assert_eq!(failure.message, "waited 1m for the host to run commands");
    assert_eq!(failure.evidence, [PLEASE.trim_end()]);
    assert_eq!(started.elapsed(), Duration::from_mins(1));
}

#[tokio::test(start_paused = true)]
async fn first_refusal_of_a_login_is_the_evidence_also_of_a_server_that_answers_no_more() {
    let refused = (ErrorKind::Unauthorized, Retry::Never);
    let away = [(ErrorKind::Unavailable, RETRY); 40];
    let answers = [refused; 4].into_iter().chain(away);
    let connections = Connections::after(Machine::new(), answers);
    let events = Events::default();
    let report = bootstrap(&connections, &host("app-1"), &events).await;
    let delays = delays(&events);
    // Each refusal counts for 5 s, and 15 s turn an address away.
    assert!(
        matches!(delays[..6], [2, 7 | 8, 7 | 8, 7 | 8, 2, 2]),
        "{delays:?}"
    );
    let evidence = report.failure.unwrap().evidence;
    assert_eq!(evidence[0], "attempt 1: scripted Unauthorized");
    assert!(
        evidence[1].ends_with("scripted Unavailable"),
        "{evidence:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn login_that_the_host_asks_to_repeat_later_goes_on_to_the_deadline_less_and_less_often() {
    let later = Retry::After(Some(Duration::from_secs(6)));
    let events = Events::default();
    let boots = Connections::never(Answers::Error(ErrorKind::Unauthorized, later));
    let report = bootstrap(&boots, &host("app-1"), &events).await;
    let failure = report.failure.unwrap();
    assert_eq!(
        failure.message,
        "waited 1m for an SSH session with 192.0.2.7"
    );
    assert_eq!(failure.evidence, ["attempt 1: scripted Unauthorized"]);
    let delays = delays(&events);
    assert!((4..=7).contains(&delays.len()), "{delays:?}");
    let all = delays[..delays.len() - 1].iter();
    assert!(all.clone().all(|delay| *delay >= 6), "{delays:?}");

    let answers = [(ErrorKind::Unauthorized, later); 3];
    let connections = Connections::after(Machine::new(), answers);
    let report = bootstrap(&connections, &host("app-1"), &events).await;
    assert!(report.is_ok(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn lasting_refusals_fail_by_kind_and_in_time() {
    for (answer, code, seconds) in [
        (
            Answers::Error(ErrorKind::Unavailable, RETRY),
            FailureCode::SshFailed,
            60,
        ),
        (Answers::Hang, FailureCode::SshFailed, 60),
        (
            Answers::Error(ErrorKind::Unauthorized, RETRY),
            FailureCode::SshFailed,
            30,
        ),
        (
            Answers::Error(ErrorKind::Config, Retry::Never),
            FailureCode::ConfigInvalid,
            0,
        ),
        (
            Answers::Error(ErrorKind::HostKey, RETRY),
            FailureCode::HostKeyMismatch,
            0,
        ),
        (
            Answers::Error(ErrorKind::Cancelled, Retry::Never),
            FailureCode::Interrupted,
            0,
        ),
    ] {
        let started = Instant::now();
        let report = bootstrap(
            &Connections::never(answer),
            &host("app-1"),
            &Events::default(),
        )
        .await;
        let failure = report.failure.unwrap();
        assert_eq!(failure.code, code, "{answer:?}");
        assert_eq!(started.elapsed().as_secs(), seconds, "{answer:?}");
        assert!(report.steps.is_empty());
        if seconds == 60 {
            assert_eq!(
                failure.message,
                "waited 1m for an SSH session with 192.0.2.7"
            );
            assert!(failure.evidence[0].starts_with("attempt "), "{failure:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn attempt_that_the_deadline_cuts_is_told_with_its_phase_and_the_setting() {
    let cut = "cut short by infra.bootstrap.readiness.deadline (1m)";
    let busy = Answers::HangIn("logging in at 192.0.2.7:22 as root");
    for (connections, evidence) in [
        (
            Connections::never(busy),
            vec![format!(
                "attempt 1: {cut} while logging in at 192.0.2.7:22 as root, for 55s"
            )],
        ),
        (
            Connections::never(Answers::Hang),
            vec![format!("attempt 1: {cut} after 1m")],
        ),
        (
            Connections::at_last(Answers::Error(ErrorKind::Unavailable, RETRY), busy),
            vec![
                "attempt 1: scripted Unavailable".to_owned(),
                // The pause before it is 2 s and up to a quarter more.
                format!("attempt 2: {cut} while logging in at 192.0.2.7:22 as root, for 52s"),
            ],
        ),
        (
            Connections::at_last(Answers::Error(ErrorKind::Unauthorized, RETRY), busy),
            vec![
                "attempt 1: scripted Unauthorized".to_owned(),
                format!("attempt 2: {cut} while logging in at 192.0.2.7:22 as root, for 52s"),
            ],
        ),
    ] {
        let report = bootstrap(&connections, &host("app-1"), &Events::default()).await;
        let failure = report.failure.expect("it never connects");
        assert_eq!(failure.code, FailureCode::SshFailed);
        assert_eq!(failure.evidence, evidence);
    }
}

#[derive(Debug)]
struct Forged(Option<&'static str>);

#[async_trait]
impl Connector for Forged {
    async fn connect(&self, _: &Run, _: &RemoteTarget) -> Result<Arc<dyn Remote>> {
        let error = Error::new(ErrorKind::HostKey, "the host key has changed");
        Err(match self.0 {
            Some(jump) => error.with_context(JUMP_HOST, jump),
            None => error,
        })
    }
}

#[tokio::test]
async fn key_of_a_jump_host_is_not_proposed_for_the_host_behind_it() {
    for (jump, is_proposed) in [(None, true), (Some("192.0.2.1:22"), false)] {
        let step = Arc::new(FileStep::new("file", FILE, &[]));
        let report = Bootstrap::new(Arc::new(Forged(jump)), [step as _], policy())
            .unwrap()
            .host(&Run::default(), &environment(), &host("app-1"), Mode::Apply)
            .await;
        let failure = report.failure.unwrap();
        assert_eq!(failure.code, FailureCode::HostKeyMismatch);
        let told = failure.evidence.join("\n");
        assert_eq!(told.contains("hosts trust app-1"), is_proposed, "{told}");
    }
}

#[tokio::test]
async fn host_without_a_known_key_is_not_connected_to() {
    let connections = Connections::to(Machine::new());
    let mut unknown = host("app-1");
    unknown.tags.clear();
    let report = bootstrap(&connections, &unknown, &Events::default()).await;
    let failure = report.failure.unwrap();
    assert_eq!(failure.code, FailureCode::HostKeyMismatch);
    assert_eq!(
        failure.message,
        "no host key of `app-1` is known, so it is not connected to"
    );
    assert_eq!(connections.connects(), 0);
}

#[tokio::test]
async fn host_without_address_role_or_name_is_refused_with_the_reason() {
    let connections = Connections::to(Machine::new());
    let mut no_address = host("app-1");
    no_address.public_ipv4 = None;
    let mut no_role = host("app-1");
    no_role.role = None;
    let mut no_name = host("app-1");
    no_name.name = None;
    no_name.node = "Renamed!".into();
    for (host, code, message) in [
        (
            no_address,
            FailureCode::HostNotReady,
            "the host has no public address",
        ),
        (
            no_role,
            FailureCode::ConfigInvalid,
            "no tag of the host tells its role",
        ),
        (
            no_name,
            FailureCode::ConfigInvalid,
            "the host's name in the cloud, \"Renamed!\", fits no name pattern of the file",
        ),
    ] {
        let report = bootstrap(&connections, &host, &Events::default()).await;
        let failure = report.failure.unwrap();
        assert_eq!((failure.code, failure.message.as_str()), (code, message));
    }
    assert_eq!(connections.connects(), 0);
}

#[tokio::test(start_paused = true)]
async fn time_at_the_question_for_a_passphrase_is_none_of_the_connection() {
    let connections = Connections::to(Machine::new());
    *connections.prepare.lock().unwrap() = (Duration::from_mins(10), None);
    let report = bootstrap(&connections, &host("app-1"), &Events::default()).await;
    assert!(report.is_ok(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn login_that_cannot_work_is_a_matter_of_configuration_and_nothing_is_called() {
    for (kind, code) in [
        (ErrorKind::Config, FailureCode::ConfigInvalid),
        (ErrorKind::SecretMissing, FailureCode::ConfigInvalid),
        (ErrorKind::Cancelled, FailureCode::Interrupted),
        (ErrorKind::Protocol, FailureCode::SshFailed),
    ] {
        let connections = Connections::to(Machine::new());
        *connections.prepare.lock().unwrap() = (Duration::ZERO, Some(kind));
        let report = bootstrap(&connections, &host("app-1"), &Events::default()).await;
        assert_eq!(report.failure.expect("no login").code, code);
        assert_eq!(connections.connects(), 0);

        let error = [(kind, Retry::Never)];
        let connections = Connections::after(Machine::new(), error);
        let report = bootstrap(&connections, &host("app-1"), &Events::default()).await;
        assert_eq!(report.failure.expect("no login").code, code);
        assert_eq!(connections.connects(), 1);
    }
}
