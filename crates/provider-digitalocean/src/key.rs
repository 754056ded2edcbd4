//! The operator's key in the account, which new hosts authorize.

use stagecraft_core::{ErrorKind, Finding, LoginKey, OperatorKey, Result, Run};

use crate::client::Client;
use crate::error::{ApiError, provider_error};
use crate::wire::{Concern, KeyEnvelope, KeysPage, SshKey};

/// Finds the account's key of that name.
///
/// The list of keys may be read only ten times a minute, so the operator's only login key, if it is
/// known, is first looked up by its fingerprint.
pub(crate) async fn find(client: &Client, run: &Run, name: &str) -> Result<OperatorKey> {
    if let Some([own]) = run.login_keys().await.as_deref() {
        let path = format!("/v2/account/keys/{}", fingerprint(own));
        match client.get::<KeyEnvelope>(run, &path, &[]).await {
            Ok(found) if found.ssh_key.name == name => return Ok(operator_key(&found.ssh_key)),
            // It has another name, or is not in the account: the name decides.
            Ok(_) | Err(ApiError::Refused { status: 404, .. }) => {}
            Err(error) => return Err(error.into_error("find_ssh_key")),
        }
    }
    let keys = client
        .list::<KeysPage>(
            run,
            "/v2/account/keys",
            &[],
            Concern::Named(&|own| own == name),
        )
        .await
        .map_err(|error| error.into_error("find_ssh_key"))?;
    let mut found: Vec<_> = keys.into_iter().filter(|key| key.name == name).collect();
    found.sort_by_key(|key| key.id);
    match found.as_slice() {
        [key] => Ok(operator_key(key)),
        [] => Err(provider_error(
            ErrorKind::NotFound,
            format!("SSH key '{name}' not found in DigitalOcean account"),
        )
        .with_operation("find_ssh_key")
        .with_hint("add the key under Settings > Security, or correct ssh_key_name")),
        several => {
            let list: Vec<&str> = several.iter().map(|key| key.fingerprint.as_str()).collect();
            Err(provider_error(
                ErrorKind::Rejected,
                format!(
                    "{} SSH keys are named '{name}' in DigitalOcean account: {}",
                    several.len(),
                    list.join(", ")
                ),
            )
            .with_operation("find_ssh_key")
            .with_hint("rename all but one of them"))
        }
    }
}

/// Whether a public key, in its wire form, is the account's key of that name.
pub(crate) async fn is_named(client: &Client, run: &Run, wire: &[u8], name: &str) -> Result<bool> {
    let path = format!("/v2/account/keys/{}", fingerprint_of(wire));
    match client.get::<KeyEnvelope>(run, &path, &[]).await {
        Ok(found) => Ok(found.ssh_key.name == name),
        Err(ApiError::Refused { status: 404, .. }) => Ok(false),
        Err(error) => Err(error.into_error("find_ssh_key")),
    }
}

/// Returns a finding if none of the operator's login keys is the account's.
pub(crate) fn check(key: &OperatorKey, own: &[LoginKey]) -> Option<Finding> {
    if own.is_empty() || own.iter().any(|own| fingerprint(own) == key.fingerprint) {
        return None;
    }
    let list: Vec<String> = own
        .iter()
        .map(|own| format!("{} from {}", fingerprint(own), own.place))
        .collect();
    Some(Finding {
        host: None,
        message: format!(
            "new hosts would let in SSH key '{}' ({}), but the login is by {}",
            key.name,
            key.fingerprint,
            list.join(", ")
        ),
        hint: Some(
            "correct ssh_key_name or infra.bootstrap.ssh.private_key_path, or add the key to ssh-agent"
                .to_owned(),
        ),
        is_guard: false,
    })
}

fn operator_key(key: &SshKey) -> OperatorKey {
    OperatorKey {
        name: key.name.clone(),
        fingerprint: key.fingerprint.clone(),
    }
}

/// The fingerprint as the API writes it: MD5 of the wire form, in hexadecimal pairs.
fn fingerprint(key: &LoginKey) -> String {
    fingerprint_of(&key.wire)
}

fn fingerprint_of(wire: &[u8]) -> String {
    let digest = md5::compute(wire);
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_is_md5_in_hexadecimal_pairs() {
        // RFC 1321, appendix A.5.
        let key = LoginKey {
            wire: b"abc".to_vec(),
            place: String::new(),
        };
        assert_eq!(
            fingerprint(&key),
            "90:01:50:98:3c:d2:4f:b0:d6:96:3f:7d:28:e1:7f:72"
        );
    }

    #[test]
    fn key_that_hosts_would_not_let_in_is_told_with_both_fingerprints() {
        let own = LoginKey {
            wire: b"abc".to_vec(),
            place: "~/.ssh/id_ed25519".to_owned(),
        };
        let mut key = OperatorKey {
            name: "ops".to_owned(),
            fingerprint: "aa:bb".to_owned(),
        };
        assert_eq!(check(&key, &[]), None, "nothing is known");
        let told = check(&key, std::slice::from_ref(&own))
            .expect("another key")
            .message;
        assert_eq!(
            told,
            "new hosts would let in SSH key 'ops' (aa:bb), but the login is by \
             90:01:50:98:3c:d2:4f:b0:d6:96:3f:7d:28:e1:7f:72 from ~/.ssh/id_ed25519"
        );
        key.fingerprint = fingerprint(&own);
        assert_eq!(check(&key, &[own]), None);
    }
}
