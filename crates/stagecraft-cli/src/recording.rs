//! Recording of the one run of this process, kept in memory for its bundle.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::Value;
use stagecraft_core::Run;

use crate::wire;

/// Most events kept: the last ones.
const EVENTS: usize = 20_000;

static RECORDING: OnceLock<Mutex<Recording>> = OnceLock::new();

/// The contents of a bundle.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) run: Option<Run>,
    pub(crate) events: VecDeque<Value>,
    seen: u64,
    pub(crate) planned: Option<Value>,
    pub(crate) plan: String,
    pub(crate) report: String,
    pub(crate) error: String,
}

/// Begins to record.
pub(crate) fn begin() {
    RECORDING.get_or_init(Mutex::default);
}

/// The recording; `None` if there is none.
pub(crate) fn recorded() -> Option<MutexGuard<'static, Recording>> {
    let recording = RECORDING.get()?;
    Some(recording.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Whether recording is on.
pub(crate) fn is_recording() -> bool {
    RECORDING.get().is_some()
}

/// Redacts the secrets of a run, including those that it learns later.
pub(crate) fn watch(run: &Run) {
    with(|recording| recording.run = Some(run.clone()));
}

/// Records an event.
pub(crate) fn event<E: Borrow<wire::Event>>(event: impl FnOnce() -> E) {
    with(|recording| {
        let Ok(Value::Object(mut line)) = serde_json::to_value(event().borrow()) else {
            return;
        };
        line.insert("v".to_owned(), wire::VERSION.into());
        line.insert("seq".to_owned(), recording.seen.into());
        let at = format!("{:.3}", jiff::Timestamp::now());
        line.insert("at".to_owned(), at.into());
        if line["event"] == "planned" {
            recording.planned = Some(Value::Object(line.clone()));
        }
        recording.seen += 1;
        if recording.events.len() == EVENTS {
            recording.events.pop_front();
        }
        recording.events.push_back(Value::Object(line));
    });
}

/// Records the plan as shown to people.
pub(crate) fn plan(text: impl FnOnce() -> String) {
    with(|recording| recording.plan = text());
}

/// Records the final text for people.
pub(crate) fn report(text: &str) {
    with(|recording| text.clone_into(&mut recording.report));
}

/// Records why the run ended without a result.
pub(crate) fn error(text: String) {
    with(|recording| recording.error = text);
}

fn with(change: impl FnOnce(&mut Recording)) {
    if let Some(mut recording) = recorded() {
        change(&mut recording);
    }
}
