//! Starts a command on a host in a known shell with a known environment.
//!
//! The login shell of a user and its start-up files run between the server and our command. They
//! may print, set variables, read the command's input, or become another program that runs that
//! input as its own commands. So the first line of the input is ours: a shell that reads it by
//! mistake takes it for the beginning of an ignored text. And our command reports that it begins
//! before anything else happens.

use stagecraft_core::{Error, ErrorKind, Exit, HostName, RemoteOutput, Result, Retry};

use crate::quote::{Wire, argv_line};
use crate::sudo::Elevation;

/// The first line of the input. A shell that reads it by mistake takes all that follows for a
/// here-document and runs none of it.
const GUARD: &str = r": <<\STAGECRAFT_INPUT";
/// The line on both streams before the command's own output.
pub(crate) const BEGUN: &str = "stagecraft: the command begins";
/// The exit code if the input did not begin with our line.
const EATEN: u32 = 97;

/// Runs in the login shell. `$0` is the guard, `$1` the mark, the rest the command. `read` reads
/// single bytes from a pipe, so everything after the guard remains.
const START: &str = r#"IFS= read -r guard; [ "$guard" = "$0" ] || exit 97; printf "\n%s\n" "$1"; printf "\n%s\n" "$1" >&2; shift; "#;
/// Its continuation for a command that begins with `env` and sudo, which must be found.
const FIND: &str = r#"PATH="$PATH:/usr/local/bin:/usr/bin:/bin"; export PATH; exec "$@""#;

/// Runs as the user of the command. Of the variables only proxies stay, since downloads may need
/// them. The others change what commands do (`LANGUAGE`, `POSIXLY_CORRECT`, `TMPDIR`, `APT_CONFIG`,
/// `DOCKER_HOST`).
const CLEAN: &str = r#"umask 022; PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin; exec env -i HOME="${HOME:-/}" USER="${USER:-root}" LOGNAME="${LOGNAME:-root}" PATH="$PATH" LC_ALL=C ${http_proxy+"http_proxy=$http_proxy"} ${https_proxy+"https_proxy=$https_proxy"} ${ftp_proxy+"ftp_proxy=$ftp_proxy"} ${all_proxy+"all_proxy=$all_proxy"} ${no_proxy+"no_proxy=$no_proxy"} ${HTTP_PROXY+"HTTP_PROXY=$HTTP_PROXY"} ${HTTPS_PROXY+"HTTPS_PROXY=$HTTPS_PROXY"} ${ALL_PROXY+"ALL_PROXY=$ALL_PROXY"} ${NO_PROXY+"NO_PROXY=$NO_PROXY"} "$@""#;

/// The command for the login shell: with the environment of all commands, inside sudo, and behind
/// the guard, outside sudo.
pub(crate) fn wrap(command: Wire, elevation: Option<&Elevation>) -> Result<Wire> {
    let (script, command) = match elevation {
        Some(elevation) => {
            let clean = argv_line(&["/bin/sh", "-c", CLEAN, "sh"])?;
            let inside = Wire {
                line: format!("{clean} {}", command.line),
                ..command
            };
            (FIND, elevation.wrap(inside))
        }
        None => (CLEAN, command),
    };
    let mut stdin = Vec::with_capacity(GUARD.len() + 1 + command.stdin.len());
    stdin.extend_from_slice(GUARD.as_bytes());
    stdin.push(b'\n');
    stdin.extend_from_slice(&command.stdin);
    let start = argv_line(&["/bin/sh", "-c", &format!("{START}{script}"), GUARD, BEGUN])?;
    Ok(Wire {
        line: format!("{start} {}", command.line),
        stdin,
    })
}

/// The command's own output, without what start-up files printed before.
///
/// # Errors
///
/// [`ErrorKind::Protocol`], to be retried, if the host answered with its own text, as images do
/// that are still booting; [`ErrorKind::Rejected`] if the login's shell or its start-up files
/// prevented the command.
pub(crate) fn begun(host: &HostName, user: &str, output: RemoteOutput) -> Result<RemoteOutput> {
    let stderr = after_mark(&output.stderr).unwrap_or(&output.stderr);
    if let Some(stdout) = after_mark(&output.stdout) {
        return Ok(RemoteOutput {
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
            ..output
        });
    }
    let said = output.tail(5);
    let error = if output.exit == Exit::Code(EATEN) {
        Error::new(
            ErrorKind::Rejected,
            format!("start-up files of {user} on {host} read the input of commands"),
        )
        .with_hint("let `read` and the like run in interactive shells only: put `case $- in *i*) ;; *) return ;; esac` before them in .bashrc")
    } else if output.is_success() && !output.stdout.trim().is_empty() {
        Error::new(
            ErrorKind::Protocol,
            format!("{host} answered with words of its own instead of running the command"),
        )
        .with_retry(Retry::After(None))
    } else {
        Error::new(
            ErrorKind::Rejected,
            format!("the login shell of {user} on {host}, or what its start-up files start, did not run the command"),
        )
        .with_hint("the login shell must run `-c COMMAND`, which /bin/false and /usr/sbin/nologin do not; let .bashrc start another shell in interactive shells only: put `case $- in *i*) ;; *) return ;; esac` before it")
    };
    Err(said
        .into_iter()
        .fold(error, |error, line| error.with_context(SAID, line)))
}

/// The context of an error that contains a line which the host printed by itself.
const SAID: &str = "the host said";

fn after_mark(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        let (line, after) = rest.split_once('\n')?;
        if line == BEGUN {
            return Some(after);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(code: u32, stdout: &str, stderr: &str) -> RemoteOutput {
        RemoteOutput {
            exit: Exit::Code(code),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        }
    }

    fn begun_on(output: RemoteOutput) -> Result<RemoteOutput> {
        begun(&HostName::new("app-1").unwrap(), "admin", output)
    }

    #[test]
    fn what_start_up_files_print_is_no_output_of_the_command() {
        let mixed = output(
            7,
            &format!("welcome\n{BEGUN}\nout\n"),
            &format!("+ set\n{BEGUN}\nerr\n"),
        );
        assert_eq!(begun_on(mixed).unwrap(), output(7, "out\n", "err\n"));
    }

    #[test]
    fn command_that_did_not_begin_is_never_taken_for_one_that_did_nothing() {
        for (output, kind, says) in [
            (
                output(0, "", ""),
                ErrorKind::Rejected,
                "login shell of admin",
            ),
            (
                output(1, "", "fish: error"),
                ErrorKind::Rejected,
                "login shell of admin",
            ),
            (output(EATEN, "", ""), ErrorKind::Rejected, "read the input"),
            (
                output(0, "Please wait.\n", ""),
                ErrorKind::Protocol,
                "words of its own",
            ),
        ] {
            let error = begun_on(output).unwrap_err();
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
