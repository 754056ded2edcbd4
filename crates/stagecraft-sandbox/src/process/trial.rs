//! Tests whether this machine can run hosts, and if not, why.

use std::net::Ipv4Addr;

use crate::driver::DriverError;
use crate::process::identity::Identities;
use crate::process::namespace::{Namespaces, check};

/// Creates a host, runs a command in it and ends it.
///
/// # Errors
///
/// With the restriction of this machine, its cure, and the modes that work.
pub(crate) async fn run(address: Ipv4Addr, identities: Identities) -> Result<(), DriverError> {
    let outcome = attempt(address, identities).await;
    outcome.map_err(|error| {
        let read = |path: &str| std::fs::read_to_string(path).ok();
        let found = Restrictions {
            apparmor: read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            clone: read("/proc/sys/kernel/unprivileged_userns_clone"),
            maximum: read("/proc/sys/user/max_user_namespaces"),
        };
        DriverError {
            message: explain(&error.message, &found),
        }
    })
}

async fn attempt(address: Ipv4Addr, identities: Identities) -> Result<(), DriverError> {
    let namespaces = Namespaces::create("trial", address, identities).await?;
    let output = namespaces.door().feed("test \"$(id -u)\" = 0").await;
    namespaces.end().await;
    check("a command in a host", &output?)
}

/// The contents of the files in which kernels report their restrictions.
#[derive(Debug, Default)]
struct Restrictions {
    apparmor: Option<String>,
    clone: Option<String>,
    maximum: Option<String>,
}

fn explain(cause: &str, found: &Restrictions) -> String {
    let is = |value: &Option<String>, wanted: &str| value.as_deref().map(str::trim) == Some(wanted);
    let advice = if cause.contains("could not be started") {
        "install util-linux"
    } else if is(&found.clone, "0") {
        "user namespaces are closed to ordinary users here; \
         `sysctl kernel.unprivileged_userns_clone=1` opens them"
    } else if is(&found.maximum, "0") {
        "user namespaces are switched off here; \
         `sysctl user.max_user_namespaces=10000` switches them on"
    } else if is(&found.apparmor, "1") {
        "AppArmor restricts user namespaces here (Ubuntu 23.10 and later); \
         `sysctl kernel.apparmor_restrict_unprivileged_userns=0` lifts that"
    } else {
        "user namespaces seem to be restricted; inside a container the runtime's seccomp \
         profile or masked /proc does that (Docker: `--security-opt seccomp=unconfined \
         --security-opt systempaths=unconfined`)"
    };
    format!(
        "this machine does not let the sandbox make hosts: {cause}: {advice}; \
         without hosts the sandbox works with `--hosts none`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: &str = "unshare: unshare failed: Operation not permitted";

    fn explained(found: &Restrictions) -> String {
        let message = explain(REFUSED, found);
        assert!(message.contains(REFUSED), "{message}");
        assert!(message.contains("--hosts none"), "{message}");
        message
    }

    #[test]
    fn the_refusal_names_the_cure_for_apparmor() {
        let message = explained(&Restrictions {
            apparmor: Some("1\n".to_owned()),
            maximum: Some("96365\n".to_owned()),
            clone: Some("1\n".to_owned()),
        });
        assert!(message.contains("kernel.apparmor_restrict_unprivileged_userns=0"));
    }

    #[test]
    fn the_refusal_names_the_cure_for_debians_switch() {
        let message = explained(&Restrictions {
            clone: Some("0\n".to_owned()),
            ..Restrictions::default()
        });
        assert!(message.contains("kernel.unprivileged_userns_clone=1"));
    }

    #[test]
    fn the_refusal_suspects_the_container_when_no_switch_is_set() {
        let message = explained(&Restrictions::default());
        assert!(message.contains("seccomp=unconfined"));
    }
}
