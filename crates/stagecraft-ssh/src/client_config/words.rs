//! Splits one line into words.

/// A line that is neither blank nor a comment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// The keyword as it is written.
    pub(super) keyword: String,
    pub(super) words: Vec<String>,
}

/// Splits a line into its keyword and its words; `None` for a comment or an empty line. Words may
/// be quoted. A `#` between words begins a comment.
pub(super) fn cut(line: &str) -> Result<Option<Cut>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (keyword, rest) = if let Some(quoted) = line.strip_prefix('"') {
        quoted.split_once('"').ok_or("a quote is not closed")?
    } else {
        let end = line.find(|c: char| c.is_whitespace() || c == '=');
        line.split_at(end.unwrap_or(line.len()))
    };
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    let words = match keyword.to_ascii_lowercase().as_str() {
        "host" | "match" | "include" | "hostname" | "user" | "port" | "identityfile"
        | "certificatefile" | "identitiesonly" | "identityagent" | "connecttimeout"
        | "hostkeyalias" | "tag" => words(rest)?,
        // OpenSSH passes it to a shell, which removes the quotes.
        "proxyjump" => {
            let end = rest.find('#').unwrap_or(rest.len());
            let text = rest[..end].trim_end().replace(['"', '\''], "");
            text_to_the_end(&text)
        }
        "proxycommand" => text_to_the_end(rest),
        // Some of the others are a text to the end of the line, with their own quotes.
        _ => rest.split_whitespace().map(ToOwned::to_owned).collect(),
    };
    Ok(Some(Cut {
        keyword: keyword.to_owned(),
        words,
    }))
}

fn text_to_the_end(text: &str) -> Vec<String> {
    let text = Some(text).filter(|text| !text.is_empty());
    text.map(ToOwned::to_owned).into_iter().collect()
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
            ("Host a b", "Host", &["a", "b"]),
            ("  HOSTNAME=x.example", "HOSTNAME", &["x.example"]),
            ("User = me # not you", "User", &["me"]),
            (
                "IdentityFile \"~/my keys/id\"",
                "IdentityFile",
                &["~/my keys/id"],
            ),
            ("IdentityFile a\\ b", "IdentityFile", &["a b"]),
            ("IdentityFile \"a\\\"b\"", "IdentityFile", &["a\"b"]),
            ("Host a#b", "Host", &["a#b"]),
            ("\"Port\" 2200", "Port", &["2200"]),
            ("ProxyJump = a, b # c", "ProxyJump", &["a, b"]),
            (
                "ProxyCommand a \"b c\" # d",
                "ProxyCommand",
                &["a \"b c\" # d"],
            ),
            ("Compression", "Compression", &[]),
        ];
        for (line, keyword, words) in table {
            let cut = cut(line).unwrap().unwrap();
            assert_eq!(cut.keyword, *keyword);
            assert_eq!(cut.words, *words);
        }
        assert_eq!(cut("# x"), Ok(None));
        assert!(cut("Host \"a").is_err());
    }
}
