//! Images for new droplets: the vendor's own, and those of the account.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::catalog::{REGIONS, Region};
use super::timestamp;

/// An image for new droplets.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) id: u64,
    /// `None` for images of the account, which have only an id.
    pub(crate) slug: Option<&'static str>,
    pub(crate) name: Cow<'static, str>,
    distribution: &'static str,
    /// The vendor's image that its hosts resemble.
    base: &'static str,
    /// The smallest disk that it fits on, in GB.
    pub(crate) min_disk_size: u32,
    /// Its regions; `None` means all.
    regions: Option<Vec<&'static str>>,
    created_at: Cow<'static, str>,
    /// The source droplet, if it is a snapshot.
    pub(crate) snapshot_of: Option<u64>,
}

const fn image(
    id: u64,
    slug: &'static str,
    name: &'static str,
    distribution: &'static str,
) -> Image {
    Image {
        id,
        slug: Some(slug),
        name: Cow::Borrowed(name),
        distribution,
        base: slug,
        min_disk_size: 7,
        regions: None,
        created_at: Cow::Borrowed("2026-03-14T16:03:00Z"),
        snapshot_of: None,
    }
}

/// The vendor's own images.
static PUBLIC: [Image; 4] = [
    image(155_133_621, "ubuntu-22-04-x64", "22.04 (LTS) x64", "Ubuntu"),
    image(195_932_981, "ubuntu-24-04-x64", "24.04 (LTS) x64", "Ubuntu"),
    image(159_651_797, "debian-12-x64", "12 x64", "Debian"),
    image(202_081_118, "debian-13-x64", "13 x64", "Debian"),
];

/// All images available to the account.
#[derive(Debug, Default)]
pub(crate) struct Images {
    private: BTreeMap<u64, Image>,
    made: u64,
}

impl Images {
    /// Finds an image by its slug or id.
    pub(crate) fn find(&self, key: &str) -> Option<&Image> {
        let id: Option<u64> = key.parse().ok();
        self.all()
            .find(|image| image.slug == Some(key) || Some(image.id) == id)
    }

    /// The vendor's images, then those of the account, the oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Image> {
        PUBLIC.iter().chain(self.private.values())
    }

    /// The snapshots of droplets, the oldest first.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = &Image> {
        let private = self.private.values();
        private.filter(|image| image.snapshot_of.is_some())
    }

    /// The ids of the snapshots of one droplet.
    pub(crate) fn snapshots_of(&self, droplet: u64) -> Vec<u64> {
        let own = self.snapshots();
        let own = own.filter(|image| image.snapshot_of == Some(droplet));
        own.map(|image| image.id).collect()
    }

    /// Adds an image like one of the vendor's; returns its id.
    pub(crate) fn add(
        &mut self,
        name: &str,
        base: &Image,
        min_disk_size: u32,
        regions: Option<Vec<&'static str>>,
    ) -> u64 {
        let image = Image {
            slug: None,
            name: Cow::Owned(name.to_owned()),
            min_disk_size,
            regions,
            created_at: Cow::Owned(timestamp()),
            snapshot_of: None,
            ..base.clone()
        };
        self.insert(image)
    }

    /// Adds the snapshot of a droplet that was created from an image; returns its id.
    pub(crate) fn add_snapshot(
        &mut self,
        name: &str,
        droplet: u64,
        image: &Image,
        disk: u32,
        region: &Region,
    ) -> u64 {
        let image = Image {
            slug: None,
            name: Cow::Owned(name.to_owned()),
            min_disk_size: disk,
            regions: Some(vec![region.slug]),
            created_at: Cow::Owned(timestamp()),
            snapshot_of: Some(droplet),
            ..image.clone()
        };
        self.insert(image)
    }

    /// Deletes an image of the account. The vendor's own stay.
    pub(crate) fn remove(&mut self, id: u64) -> bool {
        self.private.remove(&id).is_some()
    }

    fn insert(&mut self, image: Image) -> u64 {
        self.made += 1;
        let id = 210_000_000 + self.made;
        self.private.insert(id, Image { id, ..image });
        id
    }
}

impl Image {
    /// The slug of the vendor's image that its hosts resemble.
    pub(crate) fn base(&self) -> &'static str {
        self.base
    }

    /// Its slug, or its id if it has none.
    pub(crate) fn key(&self) -> String {
        self.slug
            .map_or_else(|| self.id.to_string(), ToOwned::to_owned)
    }

    pub(crate) fn is_in(&self, region: &Region) -> bool {
        let regions = self.regions.as_ref();
        regions.is_none_or(|regions| regions.contains(&region.slug))
    }

    fn regions(&self) -> Vec<&'static str> {
        let all = REGIONS.iter().filter(|region| self.is_in(region));
        all.map(|region| region.slug).collect()
    }

    pub(crate) fn to_json(&self) -> Value {
        let kind = match (self.slug, self.snapshot_of) {
            (Some(_), _) => "base",
            (None, Some(_)) => "snapshot",
            (None, None) => "custom",
        };
        json!({
            "id": self.id,
            "name": self.name,
            "distribution": self.distribution,
            "slug": self.slug,
            "public": self.slug.is_some(),
            "regions": self.regions(),
            "created_at": self.created_at,
            "type": kind,
            "min_disk_size": self.min_disk_size,
            "size_gigabytes": 0.63,
            "description": format!("{} {}", self.distribution, self.name),
            "tags": [],
            "status": "available",
            "error_message": "",
        })
    }

    /// Its entry of `/v2/snapshots`, where ids are strings.
    pub(crate) fn to_snapshot_json(&self) -> Value {
        json!({
            "id": self.id.to_string(),
            "name": self.name,
            "regions": self.regions(),
            "created_at": self.created_at,
            "resource_id": self.snapshot_of.unwrap_or_default().to_string(),
            "resource_type": "droplet",
            "min_disk_size": self.min_disk_size,
            "size_gigabytes": 0.63,
            "tags": [],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_images_are_found_by_slug_and_by_id() {
        let images = Images::default();
        assert_eq!(images.find("debian-12-x64").unwrap().id, 159_651_797);
        let by_id = images.find("159651797").unwrap();
        assert_eq!(by_id.slug, Some("debian-12-x64"));
        assert!(images.find("debian-11-x64").is_none());
    }

    #[test]
    fn private_images_are_found_by_id_only() {
        let mut images = Images::default();
        let base = images.find("debian-12-x64").unwrap().clone();
        let id = images.add("golden", &base, 30, Some(vec!["nyc3"]));
        assert!(images.find("golden").is_none());
        let golden = images.find(&id.to_string()).unwrap();
        assert_eq!(
            (golden.base(), golden.key()),
            ("debian-12-x64", id.to_string())
        );
        assert!(golden.is_in(Region::find("nyc3").unwrap()));
        assert!(!golden.is_in(Region::find("fra1").unwrap()));
        assert!(images.remove(id) && !images.remove(159_651_797));
    }
}
