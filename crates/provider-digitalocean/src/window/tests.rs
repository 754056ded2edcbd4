use std::sync::atomic::{AtomicUsize, Ordering};

use stagecraft_core::EventSink;

use super::*;

const LENGTH: Duration = Duration::from_mins(1);

fn window() -> Arc<Window> {
    Window::new(RateConfig::default())
}

fn small(requests: u32) -> Arc<Window> {
    Window::new(RateConfig {
        requests,
        ..RateConfig::default()
    })
}

/// Counts the events, and keeps the ends of the reported waits.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<Event>>);

impl EventSink for Told {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

fn told() -> (Arc<Told>, Run) {
    let told = Arc::new(Told::default());
    let run = Run::new(
        Arc::clone(&told) as _,
        Arc::new(std::collections::BTreeMap::new()),
    );
    (told, run)
}

/// A pseudo-random sequence that is the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % most
    }
}

/// One request: when it was requested, sent and answered.
#[derive(Debug, Clone, Copy)]
struct Request {
    asked: Instant,
    sent: Instant,
    answered: Instant,
}

async fn send(window: Arc<Window>, lane: Lane, at: Duration, latency: Duration) -> Request {
    let run = Run::default();
    run.sleep(at).await.unwrap();
    let asked = Instant::now();
    let mut turn = window.turn(&run, lane).await.unwrap();
    let sent = Instant::now();
    turn.begin();
    run.sleep(latency).await.unwrap();
    Request {
        asked,
        sent,
        answered: Instant::now(),
    }
}

/// However the API counts between sending and answering, no minute exceeds the limit.
fn assert_kept(all: &[Request], limit: usize) {
    let mut sent: Vec<Instant> = all.iter().map(|one| one.sent).collect();
    let mut answered: Vec<Instant> = all.iter().map(|one| one.answered).collect();
    sent.sort();
    answered.sort();
    for list in [&sent, &answered] {
        for many in list.windows(limit + 1) {
            assert!(
                many[limit] - many[0] >= LENGTH,
                "{:?}",
                many[limit] - many[0]
            );
        }
    }
}

