//! Available sizes and regions.
//!
//! An excerpt of the vendor's public tables: <https://docs.digitalocean.com/reference/api/>.

use serde_json::{Value, json};

/// A size of droplets.
#[derive(Debug)]
pub(crate) struct Size {
    pub(crate) slug: &'static str,
    pub(crate) memory: u32,
    pub(crate) vcpus: u32,
    pub(crate) disk: u32,
    transfer: f32,
    price_monthly: f32,
    price_hourly: f32,
    description: &'static str,
    regions: Offer,
    gpu: Option<Gpu>,
}

/// The graphics processors of a size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gpu {
    count: u32,
    model: &'static str,
    vram_gib: u32,
    /// An additional disk that lives as long as the droplet.
    scratch_gib: u32,
}

/// A data centre.
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) slug: &'static str,
    name: &'static str,
}

#[derive(Debug)]
enum Offer {
    Everywhere,
    Only(&'static [&'static str]),
}

const fn size(
    slug: &'static str,
    (vcpus, memory, disk): (u32, u32, u32),
    transfer: f32,
    (price_monthly, price_hourly): (f32, f32),
    description: &'static str,
) -> Size {
    let regions = Offer::Everywhere;
    Size {
        slug,
        memory,
        vcpus,
        disk,
        transfer,
        price_monthly,
        price_hourly,
        description,
        regions,
        gpu: None,
    }
}

impl Size {
    const fn only(mut self, regions: &'static [&'static str]) -> Self {
        self.regions = Offer::Only(regions);
        self
    }

    const fn with(mut self, gpu: Gpu) -> Self {
        self.gpu = Some(gpu);
        self
    }
}

const DEDICATED: &[&str] = &[
    "ams3", "blr1", "fra1", "lon1", "nyc1", "nyc3", "sfo3", "sgp1", "syd1", "tor1",
];
const MEMORY: &[&str] = &[
    "ams3", "fra1", "lon1", "nyc1", "nyc3", "sfo3", "sgp1", "tor1",
];
const STORAGE: &[&str] = &["ams3", "fra1", "lon1", "nyc1", "sfo3", "sgp1"];
const SMALLEST: &[&str] = &["ams3", "fra1", "nyc1", "sfo3", "sgp1", "syd1"];
const GPU: &[&str] = &["ams3", "nyc2", "tor1"];

const H100: Gpu = Gpu {
    count: 1,
    model: "nvidia_h100",
    vram_gib: 80,
    scratch_gib: 5120,
};

/// All sizes, the cheapest first, as (vcpus, memory in MB, disk in GB), transfer
/// in TB, and US dollars a month and an hour.
#[rustfmt::skip]
pub(crate) static SIZES: [Size; 13] = [
    size("s-1vcpu-512mb-10gb", (1, 512, 10), 0.5, (4.0, 0.005_95), "Basic").only(SMALLEST),
    size("s-1vcpu-1gb", (1, 1024, 25), 1.0, (6.0, 0.008_93), "Basic"),
    size("s-1vcpu-2gb", (1, 2048, 50), 2.0, (12.0, 0.017_86), "Basic"),
    size("s-2vcpu-2gb", (2, 2048, 60), 3.0, (18.0, 0.026_79), "Basic"),
    size("s-2vcpu-4gb", (2, 4096, 80), 4.0, (24.0, 0.035_71), "Basic"),
    size("c-2", (2, 4096, 25), 4.0, (42.0, 0.0625), "CPU-Optimized").only(DEDICATED),
    size("s-4vcpu-8gb", (4, 8192, 160), 5.0, (48.0, 0.071_43), "Basic"),
    size("g-2vcpu-8gb", (2, 8192, 25), 4.0, (63.0, 0.093_75), "General Purpose").only(DEDICATED),
    size("c-4", (4, 8192, 50), 5.0, (84.0, 0.125), "CPU-Optimized").only(DEDICATED),
    size("m-2vcpu-16gb", (2, 16384, 50), 4.0, (84.0, 0.125), "Memory-Optimized").only(MEMORY),
    size("s-8vcpu-16gb", (8, 16384, 320), 6.0, (96.0, 0.142_86), "Basic"),
    size("so-2vcpu-16gb", (2, 16384, 300), 4.0, (131.0, 0.194_94), "Storage-Optimized").only(STORAGE),
    size("gpu-h100x1-80gb", (20, 245_760, 720), 15.0, (2522.16, 3.39), "H100 GPU - 1X").only(GPU).with(H100),
];

const fn region(slug: &'static str, name: &'static str) -> Region {
    Region { slug, name }
}

