//! Shows the progress of a run to people or programs. One event stream feeds both.

mod busy;
mod width;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use secrecy::SecretString;
use stagecraft_core::{Event, EventSink, HostName, Run};
use stagecraft_engine::{HostLook, Planned};

use self::busy::Busy;
use crate::exit::Exit;
use crate::output::{Output, one_line};
use crate::render::OnHosts;
use crate::{recording, render, wire};

/// How often a wait is reported again if no bar can be drawn.
const REPEAT: Duration = Duration::from_secs(10);
/// How often a retry with the same cause is reported again.
const REMIND: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(120);

/// The current display, for prompts from deep below.
static SHOWN: Mutex<Weak<Sink>> = Mutex::new(Weak::new());

/// Shows the events of one run.
#[derive(Debug)]
pub(crate) struct Progress {
    sink: Arc<Sink>,
}

#[derive(Debug)]
struct Sink {
    output: Output,
    as_json: bool,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bar: Option<ProgressBar>,
    busy: Busy,
    last_wait: Option<(String, Instant)>,
    /// Retries on a host, with their cause and the time of the last report.
    retries: BTreeMap<(HostName, String), (String, Instant)>,
    /// Lines held back during a prompt.
    held: Option<Vec<String>>,
}

impl State {
    /// Updates the bar's message. The bar counts the time itself.
    fn redraw(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message(one_line(&self.busy.text()));
        }
    }

    /// Whether a line has news: a retry with the same cause is reported only now and then.
    fn is_news(&mut self, event: &Event, now: Instant) -> bool {
        match event {
            Event::Retrying {
                host: Some(host),
                what,
                reason,
                ..
            } => {
                let key = (host.clone(), what.clone());
                let told = self.retries.get(&key);
                let is_old = told.is_some_and(|(last, at)| {
                    last == reason && now.saturating_duration_since(*at) < REMIND
                });
                if !is_old {
                    self.retries.insert(key, (reason.clone(), now));
                }
                !is_old
            }
            // It answered, so later failures are new.
            Event::HostConnected { host, .. } => {
                self.retries.retain(|(own, _), _| own != host);
                true
            }
            _ => true,
        }
    }
}

impl Progress {
    /// Sends events to the output: JSON lines for programs, else lines or a bar.
    pub(crate) fn new(output: Output) -> Self {
        Self::start(output, output.is_json())
    }

    /// Sends events to standard error, for commands whose result is one document.
    pub(crate) fn beside_a_document(output: Output) -> Self {
        Self::start(output, false)
    }

    fn start(output: Output, as_json: bool) -> Self {
        let busy = Busy::default();
        let bar = output
            .can_draw()
            .then(|| spinner(busy.text(), Duration::ZERO));
        let sink = Arc::new(Sink {
            output,
            as_json,
            started: Instant::now(),
            state: Mutex::new(State {
                bar,
                busy,
                ..State::default()
            }),
        });
        let shown = Arc::downgrade(&sink);
        if output.can_draw() {
            width::watch(&shown);
        }
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        Self { sink }
    }

    pub(crate) fn sink(&self) -> Arc<dyn EventSink> {
        Arc::clone(&self.sink) as Arc<dyn EventSink>
    }

    /// The cloud has been read. What follows concerns the hosts.
    pub(crate) fn at_work(&self) {
        let mut state = self.sink.lock();
        state.busy.at_work();
        state.redraw();
    }

    /// Shows the plan before it is applied.
    pub(crate) fn planned(&self, planned: &Planned) {
        self.at_work();
        recording::event(|| wire::Event::Planned(wire::Planned::from(planned)));
        recording::plan(|| render::plan_text(planned, OnHosts::Later));
        if self.sink.output.is_json() {
            let planned = wire::Planned::from(planned);
            self.sink.output.event(wire::Event::Planned(planned));
        } else {
            let text = render::plan_text(planned, OnHosts::Later);
            self.pause(|| self.sink.output.text(&text));
        }
    }

    /// Shows what was found on the existing hosts, before the confirmation. Programs have read it
    /// in the events.
    pub(crate) fn found(&self, look: &HostLook) {
        if !self.sink.output.is_json() {
            self.pause(|| self.sink.output.text(&render::found_text(look)));
        }
    }

    /// Prints the last line of a run, for programs.
    pub(crate) fn result(&self, exit: Exit, outcome: impl Into<wire::Outcome>, body: wire::Body) {
        let result = wire::Result {
            outcome: outcome.into(),
            exit_code: exit.code(),
            body,
        };
        self.sink.output.event(wire::Event::Result(result));
    }

