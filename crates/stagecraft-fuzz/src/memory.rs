//! Measures the peak memory of a call.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Serializes measurements: the count is that of the whole process.
static TURN: Mutex<()> = Mutex::new(());

/// 1 MiB, in bytes.
pub const MEBIBYTE: usize = 1024 * 1024;

/// The result of a call and its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured<T> {
    /// The call's result.
    pub value: T,
    /// The most bytes allocated at a time, beyond those allocated before the call.
    pub peak: usize,
}

impl<T> Measured<T> {
    /// The result, if the call took no more than `limit` bytes.
    ///
    /// # Panics
    ///
    /// If it took more.
    pub fn within(self, limit: usize) -> T {
        assert!(
            self.peak <= limit,
            "took {} bytes of memory, more than {limit}",
            self.peak
        );
        self.value
    }
}

/// Calls `call` and measures it. Only one call is measured at a time; other threads wait.
///
/// Bytes that other threads allocate or free without being measured count as well.
pub fn measured<T>(call: impl FnOnce() -> T) -> Measured<T> {
    let (_turn, before) = begin();
    let value = call();
    end(value, before)
}

/// Runs `call` and measures it, as [`measured`] does.
///
/// The waiting blocks the thread, so each test that uses it needs a separate runtime.
#[expect(
    clippy::await_holding_lock,
    reason = "the turn lasts as long as the call"
)]
pub async fn measured_async<T>(call: impl Future<Output = T>) -> Measured<T> {
    let (_turn, before) = begin();
    let value = call.await;
    end(value, before)
}

fn begin() -> (MutexGuard<'static, ()>, usize) {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    MEMORY.reset_peak_usage();
    (turn, MEMORY.current_usage())
}

fn end<T>(value: T, before: usize) -> Measured<T> {
    let peak = MEMORY.peak_usage().saturating_sub(before);
    Measured { value, peak }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_was_given_back_counts_too() {
        let measured = measured(|| drop(std::hint::black_box(vec![1u8; 8 * MEBIBYTE])));
        // Threads that are not measured allocate and free memory meanwhile: one that begins or ends
        // a test a few bytes, one that prints a backtrace some megabytes.
        assert!(measured.peak >= 7 * MEBIBYTE, "{measured:?}");
        assert!(measured.peak < 16 * MEBIBYTE, "{measured:?}");
    }

    #[test]
    #[should_panic(expected = "more than 1048576")]
    fn more_than_the_limit_is_told() {
        measured(|| std::hint::black_box(vec![1u8; 2 * MEBIBYTE])).within(MEBIBYTE);
    }
}
