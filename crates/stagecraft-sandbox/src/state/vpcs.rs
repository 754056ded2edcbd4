//! Private networks: one in each region from the start, and those created later.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::catalog::{REGIONS, Region};
use super::timestamp;

/// A private network.
#[derive(Debug, Clone)]
pub(crate) struct Vpc {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) region: &'static Region,
    range: Range,
    created_at: String,
    pub(crate) is_default: bool,
}

/// An address range with a common prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    base: u32,
    bits: u8,
}

/// Why a network cannot be created. Only the overlap's message was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VpcRefused {
    NameInvalid,
    NameTaken,
    RangeInvalid,
    RangeOverlaps,
}

/// The private networks of the account.
#[derive(Debug)]
pub(crate) struct Vpcs {
    by_id: BTreeMap<String, Vpc>,
    made: u64,
}

impl Default for Vpcs {
    fn default() -> Self {
        let defaults = REGIONS.iter().map(|region| {
            let id = default_vpc(region);
            let vpc = Vpc {
                id: id.clone(),
                name: format!("default-{}", region.slug),
                description: String::new(),
                region,
                range: Range {
                    base: Ipv4Addr::new(10, 100 + region.index(), 0, 0).to_bits(),
                    bits: 20,
                },
                created_at: "2026-01-05T09:12:44.118342017Z".to_owned(),
                is_default: true,
            };
            (id, vpc)
        });
        Self {
            by_id: defaults.collect(),
            made: 0,
        }
    }
}

impl Vpcs {
    pub(crate) fn list(&self) -> impl Iterator<Item = &Vpc> {
        self.by_id.values()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Vpc> {
        self.by_id.get(id)
    }

    /// Creates a network; without a range it gets a free one.
    pub(crate) fn create(
        &mut self,
        name: &str,
        description: &str,
        region: &'static Region,
        range: Option<&str>,
    ) -> Result<&Vpc, VpcRefused> {
        self.check_name(name, None)?;
        let range = match range {
            Some(text) => Range::parse(text).ok_or(VpcRefused::RangeInvalid)?,
            None => self.free_range().ok_or(VpcRefused::RangeOverlaps)?,
        };
        if self.overlaps(range) {
            return Err(VpcRefused::RangeOverlaps);
        }
        self.made += 1;
        let id = format!("3f1b7c52-9653-4bd1-bef5-{:012x}", self.made);
        let vpc = Vpc {
            id: id.clone(),
            name: name.to_owned(),
            description: description.to_owned(),
            region,
            range,
            created_at: timestamp(),
            is_default: false,
        };
        Ok(self.by_id.entry(id).or_insert(vpc))
    }

    /// Renames a network. `None` if the id is unknown.
    pub(crate) fn rename(
        &mut self,
        id: &str,
        name: &str,
        description: Option<String>,
    ) -> Option<Result<&Vpc, VpcRefused>> {
        self.by_id.get(id)?;
        if let Err(refused) = self.check_name(name, Some(id)) {
            return Some(Err(refused));
        }
        let vpc = self.by_id.get_mut(id)?;
        name.clone_into(&mut vpc.name);
        if let Some(description) = description {
            vpc.description = description;
        }
        Some(Ok(vpc))
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.by_id.remove(id);
    }

    fn check_name(&self, name: &str, own: Option<&str>) -> Result<(), VpcRefused> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if name.is_empty() || name.len() > 255 || !name.chars().all(allowed) {
            return Err(VpcRefused::NameInvalid);
        }
        let taken = |other: &Vpc| other.name == name && own != Some(other.id.as_str());
        if self.list().any(taken) {
            return Err(VpcRefused::NameTaken);
        }
        Ok(())
    }

    fn overlaps(&self, range: Range) -> bool {
        self.list().any(|vpc| vpc.range.overlaps(range))
    }

    fn free_range(&self) -> Option<Range> {
        let candidates = (130..=254).map(|second| Range {
            base: Ipv4Addr::new(10, second, 0, 0).to_bits(),
            bits: 20,
        });
        candidates.into_iter().find(|range| !self.overlaps(*range))
    }
}

impl Vpc {
    /// The address in this network of the `ordinal`th droplet ever made.
    pub(crate) fn address(&self, ordinal: u32) -> Ipv4Addr {
        let host_bits = u32::MAX
            .checked_shr(u32::from(self.range.bits))
            .unwrap_or(0);
        Ipv4Addr::from_bits(self.range.base | ((ordinal + 2) & host_bits))
    }

    pub(crate) fn netmask(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.range.mask())
    }

    pub(crate) fn to_json(&self) -> Value {
        let (base, bits) = (Ipv4Addr::from_bits(self.range.base), self.range.bits);
        json!({
            "id": self.id,
            "urn": format!("do:vpc:{}", self.id),
            "name": self.name,
            "description": self.description,
            "region": self.region.slug,
            "ip_range": format!("{base}/{bits}"),
            "created_at": self.created_at,
            "default": self.is_default,
        })
    }
}

impl Range {
    /// Parses a private range of /16 to /28.
    fn parse(text: &str) -> Option<Self> {
        let (base, bits) = text.split_once('/')?;
        let (base, bits): (Ipv4Addr, u8) = (base.parse().ok()?, bits.parse().ok()?);
        let range = Self {
            base: base.to_bits(),
            bits,
        };
        let is_whole = base.is_private() && (16..=28).contains(&bits);
        (is_whole && range.base & range.mask() == range.base).then_some(range)
    }

    fn mask(self) -> u32 {
        u32::MAX << (32 - u32::from(self.bits))
    }

    fn overlaps(self, other: Self) -> bool {
        let mask = self.mask() & other.mask();
        self.base & mask == other.base & mask
    }
}

/// The id of a region's default private network.
pub(crate) fn default_vpc(region: &Region) -> String {
    format!("5a4981aa-9653-4bd1-bef5-d6bff52042{:02x}", region.index())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_private_and_of_a_fair_size() {
        for good in ["10.10.0.0/20", "192.168.4.0/24", "172.16.0.0/16"] {
            assert!(Range::parse(good).is_some(), "{good}");
        }
        for bad in [
            "10.0.0.0/8",
            "10.0.0.0/29",
            "8.8.8.0/24",
            "10.10.0.1/24",
            "x",
            "10.1.0.0/99",
        ] {
            assert!(Range::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn ranges_are_given_out_without_overlap() {
        let mut vpcs = Vpcs::default();
        let region = Region::find("nyc3").unwrap();
        for name in ["a", "b"] {
            vpcs.create(name, "", region, None).unwrap();
        }
        let made: Vec<&Vpc> = vpcs.list().filter(|vpc| !vpc.is_default).collect();
        assert_ne!(made[0].range, made[1].range);
        let inside = vpcs.create("c", "", region, Some("10.130.8.0/24"));
        assert_eq!(inside.unwrap_err(), VpcRefused::RangeOverlaps);
    }

    #[test]
    fn addresses_are_inside_the_network() {
        let mut vpcs = Vpcs::default();
        let region = Region::find("nyc3").unwrap();
        let vpc = vpcs
            .create("a", "", region, Some("192.168.9.0/24"))
            .unwrap();
        assert_eq!(vpc.address(0), Ipv4Addr::new(192, 168, 9, 2));
        assert_eq!(vpc.address(300), Ipv4Addr::new(192, 168, 9, 46));
        assert_eq!(vpc.netmask(), Ipv4Addr::new(255, 255, 255, 0));
    }
}
