//! Unsupported keywords that would change a host's address or login.

/// The effect of ignoring a keyword, unless its value requests the same. `None` for all others:
/// those of sessions and forwardings do not apply here, and those of host keys are ignored on
/// purpose.
pub(super) fn unsupported(key: &str, value: &str) -> Option<&'static str> {
    let value = value.trim().trim_matches('"').to_ascii_lowercase();
    // `+` and `^` add algorithms, which is not needed.
    let is_restriction = !value.starts_with(['+', '^']);
    match key {
        "addressfamily" if value != "any" => Some("addresses of both families are connected to"),
        "bindaddress" | "bindinterface" => Some("the system chooses the address to connect from"),
        "canonicalizehostname" if value != "no" => Some("names are looked up as they are"),
        "canonicalizepermittedcnames" if value != "none" && !value.is_empty() => {
            Some("names are looked up as they are")
        }
        "ciphers" | "kexalgorithms" | "macs" if is_restriction => {
            Some("the algorithms are those of Stagecraft")
        }
        "hostkeyalgorithms" | "casignaturealgorithms" if is_restriction => {
            Some("host keys are those that are pinned or known")
        }
        "pubkeyacceptedalgorithms" | "pubkeyacceptedkeytypes" if is_restriction => {
            Some("login keys of all types are offered")
        }
        "pkcs11provider" if value != "none" => Some("add its keys to ssh-agent"),
        "securitykeyprovider" if value != "internal" => Some("add its keys to ssh-agent"),
        "preferredauthentications" if !value.contains("publickey") => {
            Some("only keys log in to hosts")
        }
        "pubkeyauthentication" if matches!(value.as_str(), "no" | "false") => {
            Some("only keys log in to hosts")
        }
        "revokedhostkeys" if value != "none" => {
            Some("mark the keys as `@revoked` in a file of known hosts")
        }
        _ => None,
    }
}
