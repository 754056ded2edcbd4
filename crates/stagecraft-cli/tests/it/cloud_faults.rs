//! Everything that can go wrong with the API, through the real binary: a clear error, the
//! right exit code, and nothing lost or half-known.

mod creates;
mod deletes;
mod people;
mod reads;

use crate::support::{DECLARED, Finished, Lab};

const UP: [&str; 4] = ["infra", "up", "--yes", "--no-bootstrap"];

/// After whatever happened, one more run makes exactly the declared hosts.
async fn assert_next_run_finishes(lab: &Lab) {
    lab.control().clear_faults();
    lab.run(&UP).await.expect_code(0);
    assert_eq!(lab.names(), DECLARED);
}

fn first_line(finished: &Finished) -> &str {
    finished
        .stderr
        .lines()
        .find(|line| line.starts_with("error: "))
        .unwrap_or_else(|| panic!("no error line: {finished:?}"))
}
