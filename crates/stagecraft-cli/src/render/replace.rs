//! Results of `replace`.

use stagecraft_engine::ReplaceReport;

use super::advice::{advice, finish};
use super::down::down_lines;
use super::text::line;
use super::up::up_lines;
use crate::output::{RED, RESET};

/// `replace` for people. `next` retries the new host.
pub(crate) fn replace_text(report: &ReplaceReport, next: &str) -> String {
    let mut text = String::from("\n");
    if let Some(down) = &report.down {
        down_lines(&mut text, down);
    }
    match (&report.up, &report.error) {
        (Some(up), _) => up_lines(&mut text, up, next),
        (None, Some(error)) => {
            let mut messages = error.chain().into_iter();
            let message = messages.next().unwrap_or_default();
            line!(text, "{RED}error:{RESET} {message}");
            for cause in messages {
                line!(text, "   caused by: {cause}");
            }
            let environment = &report.plan.environment;
            line!(
                text,
                "The old host is gone, the new one is not there: stagecraft infra up --env {environment}"
            );
        }
        (None, None) => match &report.down {
            Some(down) if down.is_refused() => {
                line!(text, "The old host stays, and no new one was made.");
            }
            down => {
                let end = "The old host is not proven gone, and no new one was made".to_owned();
                let down = down.as_ref();
                let advised = down.and_then(|down| advice(&down.apply, &[]));
                finish(&mut text, report.outcome(), &[end], advised);
            }
        },
    }
    text
}
