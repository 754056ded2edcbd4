//! Classifies failures of `tailscale up`, which reports their cause only as text.

use crate::error::Failure;

/// Returns why `tailscale up` failed, from its output and the health reports.
///
/// Texts of Tailscale 1.82 to 1.102, its own control server and headscale 0.26 to 0.29.
pub(crate) fn classify_up(output: &str, health: &[String]) -> Failure {
    // The server's message about a login is only in some of the outputs, but always in Health.
    let login = health
        .iter()
        .find(|report| report.contains("last login error"))
        .map_or("", String::as_str);
    [output, login]
        .into_iter()
        .find_map(known_cause)
        .unwrap_or_else(|| {
            let reason = [login].into_iter().chain(output.lines().rev());
            let reason = reason
                .map(str::trim)
                .find(|line| !line.is_empty())
                .unwrap_or("no output");
            if output.contains("timeout waiting for Tailscale service") || !login.is_empty() {
                let reason = if login.is_empty() {
                    health.first().map_or(reason, String::as_str)
                } else {
                    reason
                };
                Failure::Unreachable(reason.to_owned())
            } else {
                Failure::Command(reason.to_owned())
            }
        })
}

fn known_cause(text: &str) -> Option<Failure> {
    let lower = text.to_ascii_lowercase();
    let has = |needle: &str| lower.contains(needle);
    let any = |needles: &[&str]| needles.iter().any(|needle| lower.contains(needle));
    if any(&["authkey already used", "has already been used"]) {
        Some(Failure::KeyUsed)
    } else if any(&["authkey expired", "auth-key expired", "api key expired"]) {
        Some(Failure::KeyExpired)
    } else if has("require --advertise-tags") {
        Some(Failure::TagsRequired)
    } else if has("requested tags") {
        let line = text.lines().find(|line| line.contains("requested tags"));
        let line = line.unwrap_or(text).trim();
        let line = line.strip_prefix("backend error: ").unwrap_or(line);
        Some(Failure::TagsRefused(line.to_owned()))
    } else if any(&[
        "invalid key",
        "authkey not found",
        "auth-key not found",
        "invalid or expired auth key",
        "invalid auth key",
    ]) {
        Some(Failure::KeyInvalid)
    } else if has("failed to connect to local tailscaled") {
        Some(Failure::DaemonSilent)
    } else if any(&["access denied", "permission denied", "use 'sudo tailscale"]) {
        Some(Failure::NotPermitted)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_texts_are_told_apart() {
        let timeout = "timeout waiting for Tailscale service to enter a Running state; check health with \"tailscale status\"";
        let refused = "You are logged out. The last login error was: register request: http 401: unauthorized: invalid or expired auth key";
        let tags = "requested tags [tag:x] are invalid or not permitted";
        for (output, health, expected) in [
            (
                "backend error: invalid key: API key does not exist",
                "",
                Failure::KeyInvalid,
            ),
            (
                "backend error: invalid key: API key kAbC not valid",
                "",
                Failure::KeyInvalid,
            ),
            (
                "backend error: handling register with auth key: AuthKey not found",
                "",
                Failure::KeyInvalid,
            ),
            (
                "backend error: handling register with auth key: authkey expired",
                "",
                Failure::KeyExpired,
            ),
            ("backend error: auth-key expired", "", Failure::KeyExpired),
            (
                "backend error: handling register with auth key: authkey already used",
                "",
                Failure::KeyUsed,
            ),
            (
                "backend error: auth-key has already been used",
                "",
                Failure::KeyUsed,
            ),
            (
                "backend error: requested tags [tag:x] are invalid or not permitted",
                "",
                Failure::TagsRefused(tags.into()),
            ),
            (
                "oauth authkeys require --advertise-tags",
                "",
                Failure::TagsRequired,
            ),
            (timeout, refused, Failure::KeyInvalid),
            (
                timeout,
                "Tailscale could not reach the server",
                Failure::Unreachable("Tailscale could not reach the server".into()),
            ),
            (timeout, "", Failure::Unreachable(timeout.into())),
            (
                "failed to connect to local tailscaled; it doesn't appear to be running (sudo systemctl start tailscaled ?)",
                "",
                Failure::DaemonSilent,
            ),
            (
                "Access denied: prefs write access denied\n\nUse 'sudo tailscale up'",
                "",
                Failure::NotPermitted,
            ),
            (
                "first\nodd thing\n",
                "",
                Failure::Command("odd thing".into()),
            ),
            ("", "", Failure::Command("no output".into())),
        ] {
            let health: Vec<String> = [health.to_owned()]
                .into_iter()
                .filter(|h| !h.is_empty())
                .collect();
            assert_eq!(classify_up(output, &health), expected, "{output}");
        }
    }
}
