//! The words of one line.

/// Cuts a line into its keyword in small letters and its words; `None` for a comment or an
/// empty line. Words may be quoted; what follows a `#` between words is a comment.
pub(super) fn cut(line: &str) -> Result<Option<(String, Vec<String>)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line
        .find(|c: char| c.is_whitespace() || c == '=')
        .unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    let keyword = keyword.to_ascii_lowercase();
    let words = match keyword.as_str() {
        "host" | "match" | "include" | "hostname" | "user" | "port" | "identityfile"
        | "proxyjump" => words(rest)?,
        // Some of the others are a text to the end of the line, with quotes of its own.
        _ => rest.split_whitespace().map(ToOwned::to_owned).collect(),
    };
    Ok(Some((keyword, words)))
}

fn words(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut letters = text.chars().peekable();
    loop {
        while letters.next_if(|c| c.is_whitespace()).is_some() {}
        match letters.peek() {
            None | Some('#') => return Ok(words),
            Some(_) => {}
        }
        let mut word = String::new();
        let mut quote: Option<char> = None;
        while let Some(letter) = letters.peek().copied() {
            if quote.is_none() && letter.is_whitespace() {
                break;
            }
            letters.next();
            match (quote, letter) {
                (None, '"' | '\'') => quote = Some(letter),
                (Some(open), _) if open == letter => quote = None,
                (_, '\\') => {
                    let is_escape = |next: &char| {
                        matches!(next, '"' | '\'' | '\\') || (quote.is_none() && *next == ' ')
                    };
                    word.push(letters.next_if(is_escape).unwrap_or('\\'));
                }
                _ => word.push(letter),
            }
        }
        if quote.is_some() {
            return Err("a quote is not closed");
        }
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_as_openssh_cuts_them() {
        let table: &[(&str, &str, &[&str])] = &[
            ("Host a b", "host", &["a", "b"]),
            ("  HOSTNAME=x.example", "hostname", &["x.example"]),
            ("User = me # not you", "user", &["me"]),
            (
                "IdentityFile \"~/my keys/id\"",
                "identityfile",
                &["~/my keys/id"],
            ),
            ("IdentityFile a\\ b", "identityfile", &["a b"]),
            ("IdentityFile \"a\\\"b\"", "identityfile", &["a\"b"]),
            ("Host a#b", "host", &["a#b"]),
            ("Compression", "compression", &[]),
        ];
        for (line, keyword, words) in table {
            let (cut_keyword, cut_words) = cut(line).unwrap().unwrap();
            assert_eq!(
                (cut_keyword.as_str(), cut_words),
                (
                    *keyword,
                    words.iter().map(|word| (*word).to_owned()).collect()
                )
            );
        }
        assert_eq!(cut("# x"), Ok(None));
        assert!(cut("Host \"a").is_err());
    }
}
