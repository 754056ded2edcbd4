//! Encodes a lease holder in the only free text of a firewall: addresses.
//!
//! The text is cut into pieces of ten bytes. Each piece follows its number in the lower part of an
//! IPv6 address of the range that RFC 3849 reserves for documentation: the API may sort the
//! addresses, or write them in another way.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};
use stagecraft_core::Holder;

const PREFIX: [u8; 4] = [0x20, 0x01, 0x0d, 0xb8];
const PIECE: usize = 10;
/// The format version. A reader treats another version as an unknown holder.
const VERSION: u32 = 1;

/// The content of the marker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Payload {
    v: u32,
    #[serde(flatten)]
    pub(super) holder: Holder,
    /// The holder's last renewal: seconds of the API's clock since 1970.
    pub(super) beat: i64,
    /// Milliseconds without a renewal after which the lease is expired.
    pub(super) expiry_ms: u64,
}

impl Payload {
    pub(super) fn new(holder: Holder, beat: i64, expiry_ms: u64) -> Self {
        Self {
            v: VERSION,
            holder,
            beat,
            expiry_ms,
        }
    }

    /// Encodes the text as addresses.
    pub(super) fn to_addresses(&self) -> Vec<String> {
        let text = serde_json::to_vec(self).expect("a payload is plain data");
        let length = u16::try_from(text.len()).expect("a payload is short");
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend(text);
        let pieces = bytes.chunks(PIECE).zip(0_u16..);
        pieces
            .map(|(piece, number)| {
                let mut address = [0; 16];
                address[..4].copy_from_slice(&PREFIX);
                address[4..6].copy_from_slice(&number.to_be_bytes());
                address[6..6 + piece.len()].copy_from_slice(piece);
                Ipv6Addr::from(address).to_string()
            })
            .collect()
    }

    /// Decodes addresses in any order and spelling. `None` if they are not a payload.
    pub(super) fn of_addresses<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut pieces = BTreeMap::new();
        for text in addresses {
            let address: Ipv6Addr = text.strip_suffix("/128").unwrap_or(text).parse().ok()?;
            let octets = address.octets();
            let piece = octets.strip_prefix(&PREFIX)?;
            pieces.insert([piece[0], piece[1]], piece[2..].to_vec());
        }
        let bytes: Vec<u8> = pieces.into_values().flatten().collect();
        let (length, text) = bytes.split_first_chunk::<2>()?;
        let text = text.get(..usize::from(u16::from_be_bytes(*length)))?;
        let payload: Self = serde_json::from_slice(text).ok()?;
        (payload.v == VERSION).then_some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload() -> Payload {
        let mut holder = Holder::new("0123456789abcdef", "café-☃.example.com", 4711, "up");
        holder.boot = Some("6a1f1f0e-8c3b-4d07-9ef5-0123456789ab".to_owned());
        holder.started = Some(u64::MAX);
        Payload::new(holder, 1_793_534_400, 90_000)
    }

    #[test]
    fn addresses_in_any_order_and_spelling_give_the_payload_back() {
        let payload = payload();
        let mut addresses = payload.to_addresses();
        assert!(addresses.len() < 100, "{}", addresses.len());
        assert!(
            addresses
                .iter()
                .all(|address| address.starts_with("2001:db8:"))
        );
        addresses.reverse();
        for address in &mut addresses {
            let segments = address.parse::<Ipv6Addr>().unwrap().segments();
            let long: Vec<String> = segments.map(|s| format!("{s:04X}")).to_vec();
            *address = format!("{}/128", long.join(":"));
        }
        let read = Payload::of_addresses(addresses.iter().map(String::as_str));
        assert_eq!(read, Some(payload));
    }

    #[test]
    fn what_is_cut_strange_or_of_another_version_is_no_payload() {
        let addresses = payload().to_addresses();
        let read = |list: &[String]| Payload::of_addresses(list.iter().map(String::as_str));
        assert_eq!(read(&[]), None);
        assert_eq!(read(&addresses[1..]), None);
        assert_eq!(read(&addresses[..addresses.len() - 1]), None);
        assert_eq!(read(&["10.0.0.1".to_owned()]), None);
        assert_eq!(read(&["fd00::1".to_owned()]), None);
        let mut later = payload();
        later.v = 2;
        assert_eq!(read(&later.to_addresses()), None);
    }
}
