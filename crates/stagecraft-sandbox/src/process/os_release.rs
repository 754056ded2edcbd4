//! Content of an image's `/etc/os-release`.

/// Releases by the start of their image's slug: version, name of the version, codename.
const RELEASES: [(&str, &str, &str, &str); 8] = [
    (
        "ubuntu-20-04",
        "20.04",
        "20.04.6 LTS (Focal Fossa)",
        "focal",
    ),
    (
        "ubuntu-22-04",
        "22.04",
        "22.04.5 LTS (Jammy Jellyfish)",
        "jammy",
    ),
    (
        "ubuntu-24-04",
        "24.04",
        "24.04.3 LTS (Noble Numbat)",
        "noble",
    ),
    (
        "ubuntu-25-10",
        "25.10",
        "25.10 (Questing Quokka)",
        "questing",
    ),
    (
        "ubuntu-26-04",
        "26.04",
        "26.04 LTS (Resolute Raccoon)",
        "resolute",
    ),
    ("debian-11", "11", "11 (bullseye)", "bullseye"),
    ("debian-12", "12", "12 (bookworm)", "bookworm"),
    ("debian-13", "13", "13 (trixie)", "trixie"),
];

/// The text of `/etc/os-release` for an image.
///
/// An image of another distribution gets the identifier and version of its slug, so that programs
/// can detect an unsupported distribution.
pub(crate) fn os_release(slug: &str) -> String {
    let release = RELEASES.iter().find(|(start, ..)| slug.starts_with(start));
    let Some((_, version_id, version, codename)) = release else {
        return unknown(slug);
    };
    if slug.starts_with("ubuntu") {
        let short = version.split(" (").next().unwrap_or(version);
        format!(
            "PRETTY_NAME=\"Ubuntu {short}\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"{version_id}\"\n\
             VERSION=\"{version}\"\nVERSION_CODENAME={codename}\nID=ubuntu\nID_LIKE=debian\n\
             HOME_URL=\"https://www.ubuntu.com/\"\nUBUNTU_CODENAME={codename}\n"
        )
    } else {
        format!(
            "PRETTY_NAME=\"Debian GNU/Linux {version}\"\nNAME=\"Debian GNU/Linux\"\n\
             VERSION_ID=\"{version_id}\"\nVERSION=\"{version}\"\nVERSION_CODENAME={codename}\n\
             ID=debian\nHOME_URL=\"https://www.debian.org/\"\n"
        )
    }
}

fn unknown(slug: &str) -> String {
    let mut words = slug
        .split('-')
        .filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let id = words.next().unwrap_or("linux");
    let version = words.next().unwrap_or("0");
    format!("PRETTY_NAME=\"{id} {version}\"\nNAME=\"{id}\"\nID={id}\nVERSION_ID=\"{version}\"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ubuntu_says_its_codename_twice() {
        let text = os_release("ubuntu-22-04-x64");
        assert!(text.contains("\nID=ubuntu\n"), "{text}");
        assert!(text.contains("VERSION_ID=\"22.04\"\n"), "{text}");
        assert!(text.contains("\nVERSION_CODENAME=jammy\n"), "{text}");
        assert!(text.contains("\nUBUNTU_CODENAME=jammy\n"), "{text}");
    }

    #[test]
    fn debian_has_no_ubuntu_codename() {
        let text = os_release("debian-13-x64");
        assert!(text.contains("\nVERSION_CODENAME=trixie\n"), "{text}");
        assert!(!text.contains("UBUNTU"), "{text}");
    }

    #[test]
    fn other_distributions_are_told_apart() {
        let text = os_release("fedora-42-x64");
        assert!(text.contains("\nID=fedora\nVERSION_ID=\"42\"\n"), "{text}");
    }
}
