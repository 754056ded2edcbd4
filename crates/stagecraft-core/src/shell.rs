//! Values in scripts for `sh`.

/// Quotes any value as one literal word for `sh`.
///
/// It always quotes, since an unquoted word can be a keyword, an assignment or a pattern.
/// A shell accepts no NUL byte at all: a caller that may meet one must refuse it.
///
/// ```
/// assert_eq!(stagecraft_core::shell_quote("it's"), r"'it'\''s'");
/// ```
#[must_use]
pub fn shell_quote(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn shell_reads_the_very_value_back(
            value in "[^\0]{0,40}|[-'\"$`\\\\ \n!*~#=;&|<>(){}]{0,12}"
        ) {
            let script = format!("printf %s {}", shell_quote(&value));
            let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
        }
    }

    #[test]
    fn keywords_and_nothing_at_all_are_words_too() {
        assert_eq!(shell_quote("if"), "'if'");
        assert_eq!(shell_quote(""), "''");
    }
}
