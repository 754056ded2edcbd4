//! Runs commands as root for other users, through `sudo(8)`.

use secrecy::{ExposeSecret as _, SecretString};
use stagecraft_core::{Error, ErrorKind, Exit, HostName, RemoteOutput, Result};

use crate::printable::printable;
use crate::quote::Wire;

/// The line that ends the part of the input for sudo.
const MARKER: &str = "stagecraft-input-follows";

/// Skips the input up to the marker, then becomes the command. A password that sudo did not read,
/// since it needs none now, ends here and never reaches the command. `read` reads single bytes from
/// a pipe, so everything after the marker remains.
const SKIP: &str = r#"while IFS= read -r line; do if [ "$line" = "$0" ]; then exec "$@"; fi; done; echo "sudo: the input ended early" >&2; exit 1"#;

/// How commands become root.
pub(crate) struct Elevation {
    user: String,
    password: Option<SecretString>,
}

impl Elevation {
    /// Creates an elevation.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the password does not fit on one line.
    pub(crate) fn new(user: &str, password: Option<SecretString>) -> Result<Self> {
        let is_line = |password: &SecretString| !password.expose_secret().contains(['\n', '\0']);
        if password.as_ref().is_some_and(|password| !is_line(password)) {
            let message = "the password for sudo has more than one line";
            return Err(Error::new(ErrorKind::Config, message));
        }
        Ok(Self {
            user: user.to_owned(),
            password,
        })
    }

    /// The same command as root. The password is sent on standard input only, before the command's
    /// own; sudo never prompts on a terminal.
    pub(crate) fn wrap(&self, command: Wire) -> Wire {
        let Wire { line, stdin } = command;
        // English messages, so that they can be distinguished.
        let Some(password) = &self.password else {
            return Wire {
                line: format!("env -u LANGUAGE LC_ALL=C sudo -H -n -- {line}"),
                stdin,
            };
        };
        let mut input = Vec::with_capacity(stdin.len() + 128);
        for text in [password.expose_secret(), MARKER] {
            input.extend_from_slice(text.as_bytes());
            input.push(b'\n');
        }
        input.extend_from_slice(&stdin);
        Wire {
            line: format!(
                "env -u LANGUAGE LC_ALL=C sudo -H -S -p '' -- sh -c '{SKIP}' {MARKER} {line}"
            ),
            stdin: input,
        }
    }

    /// Why sudo did not run a command, if that was the failure.
    pub(crate) fn refusal(&self, host: &HostName, output: &RemoteOutput) -> Option<Error> {
        if !matches!(output.exit, Exit::Code(1 | 127)) || !output.stdout.is_empty() {
            return None;
        }
        let user = &self.user;
        let told = &output.stderr;
        // sudo-rs, that of Ubuntu 25.10 and later, has its own messages, which begin with a capital
        // in some versions (`src/common/error.rs` and `src/pam/error.rs` there).
        let small = told.to_lowercase();
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| small.contains(phrase));
        let (message, hint) = if says(&[
            "a password is required",
            "interactive authentication is required",
        ]) {
            (
                format!("sudo on {host} wants a password of {user}"),
                "name it by infra.bootstrap.ssh.sudo_password_env, or let sudoers say NOPASSWD",
            )
        } else if says(&[
            "incorrect password",
            "sorry, try again",
            "no password was provided",
            "incorrect authentication attempt",
            "authentication failed, try again",
            "authentication required but not attempted",
        ]) {
            (
                format!("sudo on {host} refused the password of {user}"),
                "correct what infra.bootstrap.ssh.sudo_password_env, _file or _cmd gives",
            )
        } else if says(&[
            "not in the sudoers",
            "may not run sudo",
            "sorry, user",
            "is not allowed to",
            "i'm afraid i can't do that",
        ]) {
            (
                format!("{user} has no sudo rights on {host}"),
                "let sudoers allow it all commands, or log in as root",
            )
        } else if says(&["the input ended early"]) {
            (
                format!("sudo on {host} read the command as if it belonged to the password"),
                "sudo-rs before 0.2.7 does: update it, or let sudoers say NOPASSWD",
            )
        } else if says(&["must have a tty"]) {
            (
                format!("sudo on {host} works on a terminal only"),
                "take `requiretty` out of sudoers for this user",
            )
        } else if says(&["sudo: not found", "sudo: command not found", "no such file"])
            && output.exit == Exit::Code(127)
        {
            (
                format!("{host} has no sudo, and {user} is not root"),
                "install sudo, or log in as root",
            )
        } else {
            let is_own = |line: &&str| {
                ["sudo: ", "sudo-rs: "]
                    .iter()
                    .any(|name| line.starts_with(name))
            };
            let line = told.lines().find(is_own)?;
            let line = printable(line);
            (
                format!("{host} ran no command as root: {line}"),
                "sudo must let this user run all commands",
            )
        };
        Some(Error::new(ErrorKind::Rejected, message).with_hint(hint))
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

