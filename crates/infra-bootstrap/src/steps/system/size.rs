//! Sizes in bytes.

use super::super::text::checked_text;

checked_text!(
    /// A size such as `512M` or `2G`: a whole number of `K`, `M`, `G` or `T`, each 1024 times the
    /// one before; `0` is none.
    ByteSize,
    byte_size,
    "^(0|[1-9][0-9]{0,6}[KMGT])$"
);

fn byte_size(value: &str) -> Result<String, String> {
    match bytes(value) {
        Some(_) => Ok(value.to_owned()),
        None => Err(format!(
            "invalid size {value:?}: write for example \"512M\" or \"2G\""
        )),
    }
}

fn bytes(value: &str) -> Option<u64> {
    if value == "0" {
        return Some(0);
    }
    let (number, shift) = [('K', 10), ('M', 20), ('G', 30), ('T', 40)]
        .into_iter()
        .find_map(|(unit, shift)| Some((value.strip_suffix(unit)?, shift)))?;
    let is_plain = (1..=7).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && !number.starts_with('0');
    let number: u64 = number.parse().ok().filter(|_| is_plain)?;
    number.checked_shl(shift)
}

impl ByteSize {
    /// Returns the number of bytes.
    pub fn bytes(&self) -> u64 {
        bytes(self.as_str()).expect("it was checked when it was read")
    }
}

/// Formats a number of bytes for people.
pub(super) fn shown(bytes: u64) -> String {
    match bytes {
        _ if bytes < 10 << 20 => format!("{} KiB", bytes >> 10),
        _ if bytes < 10 << 30 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_numbers_with_a_unit() {
        let bytes = |text: &str| text.parse::<ByteSize>().map(|size| size.bytes());
        assert_eq!(bytes("0"), Ok(0));
        assert_eq!(bytes("512M"), Ok(512 << 20));
        assert_eq!(bytes("9999999T"), Ok(9_999_999 << 40));
        for bad in [
            "",
            "1",
            "-1G",
            "1.5G",
            "1g",
            "01G",
            "G",
            "10000000K",
            "1 G",
            "1GB",
        ] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        assert_eq!(shown(512 << 20), "512 MiB");
        assert_eq!(shown(30 << 30), "30 GiB");
    }
}
