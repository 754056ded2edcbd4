//! Command lines for a POSIX shell.

use stagecraft_core::{CommandLine, Error, ErrorKind, Result, shell_quote};

/// The longest single argument on Linux (`MAX_ARG_STRLEN`, `execve(2)`), less room for what the
/// login shell, sudo and [`crate::start`] add. The server passes our line on as one argument.
const LINE_LIMIT: usize = 128 * 1024 - 8 * 1024;

/// A command as it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wire {
    pub(crate) line: String,
    pub(crate) stdin: Vec<u8>,
}

/// Translates a command line. Refuses one that no shell accepts.
pub(crate) fn wire(line: &CommandLine) -> Result<Wire> {
    match line {
        CommandLine::Argv(argv) => Ok(Wire {
            line: argv_line(argv)?,
            stdin: Vec::new(),
        }),
        CommandLine::Script(script) => Ok(Wire {
            line: "sh -s".to_owned(),
            stdin: script_input(script)?.into_bytes(),
        }),
    }
}

/// Quotes all arguments and joins them.
pub(crate) fn argv_line<T: AsRef<str>>(argv: &[T]) -> Result<String> {
    if argv
        .first()
        .is_none_or(|program| program.as_ref().is_empty())
    {
        return Err(Error::new(ErrorKind::Config, "command names no program"));
    }
    let mut line = String::new();
    for argument in argv {
        let argument = argument.as_ref();
        if argument.contains('\0') {
            return Err(Error::new(
                ErrorKind::Config,
                "argument of a command contains a NUL byte",
            ));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&shell_quote(argument));
    }
    if line.len() > LINE_LIMIT {
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "command line has {} bytes, more than the {LINE_LIMIT} that a host can run",
                line.len()
            ),
        )
        .with_hint("send it as a script"));
    }
    Ok(line)
}

/// Wraps a script into one compound command.
///
/// The shell runs none of it before it has read its end, so a lost connection never runs half a
/// script (`rm -rf /srv/old` cut to `rm -rf /srv`). Its commands do not read the rest of the script
/// as their input either.
fn script_input(script: &str) -> Result<String> {
    if script.contains('\0') {
        return Err(Error::new(ErrorKind::Config, "script contains a NUL byte"));
    }
    // On the line of the brace, so that the shell reports the script's own line numbers.
    Ok(format!("{{ :; {script}\n}} </dev/null\n"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Output, Stdio};

    use proptest::prelude::*;

    use super::*;

    fn sh_c(line: &str) -> Output {
        Command::new("sh").args(["-c", line]).output().unwrap()
    }

    fn sh_s(input: &[u8]) -> Output {
        let mut shell = Command::new("sh")
            .arg("-s")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        shell.stdin.take().unwrap().write_all(input).unwrap();
        shell.wait_with_output().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_argument_survives_a_real_shell(
            arguments in prop::collection::vec("[^\0]{0,40}|[-'\"$`\\\\ \n!*~#=;&|<>(){}]{0,12}", 1..4)
        ) {
            let mut argv = vec!["printf".to_owned(), "%s\\0".to_owned()];
            argv.extend(arguments.clone());
            let output = sh_c(&argv_line(&argv).unwrap());
            let mut expected = arguments.join("\0").into_bytes();
            expected.push(0);
            prop_assert_eq!(output.stdout, expected);
        }

        #[test]
        fn truncated_script_runs_nothing(cut in 0usize..60) {
            let whole = script_input("echo one\necho two # done\ncat\necho three").unwrap();
            let cut = cut.min(whole.rfind('}').unwrap());
            let output = sh_s(&whole.as_bytes()[..cut]);
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
        }
    }

    #[test]
    fn program_is_never_a_keyword_or_an_assignment() {
        assert_eq!(argv_line(&["if", "A=1"]).unwrap(), "'if' 'A=1'");
    }

    #[test]
    fn command_in_a_script_does_not_eat_the_script() {
        let output = sh_s(script_input("cat\necho after").unwrap().as_bytes());
        assert_eq!(output.stdout, b"after\n");
    }

    #[test]
    fn script_may_be_empty_or_begin_or_end_with_a_comment() {
        for script in ["", "#!/bin/sh", "true # the end", "true\n"] {
            let output = sh_s(script_input(script).unwrap().as_bytes());
            assert!(output.status.success(), "{script:?}: {output:?}");
        }
    }

    #[test]
    fn script_keeps_its_exit_code() {
        let output = sh_s(script_input("(exit 7)").unwrap().as_bytes());
        assert_eq!(output.status.code(), Some(7));
    }

    #[test]
    fn impossible_lines_are_refused() {
        let huge = "x".repeat(LINE_LIMIT);
        for argv in [vec![], vec![""], vec!["a\0b"], vec!["echo", &huge]] {
            let error = argv_line(&argv).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        }
        assert!(script_input("a\0b").is_err());
    }
}