    /// Ends a run: prints its last line for programs, or a text for people.
    pub(crate) fn end(
        &self,
        exit: Exit,
        outcome: impl Into<wire::Outcome>,
        body: wire::Body,
        text: impl FnOnce() -> String,
    ) {
        let result = wire::Result {
            outcome: outcome.into(),
            exit_code: exit.code(),
            body,
        };
        let event = wire::Event::Result(result);
        let output = self.sink.output;
        if recording::is_recording() {
            recording::event(|| &event);
            let text = text();
            recording::report(&text);
            if !output.is_json() {
                return output.text(&text);
            }
        } else if !output.is_json() {
            return output.text(&text());
        }
        output.event(event);
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        if let Some(bar) = self.sink.lock().bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Asks a question while the bar is hidden.
    pub(crate) async fn ask(&self, question: &str, run: &Run) -> Option<String> {
        let _aside = Aside::step(&self.sink);
        self.sink.output.ask(question, run.cancellation()).await
    }

    /// Shows something else while the bar is hidden.
    pub(crate) fn pause(&self, show: impl FnOnce()) {
        let bar = self.sink.lock().bar.clone();
        match bar {
            Some(bar) => bar.suspend(show),
            None => show(),
        }
    }
}

/// Prompts for a secret on the terminal of the current run, with hidden input. `None` without a
/// terminal, or if nothing is typed.
pub(crate) async fn ask_hidden(question: &str, run: &Run) -> Option<SecretString> {
    let sink = shown().filter(|sink| sink.output.can_ask())?;
    let _aside = Aside::step(&sink);
    let cancelled = run.cancellation();
    sink.output.ask_hidden(question, cancelled).await
}

fn shown() -> Option<Arc<Sink>> {
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    shown.upgrade()
}

/// Guard: while a prompt is open, the bar is hidden and lines wait.
struct Aside<'a> {
    sink: &'a Sink,
    bar: Option<ProgressBar>,
}

impl<'a> Aside<'a> {
    fn step(sink: &'a Sink) -> Self {
        let mut state = sink.lock();
        state.held = Some(Vec::new());
        let bar = state.bar.take();
        drop(state);
        // Hiding the bar would leave its last line before the question.
        if let Some(bar) = &bar {
            bar.finish_and_clear();
        }
        Self { sink, bar }
    }
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        let mut state = self.sink.lock();
        for line in state.held.take().into_iter().flatten() {
            self.sink.output.message(&line);
        }
        if let Some(bar) = self.bar.take() {
            state.bar = Some(spinner(one_line(&state.busy.text()), bar.elapsed()));
        }
    }
}

/// A spinner that moves while nothing else happens.
fn spinner(message: String, elapsed: Duration) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::new_spinner().with_elapsed(elapsed);
    bar.set_style(style);
    bar.set_message(message);
    bar.enable_steady_tick(TICK);
    bar
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Sink {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, event: &Event) {
        let text = one_line(&render::event_line(event));
        let mut state = self.lock();
        state.busy.take(event);
        state.redraw();
        if let Event::Waiting { what, .. } = event {
            if state.bar.is_some() {
                return;
            }
            let quiet = state
                .last_wait
                .as_ref()
                .is_some_and(|(last, at)| last == what && at.elapsed() < REPEAT);
            if quiet {
                return;
            }
            state.last_wait = Some((what.clone(), Instant::now()));
        }
        if !state.is_news(event, Instant::now()) {
            return;
        }
        let elapsed = self.started.elapsed().as_secs_f64();
        let text = format!("{elapsed:>6.1}s  {text}");
        if let Some(held) = &mut state.held {
            held.push(text);
            return;
        }
        match &state.bar {
            Some(bar) => bar.suspend(|| self.output.message(&text)),
            None => self.output.message(&text),
        }
    }
}

impl EventSink for Sink {
    fn emit(&self, event: Event) {
        recording::event(|| wire::Event::from(event.clone()));
        if self.as_json {
            self.output.event(event.into());
        } else {
            self.line(&event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_of_a_host_are_news_by_their_cause_and_every_half_minute() {
        let host = |name: &str| HostName::new(name).unwrap();
        let retrying = |name, reason: &str, delay| Event::Retrying {
            host: Some(host(name)),
            what: "connect".to_owned(),
            reason: reason.to_owned(),
            delay: Duration::from_secs(delay),
        };
        let connected = |name| Event::HostConnected {
            host: host(name),
            host_key: "key".to_owned(),
        };
        let mut state = State::default();
        let start = Instant::now();
        for (at, event, is_news) in [
            (0, retrying("app-1", "no answer", 2), true),
            (1, retrying("app-2", "no answer", 2), true),
            (2, retrying("app-1", "no answer", 3), false),
            (4, retrying("app-1", "refused", 2), true),
            (6, retrying("app-1", "refused", 2), false),
            (33, retrying("app-1", "refused", 2), false),
            (34, retrying("app-1", "refused", 2), true),
            (35, connected("app-1"), true),
            (36, retrying("app-1", "refused", 2), true),
            (36, retrying("app-2", "no answer", 2), true),
        ] {
            let now = start + Duration::from_secs(at);
            assert_eq!(state.is_news(&event, now), is_news, "{at} {event:?}");
        }
        let of_cloud = Event::Retrying {
            host: None,
            what: "list".to_owned(),
            reason: "busy".to_owned(),
            delay: Duration::ZERO,
        };
        assert!(state.is_news(&of_cloud, start) && state.is_news(&of_cloud, start));
    }
}
