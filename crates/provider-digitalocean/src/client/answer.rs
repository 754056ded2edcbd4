//! Reads answers independently of their content.

use reqwest::header::HeaderName;
use reqwest::{Response, StatusCode, Url};
use stagecraft_core::shorten;

use crate::error::ApiError;
use crate::wire::ErrorBody;

/// Size limit of an answer, in bytes. 200 droplets are about 1 MiB.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

pub(super) fn page_number(link: &str) -> Option<u32> {
    let url: Url = link.parse().ok()?;
    let (_, value) = url.query_pairs().find(|(key, _)| key == "page")?;
    value.parse().ok()
}

pub(super) fn transport(error: reqwest::Error) -> ApiError {
    let error = error.without_url();
    if error.is_connect() {
        ApiError::Connect(error)
    } else {
        ApiError::Lost(error)
    }
}

pub(super) async fn read(mut response: Response) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_LIMIT {
            break;
        }
    }
    Ok(body)
}

pub(super) fn refusal(status: StatusCode, body: &ErrorBody, raw: &[u8]) -> String {
    let words = [&body.message, &body.error, &body.id]
        .into_iter()
        .find(|text| !text.is_empty());
    match words {
        Some(words) => {
            let words: Vec<&str> = words.split_whitespace().collect();
            shorten(&words.join(" "), 300)
        }
        None if raw.is_empty() => status
            .canonical_reason()
            .unwrap_or("no reason given")
            .to_owned(),
        None => format!("(not the API's own answer) {}", excerpt(raw)),
    }
}

/// The start of an unreadable answer, on one line.
pub(super) fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(400)]);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = shorten(&words.join(" "), 80);
    if line.is_empty() {
        "(empty)".to_owned()
    } else {
        line
    }
}

/// Parses a numeric header of the answer.
pub(super) fn number(response: &Response, name: &HeaderName) -> Option<u64> {
    response.headers().get(name)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_page_number_is_taken_from_a_link() {
        assert_eq!(
            page_number("https://evil.example/v2/droplets?page=3&per_page=200"),
            Some(3)
        );
        assert_eq!(page_number("https://h/?per_page=2"), None);
        assert_eq!(page_number("junk"), None);
    }
}
