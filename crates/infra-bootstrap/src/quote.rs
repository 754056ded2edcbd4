//! The one place where a value becomes a part of a script.

/// Quotes a value as one word for `sh`, whatever it holds.
///
/// ```
/// assert_eq!(infra_bootstrap::quote("it's"), r"'it'\''s'");
/// ```
pub fn quote(value: &str) -> String {
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
        fn shell_reads_the_very_value_back(value in "[^\0]{0,40}") {
            let script = format!("printf %s {}", quote(&value));
            let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
        }
    }
}
