//! Explains why a server refused the login, as far as it says.

use std::time::Duration;

use russh::{MethodKind, MethodSet};
use stagecraft_core::{Error, ErrorKind, Retry};

use crate::client::Observed;
use crate::failure::{TRANSIENT, with_end};
use crate::trust::Server;

/// The pause between logins at a host that refuses them during boot: each costs 5 s, see
/// [`gate`](crate::gate).
const BOOT_PAUSE: Duration = Duration::from_secs(7);
/// Where to find the reason of a refusal that the server does not send.
const LOG: &str = "its log has the reason (journalctl -t sshd -t sshd-session)";

/// A refused login.
pub(crate) struct Refusal<'a> {
    pub(crate) server: &'a Server,
    pub(crate) user: &'a str,
    pub(crate) observed: &'a Observed,
    /// The offered keys.
    pub(crate) offered: Vec<String>,
    /// Why other keys were not offered.
    pub(crate) left_out: Vec<String>,
}

impl Refusal<'_> {
    fn error(&self, kind: ErrorKind, what: &str) -> Error {
        let Server { name, place, .. } = self.server;
        let keys = self.offered.join(", ");
        let message = format!("{name} ({place}) {what}; offered were the keys {keys}");
        let error = self
            .left_out
            .iter()
            .fold(Error::new(kind, message), |error, reason| {
                error.with_context("left out", reason)
            });
        match self.observed.banner() {
            Some(banner) => error.with_context("banner", banner),
            None => error,
        }
    }

    /// No key was accepted.
    pub(crate) fn no_key(&self, methods: &MethodSet) -> Error {
        let user = self.user;
        let error = self.error(
            ErrorKind::Unauthorized,
            &format!("refused the login as {user}"),
        );
        if methods.is_empty() || methods.contains(&MethodKind::PublicKey) {
            return error.with_hint(format!(
                "the public key belongs into ~{user}/.ssh/authorized_keys on the host; if it is there, sshd_config(5) keeps {user} out: PermitRootLogin, AllowUsers, AllowGroups, DenyUsers or DenyGroups; {LOG}"
            ));
        }
        error.with_hint(format!(
            "it takes no keys for {user}, only {}: see PubkeyAuthentication and AuthenticationMethods of its sshd_config(5)",
            names(methods)
        ))
    }

    /// The server ended the login because of too many keys.
    pub(crate) fn too_many_keys(&self) -> Error {
        let user = self.user;
        match self.offered.len() {
            0 | 1 => self.no_key(&MethodSet::empty()),
            number => self
                .error(
                    ErrorKind::Unauthorized,
                    &format!(
                        "ended the login as {user} after {number} keys (too many authentication failures)"
                    ),
                )
                .with_hint(
                    "name the key that the host knows by infra.bootstrap.ssh.private_key_path, or IdentityFile of ssh_config, so that it is offered first; MaxAuthTries of the host's sshd_config(5) is the limit",
                ),
        }
    }

    /// A key was accepted, but the server requires another method as well.
    pub(crate) fn second_factor(&self, accepted: &str, methods: &MethodSet) -> Error {
        let Server { name, place, .. } = self.server;
        let user = self.user;
        let wanted = if methods.is_empty() {
            "another method".to_owned()
        } else if methods.contains(&MethodKind::PublicKey) {
            "a second key".to_owned()
        } else {
            names(methods)
        };
        let message = format!(
            "{name} ({place}) accepted the key {accepted} for the login as {user}, and wants {wanted} as a second factor"
        );
        let error = Error::new(ErrorKind::Rejected, message).with_hint(format!(
            "Stagecraft logs in by keys only: let {user} in by key alone with AuthenticationMethods publickey in a Match block of the host's sshd_config(5), or log in as another user by infra.bootstrap.ssh.user"
        ));
        match self.observed.banner() {
            Some(banner) => error.with_context("banner", banner),
            None => error,
        }
    }

    /// The connection ended before the login was decided. PAM does so too if it refuses the
    /// account, without a message unless one of its modules sends one.
    pub(crate) fn hung_up(&self) -> Error {
        let Server { name, place, .. } = self.server;
        let user = self.user;
        if self.observed.is_garbled() {
            let message =
                format!("{name} ({place}) shows a banner that is not UTF-8 before the login");
            let error = Error::new(ErrorKind::Protocol, message).with_hint(
                "allow chacha20-poly1305@openssh.com or AES-GCM by Ciphers of its sshd_config(5), with which it can be read all the same, or write the file of Banner in UTF-8",
            );
            return with_end(error, self.observed);
        }
        let Some(said) = self.observed.banner() else {
            let message = format!("connection to {name} was lost during the login as {user}");
            let error = Error::new(ErrorKind::Unavailable, message)
                .with_retry(TRANSIENT)
                .with_hint(format!(
                    "if that repeats, PAM of the host refuses the account {user}, because it has expired for example; {LOG}"
                ));
            return with_end(error, self.observed);
        };
        let message =
            format!("{name} ({place}) closed the connection during the login as {user}: {said}");
        let error = Error::new(ErrorKind::Unauthorized, message);
        let error = if is_of_boot(&said) {
            error.with_retry(Retry::After(Some(BOOT_PAUSE))).with_hint(
                "this ends once the host has started, or /run/nologin and /etc/nologin are removed there",
            )
        } else {
            error.with_hint(format!("PAM of the host refuses the account {user}; {LOG}"))
        };
        with_end(error, self.observed)
    }
}

/// Whether this is the text of `pam_nologin(8)` with systemd's file of a host that is starting or
/// about to restart.
fn is_of_boot(said: &str) -> bool {
    said.contains("pam_nologin(8)") || said.contains("System is booting up")
}

fn names(methods: &MethodSet) -> String {
    let names: Vec<&str> = methods.iter().map(Into::into).collect();
    names.join(" or ")
}
