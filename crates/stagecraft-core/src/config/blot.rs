//! Redaction of secrets in what is shown of a file.

use std::ops::Range;

/// The first characters of private keys.
const KEY_BEGINNING: &str = "-----BEGIN ";
/// Prefixes of service tokens that users put into files by mistake.
const TOKEN_BEGINNINGS: [&str; 6] = ["dop_v1_", "doo_v1_", "dor_v1_", "tskey-", "ghp_", "sk-"];

/// Replaces possible secrets in a line by as many `*`, so that columns stay right.
pub(super) fn blot_line(line: &str) -> String {
    let mut blotted = line.to_owned();
    for beginning in TOKEN_BEGINNINGS {
        while let Some(start) = blotted.find(beginning) {
            let end = end_of_word(&blotted, start);
            cover(&mut blotted, start..end);
        }
    }
    if let Some(start) = blotted.find(KEY_BEGINNING) {
        let end = blotted.len();
        cover(&mut blotted, start..end);
    }
    let mut from = 0;
    while let Some(colon) = blotted[from..].find(':').map(|at| from + at) {
        let key = blotted[..colon]
            .rsplit(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
            .next()
            .unwrap_or_default();
        let value = colon + 1 + spaces(&blotted[colon + 1..]);
        if holds_secret(key, &blotted[value..]) && !blotted[value..].starts_with(['{', '[']) {
            let end = end_of_value(&blotted, value);
            cover(&mut blotted, value..end);
        }
        from = colon + 1;
    }
    blotted
}

fn spaces(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '"', '\'']).len()
}

/// Whether a key's value is itself a secret: `token: ...`, or a `token_env` that names no
/// variable.
fn holds_secret(key: &str, value: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let is_telling = [
        "token", "secret", "pass", "pwd", "authkey", "auth_key", "apikey", "api_key",
    ]
    .iter()
    .any(|word| key.contains(word))
        || ["private_key", "privatekey"]
            .iter()
            .any(|word| key.ends_with(word));
    if !is_telling || value.starts_with("${") {
        return false;
    }
    if key.ends_with("_file")
        || key.ends_with("_cmd")
        || key.ends_with("file")
        || key.ends_with("cmd")
    {
        return false;
    }
    if key.ends_with("env") || key.ends_with("evn") {
        let word = value.split([' ', ',', '}', '"', '\'', '#']).next();
        return !word.is_some_and(super::text::is_variable_name);
    }
    true
}

fn cover(line: &mut String, range: Range<usize>) {
    let cover = "*".repeat(line[range.clone()].chars().count());
    line.replace_range(range, &cover);
}

fn end_of_word(line: &str, start: usize) -> usize {
    line[start..]
        .find([' ', ',', '}', ']', '"', '\''])
        .map_or(line.len(), |at| start + at)
}

/// Returns the end of a value. A passphrase may be several words.
fn end_of_value(line: &str, start: usize) -> usize {
    let (before, value) = line.split_at(start);
    let quote = before.chars().next_back();
    let end = if let Some(quote @ ('"' | '\'')) = quote {
        // The last quote: one within the value does not end it.
        value.rfind(quote)
    } else {
        let comment = value.find(" #");
        let opened = before.matches(['{', '[']).count();
        let is_within = opened > before.matches(['}', ']']).count();
        let next = is_within.then(|| value.find([',', '}', ']'])).flatten();
        comment.into_iter().chain(next).min()
    };
    end.map_or(line.len(), |at| start + at)
}

/// Removes a value from a text, also in its quoted form.
pub(super) fn blot_value(text: &str, value: &str) -> String {
    if value.is_empty() {
        return text.to_owned();
    }
    let escaped = format!("{value:?}");
    let escaped = &escaped[1..escaped.len() - 1];
    text.replace(value, "***").replace(escaped, "***")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_a_line_are_covered_and_columns_stay() {
        for (line, expected) in [
            ("  token: dop_v1_abc # mine", "  token: ********** # mine"),
            (
                "{ token_env: dop_v1_a, size: \"\" }",
                "{ token_env: ********, size: \"\" }",
            ),
            ("  token_env: DO_TOKEN", "  token_env: DO_TOKEN"),
            ("  token_env: s3cr-et", "  token_env: *******"),
            (
                "  auth_key: \"tskey-auth-x\"",
                "  auth_key: \"************\"",
            ),
            ("  password: hunter2", "  password: *******"),
            ("  passphrase: hunter2", "  passphrase: *******"),
            (
                "{ user: x, passphrase: one two, port: 1 }",
                "{ user: x, passphrase: *******, port: 1 }",
            ),
            ("  pass: one, two # no", "  pass: ******** # no"),
            ("  pwd: 'one \" two' # no", "  pwd: '*********' # no"),
            ("  pass: \"a\\\"b\" # no", "  pass: \"****\" # no"),
            ("  private_key: abc", "  private_key: ***"),
            ("  private_key_path: a/b", "  private_key_path: a/b"),
            ("  passphrase_env: NAME", "  passphrase_env: NAME"),
            ("  passphrase_cmd: [pass, x]", "  passphrase_cmd: [pass, x]"),
            ("  path: \"-----BEGIN A\\nb\"", "  path: \"****************"),
            ("  token_file: a/b.txt", "  token_file: a/b.txt"),
            ("  token_cmd: [pass, show]", "  token_cmd: [pass, show]"),
            ("  name: ${MY_TOKEN}", "  name: ${MY_TOKEN}"),
            ("  ssh_key_name: mine", "  ssh_key_name: mine"),
            ("é: tskey-é", "é: *******"),
        ] {
            let blotted = blot_line(line);
            assert_eq!(blotted, expected);
            assert_eq!(blotted.chars().count(), line.chars().count());
        }
    }

    #[test]
    fn escaped_values_are_found_too() {
        assert_eq!(blot_value("bad \"a\\\"b\"", "a\"b"), "bad \"***\"");
    }
}
