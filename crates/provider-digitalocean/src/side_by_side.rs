//! Runs futures with limited concurrency.

use std::future::Future;

use futures_util::stream::{FuturesUnordered, StreamExt as _};

/// Runs all `tasks`, at most `limit` at a time, and returns their results in the order of the
/// tasks. Starts tasks in that order too.
///
/// If dropped, running tasks are dropped and the others never start.
pub(crate) async fn side_by_side<F: Future>(limit: usize, tasks: Vec<F>) -> Vec<F::Output> {
    let mut tasks = tasks
        .into_iter()
        .enumerate()
        .map(|(index, task)| async move { (index, task.await) });
    let mut running: FuturesUnordered<_> = tasks.by_ref().take(limit.max(1)).collect();
    let mut results = Vec::new();
    while let Some(result) = running.next().await {
        results.push(result);
        running.extend(tasks.next());
    }
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use stagecraft_core::Run;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn results_keep_their_order_and_no_more_run_than_the_limit() {
        let run = Run::default();
        let (now, most) = (Cell::new(0), Cell::new(0));
        let started = Instant::now();
        let tasks = (0..25_u64).map(|number| {
            let (run, now, most) = (&run, &now, &most);
            async move {
                now.set(now.get() + 1);
                most.set(most.get().max(now.get()));
                // Later tasks of a round end first.
                let pause = Duration::from_millis(100 - number % 10);
                run.sleep(pause).await.unwrap();
                now.set(now.get() - 1);
                number
            }
        });
        let results = side_by_side(10, tasks.collect()).await;
        assert_eq!(results, (0..25).collect::<Vec<u64>>());
        assert_eq!(most.get(), 10);
        assert!(started.elapsed() <= Duration::from_millis(300));
    }
}
