//! Striking every request of an operation, once in each way.

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use stagecraft_fuzz::is_long;

use crate::schedule::{Mishap, Operation, Schedule, Strike, Weather};
use crate::story::Played;

/// No run has more requests.
const MOST_REQUESTS: u32 = 200;
const MOST_TOLD: usize = 20;
/// How many schedules this process has played.
static PLAYED: AtomicUsize = AtomicUsize::new(0);

/// A way to go wrong, and whether the request's effect comes first.
pub(crate) type Way = (Mishap, bool);

/// Every way in which a request can go wrong.
pub(crate) fn ways() -> Vec<Way> {
    let all = Mishap::ALL.into_iter();
    all.flat_map(both).collect()
}

/// With and without the request's effect.
pub(crate) fn both(mishap: Mishap) -> [Way; 2] {
    [(mishap, false), (mishap, true)]
}

/// What is swept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene {
    pub(crate) operation: Operation,
    pub(crate) weather: Weather,
    /// Of how many ways to go wrong a short run tries one at each request, besides being killed.
    pub(crate) share: usize,
}

impl Scene {
    pub(crate) fn new(operation: Operation) -> Self {
        Self {
            operation,
            weather: Weather::usual(),
            share: 4,
        }
    }
}

/// Strikes each request of an operation once in each of these ways.
///
/// A short run leaves some out, so that each request still meets several ways, and each way
/// several requests.
pub(crate) fn sweep(scene: Scene, ways: &[Way], play: fn(&Schedule) -> Result<Played, String>) {
    let next = AtomicUsize::new(0);
    let share = if is_long() { 1 } else { scene.share };
    let all = Tally::new();
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some((mishap, is_after)) = ways.get(number).copied() else {
                return;
            };
            for at in 0..MOST_REQUESTS {
                if mishap != Mishap::Kill && !(number + at as usize).is_multiple_of(share) {
                    continue;
                }
                let strike = Strike {
                    mishap,
                    at,
                    is_after,
                };
                let schedule = Schedule {
                    operation: scene.operation,
                    weather: Weather {
                        capitals: at % 2 == 1,
                        ..scene.weather
                    },
                    strikes: vec![strike],
                };
                if !all.add(play(&schedule)) {
                    break;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    all.tell(&format!("{:?}", scene.operation));
}

/// What came of many schedules.
#[derive(Debug)]
pub(crate) struct Tally {
    begun: Instant,
    count: AtomicUsize,
    loose: Mutex<(usize, usize)>,
    problems: Mutex<Vec<String>>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            count: AtomicUsize::new(0),
            loose: Mutex::default(),
            problems: Mutex::default(),
        }
    }

    /// Adds one schedule. `false`: its faults were for requests that there are not.
    pub(crate) fn add(&self, played: Result<Played, String>) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed);
        match played {
            Ok(played) => {
                let mut loose = self.loose.lock().expect("no panic");
                loose.0 += usize::from(played.loose_tags > 0);
                loose.1 = loose.1.max(played.loose_tags);
                played.all_struck
            }
            Err(problem) => {
                self.problems.lock().expect("no panic").push(problem);
                true
            }
        }
    }

    /// Says how many schedules were played; fails if any went wrong.
    pub(crate) fn tell(self, what: &str) {
        let count = self.count.into_inner();
        let total = PLAYED.fetch_add(count, Ordering::Relaxed) + count;
        let (with_loose, most) = self.loose.into_inner().expect("no panic");
        let seconds = self.begun.elapsed().as_secs();
        let problems = self.problems.into_inner().expect("no panic");
        // Past the harness, which swallows what a test that passes prints.
        writeln!(
            std::io::stderr(),
            "fault matrix: {what}: {count} schedules in {seconds} s, {} went wrong, {with_loose} left up to {most} tags; {total} so far",
            problems.len()
        )
        .expect("somewhere to print to");
        assert!(
            problems.is_empty(),
            "{} of {count} schedules went wrong:\n{}",
            problems.len(),
            problems[..problems.len().min(MOST_TOLD)].join("\n\n")
        );
    }
}