    #[test]
    fn refusals_of_sudo_are_told_apart() {
        let host = HostName::new("app-1").unwrap();
        let elevation = Elevation::new("admin", None).unwrap();
        let table = [
            (
                1,
                "sudo: a password is required\n",
                "wants a password of admin",
            ),
            (
                1,
                "Sorry, try again.\nsudo: 3 incorrect password attempts\n",
                "refused the password of admin",
            ),
            (
                1,
                "admin is not in the sudoers file.\n",
                "admin has no sudo rights on app-1",
            ),
            (
                1,
                "Sorry, user admin is not allowed to execute '/bin/sh' as root on app-1.\n",
                "no sudo rights",
            ),
            (
                1,
                "sudo: sorry, you must have a tty to run sudo\n",
                "on a terminal only",
            ),
            (
                127,
                "env: 'sudo': No such file or directory\n",
                "app-1 has no sudo",
            ),
            (
                1,
                "sudo: unable to stat /etc/sudoers\n",
                "ran no command as root: sudo: unable to stat",
            ),
            (
                1,
                "sudo: the input ended early\n",
                "read the command as if it belonged to the password",
            ),
            // From sudo-rs.
            (
                1,
                "sudo: interactive authentication is required\n",
                "wants a password of admin",
            ),
            (
                1,
                "sudo-rs: Interactive authentication is required\n",
                "wants a password of admin",
            ),
            (
                1,
                "sudo: Authentication failed, try again.\n\
                 sudo: Maximum 3 incorrect authentication attempts\n",
                "refused the password of admin",
            ),
            (
                1,
                "sudo: I'm sorry admin. I'm afraid I can't do that\n",
                "admin has no sudo rights on app-1",
            ),
            (
                1,
                "sudo: Sorry, user admin may not run /usr/bin/sh on app-1.\n",
                "no sudo rights",
            ),
            (
                1,
                "sudo-rs: Account validation failure, is your account locked?\n",
                "ran no command as root: sudo-rs: Account validation failure",
            ),
        ];
        for (code, stderr, told) in table {
            let error = elevation.refusal(&host, &output(code, "", stderr)).unwrap();
            assert_eq!(error.kind(), ErrorKind::Rejected);
            assert!(error.to_string().contains(told), "{error}");
            assert!(error.hint().is_some());
        }
        for other in [
            output(0, "", "sudo: a password is required\n"),
            output(1, "", "grep: x: No such file or directory\n"),
            output(2, "", "sudo: x\n"),
            output(1, "some output", "sudo: a password is required\n"),
        ] {
            assert!(elevation.refusal(&host, &other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn password_is_on_standard_input_and_nowhere_else() {
        let elevation = Elevation::new("admin", Some("open sesame".into())).unwrap();
        let wrapped = elevation.wrap(Wire {
            line: "sh -s".to_owned(),
            stdin: b"echo x\n".to_vec(),
        });
        assert!(!wrapped.line.contains("sesame"), "{}", wrapped.line);
        assert!(
            wrapped
                .stdin
                .starts_with(b"open sesame\nstagecraft-input-follows\necho x\n")
        );
        assert!(Elevation::new("admin", Some("a\nb".into())).is_err());
    }
}