/// Requests waited only while the window was full.
fn assert_not_idle(all: &[Request], limit: usize) {
    for late in all.iter().filter(|one| one.sent > one.asked) {
        let before = late.sent - Duration::from_millis(1);
        let counted = all
            .iter()
            .filter(|one| one.sent <= before && one.answered + LENGTH > before)
            .count();
        assert!(
            counted >= limit,
            "{counted} of {limit} when {late:?} waited"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_minute_has_more_than_the_limit_and_none_waits_while_there_is_room() {
    let work = 240 - 240 / 24;
    for seed in 0..24 {
        let window = window();
        let mut chance = Chance(seed);
        // From a burst of everything at once to a trickle over ten minutes.
        let spread = 1 + chance.below(600_000);
        let latency = 1 + chance.below(5_000);
        let tasks = (0..700).map(|_| {
            let at = Duration::from_millis(chance.below(spread));
            let latency = Duration::from_millis(chance.below(latency));
            tokio::spawn(send(Arc::clone(&window), Lane::Work, at, latency))
        });
        let tasks: Vec<_> = tasks.collect();
        let mut all = Vec::new();
        for task in tasks {
            all.push(task.await.unwrap());
        }
        assert_kept(&all, work);
        assert_not_idle(&all, work);
    }
}

#[tokio::test(start_paused = true)]
async fn lease_passes_the_work_that_waits_and_both_together_keep_the_limit() {
    let window = window();
    let mut tasks = Vec::new();
    for _ in 0..500 {
        let latency = Duration::from_millis(100);
        let work = send(Arc::clone(&window), Lane::Work, Duration::ZERO, latency);
        tasks.push(tokio::spawn(work));
    }
    let mut beats = Vec::new();
    for beat in 0..12 {
        let at = Duration::from_secs(10 * beat);
        let latency = Duration::from_millis(100);
        let lease = send(Arc::clone(&window), Lane::Lease, at, latency);
        beats.push(tokio::spawn(lease));
    }
    let mut all = Vec::new();
    for beat in beats {
        let beat = beat.await.unwrap();
        assert_eq!(beat.sent, beat.asked, "a beat waits for nobody");
        all.push(beat);
    }
    for task in tasks {
        all.push(task.await.unwrap());
    }
    assert_kept(&all, 240);
}

#[tokio::test(start_paused = true)]
async fn turn_that_was_not_used_does_not_count() {
    let window = small(2);
    let run = Run::default();
    let started = Instant::now();
    for _ in 0..10 {
        drop(window.turn(&run, Lane::Work).await.unwrap());
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn refusal_holds_everybody_then_one_goes_first() {
    let window = window();
    let (told, run) = told();
    let wanted = Some(Duration::from_secs(20));
    let first = window.refused(wanted, Duration::from_secs(1));
    assert!(first.is_news && !first.is_hopeless, "{first:?}");
    let second = window.refused(wanted, Duration::from_secs(1));
    assert!(!second.is_news, "one wait, one event: {second:?}");
    let started = Instant::now();
    let flying = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let (window, run, flying) = (Arc::clone(&window), run.clone(), Arc::clone(&flying));
        tasks.push(tokio::spawn(async move {
            let mut turn = window.turn(&run, Lane::Work).await.unwrap();
            turn.begin();
            let since = started.elapsed();
            let together = flying.fetch_add(1, Ordering::Relaxed);
            run.sleep(Duration::from_secs(1)).await.unwrap();
            flying.fetch_sub(1, Ordering::Relaxed);
            window.answered(Some(4000));
            (since, together)
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all.sort();
    let (first, alone) = all[0];
    assert!(
        first >= Duration::from_secs(20) && first <= Duration::from_secs(22),
        "{first:?}"
    );
    assert_eq!(alone, 0);
    let (second, _) = all[1];
    assert!(
        second >= first + Duration::from_secs(1),
        "it waits for the first one's answer"
    );
    let (last, _) = all[19];
    assert!(
        last <= first + Duration::from_secs(8),
        "{last:?}: soon all go again"
    );
    assert!(told.0.lock().unwrap().is_empty(), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn limit_of_the_hour_is_tried_ever_more_seldom_and_then_given_up() {
    let window = window();
    let run = Run::default();
    let refuse = |wanted| window.refused(wanted, Duration::from_secs(1));
    let mut pauses = Vec::new();
    for round in 1..=ATTEMPTS {
        let held = refuse(None);
        // The other requests that were in flight.
        assert_eq!(refuse(None).pause, held.pause);
        assert!(held.is_hourly);
        assert_eq!(held.is_hopeless, round == ATTEMPTS);
        pauses.push(held.pause.as_secs());
        run.sleep(held.pause * 2).await.unwrap();
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16]);
    window.answered(None);
    assert!(!refuse(None).is_hopeless, "an answer makes it forget");
    run.sleep(Duration::from_secs(9)).await.unwrap();
    let day = Some(Duration::from_hours(24));
    assert_eq!(
        refuse(day).pause,
        Duration::from_mins(1),
        "nobody waits for a day"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_the_hour_bounds_what_is_in_flight() {
    let window = window();
    let run = Run::default();
    window.answered(Some(2));
    let first = window.turn(&run, Lane::Work).await.unwrap();
    let _second = window.turn(&run, Lane::Work).await.unwrap();
    let third = window.turn(&run, Lane::Work);
    let freed = async {
        run.sleep(Duration::from_secs(3)).await.unwrap();
        drop(first);
    };
    let started = Instant::now();
    let (third, ()) = tokio::join!(third, freed);
    assert!(third.is_ok());
    assert_eq!(started.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn one_event_tells_all_who_wait_when_it_ends() {
    let window = small(24);
    let (told, run) = told();
    for _ in 0..23 {
        window.turn(&run, Lane::Work).await.unwrap().begin();
    }
    run.sleep(Duration::from_secs(18)).await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let (window, run) = (Arc::clone(&window), run.clone());
        tasks.push(tokio::spawn(async move {
            window.turn(&run, Lane::Work).await.unwrap().begin();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let events = told.0.lock().unwrap().clone();
    let [Event::Waiting { what, deadline, .. }] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(what, "the API's rate limit, at most 23 requests in 1m");
    assert_eq!(*deadline, Duration::from_secs(42));
}

#[tokio::test(start_paused = true)]
async fn cancelling_ends_the_wait_of_the_first_and_of_those_behind() {
    let window = small(2);
    let run = Run::default();
    window.turn(&run, Lane::Work).await.unwrap().begin();
    window.turn(&run, Lane::Lease).await.unwrap().begin();
    let started = Instant::now();
    let cancel = async {
        run.sleep(Duration::from_secs(5)).await.unwrap();
        run.cancellation().cancel();
    };
    let (first, second, lease, ()) = tokio::join!(
        window.turn(&run, Lane::Work),
        window.turn(&run, Lane::Work),
        window.turn(&run, Lane::Lease),
        cancel
    );
    for turn in [first, second, lease] {
        assert!(matches!(turn, Err(ApiError::Cancelled)));
    }
    assert_eq!(started.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn lease_has_its_turn_while_work_holds_all_of_a_small_window() {
    for requests in 2..24 {
        let window = small(requests);
        let run = Run::default();
        let mut held = Vec::new();
        for _ in 1..requests {
            held.push(window.turn(&run, Lane::Work).await.unwrap());
        }
        let beat = window.turn(&run, Lane::Lease);
        let beat = tokio::time::timeout(LENGTH, beat).await;
        assert!(beat.is_ok_and(|turn| turn.is_ok()), "of {requests}");
    }
}

#[tokio::test(start_paused = true)]
async fn work_has_its_turns_beside_a_lease_that_always_wants_one() {
    let window = small(2);
    let beats = (0..600).map(|beat| {
        let at = Duration::from_secs(beat);
        let latency = Duration::from_millis(100);
        tokio::spawn(send(Arc::clone(&window), Lane::Lease, at, latency))
    });
    let beats: Vec<_> = beats.collect();
    let latency = Duration::from_millis(100);
    let mut all = Vec::new();
    for _ in 0..5 {
        let work = send(
            Arc::clone(&window),
            Lane::Work,
            Duration::from_secs(1),
            latency,
        );
        let work = tokio::time::timeout(LENGTH * 2, work).await;
        all.push(work.expect("it has a turn in each window"));
    }
    assert_kept(&all, 1);
    drop(beats);
}
