//! Passes values to scripts for `sh`.

use stagecraft_core::shell_quote;

/// Puts a value into a variable of a constant script. There is no other way to pass values.
pub(crate) fn script(values: &[(&str, &str)], body: &str) -> String {
    let mut script = String::new();
    for (name, value) in values {
        script.push_str(name);
        script.push('=');
        script.push_str(&shell_quote(value));
        script.push('\n');
    }
    script.push_str(body);
    script
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_value_reaches_the_script_unchanged(
            value in "[^\0]{0,40}|[-'\"$`\\\\ \n!*~#=;&|<>(){}]{0,12}"
        ) {
            let script = script(&[("value", &value)], "printf '%s' \"$value\"\n");
            let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
        }
    }
}
