//! Expands `%x`, `${NAME}` and `~` in values.

use std::path::Path;

use super::machine;

/// The values of tokens.
pub(super) struct Tokens<'a> {
    /// `%n`
    pub(super) original: &'a str,
    /// `%h`
    pub(super) host: &'a str,
    /// `%k`
    pub(super) alias: &'a str,
    /// `%p`
    pub(super) port: u16,
    /// `%r`
    pub(super) user: &'a str,
    /// `%d`, and the value of `~`
    pub(super) home: &'a Path,
    /// `%j`
    pub(super) jump: &'a str,
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Tokens<'_> {
    /// The value of a path token.
    fn value(&self, token: char) -> Option<String> {
        match token {
            'C' => {
                let name = machine::host_name()?;
                let text = [
                    &name,
                    self.host,
                    &self.port.to_string(),
                    self.user,
                    self.jump,
                ];
                Some(sha1(&text.concat()))
            }
            'd' => Some(self.home.display().to_string()),
            'i' => machine::user_id().map(|id| id.to_string()),
            'j' => Some(self.jump.to_owned()),
            'k' => Some(self.alias.to_owned()),
            'L' => {
                let name = machine::host_name()?;
                name.split('.').next().map(ToOwned::to_owned)
            }
            'l' => machine::host_name(),
            'u' => machine::user_name(self.variable),
            other => self.of_jump(other),
        }
    }

    /// The value of a `ProxyJump` token.
    fn of_jump(&self, token: char) -> Option<String> {
        match token {
            'h' => Some(self.host.to_owned()),
            'n' => Some(self.original.to_owned()),
            'p' => Some(self.port.to_string()),
            'r' => Some(self.user.to_owned()),
            _ => None,
        }
    }

    /// Expands a value of `ProxyJump`.
    ///
    /// # Errors
    ///
    /// The problem with it.
    pub(super) fn in_jump(&self, text: &str) -> Result<String, String> {
        expand(text, |token| self.of_jump(token))
    }

    /// Expands a path.
    ///
    /// # Errors
    ///
    /// The problem with it.
    pub(super) fn in_path(&self, text: &str) -> Result<String, String> {
        let text = at_home(text, self.home)?;
        let text = expand_variables(&text, self.variable)?;
        expand(&text, |token| self.value(token))
    }
}

/// Replaces `%x`.
///
/// # Errors
///
/// The problem with the text.
pub(super) fn expand(text: &str, token: impl Fn(char) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            expanded.push(letter);
            continue;
        }
        match letters.next() {
            Some('%') => expanded.push('%'),
            Some(other) => {
                expanded +=
                    &token(other).ok_or_else(|| format!("the token %{other} is not known"))?;
            }
            None => return Err("it ends in the middle of a token".to_owned()),
        }
    }
    Ok(expanded)
}

/// Replaces `${NAME}`. A `%` in the value of a variable is not a token.
fn expand_variables(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| "the name of a variable is not closed".to_owned())?;
        let value = variable(name).ok_or_else(|| format!("the variable {name} is not set"))?;
        expanded += before;
        expanded += &value.replace('%', "%%");
        rest = after;
    }
    expanded += rest;
    Ok(expanded)
}

/// Replaces `~` or `~user` at the beginning.
///
/// # Errors
///
/// The problem with it.
pub(super) fn at_home(text: &str, home: &Path) -> Result<String, String> {
    let Some(rest) = text.strip_prefix('~') else {
        return Ok(text.to_owned());
    };
    let (user, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let home = if user.is_empty() {
        home.display().to_string()
    } else {
        machine::home_of(user).ok_or_else(|| format!("the home of the user {user} is not known"))?
    };
    Ok(format!("{}/{rest}", home.trim_end_matches('/')))
}

fn sha1(text: &str) -> String {
    use sha1::Digest as _;
    data_encoding::HEXLOWER.encode(&sha1::Sha1::digest(text))
}