/// All regions.
pub(crate) static REGIONS: [Region; 12] = [
    region("nyc1", "New York 1"),
    region("nyc2", "New York 2"),
    region("nyc3", "New York 3"),
    region("sfo2", "San Francisco 2"),
    region("sfo3", "San Francisco 3"),
    region("ams3", "Amsterdam 3"),
    region("sgp1", "Singapore 1"),
    region("lon1", "London 1"),
    region("fra1", "Frankfurt 1"),
    region("tor1", "Toronto 1"),
    region("blr1", "Bangalore 1"),
    region("syd1", "Sydney 1"),
];

impl Size {
    pub(crate) fn find(slug: &str) -> Option<&'static Self> {
        SIZES.iter().find(|size| size.slug == slug)
    }

    pub(crate) fn is_in(&self, region: &str) -> bool {
        match self.regions {
            Offer::Everywhere => true,
            Offer::Only(regions) => regions.contains(&region),
        }
    }

    /// Whether this is a GPU size, whose droplets are listed only on request.
    pub(crate) fn is_gpu(&self) -> bool {
        self.gpu.is_some()
    }

    /// The API's object; `sold_out` removes regions as `size@region`.
    pub(crate) fn to_json(&self, sold_out: &[String]) -> Value {
        let regions: Vec<&str> = REGIONS
            .iter()
            .map(|region| region.slug)
            .filter(|region| self.is_in(region) && !is_sold_out(sold_out, self.slug, region))
            .collect();
        let mut size = json!({
            "slug": self.slug,
            "memory": self.memory,
            "vcpus": self.vcpus,
            "disk": self.disk,
            "transfer": f64::from(self.transfer),
            // Widened single precision, as the vendor sends it: 0.00892999954521656.
            "price_monthly": f64::from(self.price_monthly),
            "price_hourly": f64::from(self.price_hourly),
            "available": !regions.is_empty(),
            "regions": regions,
            "description": self.description,
            "disk_info": self.disk_info(self.disk),
        });
        if let Some(gpu) = self.gpu {
            size["gpu_info"] = gpu.to_json();
        }
        size
    }

    /// The disks of a droplet of this size whose own disk has this many GB.
    pub(crate) fn disk_info(&self, disk: u32) -> Value {
        let gib = |kind: &str, amount: u32| json!({"type": kind, "size": {"amount": amount, "unit": "gib"}});
        let scratch = self.gpu.map(|gpu| gib("scratch", gpu.scratch_gib));
        std::iter::once(gib("local", disk)).chain(scratch).collect()
    }

    pub(crate) fn gpu(&self) -> Option<Gpu> {
        self.gpu
    }
}

impl Gpu {
    pub(crate) fn to_json(self) -> Value {
        json!({
            "count": self.count,
            "model": self.model,
            "vram": {"amount": self.vram_gib, "unit": "gib"},
        })
    }
}

impl Region {
    pub(crate) fn find(slug: &str) -> Option<&'static Self> {
        REGIONS.iter().find(|region| region.slug == slug)
    }

    /// The region's index in the table, which numbers its private network.
    pub(crate) fn index(&self) -> u8 {
        let at = REGIONS
            .iter()
            .position(|region| region.slug == self.slug)
            .unwrap_or(0);
        u8::try_from(at).unwrap_or(0)
    }

    /// The API's object; `closed` regions are shown as not available.
    pub(crate) fn to_json(&self, closed: &[String], sold_out: &[String]) -> Value {
        let sizes: Vec<&str> = SIZES
            .iter()
            .filter(|size| size.is_in(self.slug) && !is_sold_out(sold_out, size.slug, self.slug))
            .map(|size| size.slug)
            .collect();
        json!({
            "name": self.name,
            "slug": self.slug,
            "features": ["backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"],
            "available": !closed.iter().any(|slug| slug == self.slug),
            "sizes": sizes,
        })
    }
}

/// Whether `sold_out` contains this size in this region.
pub(crate) fn is_sold_out(sold_out: &[String], size: &str, region: &str) -> bool {
    sold_out
        .iter()
        .any(|entry| entry.split_once('@') == Some((size, region)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_of_a_size_exists_and_lists_it() {
        for size in &SIZES {
            let value = size.to_json(&[]);
            for slug in value["regions"].as_array().unwrap() {
                let region = Region::find(slug.as_str().unwrap()).unwrap();
                let sizes = region.to_json(&[], &[])["sizes"].clone();
                assert!(sizes.as_array().unwrap().contains(&json!(size.slug)));
            }
            if let Offer::Only(regions) = size.regions {
                assert_eq!(value["regions"].as_array().unwrap().len(), regions.len());
            }
        }
    }

    #[test]
    fn a_sold_out_size_leaves_its_region_only() {
        let sold_out = ["s-1vcpu-1gb@nyc3".to_owned()];
        let value = Size::find("s-1vcpu-1gb").unwrap().to_json(&sold_out);
        let regions = value["regions"].as_array().unwrap();
        assert_eq!(regions.len(), REGIONS.len() - 1);
        assert!(!regions.contains(&json!("nyc3")));
    }
}
