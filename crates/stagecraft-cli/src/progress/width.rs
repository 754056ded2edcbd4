//! The terminal's width while the spinner is shown.

use std::sync::{Mutex, PoisonError, Weak};

use rustix::termios::tcgetwinsize;
use tokio::signal::unix::{SignalKind, signal};

use super::Sink;

/// The width when the spinner was drawn, in columns.
static DRAWN: Mutex<usize> = Mutex::new(0);

/// Clears the remains of the spinner when the terminal becomes narrower: the line wraps into
/// several, and redrawing reaches only the last. Ends with the line's owner.
pub(super) fn watch(sink: &Weak<Sink>) {
    let Ok(mut changed) = signal(SignalKind::window_change()) else {
        return;
    };
    remember();
    let sink = Weak::clone(sink);
    tokio::spawn(async move {
        while changed.recv().await.is_some() {
            let Some(sink) = sink.upgrade() else {
                return;
            };
            let before = remember();
            let state = sink.lock();
            let above = rows(before, columns()).saturating_sub(1);
            if let Some(bar) = state.bar.as_ref().filter(|_| above > 0) {
                bar.suspend(|| sink.output.clear_rows_above(above));
            }
        }
    });
}

/// Stores the current width and returns the previous one.
fn remember() -> usize {
    let mut drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut *drawn, columns())
}

fn columns() -> usize {
    tcgetwinsize(std::io::stderr()).map_or(0, |size| usize::from(size.ws_col))
}

/// How many rows a line of the previous width takes in the current width.
fn rows(before: usize, now: usize) -> usize {
    match now {
        0 => 1,
        now => before.div_ceil(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_broken_into_as_many_rows_as_it_needs() {
        for (before, now, expected) in [
            (100, 100, 1),
            (100, 120, 1),
            (100, 40, 3),
            (80, 40, 2),
            (80, 0, 1),
        ] {
            assert_eq!(rows(before, now), expected, "{before} {now}");
        }
    }
}
