//! The user data that gives a new host its first host key.

use secrecy::{ExposeSecret, SecretString};
use stagecraft_core::HostKey;

/// Writes the cloud-init user data for a host key.
///
/// cloud-init deletes the image's keys and writes these in their place before sshd starts
/// (module `cc_ssh`, keys `ssh_deletekeys` and `ssh_keys`).
pub(crate) fn user_data(key: &HostKey) -> SecretString {
    let mut text =
        String::from("#cloud-config\nssh_deletekeys: true\nssh_keys:\n  ed25519_private: |\n");
    for line in key.private().expose_secret().lines() {
        text.extend(["    ", line, "\n"]);
    }
    text.extend(["  ed25519_public: ", key.public().trim(), "\n"]);
    SecretString::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_data_holds_both_halves_as_cloud_init_reads_them() {
        let key = HostKey::generate().unwrap();
        let data = user_data(&key);
        let text = data.expose_secret();
        assert!(text.starts_with("#cloud-config\n"));
        assert!(text.contains(&format!("  ed25519_public: {}\n", key.public())));
        assert!(text.contains("    -----END OPENSSH PRIVATE KEY-----\n"));
        assert!(text.len() < 64 * 1024);
    }
}
